//! Pure: who may be believed about what.
//!
//! A seller's word can say that money moved, never that it did not. A node's word can say both, but only every node
//! together can say "never". Whatever is left in doubt counts as spent.
//!
//! ```text
//! authorized ──┬──> held ──┬──> settled (seller) ──> settled (seen) ──┬──> settled (chain)
//!              │      ^    │                                   │      │
//!              │      └────┼── a reorganisation, a lie ────────┘      │
//!              └───────────┴──────────────────────────────────────────┴──> lapsed
//! ```
//!
//! One node is one witness. What nodes have seen counts at once, and what final blocks prove can not be taken back.

mod eip3009;
mod evidence;
mod evm;
mod permit2;
mod solana;
mod tempo;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::eip3009::use_log as eip3009_use;
pub use self::evidence::{Block, ChainError, Testimony, Transfer, Use};
pub use self::evm::{ChainTx, EventLog, EvmQuestion, LogFilter, UseRecord};
pub use self::solana::{LandedTx, SolanaQuestion};
pub use self::tempo::{is_fee as is_tempo_fee, memo_log as tempo_memo};
use crate::authorization::{Ends, Facts};
use crate::limits;
use crate::time::Time;

/// Where a purchase's money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Signed and recorded; nothing is known to have been presented.
    Authorized,
    /// Presented, outcome unknown.
    Held,
    /// The money moved.
    Settled,
    /// Never used, never usable again.
    Lapsed,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Nobody.
    None,
    /// The seller says so.
    Seller,
    /// Nodes have seen it, in a block that is not final yet.
    Seen,
    /// Final blocks prove it.
    Chain,
}

/// A state with its proof: what a row of the ledger stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Where its money is.
    pub state: State,
    /// Who says so.
    pub proof: Proof,
}

/// What came back when a payment was presented, as far as money is concerned.
#[expect(missing_docs, reason = "the fields are what their names say")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presentation {
    /// No byte of the payment left.
    Nothing,
    /// Some of it may have arrived, and no complete reply came.
    Lost,
    /// A complete reply; `receipt` is its word on success, when it carried one that could be read.
    Reply { status: u16, receipt: Option<bool> },
}

/// Whether money moved, as the agent is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Charged {
    /// No money moved.
    No,
    /// Money moved.
    Yes,
    /// Not known.
    Unknown,
}

/// What a reply to a presented payment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The seller's final answer is in hand, whatever its status.
    pub answered: bool,
    /// Whether money moved.
    pub charged: Charged,
    /// The goods arrived, whole.
    pub delivered: bool,
    /// What the row becomes, unless it stands at something better proven already.
    pub standing: Standing,
}

/// What the nodes of a chain say together about one authorization.
#[expect(missing_docs, reason = "the fields are what their names say")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Used, in a block that is final for every node; with the transfer, where the logs show it.
    SettledByChain { transfer: Option<Transfer> },
    /// Used, as nodes have seen; a reorganisation can take it back.
    SettledAsSeen { transfer: Option<Transfer> },
    /// The logs show another transfer than the one that was signed: alarm.
    Mismatch { why: String },
    /// What one node says cannot be true beside what another one says.
    Contradicted { why: String },
    /// Proven never used and never usable again; `proof` names the blocks and nodes.
    Lapsed { proof: String },
    /// Unused, and it can still be used.
    UnusedInWindow,
    /// Unused, and past its window by every node's newest block (the earliest of them is given), but not yet finally.
    PastWindowNotFinal { earliest_head_secs: u64 },
    /// Not told alike by every node, or not told.
    Unknown { why: String },
}

/// What evidence does to a row, and what the owner must hear about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// Where the money is from now on; none where nothing changes.
    pub next: Option<Standing>,
    /// What the owner must hear about.
    pub alarm: Option<String>,
}

/// What the reply to a presented payment means. The seller's words move a row to settled, never back.
pub fn judge(heard: Presentation) -> Judgement {
    let held =
        |answered, delivered| Judgement { answered, charged: Charged::Unknown, delivered, standing: Standing::HELD };
    match heard {
        Presentation::Nothing => {
            Judgement { answered: false, charged: Charged::No, delivered: false, standing: Standing::AUTHORIZED }
        }
        Presentation::Lost => held(false, false),
        // Asking for money and confirming it in one breath is believed in neither: it may settle what it holds later.
        Presentation::Reply { status: 402 | 409, .. } => held(false, false),
        Presentation::Reply { status, receipt: Some(true) } => Judgement {
            answered: true,
            charged: Charged::Yes,
            delivered: is_delivery(status),
            standing: Standing::SETTLED_BY_WORD,
        },
        // No receipt, or one that says it failed: whoever holds the bytes can still use them until their window ends.
        Presentation::Reply { status, receipt: None | Some(false) } => held(true, is_delivery(status)),
    }
}

/// What every configured node's testimony proves together. Each node must be in the list, those that failed too.
pub fn verdict(testimonies: &[Result<Testimony, ChainError>], signed: &Facts) -> Evidence {
    let told: Vec<&Testimony> = testimonies.iter().flatten().collect();
    if told.iter().any(|t| t.is_used()) {
        return used(&told, testimonies.len(), signed);
    }
    if let Some(failed) = testimonies.iter().find_map(|t| t.as_ref().err()) {
        return Evidence::Unknown { why: failed.to_string() };
    }
    match told.iter().any(|t| matches!(t.fate, Use::NeverAgain(_))) {
        true => never_again(&told, signed.ends),
        false => unused(&told, signed),
    }
}

