//! Pure: an offer becomes exactly what gets signed. One file per scheme.
//!
//! Nothing here is a digest somebody else made: the signer takes an [`Authorization`], and whoever wants to know what
//! was signed rebuilds it from the same fields. What the rest of the house asks of one is its [`Facts`].

mod eip3009;
mod erc20_approval;
mod ground;
mod permit2;
mod rlp;
mod signature;
mod solana;
mod tempo;

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

pub use self::eip3009::Eip3009;
pub use self::erc20_approval::Erc20Approval;
pub use self::ground::{Fact, Ground, Known, Need, RecentBlock};
pub use self::permit2::{Allowance, PERMIT2, Permit2, allowance_of};
pub use self::signature::{NotASignature, Signature, Signatures, address_of};
pub use self::solana::{BLOCKHASH_BLOCKS, PROGRAMS, SolanaKey, SolanaTransfer, TokenProgram, token_account};
pub use self::tempo::Tempo;
use crate::limits;
use crate::money::{Account, Amount, Network, Rail};
use crate::offer::{self, Offer, Paid, Scheme};
use crate::reason::{Reason, Who};
use crate::time::Time;

/// The 32 bytes that name one authorization on its rail for ever.
pub type Handle = B256;

/// What was signed, as a document of its scheme. It is stored, read back, and compared before it is presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase")]
pub enum Authorization {
    /// EIP-3009 `TransferWithAuthorization`.
    Eip3009(Eip3009),
    /// Permit2 `PermitWitnessTransferFrom`, of all of it or of a part.
    Permit2(Permit2),
    /// A chain transaction of Tempo's, with one transfer in it.
    Tempo(Tempo),
    /// Our half of a chain transaction of Solana's, with one transfer in it.
    Solana(SolanaTransfer),
}

/// What every authorization has, whatever its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In which asset.
    pub asset: Account,
    /// Who pays.
    pub from: Account,
    /// Who is paid.
    pub to: Account,
    /// The most it can take, in atomic units.
    pub most: Amount,
    /// Less than that may be taken, as the seller likes.
    pub is_ceiling: bool,
    /// Its name on its rail.
    pub handle: Handle,
    /// From when on nobody can use it.
    pub ends: Ends,
}

/// When an authorization ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// At a time of the chain's.
    At(Time),
    /// With a block: no higher one takes it.
    AtHeight {
        /// The last one that may.
        last: u64,
        /// When that is about, for people.
        about: Time,
    },
}

/// What is to be signed, and by which kind of key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A digest, by a key of an EVM chain.
    Evm(B256),
    /// A chain transaction's message, by a key of Solana's.
    Solana(Vec<u8>),
}

/// Why an offer cannot be signed for, although it was listed as payable.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotDraft {
    #[error("the seller leaves too little time for a payment to arrive")]
    WindowTooShort,
    #[error("the payee is this wallet itself")]
    PaysItself,
    #[error("the offer is not on a chain that this wallet's key signs for")]
    NotEvm,
    #[error("this wallet has no key for Solana; its owner can make one: bursar wallet create --rail solana")]
    NoSolanaKey,
    #[error("this wallet has no key for EVM chains; its owner can make one: bursar wallet create --rail evm")]
    NoEvmKey,
    #[error(
        "the seller names this wallet itself as the one who pays the chain: whoever holds the payment could spend from it"
    )]
    OursPaysTheChain,
    #[error("two of the accounts in the payment are the same one, so it would mean something else than it says")]
    AccountsCoincide,
    #[error("the payee is a program, an asset or an account of an asset's on Solana, which nobody can spend from")]
    PayeeIsProgram,
    #[error(
        "the seller names as the one who pays the chain what nobody has a key of: such a payment could never be taken"
    )]
    NobodyPaysTheChain,
    #[error("no node of Solana's tells a recent block, and the seller names none, so nothing can be signed that ends")]
    BlockUnknown,
    #[error("the clock of this machine is wrong")]
    ClockWrong,
    #[error("how much Permit2 may move of this asset could not be read from its chain")]
    AllowanceUnknown,
    #[error(
        "the seller is paid by Permit2, which may not move so much of this asset out of this wallet; the owner can \
         allow it an amount: bursar wallet allow-permit2"
    )]
    NoAllowance,
    #[error("the chain's fees are higher now than bursar pays for a payment")]
    FeeTooHigh,
}

