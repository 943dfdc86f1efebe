//! A transfer of one asset on Solana, as x402 has it: our half of a chain transaction that somebody else completes and pays
//! for. Its message is built from fixed parts: nothing of it comes from the seller but whom it pays, how much, by whom it
//! is completed, and a memo.

use std::cell::RefCell;
use std::fmt;

use alloy_primitives::{B256, U256, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{CannotDraft, Ends, Facts, Ground, Signatures};
use crate::limits;
use crate::money::{Account, Amount, Network, TransferMethod, solana_key};
use crate::offer::{Offer, SolanaTerms};
use crate::time::Time;

/// An account or a program of Solana's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SolanaKey(pub [u8; 32]);

/// Which program moves an asset. It is part of where an asset is kept, and so of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenProgram {
    /// The first one.
    Spl,
    /// The one that has extensions.
    Token2022,
}

/// The transfer, and what makes it this one and no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SolanaTransfer {
    /// On which cluster. Nothing that is signed says so but `blockhash`.
    pub network: Network,
    /// The asset.
    pub mint: SolanaKey,
    /// Whose asset it is to move.
    pub program: TokenProgram,
    /// How many decimals one unit has, as the chain holds it against its own record.
    pub decimals: u8,
    /// Who pays.
    pub from: SolanaKey,
    /// Who is paid.
    pub to: SolanaKey,
    /// How much, in atomic units.
    pub value: u64,
    /// Who completes it, and pays the chain.
    pub fee_payer: SolanaKey,
    /// What is written beside it, for ever and for everybody.
    pub memo: String,
    /// How much work the chain may have with it.
    pub compute_units: u32,
    /// What each unit of that may cost, in millionths of the chain's smallest unit.
    pub unit_price: u64,
    /// The block by which its cluster and its age are known.
    pub blockhash: SolanaKey,
    /// No earlier block holds it, in seconds since 1970.
    pub since: u64,
    /// No block above this height takes it.
    pub last_height: u64,
    /// About when that is, in seconds since 1970.
    pub about: u64,
}

