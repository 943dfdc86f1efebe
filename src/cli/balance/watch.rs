//! The balance, watched until money comes: asked for at first often, then less and less.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::answer::{Balance, Balances, Refusal};
use crate::cli::exit::{Exit, Failure};
use crate::cli::funding::{self, Way};
use crate::cli::{Context, OWNER, out, wallet, words};
use crate::limits;
use crate::money::Amount;
use crate::owner::Owner;

/// What came of one asset on one network.
#[derive(Serialize)]
struct Arrived {
    network: String,
    asset: String,
    amount_atomic: String,
    /// What the wallet holds of it now, in whole units.
    amount: String,
}

/// Ends when there is more of anything than there was at the beginning.
pub async fn until_it_comes(
    context: &Context,
    bursar: &Owner,
    network: Option<&str>,
    is_json: bool,
) -> Result<Exit, Failure> {
    let home = context.home()?;
    let addresses = wallet::addresses_of(&home)?;
    let agent = bursar.agent(OWNER);
    // What is not known at the beginning counts as nothing: whatever is found of it later is what is waited for.
    let before = read(&agent, network, context).await?;
    let ways = funding::ways(&home, addresses, network)?;
    let waiting = async {
        match is_json {
            true => context.out.json_line(&json!({ "address": addresses.first, "waiting_for": ways })),
            false => waiting_for(context, &ways, before.as_ref()),
        }
        look_again(context, &agent, network, before.as_ref()).await
    };
    tokio::select! {
        // First, so that no Ctrl-C is missed after something was said.
        biased;
        _ = tokio::signal::ctrl_c() => {
            Err(nothing_yet("stopped", "what is on its way comes all the same: `bursar balance`"))
        }
        came = waiting => {
            let (now, arrived) = came?;
            tell(context, &now, arrived, is_json);
            Ok(Exit::Done)
        }
    }
}

/// What is there, once it is more than before, and what is new of it.
async fn look_again(
    context: &Context,
    agent: &Agent,
    network: Option<&str>,
    before: Option<&Balances>,
) -> Result<(Balances, Vec<Arrived>), Failure> {
    let until = Instant::now() + limits::WATCH_AT_MOST;
    let mut pause = limits::WATCH_OFTEN;
    while Instant::now() < until {
        tokio::time::sleep(pause).await;
        if let Some(now) = read(agent, network, context).await? {
            let arrived = more(before, &now);
            if !arrived.is_empty() {
                return Ok((now, arrived));
            }
        }
        pause = longer(pause);
    }
    let waited = format!("{} h are over", limits::WATCH_AT_MOST.as_secs() / 3600);
    Err(nothing_yet(&waited, "see whether it was sent to this address, on this network"))
}