const TAKEN_AFTER_ALL: &str =
    "the owner gave its budget back, and the seller took the money all the same: it counts again";

/// What evidence does to a row that stands at `standing`.
pub fn conclude(standing: Standing, evidence: &Evidence) -> Conclusion {
    let taken_after_all = || (standing == Standing::RELEASED).then(|| TAKEN_AFTER_ALL.to_owned());
    let (next, alarm) = match evidence {
        // Only our signature over these very terms can have used this nonce: the money moved, whatever the logs lack.
        Evidence::SettledByChain { .. } => (Some(Standing::SETTLED_BY_CHAIN), taken_after_all()),
        Evidence::SettledAsSeen { .. } => (Some(Standing::SETTLED_AS_SEEN), taken_after_all()),
        // It is gone, and not as it was signed: nothing more is claimed about it until the owner has looked.
        // What is not known to have left stays so: no node alone makes a payment presented that today's rules may stop.
        Evidence::Mismatch { why } if standing == Standing::AUTHORIZED => (None, Some(why.clone())),
        Evidence::Mismatch { why } => (Some(Standing::HELD), Some(why.clone())),
        Evidence::Contradicted { .. } if standing == Standing::AUTHORIZED => (None, None),
        Evidence::Contradicted { .. } => (Some(Standing::HELD), None),
        Evidence::Lapsed { proof } if standing.state == State::Settled => (
            Some(Standing::LAPSED),
            Some(format!("the seller or a node said that the money was taken, and it never was: {proof}")),
        ),
        Evidence::Lapsed { .. } => (Some(Standing::LAPSED), None),
        // What was seen is seen no more: the chain took it back.
        Evidence::UnusedInWindow | Evidence::PastWindowNotFinal { .. } if standing == Standing::SETTLED_AS_SEEN => {
            (Some(Standing::HELD), None)
        }
        Evidence::UnusedInWindow | Evidence::PastWindowNotFinal { .. } | Evidence::Unknown { .. } => (None, None),
    };
    Conclusion { next: next.filter(|next| standing.may_become(*next)), alarm }
}

/// Whether the wish may be bought anew while the old authorization still counts: unused, and safely past its window by
/// every node's newest block and by our own clock. Where heights decide, only what has lapsed is bought anew.
pub fn may_buy_anew(evidence: &Evidence, signed: &Facts, now: Time) -> bool {
    let Ends::At(_) = signed.ends else { return matches!(evidence, Evidence::Lapsed { .. }) };
    let safely_past = signed.ends.secs().saturating_add(limits::PAST_WINDOW.as_secs());
    let ours_is_past = u64::try_from(now.secs()).is_ok_and(|secs| secs > safely_past);
    match evidence {
        Evidence::Lapsed { .. } => true,
        Evidence::PastWindowNotFinal { earliest_head_secs } => *earliest_head_secs > safely_past && ours_is_past,
        Evidence::SettledByChain { .. }
        | Evidence::SettledAsSeen { .. }
        | Evidence::Mismatch { .. }
        | Evidence::Contradicted { .. }
        | Evidence::UnusedInWindow
        | Evidence::Unknown { .. } => false,
    }
}

