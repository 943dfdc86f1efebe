//! Who may do what: two roles of a database, for the machines that agents run on and for the owner's.

use std::fmt::Write as _;

use super::super::LedgerError;
use super::connect::{Seen, ServerPlace, ServerUse, lead};
use super::{ANSWER, schema};

const ROLES: &str = include_str!("roles.sql");

/// The two roles of a wallet; machines log in as roles of their own, which are members of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRoles {
    /// Buys, asks, and stops all spending.
    pub agents: String,
    /// Does what the owner does.
    pub owner: String,
}

impl LedgerRoles {
    /// As they are called where nobody says otherwise.
    pub fn of(schema: &str) -> LedgerRoles {
        LedgerRoles { agents: format!("{schema}_agents"), owner: format!("{schema}_owner") }
    }
}

/// Makes the tables and the roles where they are not, and gives each of them its rights: all of it, or nothing. `place`
/// is an administrator's.
pub fn make(place: &ServerPlace, roles: &LedgerRoles, id: [u8; 16]) -> Result<(), LedgerError> {
    let (wire, _) = lead(place, &Seen::default(), ServerUse::Look, ANSWER)?;
    schema::prepare(&wire, place, &format!("le_{}", alloy_primitives::hex::encode(id)))?;
    let mut text = format!(
        "BEGIN; SET LOCAL synchronous_commit TO on; SET LOCAL search_path TO {};",
        schema::quoted(&place.schema)
    );
    for role in [&roles.agents, &roles.owner] {
        let literal = role.replace('\'', "''");
        let quoted = schema::quoted(role);
        _ = write!(
            text,
            "DO $make$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{literal}') THEN \
             CREATE ROLE {quoted} NOLOGIN; END IF; END $make$;"
        );
    }
    text.push_str(
        &ROLES
            .replace("{agents}", &schema::quoted(&roles.agents))
            .replace("{owner}", &schema::quoted(&roles.owner))
            .replace("{schema}", &schema::quoted(&place.schema)),
    );
    let said = wire.say(&text, ANSWER);
    let (_, ended) = wire.end(if said.is_ok() { "COMMIT" } else { "ROLLBACK" }, ANSWER);
    said?;
    Ok(ended?)
}
