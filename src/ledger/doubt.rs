//! How much of each asset may still move although nobody knows. It is kept in memory and brought up to date by what
//! happened since: a hundred thousand payments in doubt are read once and not before each purchase.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::engine::{Conn, LedgerRow, named};
use super::{LedgerError, damaged, events};
use crate::money::{Account, Amount, Network};

/// How much of each asset.
pub type InDoubt = BTreeMap<Account, Amount>;

/// What is known, and up to which event.
#[derive(Default)]
pub struct Doubt {
    to: Option<i64>,
    rows: HashMap<i64, (Account, Amount)>,
    sums: InDoubt,
}

/// The sums as this look has them, or a later one.
pub fn up_to_date(doubt: &Mutex<Doubt>, conn: &dyn Conn) -> Result<InDoubt, LedgerError> {
    doubt.lock().unwrap_or_else(PoisonError::into_inner).follow(conn)
}

impl Doubt {
    /// Every move of money is an event, so what has none is as it was.
    fn follow(&mut self, conn: &dyn Conn) -> Result<InDoubt, LedgerError> {
        let newest = events::newest(conn)?;
        match self.to {
            None => self.read_all(conn)?,
            Some(known) if known < newest => self.read_since(conn, known)?,
            // Another look has come further already.
            Some(_) => return Ok(self.sums.clone()),
        }
        self.to = Some(newest);
        Ok(self.sums.clone())
    }

    fn read_all(&mut self, conn: &dyn Conn) -> Result<(), LedgerError> {
        let query = "SELECT row, network, asset_address, amount FROM unproven WHERE state IN ('authorized', 'held')";

        conn.each(query, &[], |row| {
            self.holds(row.get("row")?, Some(read(row)?));
            Ok(())
        })?;
        Ok(())
    }

    fn read_since(&mut self, conn: &dyn Conn, known: i64) -> Result<(), LedgerError> {
        let changed = "SELECT purchase FROM event WHERE id > :known AND purchase IS NOT NULL";
        let rows = conn.list(changed, named! { ":known": known }, |row| row.get(0))?;
        let query = "SELECT network, asset_address, amount FROM purchase
              WHERE row = :row AND handle IS NOT NULL AND proof <> 'chain' AND state IN ('authorized', 'held')";
        for row in rows {
            let now = conn.find(query, named! { ":row": row }, |found| Ok(read(found)))?;
            self.holds(row, now.transpose()?);
        }
        Ok(())
    }

    /// A row that is in doubt with so much now, or is not any more.
    fn holds(&mut self, row: i64, now: Option<(Account, Amount)>) {
        if let Some((asset, amount)) = self.rows.remove(&row)
            && let Some(sum) = self.sums.get_mut(&asset)
        {
            sum.0 = sum.0.saturating_sub(amount.0);
        }
        if let Some((asset, amount)) = now {
            let sum = self.sums.entry(asset.clone()).or_default();
            sum.0 = sum.0.saturating_add(amount.0);
            self.rows.insert(row, (asset, amount));
        }
    }
}

fn read(found: &dyn LedgerRow) -> Result<(Account, Amount), LedgerError> {
    let (network, asset): (String, String) = (found.get("network")?, found.get("asset_address")?);
    let amount: String = found.get("amount")?;
    let asset = Account::parse(&Network::new(network), &asset).map_err(damaged)?;
    Ok((asset, Amount::parse(&amount).ok_or_else(|| damaged("an amount does not read"))?))
}