fn is_delivery(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Logs are looked for this long.
const A_DAY_SECS: u64 = 24 * 3600;

/// At least one node saw it used. A node that is behind cannot contradict it, one that is ahead can.
fn used(told: &[&Testimony], asked: usize, signed: &Facts) -> Evidence {
    let transfers = || told.iter().filter_map(|t| t.transfer().map(|found| (*t, found)));
    if let Some((teller, other)) = transfers().find(|(_, found)| !is_signed(found, signed)) {
        return Evidence::Mismatch { why: mismatch(teller, other, signed) };
    }
    if let Some(why) = contradiction(told, signed.ends) {
        return Evidence::Contradicted { why };
    }
    let transfer = transfers().next().map(|(_, found)| found.clone());
    // Each node's word is held against the latest block that any of them names.
    let latest = transfers().map(|(_, found)| found.block).max();
    let is_final = |t: &Testimony| t.is_used() && is_final_at(t, latest, signed.ends);
    // Where less may be taken than was signed, final is what says how much it was; or, a day later, that nobody can say.
    let is_old = told.iter().all(|t| t.finalized.is_some_and(|last| last.time_secs > signed.ends.secs() + A_DAY_SECS));
    let is_told = transfer.is_some() || !signed.is_ceiling || is_old;
    match is_told && told.len() == asked && told.iter().all(|t| is_final(t)) {
        true => Evidence::SettledByChain { transfer },
        false => Evidence::SettledAsSeen { transfer },
    }
}

/// What one node says of a use that cannot be true, or not beside what the others say.
fn contradiction(told: &[&Testimony], ends: Ends) -> Option<String> {
    let shown = || told.iter().filter_map(|t| t.transfer());
    if let Some(first) = shown().next()
        && let Some(other) = shown().find(|other| (&other.chain_tx, other.block) != (&first.chain_tx, first.block))
    {
        let (one, two) = (first.block, other.block);
        return Some(format!("it was used once, and nodes show it in two places: block {one} and block {two}"));
    }
    for user in told.iter().filter(|t| t.is_used()) {
        let since = user.transfer().map_or(user.at.number, |transfer| transfer.block);
        let (node, head) = (&user.node, user.at.number);
        if since > head {
            return Some(format!("{node} saw it used in block {since}, and its newest block is {head}"));
        }
        let others = || told.iter().filter(|other| !std::ptr::eq(**other, *user));
        let highest = others().map(|other| other.at.number).max();
        if let Some(highest) = highest.filter(|highest| since > highest.saturating_add(limits::BLOCKS_APART)) {
            return Some(format!("{node} saw it used in block {since}, and no other node is past block {highest}"));
        }
        // A block at or past the window's end that has it unused is the end of it: no later one can use it.
        let denies = |other: &&&Testimony| !other.is_used() && (other.at.number >= since || is_end(ends, other.at));
        if let Some(other) = others().find(denies) {
            let (name, at) = (&other.node, other.at.number);
            return Some(format!("{node} saw it used by block {since}, {name} at block {at} did not"));
        }
    }
    None
}

/// Whether the block of the use is final for a node. Where no log names it, it is one before the window's end.
fn is_final_at(testimony: &Testimony, block: Option<u64>, ends: Ends) -> bool {
    testimony.finalized.is_some_and(|last| match block {
        Some(block) => last.number >= block && last.number <= testimony.at.number,
        None => is_end(ends, last) && last.number <= testimony.at.number,
    })
}

/// Every node answered, and at least one has it that it came to nothing: its owner took it back, or it failed on the chain.
fn never_again(told: &[&Testimony], ends: Ends) -> Evidence {
    let is_final = |t: &&Testimony| match t.fate {
        Use::NeverAgain(block) => t.finalized.is_some_and(|last| last.number >= block && last.number <= t.at.number),
        Use::Unused => is_final_past(t, ends),
        Use::Used(_) => false,
    };
    if told.iter().all(is_final) {
        let nodes: Vec<&str> = told.iter().map(|t| t.node.as_str()).collect();
        return Evidence::Lapsed { proof: format!("it came to nothing; {} say so finally", nodes.join(", ")) };
    }
    Evidence::Unknown { why: "it came to nothing, and not every node has that finally".to_owned() }
}

/// Every node answered, and none saw it used.
fn unused(told: &[&Testimony], signed: &Facts) -> Evidence {
    let ends = signed.ends;
    let Some(earliest_head_secs) = told.iter().map(|t| t.at.time_secs).min() else {
        return Evidence::Unknown { why: format!("no node was asked about {}", signed.asset.network().title()) };
    };
    if told.iter().all(|t| is_final_past(t, ends)) {
        let nodes: Vec<String> = told.iter().map(|t| blocks(t)).collect();
        return Evidence::Lapsed { proof: format!("its window ended {}; {}", end(ends), nodes.join("; ")) };
    }
    match told.iter().all(|t| is_past(ends, t.at)) {
        true => Evidence::PastWindowNotFinal { earliest_head_secs },
        false => Evidence::UnusedInWindow,
    }
}

/// No later block can hold a use.
fn is_end(ends: Ends, block: Block) -> bool {
    match ends {
        Ends::At(_) => block.time_secs >= ends.secs(),
        Ends::AtHeight { last, .. } => block.number >= last,
    }
}

/// Nor can this one.
fn is_past(ends: Ends, block: Block) -> bool {
    match ends {
        Ends::At(_) => block.time_secs > ends.secs(),
        // How high the chain was when it was signed is what nodes said. That it has had the time to grow so far, they all say
        // now, so that no single one makes an end come early; and histories are written later than blocks.
        Ends::AtHeight { last, about } => {
            let about = u64::try_from(about.secs()).unwrap_or(u64::MAX);
            block.number > last && block.time_secs > about.saturating_add(limits::LOGS_ARE_LATE.as_secs())
        }
    }
}

fn end(ends: Ends) -> String {
    match ends {
        Ends::At(_) => format!("at {}", ends.secs()),
        Ends::AtHeight { last, .. } => format!("with block {last}"),
    }
}

/// Read at or above the node's own final block, and that block is past the window: no later block can use it.
fn is_final_past(testimony: &Testimony, ends: Ends) -> bool {
    testimony.finalized.is_some_and(|last| {
        is_past(ends, last) && testimony.at.number >= last.number && testimony.at.time_secs >= last.time_secs
    })
}

fn is_signed(transfer: &Transfer, signed: &Facts) -> bool {
    let is_as_much = match signed.is_ceiling {
        true => transfer.amount <= signed.most,
        false => transfer.amount == signed.most,
    };
    transfer.from == signed.from && transfer.to == signed.to && is_as_much
}

fn mismatch(node: &Testimony, found: &Transfer, signed: &Facts) -> String {
    format!(
        "{} shows {} from {} to {} in chain transaction {}, and what was signed is {} from {} to {}",
        node.node, found.amount, found.from, found.to, found.chain_tx, signed.most, signed.from, signed.to,
    )
}

fn blocks(testimony: &Testimony) -> String {
    let last = testimony.finalized.unwrap_or(testimony.at);
    format!(
        "{} saw it unused at block {}, with block {} final at {}",
        testimony.node, testimony.at.number, last.number, last.time_secs
    )
}

impl Standing {
    /// Signed and recorded.
    pub const AUTHORIZED: Standing = Standing { state: State::Authorized, proof: Proof::None };
    /// Presented, outcome unknown.
    pub const HELD: Standing = Standing { state: State::Held, proof: Proof::None };
    /// The seller says that the money moved.
    pub const SETTLED_BY_WORD: Standing = Standing { state: State::Settled, proof: Proof::Seller };
    /// Nodes have seen that the money moved.
    pub const SETTLED_AS_SEEN: Standing = Standing { state: State::Settled, proof: Proof::Seen };
    /// The chain proves that the money moved.
    pub const SETTLED_BY_CHAIN: Standing = Standing { state: State::Settled, proof: Proof::Chain };
    /// Proven never used and never usable again.
    pub const LAPSED: Standing = Standing { state: State::Lapsed, proof: Proof::Chain };
    /// Given back by the owner's word, before the chain had spoken.
    pub const RELEASED: Standing = Standing { state: State::Lapsed, proof: Proof::None };

    /// Every move a row may make. What is not here does not happen.
    pub const MOVES: [(Standing, Standing); 22] = [
        (Standing::AUTHORIZED, Standing::HELD),
        (Standing::AUTHORIZED, Standing::SETTLED_BY_WORD),
        (Standing::AUTHORIZED, Standing::SETTLED_AS_SEEN),
        (Standing::AUTHORIZED, Standing::SETTLED_BY_CHAIN),
        (Standing::AUTHORIZED, Standing::LAPSED),
        (Standing::HELD, Standing::SETTLED_BY_WORD),
        (Standing::HELD, Standing::SETTLED_AS_SEEN),
        (Standing::HELD, Standing::SETTLED_BY_CHAIN),
        (Standing::HELD, Standing::LAPSED),
        (Standing::SETTLED_BY_WORD, Standing::SETTLED_AS_SEEN),
        (Standing::SETTLED_BY_WORD, Standing::SETTLED_BY_CHAIN),
        (Standing::SETTLED_BY_WORD, Standing::LAPSED),
        (Standing::SETTLED_AS_SEEN, Standing::SETTLED_BY_CHAIN),
        (Standing::SETTLED_AS_SEEN, Standing::HELD),
        (Standing::SETTLED_AS_SEEN, Standing::LAPSED),
        (Standing::AUTHORIZED, Standing::RELEASED),
        (Standing::HELD, Standing::RELEASED),
        (Standing::SETTLED_BY_WORD, Standing::RELEASED),
        (Standing::SETTLED_AS_SEEN, Standing::RELEASED),
        (Standing::RELEASED, Standing::SETTLED_AS_SEEN),
        (Standing::RELEASED, Standing::SETTLED_BY_CHAIN),
        (Standing::RELEASED, Standing::LAPSED),
    ];

    /// Whether a row may move there.
    pub fn may_become(self, next: Standing) -> bool {
        Standing::MOVES.contains(&(self, next))
    }
}

impl State {
    /// Whether budgets count it: everything but what is proven never to have happened.
    pub fn counts(self) -> bool {
        self != State::Lapsed
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Authorized => "authorized",
            State::Held => "held",
            State::Settled => "settled",
            State::Lapsed => "lapsed",
        }
    }
}

