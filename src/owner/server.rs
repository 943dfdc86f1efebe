//! How the database stands that a fleet's ledger lies in.

use crate::answer::Refusal;
use crate::config::Home;
use crate::ledger::{LedgerError, ServerStanding, examine_server};
use crate::whereabouts::ledger_place;

/// How it stands, and what is asked of it.
#[derive(Clone, Debug)]
pub struct LedgerServerLook {
    /// How it stands.
    pub standing: ServerStanding,
    /// Another server has to have each commit as well.
    pub needs_standby: bool,
}

/// None: the ledger is a file. Nothing is made by looking. Blocks.
pub fn look_at_server(home: &Home) -> Result<Option<LedgerServerLook>, Refusal> {
    let Some(place) = ledger_place(home)? else { return Ok(None) };
    let looked = std::thread::scope(|scope| scope.spawn(|| examine_server(&place)).join());
    let standing = looked.unwrap_or_else(|_| Err(LedgerError::Io("a fault inside bursar".to_owned())))?;
    Ok(Some(LedgerServerLook { standing, needs_standby: place.needs_standby }))
}
