//! Whether the wallet is known to hold too little. A balance nobody has read refuses nothing: the seller would.

use super::{Case, Check, Rule, Said};
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: CODE,
    sentence: "The wallet holds what it pays.",
    key: "the wallet's balance",
    check: Check::Offer(check),
};

pub const CODE: &str = "insufficient_funds";

fn check(case: &Case<'_>) -> Said {
    let (offer, funds) = (case.offer, case.question.funds);
    let (network, asset) = (offer.network().title(), &offer.asset);
    let ours = funds.wallet.and_then(|wallet| wallet.on(offer.network()));
    let Some(held) = funds.known.get(&asset.account) else {
        return Said::Pass;
    };
    if *held >= offer.amount {
        return Said::Pass;
    }
    let (held, needed, symbol) = (asset.units(*held), asset.units(offer.amount), &asset.symbol);
    let fund = match ours {
        Some(address) => format!(" The owner can send {symbol} on {network} to {address}."),
        None => String::new(),
    };
    let message = format!("This costs {needed} {symbol} on {network}, and the wallet has {held} free.{fund}");
    Said::Refuse(Reason::new(CODE, format!("balance of {symbol} on {network}"), message, Who::Owner))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    fn holding(amount: u64) -> Scene {
        let (mut scene, usdc) = (scene(), offer("0.01").asset);
        let amount = Amount(alloy_primitives::U256::from(amount));
        scene.funds = Funds { wallet: Some(wallet(WALLET)), known: [(usdc.account, amount)].into() };
        scene
    }

    #[test]
    fn a_known_shortfall_is_refused_with_the_address_to_fund() {
        assert_eq!(holding(10_000).says(), "allow");
        let reason = holding(9_999).reason();
        assert_eq!(reason.code, "insufficient_funds");
        assert_eq!(
            reason.message,
            "This costs 0.01 USDC on Base, and the wallet has 0.009999 free. \
             The owner can send USDC on Base to 0x00000000000000000000000000000000000000cc."
        );
    }

    #[test]
    fn a_balance_nobody_read_refuses_nothing() {
        assert_eq!(scene().says(), "allow");
    }
}
