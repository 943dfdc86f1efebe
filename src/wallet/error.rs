//! What can go wrong between a wallet and its key: one variant per cause, and each text says what to do.
//!
//! No variant carries anything a store answered with but its own words about the failure: a key never gets in here.

use std::path::PathBuf;

use crate::money::{KeyAddress, Rail};

#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    #[error(
        "the system keyring is locked, or has no default collection: nothing was signed and no money moved; unlock it \
         (by logging in to the desktop, or in its own application), then try again"
    )]
    KeyringLocked,
    #[error(
        "the system keyring cannot be reached ({cause}): nothing was signed and no money moved; start it, or keep the \
         key in an encrypted file (`bursar wallet create --store file`)"
    )]
    KeyringAbsent { cause: String },
    #[error(
        "the system keyring did not answer within {seconds} s: nothing was signed and no money moved; it may be \
         waiting behind a prompt for its password: answer that, then try again"
    )]
    KeyringSlow { seconds: u64 },
    #[error(
        "the system keyring has more than one entry for {address}: nothing was signed and no money moved; delete the \
         ones that are not bursar's in the keyring's own application"
    )]
    KeyringAmbiguous { address: KeyAddress },
    #[error("the system keyring refused ({cause}): nothing was signed and no money moved; see its own application")]
    KeyringRefused { cause: String },
    #[error(
        "there is no key for {address} in {place}: nothing was signed and no money moved, and no new key was made; \
         bring it back with `bursar wallet import`, or correct the address in config.toml"
    )]
    NoKey { address: KeyAddress, place: String },
    #[error(
        "the key that was found belongs to {found}, and config.toml names {expected}: nothing was signed and no money \
         moved; correct the address in config.toml, or import the right key"
    )]
    WrongKey { expected: KeyAddress, found: KeyAddress },
    #[error(
        "what is kept for {address} in {place} is not a key: nothing was signed and no money moved; remove it and \
         import the key again"
    )]
    KeyDamaged { address: KeyAddress, place: String },
    #[error(
        "the passphrase does not open {} (or the file was changed): nothing was signed and no money moved; try again \
         with the right one",
        .path.display()
    )]
    WrongPassphrase { path: PathBuf },
    #[error(
        "there is no passphrase for {} (asked: {asked}): nothing was signed and no money moved; put it into a file \
         only you can read and name that in BURSAR_PASSPHRASE_FILE",
        .path.display()
    )]
    NoPassphrase { path: PathBuf, asked: String },
    #[error(
        "what tells the owner's passphrase is damaged ({cause}): nothing was changed; bring owner.json back from a copy"
    )]
    VerifierDamaged { cause: String },
    #[error("the two passphrases differ: nothing was written; try again")]
    PassphrasesDiffer,
    #[error(
        "{} is damaged ({cause}): nothing was signed and no money moved; restore it from a copy, or import the key \
         again",
        .path.display()
    )]
    KeyfileDamaged { path: PathBuf, cause: String },
    #[error(
        "{} could not be read or written ({cause}): nothing was signed and no money moved; see that its directory is \
         yours and has room",
        .path.display()
    )]
    KeyfileInaccessible { path: PathBuf, cause: String },
    #[error(
        "{} was not opened within {seconds} s: nothing was signed and no money moved; see whether the disk or the \
         source of the passphrase hangs",
        .path.display()
    )]
    KeyfileSlow { path: PathBuf, seconds: u64 },
    #[error("there is already a key, for {address}, in {place}: nothing was changed; export and remove that one first")]
    AlreadyThere { address: KeyAddress, place: String },
    #[error(
        "that is not a private key: 64 hex digits, with or without 0x, within the curve's range; or for Solana 64 bytes, \
         in base58 or as a list of numbers"
    )]
    NotAKey,
    #[error(
        "this wallet has no key for {}: nothing was signed and no money moved; its owner makes one with `bursar wallet \
         create --rail {}`",
        .rail.title(), .rail.word()
    )]
    NoKeyFor { rail: Rail },
    #[error(
        "these are the bytes of the key of {address}: one number is never a key on two kinds of chains, where each would \
         tell the other; nothing was changed"
    )]
    SameBytes { address: KeyAddress },
    #[error("this authorization is not from {ours}: nothing was signed and no money moved; this is a fault of bursar")]
    NotOurs { ours: KeyAddress },
    #[error("the signature did not prove to be ours: it was dropped, and no money moved; this is a fault of bursar")]
    BadSignature,
    #[error(
        "what is kept beside the key about the ledger was changed by someone else: nothing was signed and no money \
         moved; see that the ledger is yours, then run `bursar ledger adopt`"
    )]
    AnchorDamaged,
    #[error(
        "this key was last used with another ledger: nothing was signed and no money moved; bring that one back, or \
         run `bursar ledger adopt`"
    )]
    OtherLedger,
    #[error("the system gave no randomness: nothing was made or signed, and no money moved")]
    NoRandomness,
    #[error("reading the key broke off without an answer: nothing was signed and no money moved; try again")]
    BrokeOff,
}

impl WalletError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            WalletError::KeyringLocked => "keyring_locked",
            WalletError::KeyringAbsent { .. } => "keyring_absent",
            WalletError::KeyringSlow { .. } => "keyring_slow",
            WalletError::KeyringAmbiguous { .. } => "keyring_ambiguous",
            WalletError::KeyringRefused { .. } => "keyring_refused",
            WalletError::NoKey { .. } => "no_key",
            WalletError::WrongKey { .. } => "wrong_key",
            WalletError::KeyDamaged { .. } => "key_damaged",
            WalletError::WrongPassphrase { .. } => "wrong_passphrase",
            WalletError::NoPassphrase { .. } => "no_passphrase",
            WalletError::VerifierDamaged { .. } => "verifier_damaged",
            WalletError::PassphrasesDiffer => "passphrases_differ",
            WalletError::KeyfileDamaged { .. } => "keyfile_damaged",
            WalletError::KeyfileInaccessible { .. } => "keyfile_inaccessible",
            WalletError::KeyfileSlow { .. } => "keyfile_slow",
            WalletError::AlreadyThere { .. } => "key_already_there",
            WalletError::NotAKey => "not_a_key",
            WalletError::NoKeyFor { .. } => "no_key_for_rail",
            WalletError::SameBytes { .. } => "key_used_twice",
            WalletError::NotOurs { .. } => "not_our_authorization",
            WalletError::BadSignature => "bad_signature",
            WalletError::AnchorDamaged => "anchor_damaged",
            WalletError::OtherLedger => "other_ledger",
            WalletError::NoRandomness => "no_randomness",
            WalletError::BrokeOff => "key_store_broke_off",
        }
    }
}