impl Proof {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Proof::None => "none",
            Proof::Seller => "seller",
            Proof::Seen => "seen",
            Proof::Chain => "chain",
        }
    }
}

/// A word that is none of ours: a row somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state or proof of a purchase")]
pub struct NoSuchWord;

impl FromStr for State {
    type Err = NoSuchWord;

    fn from_str(word: &str) -> Result<State, NoSuchWord> {
        let all = [State::Authorized, State::Held, State::Settled, State::Lapsed];
        all.into_iter().find(|state| state.as_str() == word).ok_or(NoSuchWord)
    }
}

impl FromStr for Proof {
    type Err = NoSuchWord;

    fn from_str(word: &str) -> Result<Proof, NoSuchWord> {
        let all = [Proof::None, Proof::Seller, Proof::Seen, Proof::Chain];
        all.into_iter().find(|proof| proof.as_str() == word).ok_or(NoSuchWord)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, U256};
    use proptest::prelude::*;

    use super::*;
    use crate::authorization::Ends;
    use crate::money::{Account, Amount, Network};

    const ENDS: u64 = 1_000;

    fn account(byte: u8) -> Account {
        Account::evm(&Network::eip155(84532), Address::repeat_byte(byte))
    }

    fn signed() -> Facts {
        Facts {
            asset: account(0xaa),
            from: account(1),
            to: account(2),
            most: Amount(U256::from(10_000)),
            is_ceiling: false,
            handle: B256::repeat_byte(7),
            ends: Ends::At(Time::from_secs(ENDS as i64)),
        }
    }

    fn the_transfer() -> Transfer {
        let (from, to) = (signed().from, signed().to);
        Transfer { chain_tx: "0x09".into(), block: 90, from, to, amount: Amount(U256::from(10_000)) }
    }

