//! What each authorization was decided on, held against the history before it: it was within every cap its rules named,
//! no rule refused it, and where a rule asked for a person, a person's yes was used up.

use std::collections::HashSet;

use serde::Deserialize;

use super::super::budget::{Counted, Sums};
use super::super::engine::{Conn, named};
use super::super::{LedgerError, close};
use super::{Findings, Move};
use crate::money::Usd;
use crate::policy::{self, Meter, Scope, Window};
use crate::settlement::Standing;

/// One rule's report, as the commit wrote it beside the purchase.
#[derive(Deserialize)]
struct Ruled {
    code: String,
    rule: String,
    said: String,
    limit_usd: Option<Usd>,
}

/// What stands beside a purchase.
struct Decided {
    id: String,
    identity: Vec<u8>,
    rules: Vec<Ruled>,
}

pub(super) fn check(conn: &dyn Conn, moves: &[Move], findings: &mut Findings) -> Result<(), LedgerError> {
    let mut sums = Sums::default();
    let said_yes = wishes_with_a_used_yes(conn)?;
    for Move { row, from, to } in moves {
        let (_, counted) = close::standing(conn, *row)?;
        let given_back = given_back(conn, *row)?;
        // Until it was proven what was taken, the most that could be counted.
        let counted = Counted { usd: counted.usd.saturating_add(given_back), ..counted };
        if from.is_none() {
            check_one(conn, *row, &counted, &sums, &said_yes, findings)?;
        }
        sums.follow(&counted, *from, *to);
        if *to == Standing::SETTLED_BY_CHAIN {
            sums.give_back(&counted, given_back);
        }
    }
    Ok(())
}

fn check_one(
    conn: &dyn Conn,
    row: i64,
    counted: &Counted,
    sums: &Sums,
    said_yes: &HashSet<Vec<u8>>,
    findings: &mut Findings,
) -> Result<(), LedgerError> {
    let Some(Decided { id, identity, rules }) = decided(conn, row)? else {
        findings.violations.push(format!("row {row} has lost what it was decided on"));
        return Ok(());
    };
    for ruled in &rules {
        if ruled.said == "refuse" {
            findings.violations.push(format!("purchase {id} was authorized, and `{}` refused it", ruled.rule));
        }
        let used = meter_of(&ruled.code, counted).map(|meter| sums.used(&meter, counted));
        if let (Some(used), Some(limit)) = (used, ruled.limit_usd)
            && u128::from(used.as_micros()) + u128::from(counted.usd.as_micros()) > u128::from(limit.as_micros())
        {
            let usd = counted.usd;
            findings
                .violations
                .push(format!("purchase {id} took ${usd} beside ${used}, and `{}` is ${limit}", ruled.rule));
        }
    }
    let needs_a_yes = rules.iter().any(|ruled| ruled.said == "ask");
    if needs_a_yes && !said_yes.contains(&identity) {
        findings.violations.push(format!("purchase {id} needed a yes, and none was used"));
    }
    Ok(())
}

fn given_back(conn: &dyn Conn, row: i64) -> Result<Usd, LedgerError> {
    let micros: i64 =
        conn.read("SELECT given_back FROM purchase WHERE row = :row", named! { ":row": row }, |row| row.get(0))?;
    Ok(Usd::micros(micros.max(0) as u64))
}

fn decided(conn: &dyn Conn, row: i64) -> Result<Option<Decided>, LedgerError> {
    let found: Option<(String, Vec<u8>, Option<String>)> = conn.find(
        "SELECT p.purchase_id, p.identity, d.rules
               FROM purchase p LEFT JOIN detail d ON d.purchase = p.row WHERE p.row = :row",
        named! { ":row": row },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(found.and_then(|(id, identity, rules)| {
        let rules = policy::from_the_record(serde_json::from_str(&rules?).ok()?);
        Some(Decided { id, identity, rules: serde_json::from_value(rules).ok()? })
    }))
}

/// A yes may have been given to an earlier row of the same wish.
fn wishes_with_a_used_yes(conn: &dyn Conn) -> Result<HashSet<Vec<u8>>, LedgerError> {
    let query = "SELECT p.identity FROM question q JOIN purchase p ON p.row = q.purchase WHERE q.used = 1";
    Ok(conn.list(query, &[], |row| row.get(0))?.into_iter().collect())
}

/// What a cap is over, by the code of its rule.
fn meter_of(code: &str, counted: &Counted) -> Option<Meter> {
    let domain = || Scope::Domain(counted.domain.clone());
    let (scope, window) = match code {
        "over_hour" => (Scope::Wallet, Window::Hour),
        "over_day" => (Scope::Wallet, Window::Day),
        "over_month" => (Scope::Wallet, Window::Month),
        "over_session" => (Scope::Session, Window::Session),
        "over_domain_session" => (domain(), Window::Session),
        "over_domain_day" => (domain(), Window::Day),
        "over_payee_day" => (Scope::Payee(counted.payee.clone()), Window::Day),
        _ => return None,
    };
    Some(Meter { scope, window })
}