impl Authorization {
    /// What would be signed for an offer now. What makes it usable once comes from outside: it is recorded before it is
    /// used.
    pub fn draft(
        offer: &Offer,
        from: &Account,
        now: Time,
        random: [u8; 32],
        ground: &Ground,
    ) -> Result<Authorization, CannotDraft> {
        has_key(offer, from)?;
        if offer.payee == *from {
            return Err(CannotDraft::PaysItself);
        }
        match &offer.scheme {
            Scheme::Eip3009 => Eip3009::draft(offer, from, now, random).map(Authorization::Eip3009),
            Scheme::Permit2 => Permit2::draft(offer, None, from, now, random, ground).map(Authorization::Permit2),
            Scheme::Upto(facilitator) => {
                Permit2::draft(offer, Some(facilitator), from, now, random, ground).map(Authorization::Permit2)
            }
            Scheme::Tempo(fee) => Tempo::draft(offer, *fee, from, now, random, ground).map(Authorization::Tempo),
            Scheme::Solana(terms) => {
                SolanaTransfer::draft(offer, terms, from, now, random, ground).map(Authorization::Solana)
            }
        }
    }

    /// Whether an offer could be signed for, as far as the ground goes.
    pub fn stands(offer: &Offer, from: &Account, now: Time, ground: &Ground) -> Result<(), CannotDraft> {
        has_key(offer, from)?;
        match &offer.scheme {
            Scheme::Eip3009 => Ok(()),
            Scheme::Permit2 | Scheme::Upto(_) => Permit2::stands(offer, from, ground),
            Scheme::Tempo(_) => Tempo::stands(offer, ground),
            Scheme::Solana(terms) => SolanaTransfer::stands(offer, terms, from, now, ground),
        }
    }

    /// What must be known of the chain before an offer is signed for. For a key that is not there, nothing.
    pub fn needs(offer: &Offer, from: &Account) -> Vec<Need> {
        if has_key(offer, from).is_err() {
            return Vec::new();
        }
        match &offer.scheme {
            Scheme::Eip3009 => Vec::new(),
            Scheme::Permit2 | Scheme::Upto(_) => Permit2::needs(offer, from),
            Scheme::Tempo(_) => Tempo::needs(offer),
            Scheme::Solana(_) => vec![Need::young(offer.network())],
        }
    }

    /// What may have to be known of a network, whatever is offered there, and grows old quickly.
    pub fn needs_beside(network: &Network) -> Option<Need> {
        match network.rail()? {
            Rail::Evm => None,
            Rail::Solana => Some(Need::young(network)),
        }
    }

    /// What it says, in the words that all schemes share.
    pub fn facts(&self) -> Facts {
        match self {
            Authorization::Eip3009(signed) => signed.facts(),
            Authorization::Permit2(signed) => signed.facts(),
            Authorization::Tempo(signed) => signed.facts(),
            Authorization::Solana(signed) => signed.facts(),
        }
    }

    /// What is signed, rebuilt from the fields each time: the authorization, and then whatever goes with it.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Authorization::Eip3009(signed) => vec![Message::Evm(signed.digest())],
            Authorization::Permit2(signed) => signed.messages(),
            Authorization::Tempo(signed) => vec![Message::Evm(signed.digest())],
            Authorization::Solana(signed) => vec![Message::Solana(signed.message())],
        }
    }

    /// Whether each of these very messages was signed by whoever pays.
    pub fn is_signed(&self, signatures: &Signatures) -> bool {
        let (messages, from) = (self.messages(), self.facts().from);
        let is_by_payer = |(message, signature): (&Message, &Signature)| match message {
            Message::Evm(digest) => {
                signature.recovers(*digest).is_some_and(|signer: Address| Some(signer) == from.as_evm())
            }
            Message::Solana(message) => from.as_solana().is_some_and(|key| signature.is_of(&key, message)),
        };
        messages.len() == signatures.0.len() && messages.iter().zip(&signatures.0).all(is_by_payer)
    }

    /// Name and value of the header that pays an offer with it. `id` goes to sellers that know purchases by an id: the same
    /// one for every showing of one purchase.
    pub fn payment_header(&self, offer: &Offer, signatures: &Signatures, id: Option<&str>) -> (String, String) {
        let (payload, extension) = (self.payload(signatures), self.x402_extension(signatures));
        let extension = extension.as_ref().map(|(name, members)| (*name, members.as_str()));
        offer::payment_header(offer, &Paid { payload: &payload, payer: &self.facts().from, id, extension })
    }

    /// How its dialect writes what was signed: the `payload` of a payment. What x402 has, MPP makes its own of.
    fn payload(&self, signatures: &Signatures) -> String {
        match self {
            Authorization::Eip3009(signed) => signed.x402_payload(signatures),
            Authorization::Permit2(signed) => signed.x402_payload(signatures),
            Authorization::Tempo(signed) => signed.payload(signatures),
            Authorization::Solana(signed) => signed.x402_payload(signatures),
        }
    }

    /// What goes into an extension of x402 beside it: the extension's name, and what its `info` is to say.
    fn x402_extension(&self, signatures: &Signatures) -> Option<(&'static str, String)> {
        match self {
            Authorization::Eip3009(_) | Authorization::Tempo(_) | Authorization::Solana(_) => None,
            Authorization::Permit2(signed) => signed.x402_extension(signatures),
        }
    }
}