    fn block(number: u64, time_secs: u64) -> Block {
        Block { number, time_secs }
    }

    /// A node at block 100, whose head and final block have these times.
    fn unused(head_secs: u64, final_secs: Option<u64>) -> Testimony {
        let finalized = final_secs.map(|secs| block(95, secs));
        Testimony { node: "node-a".into(), fate: Use::Unused, at: block(100, head_secs), finalized }
    }

    fn used(transfer: Option<Transfer>) -> Testimony {
        Testimony { node: "node-b".into(), fate: Use::Used(transfer), ..unused(ENDS - 50, Some(ENDS - 90)) }
    }

    fn silent() -> Result<Testimony, ChainError> {
        Err(ChainError::Silent { node: "node-c".into(), cause: "timed out".into() })
    }

    fn told(testimonies: &[Testimony]) -> Evidence {
        verdict(&testimonies.iter().cloned().map(Ok).collect::<Vec<_>>(), &signed())
    }

    #[test]
    fn every_reply_is_judged_as_the_table_says() {
        use Charged::*;
        let reply = |status, receipt| Presentation::Reply { status, receipt };
        let table = [
            (Presentation::Nothing, false, No, false, Standing::AUTHORIZED),
            (Presentation::Lost, false, Unknown, false, Standing::HELD),
            (reply(200, Some(true)), true, Yes, true, Standing::SETTLED_BY_WORD),
            (reply(204, Some(true)), true, Yes, true, Standing::SETTLED_BY_WORD),
            (reply(200, None), true, Unknown, true, Standing::HELD),
            (reply(200, Some(false)), true, Unknown, true, Standing::HELD),
            (reply(307, None), true, Unknown, false, Standing::HELD),
            (reply(404, Some(true)), true, Yes, false, Standing::SETTLED_BY_WORD),
            (reply(400, None), true, Unknown, false, Standing::HELD),
            (reply(502, None), true, Unknown, false, Standing::HELD),
            (reply(500, Some(true)), true, Yes, false, Standing::SETTLED_BY_WORD),
            (reply(402, None), false, Unknown, false, Standing::HELD),
            (reply(402, Some(false)), false, Unknown, false, Standing::HELD),
            (reply(402, Some(true)), false, Unknown, false, Standing::HELD),
            (reply(409, None), false, Unknown, false, Standing::HELD),
            (reply(409, Some(true)), false, Unknown, false, Standing::HELD),
        ];
        for (heard, answered, charged, delivered, standing) in table {
            assert_eq!(judge(heard), Judgement { answered, charged, delivered, standing }, "{heard:?}");
        }
    }

    #[test]
    fn only_a_success_receipt_says_charged_and_only_an_unsent_payment_says_no() {
        for status in 100..=999 {
            for receipt in [None, Some(false), Some(true)] {
                let judged = judge(Presentation::Reply { status, receipt });
                assert_ne!(judged.charged, Charged::No);
                assert_eq!(judged.charged == Charged::Yes, judged.standing == Standing::SETTLED_BY_WORD);
                assert!(judged.charged != Charged::Yes || receipt == Some(true));
                assert!(Standing::AUTHORIZED.may_become(judged.standing));
            }
        }
    }

    #[test]
    fn a_row_moves_only_forward() {
        use Standing as S;
        let all = [S::AUTHORIZED, S::HELD, S::SETTLED_BY_WORD, S::SETTLED_AS_SEEN, S::SETTLED_BY_CHAIN, S::LAPSED];
        let legal = |from: S| all.into_iter().filter(|to| from.may_become(*to)).collect::<Vec<_>>();
        assert_eq!(
            legal(S::AUTHORIZED),
            [S::HELD, S::SETTLED_BY_WORD, S::SETTLED_AS_SEEN, S::SETTLED_BY_CHAIN, S::LAPSED]
        );
        assert_eq!(legal(S::HELD), [S::SETTLED_BY_WORD, S::SETTLED_AS_SEEN, S::SETTLED_BY_CHAIN, S::LAPSED]);
        assert_eq!(legal(S::SETTLED_BY_WORD), [S::SETTLED_AS_SEEN, S::SETTLED_BY_CHAIN, S::LAPSED]);
        assert_eq!(legal(S::SETTLED_AS_SEEN), [S::HELD, S::SETTLED_BY_CHAIN, S::LAPSED]);
        assert_eq!(legal(S::SETTLED_BY_CHAIN), []);
        assert_eq!(legal(S::LAPSED), []);
    }

    #[test]
    fn lapsed_needs_every_node_unused_with_its_final_block_past_the_window() {
        let past = unused(ENDS + 20, Some(ENDS + 1));
        let Evidence::Lapsed { proof } = told(&[past.clone(), past.clone()]) else { panic!("not lapsed") };
        assert_eq!(
            proof,
            "its window ended at 1000; node-a saw it unused at block 100, with block 95 final at 1001; \
             node-a saw it unused at block 100, with block 95 final at 1001"
        );
        let not_final = Evidence::PastWindowNotFinal { earliest_head_secs: ENDS + 20 };
        for other in [unused(ENDS + 20, Some(ENDS)), unused(ENDS + 20, None)] {
            assert_eq!(told(&[past.clone(), other]), not_final);
        }
        assert_eq!(told(&[past.clone(), unused(ENDS, Some(ENDS - 9))]), Evidence::UnusedInWindow);
        assert!(matches!(verdict(&[Ok(past), silent()], &signed()), Evidence::Unknown { .. }));
        assert!(matches!(verdict(&[], &signed()), Evidence::Unknown { .. }));
    }