const COMPUTE_BUDGET: SolanaKey = key("ComputeBudget111111111111111111111111111111");
const MEMO: SolanaKey = key("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");
const SPL: SolanaKey = key("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const TOKEN_2022: SolanaKey = key("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
const ASSOCIATED: SolanaKey = key("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/// Programs of the chain and of its assets: nobody is paid there.
pub const PROGRAMS: [SolanaKey; 6] = [COMPUTE_BUDGET, MEMO, SPL, TOKEN_2022, ASSOCIATED, SolanaKey([0; 32])];

const fn key(base58: &str) -> SolanaKey {
    SolanaKey(bs58::decode(base58.as_bytes()).into_array_const_unwrap::<32>())
}

impl TokenProgram {
    /// The one that moves an asset this way; none for what is of other chains.
    pub fn of(transfer: TransferMethod) -> Option<TokenProgram> {
        match transfer {
            TransferMethod::Spl => Some(TokenProgram::Spl),
            TransferMethod::Token2022 => Some(TokenProgram::Token2022),
            TransferMethod::Eip3009 | TransferMethod::Permit2 | TransferMethod::Tip20 => None,
        }
    }

    /// Where it is.
    pub const fn key(self) -> SolanaKey {
        match self {
            TokenProgram::Spl => SPL,
            TokenProgram::Token2022 => TOKEN_2022,
        }
    }
}

/// Where an owner's units of an asset are kept: the address that nobody has a key of, derived from whose they are and what
/// they are. A payment asks for the same two dozens of times.
pub fn token_account(owner: SolanaKey, program: TokenProgram, mint: SolanaKey) -> SolanaKey {
    const KEPT: usize = 8;
    type Lately = [Option<((SolanaKey, TokenProgram, SolanaKey), SolanaKey)>; KEPT];
    thread_local! {
        static LATELY: RefCell<(Lately, usize)> = const { RefCell::new(([None; KEPT], 0)) };
    }
    let wanted = (owner, program, mint);
    LATELY.with_borrow_mut(|(lately, next)| {
        if let Some((_, known)) = lately.iter().flatten().find(|(of, _)| *of == wanted) {
            return *known;
        }
        let found = derived(owner, program, mint);
        lately[*next % KEPT] = Some((wanted, found));
        *next = (*next + 1) % KEPT;
        found
    })
}

fn derived(owner: SolanaKey, program: TokenProgram, mint: SolanaKey) -> SolanaKey {
    let derived = |bump: u8| {
        let mut hash = Sha256::new();
        for part in [&owner.0[..], &program.key().0, &mint.0, &[bump], &ASSOCIATED.0, b"ProgramDerivedAddress"] {
            hash.update(part);
        }
        SolanaKey(hash.finalize().into())
    };
    // The first that is on no curve, as the chain looks for it. That there is none would take 2^256 tries.
    (0..=255).rev().map(derived).find(|found| VerifyingKey::from_bytes(&found.0).is_err()).unwrap_or_else(|| derived(0))
}

/// What a payment costs the chain, and what its fee payer pays for that. With a memo of ours both are what everybody asks
/// for.
const USUAL_UNITS: u32 = 20_000;
const USUAL_PRICE: u64 = 1;
/// So many of what prices count by are the chain's smallest unit, up to which a price is rounded.
const OF_THE_SMALLEST: u64 = 1_000_000;
/// So much fewer units are asked for at the most, where something has to be another one.
const UNITS_VARIED: u32 = 1_024;
/// More than this some of those who complete payments refuse.
const MOST_UNITS: u32 = 90_000;
/// In steps of this.
const UNITS_STEP: u32 = 5_000;

impl SolanaTransfer {
    /// What would be signed for an offer now.
    pub fn draft(
        offer: &Offer,
        terms: &SolanaTerms,
        from: &Account,
        now: Time,
        random: [u8; 32],
        ground: &Ground,
    ) -> Result<SolanaTransfer, CannotDraft> {
        let named = NamedBlock::of(offer, terms, now, ground)?;
        let value = u64::try_from(offer.amount.0).map_err(|_| CannotDraft::NotEvm)?;
        let program = TokenProgram::of(offer.asset.transfer).ok_or(CannotDraft::NotEvm)?;
        let memo = terms.memo.clone().unwrap_or_else(|| hex::encode(&random[..16]));
        let (needed, units) = units(program, memo.len());
        // Two payments with one memo of a seller's would be one and the same: something else tells them apart, at no cost.
        let (fewer, price) = match terms.memo.is_some() {
            true => {
                let spare = (units.saturating_sub(needed) + 1).min(UNITS_VARIED);
                let [a, b, c, d] = [random[16], random[17], random[18], random[19]];
                (
                    u32::from(u16::from_be_bytes([a, b])) % spare,
                    1 + u64::from(u16::from_be_bytes([c, d])) % (OF_THE_SMALLEST / u64::from(units)),
                )
            }
            false => (0, USUAL_PRICE),
        };
        let drafted = SolanaTransfer {
            network: offer.network().clone(),
            mint: solana(&offer.asset.account)?,
            program,
            decimals: offer.asset.decimals,
            from: solana(from)?,
            to: solana(&offer.payee)?,
            value,
            fee_payer: solana(&terms.fee_payer)?,
            memo,
            compute_units: units - fewer,
            unit_price: price,
            blockhash: named.hash,
            since: named.since,
            last_height: named.last_height,
            about: named.about,
        };
        drafted.is_to_be_signed().map(|()| drafted)
    }

    /// Whether it could be signed for: a block is known, and no account in it is another one.
    pub fn stands(
        offer: &Offer,
        terms: &SolanaTerms,
        from: &Account,
        now: Time,
        ground: &Ground,
    ) -> Result<(), CannotDraft> {
        SolanaTransfer::draft(offer, terms, from, now, [0; 32], ground).map(drop)
    }

    fn is_to_be_signed(&self) -> Result<(), CannotDraft> {
        if self.fee_payer == self.from {
            return Err(CannotDraft::OursPaysTheChain);
        }
        if self.to == self.from {
            return Err(CannotDraft::PaysItself);
        }
        if PROGRAMS.contains(&self.to) || self.to == self.mint || self.to == self.source() {
            return Err(CannotDraft::PayeeIsProgram);
        }
        if !self.is_sound() {
            return Err(CannotDraft::AccountsCoincide);
        }
        // Whoever completes it has to sign: what is on no curve has no key.
        match PROGRAMS.contains(&self.fee_payer) || VerifyingKey::from_bytes(&self.fee_payer.0).is_err() {
            true => Err(CannotDraft::NobodyPaysTheChain),
            false => Ok(()),
        }
    }

    /// Where the money comes from.
    pub fn source(&self) -> SolanaKey {
        token_account(self.from, self.program, self.mint)
    }

    /// Where it goes.
    pub fn destination(&self) -> SolanaKey {
        token_account(self.to, self.program, self.mint)
    }

    pub(super) fn facts(&self) -> Facts {
        let account = |key: SolanaKey| Account::solana(&self.network, key.0);
        Facts {
            asset: account(self.mint),
            from: account(self.from),
            to: account(self.to),
            most: Amount(U256::from(self.value)),
            is_ceiling: false,
            handle: self.handle(),
            ends: Ends::AtHeight {
                last: self.last_height,
                about: Time::from_secs(i64::try_from(self.about).unwrap_or(i64::MAX)),
            },
        }
    }

    /// The same message is never taken twice, whoever completes it: its hash is the payment's name.
    fn handle(&self) -> B256 {
        B256::from_slice(&Sha256::digest(self.message()))
    }

    /// What is signed, rebuilt from the fields each time.
    pub fn message(&self) -> Vec<u8> {
        // Version 0; two signers, of whom the second only reads, and four that nobody signs for and nobody writes to.
        let mut message = vec![0x80, 2, 1, 4];
        let keys = self.keys();
        list(&mut message, keys.iter().map(|key| key.0.to_vec()));
        message.extend(self.blockhash.0);
        let at = |key: SolanaKey| keys.iter().position(|known| *known == key).unwrap_or_default() as u8;
        let budget = at(COMPUTE_BUDGET);
        let moved = [self.source(), self.mint, self.destination(), self.from].map(at);
        let instructions = [
            (budget, vec![], [&[2][..], &self.compute_units.to_le_bytes()].concat()),
            (budget, vec![], [&[3][..], &self.unit_price.to_le_bytes()].concat()),
            (at(self.program.key()), moved.to_vec(), [&[12][..], &self.value.to_le_bytes(), &[self.decimals]].concat()),
            (at(MEMO), vec![], self.memo.as_bytes().to_vec()),
        ];
        list(
            &mut message,
            instructions.into_iter().map(|(program, accounts, data)| {
                let mut written = vec![program];
                length(&mut written, accounts.len());
                written.extend(accounts);
                length(&mut written, data.len());
                written.extend(data);
                written
            }),
        );
        // It looks no key up elsewhere.
        length(&mut message, 0);
        message
    }

    /// Who completes it, and who pays; what is written to; what is only read. Within these the order is free, and this is
    /// the one that others write.
    fn keys(&self) -> [SolanaKey; 8] {
        let sorted = |keys: &mut [SolanaKey]| keys.sort_by_cached_key(|key| key.to_string().to_ascii_lowercase());
        let mut written = [self.source(), self.destination()];
        let mut read = [self.mint, COMPUTE_BUDGET, MEMO, self.program.key()];
        sorted(&mut written);
        sorted(&mut read);
        let [one, other] = written;
        let [a, b, c, d] = read;
        [self.fee_payer, self.from, one, other, a, b, c, d]
    }

    /// Whether each of its accounts is another one: where two are the same, what is signed means something else.
    pub fn is_sound(&self) -> bool {
        let keys = self.keys();
        keys.iter().enumerate().all(|(at, key)| !keys[at + 1..].contains(key))
    }

    pub(super) fn x402_payload(&self, signatures: &Signatures) -> String {
        format!(r#"{{"transaction":"{}"}}"#, STANDARD.encode(self.half_signed(signatures)))
    }

    /// With room for the one who completes it.
    fn half_signed(&self, signatures: &Signatures) -> Vec<u8> {
        [&[2][..], &[0; 64], signatures.of_authorization().bytes(), &self.message()].concat()
    }
}

/// The block that is named, and what follows from it.
struct NamedBlock {
    hash: SolanaKey,
    since: u64,
    last_height: u64,
    about: u64,
}

impl NamedBlock {
    /// One that our nodes told lately. A seller's where they tell none now: then the chain may have grown since they did,
    /// as quickly as it can.
    fn of(offer: &Offer, terms: &SolanaTerms, now: Time, ground: &Ground) -> Result<NamedBlock, CannotDraft> {
        let (block, age) = ground.recent_block(offer.network(), now).ok_or(CannotDraft::BlockUnknown)?;
        let hint = || terms.blockhash.as_deref().and_then(solana_key).ok_or(CannotDraft::BlockUnknown);
        let (hash, grown) = match age < limits::BLOCK_IS_YOUNG {
            true => (block.hash, 0),
            false => (hint()?, age.as_millis() / limits::SLOT_AT_LEAST.as_millis()),
        };
        let now_secs = u64::try_from(now.secs()).map_err(|_| CannotDraft::ClockWrong)?;
        let to_spare = limits::BLOCKS_TO_SPARE.saturating_add(u64::try_from(grown).unwrap_or(u64::MAX));
        let lasts = limits::SLOT_AT_MOST * u32::try_from(BLOCKHASH_BLOCKS + to_spare).unwrap_or(u32::MAX);
        Ok(NamedBlock {
            hash: SolanaKey(hash),
            since: now_secs.saturating_sub(limits::LOOKED_FOR_BEFORE.as_secs()),
            last_height: block.last_height.saturating_add(to_spare),
            about: u64::try_from(now.plus(lasts).secs()).map_err(|_| CannotDraft::ClockWrong)?,
        })
    }
}

/// For so many blocks what names one is taken.
pub const BLOCKHASH_BLOCKS: u64 = 150;

fn solana(account: &Account) -> Result<SolanaKey, CannotDraft> {
    account.as_solana().map(SolanaKey).ok_or(CannotDraft::NotEvm)
}

/// Enough for the older of the programs that move assets and write memos, as they were measured; and no more than that, for
/// some who complete payments refuse what asks for much.
fn units(program: TokenProgram, memo_bytes: usize) -> (u32, u32) {
    let moving = match program {
        TokenProgram::Spl => 6_148,
        TokenProgram::Token2022 => 7_544,
    };
    let writing = u32::try_from(memo_bytes).unwrap_or(u32::MAX).saturating_mul(358).saturating_add(1_500);
    let needed = writing.saturating_add(moving + 300);
    (needed, needed.div_ceil(UNITS_STEP).saturating_mul(UNITS_STEP).clamp(USUAL_UNITS, MOST_UNITS))
}

/// As Solana writes how many there are: seven bits a byte, the lowest first.
fn length(out: &mut Vec<u8>, mut count: usize) {
    loop {
        let low = (count & 0x7f) as u8;
        count >>= 7;
        if count == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn list(out: &mut Vec<u8>, entries: impl ExactSizeIterator<Item = Vec<u8>>) {
    length(out, entries.len());
    entries.for_each(|entry| out.extend(entry));
}

impl fmt::Display for SolanaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for SolanaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for SolanaKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SolanaKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<SolanaKey, D::Error> {
        let text = String::deserialize(d)?;
        solana_key(&text).map(SolanaKey).ok_or_else(|| serde::de::Error::custom("not 32 bytes in base58"))
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::Value;

    use super::*;
    use crate::authorization::{Authorization, Fact, Known, RecentBlock, Signature};
    use crate::money::{Assets, Usd};
    use crate::offer::{Carrier, Echo, Scheme};

    /// Made by the reference client, by keys that are good for nothing.
    const VECTORS: &str = include_str!("solana.vectors.json");

    fn seed(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32])
    }

    fn key_of(byte: u8) -> SolanaKey {
        SolanaKey(seed(byte).verifying_key().to_bytes())
    }

    fn vectors() -> Vec<(Value, SolanaTransfer)> {
        let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
        let read = |vector: Value| {
            let field = |name: &str| vector[name].clone();
            let transfer = SolanaTransfer {
                network: serde_json::from_value(field("network")).unwrap(),
                mint: serde_json::from_value(field("mint")).unwrap(),
                program: serde_json::from_value(field("program")).unwrap(),
                decimals: 6,
                from: key_of(1),
                to: key_of(3),
                value: vector["value"].as_u64().unwrap(),
                fee_payer: key_of(2),
                memo: vector["memo"].as_str().unwrap().to_owned(),
                compute_units: 20_000,
                unit_price: 1,
                blockhash: SolanaKey([9; 32]),
                since: 1_799_999_400,
                last_height: 291_470_237,
                about: 1_800_000_060,
            };
            (vector, transfer)
        };
        vectors.into_iter().map(read).collect()
    }

    #[test]
    fn what_is_signed_is_byte_for_byte_what_the_reference_client_signs() {
        for (vector, transfer) in vectors() {
            let name = &vector["name"];
            assert_eq!(transfer.source().to_string(), vector["source"], "{name}");
            assert_eq!(transfer.destination().to_string(), vector["destination"], "{name}");
            assert_eq!(STANDARD.encode(transfer.message()), vector["message"], "{name}");
            assert_eq!(hex::encode(transfer.facts().handle), vector["message_sha256"], "{name}");
            let signature = seed(1).sign(&transfer.message()).to_bytes();
            assert_eq!(hex::encode(signature), vector["signature"], "{name}");
            let payload = transfer.x402_payload(&Signatures(vec![Signature::Ed25519(signature)]));
            let header = STANDARD.decode(vector["value_of_header"].as_str().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&payload).unwrap(), header["payload"], "{name}");
        }
    }

    #[test]
    fn a_signature_over_any_other_field_is_not_the_payers() {
        let (_, good) = vectors().remove(0);
        let signature = seed(1).sign(&good.message()).to_bytes();
        let is_signed = |transfer: SolanaTransfer| {
            Authorization::Solana(transfer).is_signed(&Signatures(vec![Signature::Ed25519(signature)]))
        };
        assert!(is_signed(good.clone()));
        let other = SolanaKey([5; 32]);
        let others = [
            SolanaTransfer { mint: other, ..good.clone() },
            SolanaTransfer { program: TokenProgram::Token2022, ..good.clone() },
            SolanaTransfer { decimals: 7, ..good.clone() },
            SolanaTransfer { from: other, ..good.clone() },
            SolanaTransfer { to: other, ..good.clone() },
            SolanaTransfer { value: 1_001, ..good.clone() },
            SolanaTransfer { fee_payer: other, ..good.clone() },
            SolanaTransfer { memo: "another".to_owned(), ..good.clone() },
            SolanaTransfer { compute_units: 20_001, ..good.clone() },
            SolanaTransfer { unit_price: 2, ..good.clone() },
            SolanaTransfer { blockhash: other, ..good.clone() },
        ];
        for other in others {
            assert!(!is_signed(other.clone()), "{other:?}");
        }
    }

    #[test]
    fn accounts_that_coincide_are_not_sound() {
        let (_, good) = vectors().remove(0);
        assert!(good.is_sound());
        let coincide = [
            SolanaTransfer { fee_payer: good.from, ..good.clone() },
            SolanaTransfer { fee_payer: good.source(), ..good.clone() },
            SolanaTransfer { fee_payer: good.destination(), ..good.clone() },
            SolanaTransfer { fee_payer: good.mint, ..good.clone() },
            SolanaTransfer { fee_payer: MEMO, ..good.clone() },
            SolanaTransfer { to: good.from, ..good.clone() },
            SolanaTransfer { mint: SPL, ..good.clone() },
        ];
        for other in coincide {
            assert!(!other.is_sound(), "{other:?}");
        }
        assert!(SolanaTransfer { fee_payer: good.to, ..good }.is_sound(), "whoever is paid may complete it");
    }

    const HEIGHT: u64 = 1_000;
    const NOW: i64 = 1_800_000_000;

    fn offer(terms: SolanaTerms, transfer: TransferMethod) -> Offer {
        let network = Network::of_v1("solana").unwrap();
        let asset = Assets::default().on(&network).find(|asset| asset.transfer == transfer).unwrap().clone();
        Offer {
            scheme: Scheme::Solana(terms),
            amount: Amount(U256::from(1_000)),
            usd: Usd::micros(1_000),
            payee: Account::solana(&network, key_of(3).0),
            asset,
            window_secs: 60,
            takes_first: false,
            carrier: Carrier::Headers,
            echo: Echo::X402V2 { accepted: "{}".to_owned(), resource: None, extensions: None },
        }
    }

    fn terms() -> SolanaTerms {
        let network = Network::of_v1("solana").unwrap();
        SolanaTerms { fee_payer: Account::solana(&network, key_of(2).0), memo: None, blockhash: None }
    }

    /// A block that was told so many seconds ago.
    fn ground(network: &Network, ago: i64) -> Ground {
        let block = RecentBlock { hash: [9; 32], slot: 1_200, last_height: HEIGHT + BLOCKHASH_BLOCKS };
        [(Fact::RecentBlock(network.clone()), Time::from_secs(NOW - ago), Known::Block(block))].into_iter().collect()
    }

    fn drafted(offer: &Offer, ground: &Ground, random: [u8; 32]) -> Result<SolanaTransfer, CannotDraft> {
        let from = Account::solana(offer.network(), key_of(1).0);
        match Authorization::draft(offer, &from, Time::from_secs(NOW), random, ground)? {
            Authorization::Solana(transfer) => Ok(transfer),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_ends_by_a_height_of_ours_with_some_to_spare() {
        let offer = offer(terms(), TransferMethod::Spl);
        let young = drafted(&offer, &ground(offer.network(), 9), [7; 32]).unwrap();
        assert_eq!((young.blockhash, young.since), (SolanaKey([9; 32]), NOW as u64 - 600));
        assert_eq!(young.last_height, HEIGHT + 150 + 32);
        assert_eq!(young.about, NOW as u64 + 91);
        assert_eq!(drafted(&offer, &ground(offer.network(), 10), [7; 32]), Err(CannotDraft::BlockUnknown));
        assert_eq!(drafted(&offer, &Ground::default(), [7; 32]), Err(CannotDraft::BlockUnknown));
    }

    #[test]
    fn a_sellers_block_is_named_where_ours_is_old_and_ends_by_what_the_chain_can_have_grown() {
        let hint = SolanaKey([8; 32]);
        let offer = offer(SolanaTerms { blockhash: Some(hint.to_string()), ..terms() }, TransferMethod::Spl);
        assert_eq!(drafted(&offer, &ground(offer.network(), 9), [7; 32]).unwrap().blockhash, SolanaKey([9; 32]));
        let old = drafted(&offer, &ground(offer.network(), 60), [7; 32]).unwrap();
        assert_eq!((old.blockhash, old.last_height), (hint, HEIGHT + 150 + 32 + 600));
        assert_eq!(drafted(&offer, &Ground::default(), [7; 32]), Err(CannotDraft::BlockUnknown), "no height of ours");
    }

    #[test]
    fn a_memo_of_ours_is_never_the_same_and_with_a_sellers_something_else_differs_at_no_cost() {
        let of_ours = offer(terms(), TransferMethod::Spl);
        let ground = ground(of_ours.network(), 0);
        let one = drafted(&of_ours, &ground, [1; 32]).unwrap();
        assert_eq!((one.memo.len(), one.compute_units, one.unit_price), (32, 20_000, 1));
        assert_ne!(one.memo, drafted(&of_ours, &ground, [2; 32]).unwrap().memo);
        for bytes in [1, 16, 32, 40, 100, 256] {
            let memo = Some("m".repeat(bytes));
            let of_seller = offer(SolanaTerms { memo: memo.clone(), ..terms() }, TransferMethod::Token2022);
            let (needed, most) = units(TokenProgram::Token2022, bytes);
            for random in (0..=255).step_by(17) {
                let drafted = drafted(&of_seller, &ground, [random; 32]).unwrap();
                assert_eq!(Some(&drafted.memo), memo.as_ref());
                assert!(drafted.compute_units <= most && drafted.compute_units >= needed.min(most), "{bytes}");
                let lamports = (u64::from(drafted.compute_units) * drafted.unit_price).div_ceil(1_000_000);
                assert_eq!(lamports, 1, "{bytes} {random}");
            }
        }
        let seller = |random| {
            let memo = Some("the same".to_owned());
            drafted(&offer(SolanaTerms { memo, ..terms() }, TransferMethod::Spl), &ground, random)
                .unwrap()
                .facts()
                .handle
        };
        assert_ne!(seller([1; 32]), seller([2; 32]));
    }

    #[test]
    fn units_are_enough_for_the_older_programs_and_no_more_than_others_take() {
        for (program, bytes, expected) in [
            (TokenProgram::Spl, 32, 20_000),
            (TokenProgram::Spl, 35, 25_000),
            (TokenProgram::Token2022, 16, 20_000),
            (TokenProgram::Token2022, 32, 25_000),
            (TokenProgram::Spl, 128, 55_000),
            (TokenProgram::Token2022, 256, MOST_UNITS),
        ] {
            assert_eq!(units(program, bytes).1, expected, "{program:?} {bytes}");
        }
    }

    #[test]
    fn every_trap_has_its_reason_before_anything_is_signed() {
        let network = Network::of_v1("solana").unwrap();
        let good = offer(terms(), TransferMethod::Spl);
        let account = |key: SolanaKey| Account::solana(&network, key.0);
        let mint = solana(&good.asset.account).unwrap();
        let kept_in = |owner| account(token_account(owner, TokenProgram::Spl, mint));
        let paid_by = |fee_payer| offer(SolanaTerms { fee_payer, ..terms() }, TransferMethod::Spl);
        let paid_to = |payee| Offer { payee, ..offer(terms(), TransferMethod::Spl) };
        for (trap, expected) in [
            (paid_by(account(key_of(1))), CannotDraft::OursPaysTheChain),
            (paid_by(kept_in(key_of(1))), CannotDraft::AccountsCoincide),
            (paid_by(kept_in(key_of(3))), CannotDraft::AccountsCoincide),
            (paid_by(account(mint)), CannotDraft::AccountsCoincide),
            (paid_by(account(SPL)), CannotDraft::AccountsCoincide),
            (paid_by(account(MEMO)), CannotDraft::AccountsCoincide),
            (paid_to(account(key_of(1))), CannotDraft::PaysItself),
            (paid_to(account(TOKEN_2022)), CannotDraft::PayeeIsProgram),
            (paid_to(account(mint)), CannotDraft::PayeeIsProgram),
            (paid_to(kept_in(key_of(1))), CannotDraft::PayeeIsProgram),
            (paid_by(account(ASSOCIATED)), CannotDraft::NobodyPaysTheChain),
            (paid_by(kept_in(key_of(4))), CannotDraft::NobodyPaysTheChain),
        ] {
            assert_eq!(drafted(&trap, &ground(&network, 0), [7; 32]), Err(expected), "{trap:?}");
            assert!(
                SolanaTransfer::stands(
                    &trap,
                    &terms_of(&trap),
                    &account(key_of(1)),
                    Time::from_secs(NOW),
                    &ground(&network, 0)
                )
                .is_err()
            );
        }
        let nobody = Account::nobody(&network);
        let drafted = Authorization::draft(&good, &nobody, Time::from_secs(NOW), [7; 32], &ground(&network, 0));
        assert_eq!(drafted, Err(CannotDraft::NoSolanaKey));
        assert!(self::drafted(&paid_by(account(key_of(3))), &ground(&network, 0), [7; 32]).is_ok(), "whoever is paid");
    }

    fn terms_of(offer: &Offer) -> SolanaTerms {
        let Scheme::Solana(terms) = &offer.scheme else { panic!("{offer:?}") };
        terms.clone()
    }

    #[test]
    fn it_comes_back_from_a_row_as_it_was() {
        for (_, transfer) in vectors() {
            let row = serde_json::to_string(&Authorization::Solana(transfer.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Authorization>(&row).unwrap(), Authorization::Solana(transfer));
        }
    }

    #[test]
    fn a_long_memo_is_written_with_its_length_in_two_bytes() {
        let (_, good) = vectors().remove(0);
        let short = good.message().len() - good.memo.len();
        for (chars, more) in [(127, 0), (128, 1), (256, 1)] {
            let memo = "m".repeat(chars);
            assert_eq!(SolanaTransfer { memo, ..good.clone() }.message().len(), short + chars + more);
        }
    }
}
