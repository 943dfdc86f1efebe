//! `bursar wallet allow-permit2`: what Permit2 may move out of the wallet.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::money::Network;

/// Let Permit2 move so much of an asset, for sellers that are paid by it
///
/// Sends a chain transaction from the wallet, which has to hold some of the chain's own coin for its gas. The amount is
/// what Permit2 may move from then on, whatever it was before; 0 takes it back. Sellers take only what you sign for, and
/// the amount bounds what all of them together can. Asks at the terminal that you type it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet allow-permit2 --amount 5\n  \
                        bursar wallet allow-permit2 --amount 0 --network base")]
pub struct AllowPermit2 {
    /// How much, in whole units of the asset
    #[arg(long, value_name = "AMOUNT")]
    amount: String,
    /// On which network: its name or its CAIP-2 id [default: the first the policy allows]
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Which asset [default: the first that bursar knows there]
    #[arg(long, value_name = "SYMBOL")]
    asset: Option<String>,
}

impl AllowPermit2 {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar wallet allow-permit2")?;
        let bursar = context.bursar().await?;
        let network = self.network.as_deref().map(|text| Network::meant(text).unwrap_or_else(|| Network::new(text)));
        let plan = bursar.plan_allowance(network.as_ref(), self.asset.as_deref(), &self.amount).await?;
        let (asset, network) = (&plan.asset, plan.asset.network().title());
        let (symbol, amount) = (out::clean(&asset.symbol), asset.units(plan.amount));
        owner.tell(&format!(
            "Permit2 may move {} {symbol} of {} on {network} now.",
            asset.units(plan.now),
            plan.from
        ))?;
        owner.tell(&format!(
            "From then on it may move {amount} {symbol}, and no more. Gas costs at the most {}.",
            plan.costs_at_most()
        ))?;
        owner.must_type(&amount, &format!("allow {amount} {symbol}"))?;
        let passphrase = owner.passphrase(&bursar)?;
        let chain_tx = bursar.allow(&plan, passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!("{} Chain transaction {chain_tx}.", out::good("Allowed.")));
        Ok(Exit::Done)
    }
}
