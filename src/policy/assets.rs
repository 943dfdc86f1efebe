//! Pure: what becomes looser and what tighter when one table of assets follows another. What a unit counts for is what
//! every limit is worth.

use super::{Change, Effect};
use crate::money::{Asset, Assets, Rate, TransferMethod};

const NONE: &str = "none";

/// All changes of the owner's rows, the looser ones first; what a row says otherwise than the built-in table is one.
pub fn asset_changes(before: &[Asset], after: &[Asset]) -> Vec<Change> {
    let [old, new] = [before, after].map(|rows| Assets::with(rows.to_vec()));
    let mut rows: Vec<&Asset> = before.iter().chain(after).collect();
    rows.sort_by_key(|asset| &asset.account);
    rows.dedup_by_key(|asset| &asset.account);
    let of = |row: &&Asset| told(old.known(&row.account), new.known(&row.account));
    let mut changes: Vec<Change> = rows.iter().flat_map(of).collect();
    changes.sort_by_key(|change| change.effect);
    changes
}

fn told(before: Option<&Asset>, after: Option<&Asset>) -> Vec<Change> {
    match (before, after) {
        (Some(before), Some(after)) => fields(before, after),
        (None, Some(after)) => vec![change(after, "", NONE.to_owned(), described(after), Effect::Looser)],
        (Some(before), None) => vec![change(before, "", described(before), NONE.to_owned(), Effect::Tighter)],
        (None, None) => Vec::new(),
    }
}

/// More decimals make an amount count for less, as a lower rate does.
fn fields(before: &Asset, after: &Asset) -> Vec<Change> {
    let Asset { account: _, symbol, decimals, eip712_name, eip712_version, usd, transfer } = after;
    let lower = if *usd < before.usd { Effect::Looser } else { Effect::Tighter };
    let finer = if *decimals > before.decimals { Effect::Looser } else { Effect::Tighter };
    let rows = [
        ("usd", before.usd.to_string(), usd.to_string(), lower),
        ("decimals", before.decimals.to_string(), decimals.to_string(), finer),
        ("symbol", before.symbol.clone(), symbol.clone(), Effect::Different),
        ("eip712_name", before.eip712_name.clone(), eip712_name.clone(), Effect::Different),
        ("eip712_version", before.eip712_version.clone(), eip712_version.clone(), Effect::Different),
        ("transfer", before.transfer.word().to_owned(), transfer.word().to_owned(), Effect::Different),
    ];
    let changed = rows.into_iter().filter(|(_, before, after, _)| before != after);
    changed.map(|(key, was, is, effect)| change(after, key, was, is, effect)).collect()
}

fn change(asset: &Asset, key: &str, before: String, after: String, effect: Effect) -> Change {
    let name = format!("asset {} at {} {key}", asset.network(), asset.account);
    Change { key: name.trim_end().to_owned(), before, after, effect }
}

fn described(asset: &Asset) -> String {
    let Asset { symbol, decimals, eip712_name, eip712_version, usd, transfer, .. } = asset;
    let usd: &Rate = usd;
    let moves = match transfer {
        TransferMethod::Eip3009 => format!("signed as {eip712_name} {eip712_version}"),
        TransferMethod::Permit2 => "moved by Permit2".to_owned(),
        TransferMethod::Tip20 => "moved as Tempo's assets are".to_owned(),
        TransferMethod::Spl | TransferMethod::Token2022 => "moved as Solana's assets are".to_owned(),
    };
    format!("{symbol} at ${usd}, {decimals} decimals, {moves}")
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;
    use crate::money::{Account, Network};

    fn row(usd: &str, decimals: u8) -> Asset {
        Asset {
            account: Account::evm(&Network::eip155(84532), Address::repeat_byte(0xaa)),
            symbol: "PLAY".to_owned(),
            decimals,
            eip712_name: "Play".to_owned(),
            eip712_version: "1".to_owned(),
            usd: Rate::parse(usd).unwrap(),
            transfer: TransferMethod::Eip3009,
        }
    }

    fn effects(before: &[Asset], after: &[Asset]) -> Vec<(String, Effect)> {
        let last = |key: &str| key.rsplit(' ').next().unwrap_or_default().to_owned();
        asset_changes(before, after).iter().map(|change| (last(&change.key), change.effect)).collect()
    }

    #[test]
    fn what_counts_for_less_is_looser() {
        let one = [row("1", 6)];
        assert_eq!(effects(&one, &one), []);
        assert_eq!(effects(&one, &[row("0.5", 6)]), [("usd".to_owned(), Effect::Looser)]);
        assert_eq!(effects(&one, &[row("2", 6)]), [("usd".to_owned(), Effect::Tighter)]);
        assert_eq!(effects(&one, &[row("1", 18)]), [("decimals".to_owned(), Effect::Looser)]);
        assert_eq!(effects(&one, &[row("1", 2)]), [("decimals".to_owned(), Effect::Tighter)]);
    }

    #[test]
    fn another_way_to_move_is_a_change() {
        let moved = Asset { transfer: TransferMethod::Tip20, ..row("1", 6) };
        assert_eq!(effects(&[row("1", 6)], &[moved]), [("transfer".to_owned(), Effect::Different)]);
    }

    #[test]
    fn a_row_that_comes_can_be_paid_with_and_one_that_goes_cannot() {
        let address = Address::repeat_byte(0xaa).to_string();
        assert_eq!(effects(&[], &[row("1", 6)]), [(address.clone(), Effect::Looser)]);
        assert_eq!(effects(&[row("1", 6)], &[]), [(address, Effect::Tighter)]);
    }

    #[test]
    fn a_row_over_a_built_in_one_is_held_against_that() {
        let usdc = Assets::default().on(&Network::eip155(84532)).next().unwrap().clone();
        let cheap = Asset { usd: Rate::parse("0.001").unwrap(), ..usdc.clone() };
        assert_eq!(effects(&[], &[usdc]), []);
        assert_eq!(effects(&[], &[cheap]), [("usd".to_owned(), Effect::Looser)]);
    }
}
