//! What the wallet is known to hold. Read in the background; the path of a payment only looks.

use futures_util::future::join_all;

use crate::ledger::InDoubt;
use crate::limits;
use crate::money::{Account, Network};
use crate::parts::{Look, Parts, Reading};
use crate::policy::{Funds, Policy};
use crate::time::Time;
use crate::wallet::Wallet;

/// Asks the nodes of every network the policy allows, all at once. What does not answer stays as it was.
pub(crate) async fn read(house: &Parts) -> Reading {
    let (Some(wallet), Ok(policy)) = (&house.wallet, house.policy()) else { return Reading::default() };
    let asked = wanted(house, &policy).into_iter().map(|asset| async move {
        let owner = wallet.account_on(asset.network())?;
        let answer = house.chains.balance(&asset, &owner).await;
        Some((asset, answer))
    });
    let with_a_key = policy.networks.iter().filter(|network| wallet.account_on(network).is_some());
    let heads = with_a_key.map(|network| house.chains.heads(network));
    let (answers, heads) = tokio::join!(join_all(asked), join_all(heads));
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    let look = Look::at(&*house.clock);
    let now = look.said;
    let clocks = heads.into_iter().flatten().flatten().map(|head| apart(head.time_secs, now)).collect();
    let heard = answers.iter().any(|(_, answer)| answer.is_ok());
    let last = house.funds.last();
    let at = if heard { Some(now) } else { last.at };
    let mut reading = Reading { at, tried: true, problems: Vec::new(), clocks, look: Some(look), ..last };
    for (asset, answer) in answers {
        match answer {
            Ok(amount) => _ = reading.balances.insert(asset, amount),
            Err(cause) => reading.problems.push(cause.to_string()),
        }
    }
    house.funds.note(reading.clone());
    reading
}

/// What may be relied on now: the last reading less everything that may still be taken out of it.
pub(crate) async fn known(house: &Parts) -> Funds {
    less(house, &house.ledger.in_doubt().await.unwrap_or_default())
}

/// The same, where what may still be taken is known already.
pub(crate) fn less(house: &Parts, in_doubt: &InDoubt) -> Funds {
    let mut known = house.funds.last().balances;
    for (asset, amount) in in_doubt {
        if let Some(balance) = known.get_mut(asset) {
            balance.0 = balance.0.saturating_sub(amount.0);
        }
    }
    Funds { wallet: house.wallet.as_ref().map(Wallet::addresses), known }
}

/// How far a node's newest block is from our clock. Such a block may be some seconds old.
fn apart(block_secs: u64, now: Time) -> i64 {
    let ahead = i64::try_from(block_secs).unwrap_or(i64::MAX).saturating_sub(now.secs());
    if ahead < 0 { ahead.saturating_add(limits::BLOCKS_MAY_LAG.as_secs() as i64).min(0) } else { ahead }
}

fn wanted(house: &Parts, policy: &Policy) -> Vec<Account> {
    let on = |network: &Network| house.assets.on(network).map(|asset| asset.account.clone()).collect::<Vec<_>>();
    policy.networks.iter().flat_map(on).collect()
}