impl Ends {
    /// When; by a block's height, about when.
    pub fn time(self) -> Time {
        match self {
            Ends::At(time) | Ends::AtHeight { about: time, .. } => time,
        }
    }

    /// The same in seconds since 1970.
    pub fn secs(self) -> u64 {
        u64::try_from(self.time().secs()).unwrap_or_default()
    }
}

/// Nobody's account stands for a key that is not there.
fn has_key(offer: &Offer, from: &Account) -> Result<(), CannotDraft> {
    match (from.is_nobodys(), offer.network().rail()) {
        (false, _) => Ok(()),
        (true, Some(Rail::Solana)) => Err(CannotDraft::NoSolanaKey),
        (true, Some(Rail::Evm) | None) => Err(CannotDraft::NoEvmKey),
    }
}

/// As long as the seller asks, and never of use to anyone for longer than [`limits::WINDOW_ENDS_WITHIN`].
fn window(asked_secs: u64, now: Time) -> Result<(u64, u64), CannotDraft> {
    if asked_secs < limits::WINDOW_AT_LEAST.as_secs() {
        return Err(CannotDraft::WindowTooShort);
    }
    let now = u64::try_from(now.secs()).map_err(|_| CannotDraft::ClockWrong)?;
    let before = now.checked_sub(limits::WINDOW_STARTS_BEFORE.as_secs()).ok_or(CannotDraft::ClockWrong)?;
    let length = asked_secs.min(limits::WINDOW_ENDS_WITHIN.as_secs());
    Ok((before, now.saturating_add(length)))
}

impl CannotDraft {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            CannotDraft::WindowTooShort => "window_too_short",
            CannotDraft::PaysItself => "bad_payee",
            CannotDraft::NotEvm => "network_not_supported",
            CannotDraft::NoSolanaKey | CannotDraft::NoEvmKey => "no_key_for_rail",
            CannotDraft::OursPaysTheChain | CannotDraft::NobodyPaysTheChain => "bad_fee_payer",
            CannotDraft::AccountsCoincide => "accounts_coincide",
            CannotDraft::PayeeIsProgram => "bad_payee",
            CannotDraft::BlockUnknown => "blockhash_unknown",
            CannotDraft::ClockWrong => "clock_skew",
            CannotDraft::AllowanceUnknown => "permit2_allowance_unknown",
            CannotDraft::NoAllowance => "permit2_allowance_required",
            CannotDraft::FeeTooHigh => "chain_fee_too_high",
        }
    }
}

impl From<CannotDraft> for Reason {
    fn from(cannot: CannotDraft) -> Reason {
        let who = match cannot {
            CannotDraft::ClockWrong | CannotDraft::NoAllowance | CannotDraft::NoSolanaKey | CannotDraft::NoEvmKey => {
                Who::Owner
            }
            CannotDraft::AllowanceUnknown | CannotDraft::FeeTooHigh | CannotDraft::BlockUnknown => Who::Time,
            CannotDraft::WindowTooShort
            | CannotDraft::PaysItself
            | CannotDraft::NotEvm
            | CannotDraft::OursPaysTheChain
            | CannotDraft::NobodyPaysTheChain
            | CannotDraft::AccountsCoincide
            | CannotDraft::PayeeIsProgram => Who::Agent,
        };
        Reason::new(cannot.code(), "offer", cannot.to_string(), who)
    }
}
