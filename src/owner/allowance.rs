//! What the owner lets Permit2 move out of the wallet: an amount, shown first, and never more than a month's budget.

use super::{Owner, nothing};
use crate::answer::Refusal;
use crate::authorization::{Erc20Approval, Fact, Ground, PERMIT2, allowance_of};
use crate::ledger::SentApproval;
use crate::money::{Account, Amount, Asset, Network};
use crate::parts::wallet_reason;
use crate::{limits, seal};

/// An allowance as it would be, for the owner to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct AllowancePlan {
    /// Whose money.
    pub from: Account,
    /// Of which asset.
    pub asset: Asset,
    /// How much Permit2 may move from then on.
    pub amount: Amount,
    /// How much it may move now.
    pub now: Amount,
    approval: Erc20Approval,
}

impl AllowancePlan {
    /// What it costs at the most, in whole units of what the chain takes for gas.
    pub fn costs_at_most(&self) -> String {
        self.approval.costs_at_most()
    }
}

impl Owner {
    /// What would be sent, so that Permit2 may move so much of an asset. Nothing is signed yet.
    pub async fn plan_allowance(
        &self,
        network: Option<&Network>,
        symbol: Option<&str>,
        amount: &str,
    ) -> Result<AllowancePlan, Refusal> {
        let wallet = self.parts.wallet.as_ref().ok_or_else(|| nothing("there is no wallet yet"))?;
        let policy =
            self.parts.policy().map_err(|reason| Refusal::of("policy_invalid", reason.message, "correct it"))?;
        let network = network
            .or(policy.networks.first())
            .filter(|network| policy.networks.contains(network))
            .ok_or_else(|| nothing("the policy pays on no such network"))?;
        let is_meant = |asset: &&Asset| symbol.is_none_or(|symbol| asset.symbol.eq_ignore_ascii_case(symbol));
        let asset = self.parts.assets.on(network).find(is_meant).cloned();
        let asset = asset.ok_or_else(|| nothing("that network has no such asset that bursar knows"))?;
        let amount =
            asset.amount(amount).map_err(|cause| Refusal::of("bad_amount", cause, "write it like 5 or 2.50"))?;
        let counts_for = asset.usd(amount);
        if let Some(month) = policy.wallet.per_month
            && counts_for.is_none_or(|usd| usd > month)
        {
            let message = format!("the policy lets ${month} out in a month, and an allowance is for no more than that");
            return Err(Refusal::of("allowance_too_large", message, "allow less, or change the policy first"));
        }
        let from = wallet.account(network);
        let unread = || Refusal::of("chain_unknown", "the chain could not be asked", "try again; nothing was sent");
        let fact = allowance_of(&asset, &from).ok_or_else(unread)?;
        let mut facts = vec![fact.clone()];
        facts.extend(Erc20Approval::needs(&from));
        let ground = self.look(facts).await?;
        let now = Amount(ground.number(&fact).ok_or_else(unread)?);
        let approval = Erc20Approval::draft(&asset, PERMIT2, amount, &from, &ground).ok_or_else(unread)?;
        Ok(AllowancePlan { from, asset, amount, now, approval })
    }

    /// Sends what was shown, and waits until the chain has it. Answers with the chain transaction.
    pub async fn allow(&self, shown: &AllowancePlan, passphrase: Option<&str>) -> Result<String, Refusal> {
        self.owners().await?;
        self.prove(passphrase).await?;
        let wallet = self.parts.wallet.as_ref().ok_or_else(|| nothing("there is no wallet yet"))?;
        if self.parts.ledger.frozen().await?.is_some() {
            return Err(Refusal::of("frozen", "the wallet is frozen", "thaw it first: bursar thaw"));
        }
        let of_wallet = |reason| Refusal { reasons: vec![reason], next: "nothing was sent".to_owned() };
        let key = wallet.unlock().await.map_err(|cause| of_wallet(wallet_reason(&cause)))?;
        seal::check(&self.parts, wallet).await.map_err(of_wallet)?;
        let signature = key.sign_approval(&shown.approval).map_err(|cause| of_wallet(wallet_reason(&cause)))?;
        // Like every signature, it is in the ledger before it leaves.
        let sent = SentApproval {
            asset: shown.asset.account.clone(),
            spender: PERMIT2.to_checksum(None),
            amount: shown.amount,
            nth: shown.approval.nth,
        };
        self.parts.ledger.note_approval(sent, self.parts.now()).await?;
        let network = shown.from.network();
        let pushed = self.parts.chains.push(network, &shown.approval.signed(&signature)).await;
        let chain_tx = pushed.map_err(|cause| {
            Refusal::of("not_sent", cause, "look again in a minute: it may have arrived all the same")
        })?;
        self.parts.ground.forget();
        self.arrives(shown, &chain_tx).await?;
        Ok(chain_tx)
    }

    async fn arrives(&self, shown: &AllowancePlan, chain_tx: &str) -> Result<(), Refusal> {
        let Some(fact) = allowance_of(&shown.asset, &shown.from) else { return Ok(()) };
        let until = tokio::time::Instant::now() + limits::APPROVAL_WAIT;
        loop {
            if self.look(vec![fact.clone()]).await?.number(&fact) == Some(shown.amount.0) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                let message = format!("chain transaction {chain_tx} was sent, and the chain does not show it yet");
                return Err(Refusal::of("not_seen_yet", message, "look again in a minute; do not send it twice"));
            }
            tokio::time::sleep(limits::APPROVAL_LOOK).await;
        }
    }

    async fn look(&self, facts: Vec<Fact>) -> Result<Ground, Refusal> {
        let mut known = Vec::new();
        for fact in facts {
            let word = self.parts.chains.know(&fact).await;
            let word = word.map_err(|cause| Refusal::of("chain_unknown", cause, "try again; nothing was sent"))?;
            known.push((fact, self.parts.now(), word));
        }
        Ok(known.into_iter().collect())
    }
}