    #[test]
    fn where_heights_decide_no_time_alone_does() {
        let ends = Ends::AtHeight { last: 95, about: Time::from_secs(ENDS as i64) };
        let of = |testimonies: &[Testimony]| {
            let signed = Facts { ends, ..signed() };
            let evidence = verdict(&testimonies.iter().cloned().map(Ok).collect::<Vec<_>>(), &signed);
            (may_buy_anew(&evidence, &signed, Time::from_secs(9_999_999)), evidence)
        };
        let at = |head: u64, last: u64, secs: u64| Testimony {
            at: block(head, secs),
            finalized: Some(block(last, secs)),
            ..unused(0, None)
        };
        let late = ENDS + 1_000_000;
        let (anew, evidence) = of(&[at(97, 96, ENDS + 61), at(97, 96, late)]);
        let Evidence::Lapsed { proof } = evidence else { panic!("{evidence:?}") };
        assert!(anew && proof.starts_with("its window ended with block 95; "), "{proof}");
        for (nodes, expected) in [
            ([at(97, 96, late), at(97, 95, late)], Evidence::PastWindowNotFinal { earliest_head_secs: late }),
            // A height that was told too low when it was signed: the chain has not had the time to grow past it.
            ([at(97, 96, late), at(97, 96, ENDS + 60)], Evidence::UnusedInWindow),
            ([at(97, 96, late), at(95, 90, late)], Evidence::UnusedInWindow),
        ] {
            assert_eq!(of(&nodes), (false, expected));
        }
        let silent_one = verdict(&[Ok(at(97, 96, late)), silent()], &Facts { ends, ..signed() });
        assert!(matches!(silent_one, Evidence::Unknown { .. }));
        let after_its_end = used(Some(Transfer { block: 97, ..the_transfer() }));
        let (_, evidence) = of(&[at(96, 96, 0), Testimony { at: block(98, 0), ..after_its_end }]);
        assert!(matches!(evidence, Evidence::Contradicted { .. }), "{evidence:?}");
    }

    #[test]
    fn a_state_read_below_the_final_block_proves_nothing() {
        let stale = Testimony { at: block(94, ENDS + 20), ..unused(0, Some(ENDS + 1)) };
        assert_eq!(told(&[stale]), Evidence::PastWindowNotFinal { earliest_head_secs: ENDS + 20 });
        let impossible = Testimony { at: block(100, ENDS + 1), ..unused(0, Some(ENDS + 5)) };
        assert_eq!(told(&[impossible]), Evidence::PastWindowNotFinal { earliest_head_secs: ENDS + 1 });
    }

    #[test]
    fn a_matching_transfer_settles_unless_a_node_that_is_not_behind_contradicts() {
        let proven = Evidence::SettledByChain { transfer: Some(the_transfer()) };
        let settled = Evidence::SettledAsSeen { transfer: Some(the_transfer()) };
        let saw = used(Some(the_transfer()));
        assert_eq!(told(std::slice::from_ref(&saw)), proven);
        assert_eq!(verdict(&[silent(), Ok(saw.clone())], &signed()), settled);
        assert_eq!(told(&[used(None), saw.clone()]), proven);
        let behind = Testimony { at: block(89, ENDS - 60), ..unused(0, None) };
        assert_eq!(told(&[behind, saw.clone()]), settled);
        let ahead = Testimony { at: block(90, ENDS - 60), ..unused(0, None) };
        assert!(matches!(told(&[ahead, saw]), Evidence::Contradicted { .. }));
    }

    /// A node whose head and whose use lie far above everybody's.
    fn from_the_future(transfer: Option<Transfer>) -> Testimony {
        let at = block(100_000, ENDS - 10);
        let transfer = transfer.map(|found| Transfer { block: 99_000, ..found });
        Testimony { node: "liar".into(), at, finalized: Some(block(99_990, ENDS - 12)), ..used(transfer) }
    }

    #[test]
    fn a_use_in_a_block_far_above_every_other_head_is_a_contradiction_and_held() {
        for lie in [from_the_future(None), from_the_future(Some(the_transfer()))] {
            let honest = unused(ENDS - 40, Some(ENDS - 80));
            for told_in in [[lie.clone(), honest.clone()], [honest, lie]] {
                let evidence = told(&told_in);
                assert!(matches!(evidence, Evidence::Contradicted { .. }), "{evidence:?}");
                assert_eq!(conclude(Standing::SETTLED_AS_SEEN, &evidence).next, Some(Standing::HELD));
                assert_eq!(conclude(Standing::AUTHORIZED, &evidence).next, None);
            }
        }
    }

    #[test]
    fn a_use_above_the_tellers_own_head_is_a_contradiction() {
        let lie = used(Some(Transfer { block: 101, ..the_transfer() }));
        assert!(matches!(told(&[lie]), Evidence::Contradicted { .. }));
    }

