//! Which ledger a home has: a file in it, or a database that `config.toml` names and whose password lies elsewhere.

use std::path::PathBuf;

use crate::answer::Refusal;
use crate::config::{Config, Home, LedgerServer};
use crate::ledger::{LedgerError, LedgerRoles, ServerClock, ServerPlace, ServerProof, make_roles};
use crate::random;
use crate::wallet::PassphraseSource;

/// What the home says of where things are.
pub fn load(home: &Home) -> Result<Config, Refusal> {
    Config::load(home)
        .map_err(|cause| Refusal::of("config_invalid", cause.in_one_line(), "correct config.toml and start again"))
}

/// Makes the tables of the wallet's ledger and its roles, logged in as the administrator whom `url` names. Blocks.
pub fn init_ledger_roles(
    home: &Home,
    url: &str,
    named: impl FnOnce(LedgerRoles) -> LedgerRoles,
) -> Result<LedgerRoles, Refusal> {
    let Some(server) = load(home)?.ledger else {
        let what = "[ledger] in config.toml names no database";
        return Err(Refusal::of("no_ledger_server", what, "write engine = \"postgres\" and its url there"));
    };
    let roles = named(LedgerRoles::of(&server.schema));
    let place = place(home, &LedgerServer { url: url.to_owned(), password_file: None, ..server }, false)?;
    let id = random::bytes().map_err(|cause| Refusal::of("no_randomness", cause, "start again"))?;
    let made = std::thread::scope(|scope| scope.spawn(|| make_roles(&place, &roles, id)).join());
    made.unwrap_or_else(|_| Err(LedgerError::Io("a fault inside bursar".to_owned())))?;
    Ok(roles)
}

/// The database that the ledger of a home lies in. None: it is a file.
pub fn ledger_place(home: &Home) -> Result<Option<ServerPlace>, Refusal> {
    load(home)?.ledger.map(|server| place(home, &server, false)).transpose()
}

/// The database, with its password.
pub fn place(home: &Home, server: &LedgerServer, is_simulated: bool) -> Result<ServerPlace, Refusal> {
    let beside = |path: &PathBuf| home.dir().join(path);
    let password = PassphraseSource::for_ledger(server.password_file.as_ref().map(beside).as_deref())
        .map_err(|cause| Refusal::of("ledger_locked", cause, "put the database's password where it was looked for"))?;
    let proof = match server.is_verified {
        true => ServerProof::Certificate { signed_by: server.ca.as_ref().map(beside) },
        false => ServerProof::None,
    };
    let password = password.as_ref().map(|password| password.as_str());
    let place = ServerPlace::at(&server.url, &server.schema, &proof, server.needs_standby, password)?;
    let clock = if is_simulated { ServerClock::Ours } else { place.clock };
    Ok(ServerPlace { clock, ..place })
}