/// None: no node answers now. That is told, and waited out.
async fn read(agent: &Agent, network: Option<&str>, context: &Context) -> Result<Option<Balances>, Failure> {
    match agent.balances(network).await {
        Ok(balances) => Ok(Some(balances)),
        Err(refusal) if is_unknown(&refusal) => {
            let why = refusal.reasons.into_iter().map(|reason| reason.message).collect::<Vec<_>>().join("; ");
            context.out.progress(format_args!("{} {}", out::warn("warning:"), out::clean(&why)));
            Ok(None)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn is_unknown(refusal: &Refusal) -> bool {
    refusal.reasons.iter().all(|reason| reason.code == "balance_unknown")
}

fn waiting_for(context: &Context, ways: &[Way], before: Option<&Balances>) {
    let out = &context.out;
    let mut shown = None;
    for way in ways {
        let Some(address) = &way.address else { continue };
        if shown.replace(address) != Some(address) {
            out.say(format_args!("{}", out::bold(address)));
        }
        let (assets, title) = (out::clean(&way.assets.join(" or ")), way.network.title());
        out.say(format_args!("waits for {assets} on {title}"));
        if let Some(page) = &way.explorer {
            out.say(format_args!("  to look at   {page}"));
        }
        if let Some(faucet) = way.faucet {
            out.say(format_args!("  free from    {faucet}"));
        }
    }
    if before.is_none() {
        return out.say(format_args!("No node says what is there yet. Ctrl-C ends the waiting."));
    }
    let held = before.map(|before| before.balances.iter().filter(|one| one.amount_atomic != "0").map(held).collect());
    let held: Vec<String> = held.unwrap_or_default();
    match held.as_slice() {
        [] => out.say(format_args!("Nothing is there yet. Ctrl-C ends the waiting.")),
        some => out.say(format_args!("There is {} now; more is waited for. Ctrl-C ends the waiting.", some.join(", "))),
    }
}

/// `5 USDC on Base`
fn held(balance: &Balance) -> String {
    let network = words::network(&balance.network);
    format!("{} {} on {network}", balance.amount, out::clean(&balance.asset))
}

/// What there is more of than before.
fn more(before: Option<&Balances>, now: &Balances) -> Vec<Arrived> {
    let of = |balance: &Balance| (balance.network.clone(), balance.asset.clone());
    let amount = |balance: &Balance| Amount::parse(&balance.amount_atomic).unwrap_or_default();
    let known: BTreeMap<_, _> =
        before.iter().flat_map(|before| &before.balances).map(|balance| (of(balance), amount(balance))).collect();
    let grown = now.balances.iter().filter_map(|balance| {
        let was = known.get(&of(balance)).copied().unwrap_or_default();
        let is = amount(balance);
        (is.0 > was.0).then(|| Arrived {
            network: balance.network.clone(),
            asset: balance.asset.clone(),
            amount_atomic: Amount(is.0 - was.0).to_string(),
            amount: balance.amount.clone(),
        })
    });
    grown.collect()
}

fn tell(context: &Context, now: &Balances, arrived: Vec<Arrived>, is_json: bool) {
    if is_json {
        return context.out.json_line(&json!({ "arrived": arrived, "balances": now }));
    }
    for one in &arrived {
        let network = words::network(&one.network);
        let what = format!("{} {} on {network}", one.amount, out::clean(&one.asset));
        context.out.say(format_args!("{} There is {what} now.", out::good("It came.")));
    }
    super::lines(now, context.out.width()).iter().for_each(|line| context.out.line(line));
}

fn nothing_yet(what: &str, next: &str) -> Failure {
    Failure::new("nothing_came", format!("{what}, and nothing has come yet"), next)
}

/// Half as long again each time: a faucet is quick, an exchange is not, and a node is nobody's own.
fn longer(pause: Duration) -> Duration {
    (pause + pause / 2).min(limits::WATCH_SELDOM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;
    use crate::time::Time;

    fn holding(amounts: &[(&str, &str)]) -> Balances {
        let balance = |(asset, amount): &(&str, &str)| Balance {
            network: "eip155:84532".to_owned(),
            asset: (*asset).to_owned(),
            amount: (*amount).to_owned(),
            amount_atomic: (*amount).to_owned(),
            usd: Usd::ZERO,
        };
        Balances {
            address: "0x".to_owned(),
            also: None,
            balances: amounts.iter().map(balance).collect(),
            spendable_usd: Usd::ZERO,
            as_of: Time::from_secs(0),
            problems: vec![],
        }
    }

    fn arrived(before: Option<&Balances>, now: &Balances) -> Vec<String> {
        more(before, now).into_iter().map(|one| format!("{} {}", one.amount_atomic, one.asset)).collect()
    }

    #[test]
    fn only_what_is_more_than_before_has_come() {
        let before = holding(&[("USDC", "5"), ("EURC", "7")]);
        assert!(arrived(Some(&before), &before).is_empty());
        assert!(arrived(Some(&before), &holding(&[("USDC", "4")])).is_empty(), "what was spent has not come");
        assert_eq!(arrived(Some(&before), &holding(&[("USDC", "8"), ("EURC", "7")])), ["3 USDC"]);
        assert_eq!(arrived(None, &holding(&[("USDC", "8"), ("EURC", "0")])), ["8 USDC"], "unknown was nothing");
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        let pauses: Vec<Duration> =
            std::iter::successors(Some(limits::WATCH_OFTEN), |pause| Some(longer(*pause))).take(20).collect();
        assert!(pauses.is_sorted() && pauses[1] > pauses[0]);
        assert_eq!(pauses[19], limits::WATCH_SELDOM);
    }
}