    #[test]
    fn a_use_is_proven_by_the_chain_only_when_its_block_is_final_for_every_node() {
        let at_90 = |last: Option<u64>| Testimony {
            finalized: last.map(|n| block(n, ENDS - 90)),
            ..used(Some(the_transfer()))
        };
        let proven = Evidence::SettledByChain { transfer: Some(the_transfer()) };
        let seen = Evidence::SettledAsSeen { transfer: Some(the_transfer()) };
        assert_eq!(told(&[at_90(Some(90)), at_90(Some(95))]), proven);
        for other in
            [at_90(Some(89)), at_90(None), Testimony { at: block(89, ENDS - 60), ..unused(0, Some(ENDS - 90)) }]
        {
            assert_eq!(told(&[at_90(Some(95)), other]), seen);
        }
        assert_eq!(verdict(&[silent(), Ok(at_90(Some(95)))], &signed()), seen);
        assert_eq!(conclude(Standing::HELD, &seen).next, Some(Standing::SETTLED_AS_SEEN));
        assert_eq!(conclude(Standing::SETTLED_AS_SEEN, &proven).next, Some(Standing::SETTLED_BY_CHAIN));
    }

    #[test]
    fn a_reorganisation_takes_back_what_was_only_seen() {
        let gone = told(&[unused(ENDS - 5, Some(ENDS - 50)), unused(ENDS - 5, Some(ENDS - 50))]);
        assert_eq!(conclude(Standing::SETTLED_AS_SEEN, &gone).next, Some(Standing::HELD));
        let over = told(&[unused(ENDS + 5, Some(ENDS - 5))]);
        assert_eq!(conclude(Standing::SETTLED_AS_SEEN, &over).next, Some(Standing::HELD));
        let lapsed = told(&[unused(ENDS + 20, Some(ENDS + 1))]);
        assert_eq!(conclude(Standing::SETTLED_AS_SEEN, &lapsed).next, Some(Standing::LAPSED));
        assert_eq!(conclude(Standing::SETTLED_BY_CHAIN, &gone).next, None);
        let silence = verdict(&[silent()], &signed());
        assert_eq!(conclude(Standing::SETTLED_AS_SEEN, &silence).next, None);
    }

    #[test]
    fn used_without_its_transfer_is_used_and_with_another_one_is_an_alarm() {
        assert_eq!(told(&[used(None)]), Evidence::SettledAsSeen { transfer: None });
        let other = account(3);
        let wrong = [
            Transfer { to: other.clone(), ..the_transfer() },
            Transfer { from: other, ..the_transfer() },
            Transfer { amount: Amount(U256::from(10_001)), ..the_transfer() },
        ];
        for transfer in wrong {
            let evidence = told(&[used(Some(the_transfer())), used(Some(transfer.clone()))]);
            assert!(matches!(&evidence, Evidence::Mismatch { why } if why.contains(&transfer.to.to_string())));
            let concluded = conclude(Standing::SETTLED_BY_WORD, &evidence);
            assert_eq!(concluded.next, None);
            assert!(concluded.alarm.is_some());
        }
    }

    #[test]
    fn a_sellers_claim_that_lapses_is_an_alarm() {
        let lapsed = told(&[unused(ENDS + 20, Some(ENDS + 1))]);
        let quiet = conclude(Standing::HELD, &lapsed);
        assert_eq!(quiet, Conclusion { next: Some(Standing::LAPSED), alarm: None });
        let claimed = conclude(Standing::SETTLED_BY_WORD, &lapsed);
        assert_eq!(claimed.next, Some(Standing::LAPSED));
        assert!(claimed.alarm.is_some());
        assert_eq!(conclude(Standing::SETTLED_BY_CHAIN, &lapsed).next, None);
    }

    #[test]
    fn a_wish_is_bought_anew_only_a_minute_past_the_window_by_every_clock() {
        let anew = |evidence: &Evidence, now| may_buy_anew(evidence, &signed(), Time::from_secs(now));
        let heads = |earliest_head_secs| Evidence::PastWindowNotFinal { earliest_head_secs };
        assert!(anew(&heads(1061), 1061));
        assert!(!anew(&heads(1060), 1061));
        assert!(!anew(&heads(1061), 1060));
        assert!(!anew(&heads(1061), -1));
        assert!(!anew(&Evidence::UnusedInWindow, 5000));
        assert!(!anew(&Evidence::Unknown { why: String::new() }, 5000));
        assert!(!anew(&Evidence::SettledAsSeen { transfer: None }, 5000));
    }

    #[test]
    fn an_early_block_named_by_one_liar_does_not_make_a_use_final_for_the_other() {
        let real = Transfer { block: 99, ..the_transfer() };
        let lie = Transfer { block: 1, chain_tx: "0xee".into(), ..the_transfer() };
        let honest = Testimony { node: "honest".into(), ..used(Some(real)) };
        let liar = Testimony { node: "liar".into(), ..used(Some(lie)) };
        let evidence = told(&[liar, honest]);
        assert!(!matches!(evidence, Evidence::SettledByChain { .. }), "block 99 is not final at 95: {evidence:?}");
    }

