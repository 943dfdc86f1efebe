//! A private key of Solana's in memory. Like the other kind it signs typed authorizations and nothing else; its bytes are
//! zeroized when it is dropped.

use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use super::WalletError;
use crate::authorization::{Authorization, Message, Signature, Signatures};
use crate::money::KeyAddress;

/// A private key for Solana. It leaves this room only as signatures.
pub struct Ed25519Key {
    /// Boxed, so that moving it leaves no copy of it behind.
    signing: Box<SigningKey>,
}

impl Ed25519Key {
    /// The address it signs for.
    pub fn address(&self) -> KeyAddress {
        KeyAddress::Solana(self.signing.verifying_key().to_bytes())
    }

    /// Signs what is rebuilt from the fields of a typed authorization, from this very address, and makes sure that the
    /// result is this key's.
    pub fn sign(&self, authorization: &Authorization) -> Result<Signatures, WalletError> {
        let ours = self.address();
        let sign = |message: &Message| match message {
            Message::Solana(message) => Ok(Signature::Ed25519(self.signing.sign(message).to_bytes())),
            Message::Evm(_) => Err(WalletError::NotOurs { ours }),
        };
        let from = &authorization.facts().from;
        if ours.on(from.network()).as_ref() != Some(from) {
            return Err(WalletError::NotOurs { ours });
        }
        let signatures = authorization.messages().iter().map(sign).collect::<Result<_, _>>().map(Signatures)?;
        match authorization.is_signed(&signatures) {
            true => Ok(signatures),
            false => Err(WalletError::BadSignature),
        }
    }

    pub(super) fn random() -> Result<Ed25519Key, WalletError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| WalletError::NoRandomness)?;
        Ok(Ed25519Key::of_seed(&seed))
    }

    fn of_seed(seed: &[u8; 32]) -> Ed25519Key {
        Ed25519Key { signing: Box::new(SigningKey::from_bytes(seed)) }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Ed25519Key> {
        bytes.try_into().ok().map(Ed25519Key::of_seed)
    }

    /// The seed and the address behind it, as wallets of Solana's hand a key over. The two must belong together.
    pub(super) fn from_pair(pair: &[u8]) -> Option<Ed25519Key> {
        let (seed, address) = pair.split_at_checked(32)?;
        let key = Ed25519Key::from_bytes(seed)?;
        (key.address().bytes() == address).then_some(key)
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// In base58, as it is taken in elsewhere.
    pub(super) fn to_base58(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(self.signing.to_keypair_bytes());
        Zeroizing::new(bs58::encode(pair.as_slice()).into_string())
    }
}
