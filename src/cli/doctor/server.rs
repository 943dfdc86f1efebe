//! The database a fleet's ledger lies in: whether it can be reached, keeps what it is given, and what time it is there.

use std::time::Duration;

use super::check::{Check, fail, failed, ok, warn};
use crate::answer::Refusal;
use crate::cli::words;
use crate::limits;
use crate::owner::{LedgerServerLook, ServerStanding};

pub fn examine(looked: &Result<LedgerServerLook, Refusal>) -> Vec<Check> {
    let LedgerServerLook { standing, needs_standby } = match looked {
        Ok(looked) => looked,
        Err(refusal) => return vec![failed("server", refusal.clone().into())],
    };
    let named = format!("PostgreSQL {} at {}, timeline {}", standing.version, standing.host, standing.timeline);
    vec![
        match &standing.wrong {
            None => ok("server", named),
            Some(wrong) => fail("server", format!("{named}: {wrong}"), "turn it on: nothing is signed until then"),
        },
        match (standing.standbys, needs_standby) {
            (0, true) => fail(
                "standby",
                "no other server is seen to confirm commits",
                "see to the standby, and to the right to see it (bursar ledger init-roles): nothing is signed until then",
            ),
            (0, false) => warn(
                "standby",
                "no other server confirms commits: with this one's disk the ledger is lost",
                "keep a standby, and write standby = \"required\" under [ledger]",
            ),
            (n, _) => ok("standby", format!("{n} confirm each commit")),
        },
        clock(standing),
    ]
}

/// The ledger's time is the database's.
fn clock(standing: &ServerStanding) -> Check {
    let now = words::now();
    let off = now.since(standing.clock).max(standing.clock.since(now));
    match off {
        off if off <= Duration::from_secs(2) => ok("time", "this machine's clock agrees with the database's"),
        off if off <= limits::CLOCK_SKEW => warn(
            "time",
            format!("this machine's clock is {} s off the database's", off.as_secs()),
            "have both follow the same time servers",
        ),
        off => fail(
            "time",
            format!("this machine's clock is {} s off the database's", off.as_secs()),
            "set it right: sellers refuse payments that are made at another time",
        ),
    }
}
