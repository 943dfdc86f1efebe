//! What the chain says of one authorization, and what follows from it: the one place, for resuming and for reconciling.

use serde_json::{Value, json};

use crate::authorization::Authorization;
use crate::ledger::{LedgerError, Moved, Taken};
use crate::parts::Parts;
use crate::settlement::{self, Evidence, Proof, Standing, State, Transfer};

/// What evidence led to.
pub(crate) enum Concluded {
    /// The row moved: settled, held once more, or lapsed under an id that was given. With what the owner hears of its
    /// receipt now.
    Moved { alarm: Option<String> },
    /// Never used, or past its window: the wish may be bought anew.
    Anew,
    /// Nothing is known yet that was not known before.
    StillOpen,
}

/// What the nodes say about a purchase's authorization, now.
pub(crate) async fn evidence(house: &Parts, row: i64) -> Evidence {
    match house.ledger.authorization(row).await {
        Ok(Some(authorization)) => {
            evidence_of(house, &[authorization]).await.pop().unwrap_or_else(|| unknown("no node was asked"))
        }
        Ok(None) => unknown("nothing was signed"),
        Err(cause) => unknown(cause),
    }
}

/// What they say about each of these: many are asked about together.
pub(crate) async fn evidence_of(house: &Parts, signed: &[Authorization]) -> Vec<Evidence> {
    let told = house.chains.testimonies(signed).await;
    let verdict = |(told, signed): (&Vec<_>, &Authorization)| settlement::verdict(told, &signed.facts());
    told.iter().zip(signed).map(verdict).collect()
}

fn unknown(why: impl ToString) -> Evidence {
    Evidence::Unknown { why: why.to_string() }
}

/// Moves a row where evidence leads it, and raises the alarm where evidence and row disagree.
pub(crate) async fn follow(
    house: &Parts,
    row: i64,
    standing: Standing,
    evidence: &Evidence,
) -> Result<Concluded, LedgerError> {
    let conclusion = settlement::conclude(standing, evidence);
    if let Some(alarm) = &conclusion.alarm {
        house.ledger.alarm(Some(row), alarm.clone(), house.now()).await?;
    }
    if let Some(next) = conclusion.next {
        let kind = next.state.as_str();
        let taken = taken(house, row, evidence).await?;
        let Moved { went, alarm } = house.ledger.move_to(row, next, kind, detail(evidence), taken, house.now()).await?;
        // Where it could not move, somebody else was told more a moment ago.
        return Ok(if went && next.state == State::Lapsed { Concluded::Anew } else { Concluded::Moved { alarm } });
    }
    if let Some(authorization) = house.ledger.authorization(row).await?
        && settlement::may_buy_anew(evidence, &authorization.facts(), house.now())
    {
        house.ledger.end_open(row, "past its window, unused", house.now()).await?;
        return Ok(Concluded::Anew);
    }
    Ok(Concluded::StillOpen)
}

/// What final blocks prove was taken, where it is less than the most.
async fn taken(house: &Parts, row: i64, evidence: &Evidence) -> Result<Option<Taken>, LedgerError> {
    let Evidence::SettledByChain { transfer: Some(transfer) } = evidence else { return Ok(None) };
    let Some(signed) = house.ledger.authorization(row).await?.map(|authorization| authorization.facts()) else {
        return Ok(None);
    };
    let usd = house.assets.known(&signed.asset).and_then(|asset| asset.usd(transfer.amount));
    Ok(usd.filter(|_| transfer.amount < signed.most).map(|usd| Taken { amount: transfer.amount, usd }))
}

/// What of the evidence stands in the history.
fn detail(evidence: &Evidence) -> Value {
    match evidence {
        Evidence::SettledByChain { transfer } => shown(transfer.as_ref(), Proof::Chain),
        Evidence::SettledAsSeen { transfer } => shown(transfer.as_ref(), Proof::Seen),
        Evidence::Mismatch { why } | Evidence::Contradicted { why } | Evidence::Unknown { why } => {
            json!({ "why": why })
        }
        Evidence::Lapsed { proof } => json!({ "evidence": proof }),
        Evidence::UnusedInWindow => json!({ "why": "unused, and its window is open" }),
        Evidence::PastWindowNotFinal { earliest_head_secs } => {
            json!({ "why": "unused, past its window, not final", "earliest_head": earliest_head_secs })
        }
    }
}

fn shown(transfer: Option<&Transfer>, proof: Proof) -> Value {
    match transfer {
        Some(transfer) => json!({
            "chain_tx": transfer.chain_tx,
            "block": transfer.block,
            "amount": transfer.amount.to_string(),
            "payee": transfer.to.address(),
            "proof": proof,
        }),
        None => json!({ "why": "used, and no log shows the transfer", "proof": proof }),
    }
}