    #[test]
    fn a_use_in_a_block_after_the_window_is_seen_by_nobody() {
        let honest = Testimony { at: block(100, ENDS + 600), ..unused(0, Some(ENDS - 5)) };
        let lie = Transfer { block: 150, ..the_transfer() };
        let liar = Testimony { node: "liar".into(), at: block(150, ENDS - 1), ..used(Some(lie)) };
        let evidence = told(&[honest, liar]);
        assert!(!matches!(evidence, Evidence::SettledAsSeen { .. }), "{evidence:?}");
    }

    #[test]
    fn a_seen_lie_does_not_hush_the_alarm_about_a_seller() {
        let lapsed = told(&[unused(ENDS + 20, Some(ENDS + 1))]);
        assert!(conclude(Standing::SETTLED_AS_SEEN, &lapsed).alarm.is_some());
    }

    #[test]
    fn what_its_owner_took_back_lapses_once_every_node_has_it_finally() {
        let taken_back = |last| Testimony { fate: Use::NeverAgain(90), ..unused(ENDS - 50, last) };
        let at_95 = taken_back(Some(ENDS - 90));
        assert!(matches!(told(&[at_95.clone(), at_95.clone()]), Evidence::Lapsed { .. }));
        for other in [taken_back(None), unused(ENDS - 50, Some(ENDS - 90))] {
            let evidence = told(&[at_95.clone(), other]);
            assert!(matches!(evidence, Evidence::Unknown { .. }), "{evidence:?}");
        }
        assert!(matches!(verdict(&[Ok(at_95.clone()), silent()], &signed()), Evidence::Unknown { .. }));
        assert!(matches!(told(&[at_95, used(Some(the_transfer()))]), Evidence::Contradicted { .. }));
    }

    #[test]
    fn less_than_a_ceiling_is_as_signed_and_more_is_not() {
        let ceiling = Facts { is_ceiling: true, ..signed() };
        let taking = |amount: u64| used(Some(Transfer { amount: Amount(U256::from(amount)), ..the_transfer() }));
        let of = |testimony: Testimony| verdict(&[Ok(testimony)], &ceiling);
        for amount in [1, 9_999, 10_000] {
            assert!(matches!(of(taking(amount)), Evidence::SettledByChain { transfer: Some(_) }), "{amount}");
        }
        assert!(matches!(of(taking(10_001)), Evidence::Mismatch { .. }));
        assert_eq!(of(used(None)), Evidence::SettledAsSeen { transfer: None });
        let head = ENDS + A_DAY_SECS + 20;
        let a_day_later = Testimony { fate: Use::Used(None), ..unused(head, Some(head - 10)) };
        assert_eq!(of(a_day_later), Evidence::SettledByChain { transfer: None });
    }

    #[test]
    fn words_read_back_as_they_are_written() {
        for state in [State::Authorized, State::Held, State::Settled, State::Lapsed] {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for proof in [Proof::None, Proof::Seller, Proof::Seen, Proof::Chain] {
            assert_eq!(proof.as_str().parse(), Ok(proof));
            assert_eq!(serde_json::to_value(proof).unwrap(), proof.as_str());
        }
        assert_eq!("Settled".parse::<State>(), Err(NoSuchWord));
    }

    fn any_testimony() -> impl Strategy<Value = Result<Testimony, ChainError>> {
        let blocks = (90u64..110, 0u64..2_000, proptest::option::of((80u64..110, 0u64..2_000)));
        let transfer = prop_oneof![Just(None), Just(Some(the_transfer()))];
        (any::<bool>(), any::<bool>(), blocks, transfer).prop_map(|(fails, is_used, (number, secs, last), transfer)| {
            let finalized = last.map(|(number, secs)| block(number, secs));
            let at = block(number, secs);
            if fails {
                silent()
            } else {
                Ok(Testimony {
                    node: "n".into(),
                    fate: if is_used { Use::Used(transfer) } else { Use::Unused },
                    at,
                    finalized,
                })
            }
        })
    }

    proptest! {
        /// Budget comes back only when every single node proves it.
        #[test]
        fn one_node_that_fails_or_saw_it_used_or_is_not_final_keeps_the_money_counted(
            testimonies in proptest::collection::vec(any_testimony(), 0..5),
        ) {
            let proves = |t: &Result<Testimony, ChainError>| t.as_ref().is_ok_and(|t| {
                !t.is_used() && t.finalized.is_some_and(|last| last.time_secs > ENDS && t.at.number >= last.number)
            });
            let evidence = verdict(&testimonies, &signed());
            if testimonies.is_empty() || !testimonies.iter().all(proves) {
                prop_assert!(!matches!(evidence, Evidence::Lapsed { .. }), "{:?}", evidence);
            }
            if testimonies.iter().flatten().any(|t| t.is_used()) {
                prop_assert!(!may_buy_anew(&evidence, &signed(), Time::from_secs(5_000)));
            }
        }

        /// The other direction: when all prove it, it does come back.
        #[test]
        fn nodes_that_all_prove_it_give_the_money_back(
            times in proptest::collection::vec((1_001u64..2_000, 0u64..100), 1..5),
        ) {
            let nodes: Vec<_> = times.iter().map(|(last, more)| unused(last + more, Some(*last))).collect();
            let lapsed = matches!(told(&nodes), Evidence::Lapsed { .. });
            prop_assert!(lapsed);
        }
    }
}
