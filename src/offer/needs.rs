//! What it would take to pay an entry that cannot be paid: one word for programs and sums, and one phrase for people.

use serde::{Deserialize, Serialize};

use super::{Dialect, Unpayable};

/// What is missing. The first thing in the way is the one that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// For invoices: L402, and MPP's method of that name.
    LightningWallet,
    /// For ecash.
    CashuMint,
    /// For pay-per-crawl.
    CrawlerAccount,
    /// For tokens that stand for a bank's word.
    StripeAccount,
    /// For card networks.
    Card,
    /// For Solana, where the wallet has no key for it.
    SolanaKey,
    /// For MPP's method of that name.
    MppOnSolana,
    /// For every other chain that is none of the EVM's.
    OtherChain,
    /// Where not even the kind of chain is known.
    UnknownNetwork,
    /// Where the asset is in no table.
    UnknownAsset,
    /// For channels, sessions and batches.
    Deposit,
    /// For money that somebody else keeps until it is decided on.
    Escrow,
    /// For Permit2, where the owner has not allowed it the asset.
    Allowance,
    /// For a debit that comes again.
    Subscription,
    /// For assets moved by another contract, by fees of ours, or to several at once.
    TransferMethod,
    /// For a credential in a header that is taken.
    AuthorizationHeader,
    /// For an extension of the dialect without which nothing is taken.
    Extension,
    /// For pages that are not paid for, and want to know which wallet asks.
    SignIn,
    /// The seller's terms are at fault.
    SoundTerms,
    /// Nobody here can tell.
    Unknown,
}

impl Needs {
    /// All of them, in the order they are listed in.
    pub const ALL: [Needs; 20] = [
        Needs::LightningWallet,
        Needs::CashuMint,
        Needs::CrawlerAccount,
        Needs::StripeAccount,
        Needs::Card,
        Needs::SolanaKey,
        Needs::MppOnSolana,
        Needs::OtherChain,
        Needs::UnknownNetwork,
        Needs::UnknownAsset,
        Needs::Deposit,
        Needs::Escrow,
        Needs::Allowance,
        Needs::Subscription,
        Needs::TransferMethod,
        Needs::AuthorizationHeader,
        Needs::Extension,
        Needs::SignIn,
        Needs::SoundTerms,
        Needs::Unknown,
    ];

    /// Stable, for programs.
    pub fn word(self) -> &'static str {
        self.said().0
    }

    /// For people: "it takes ...".
    pub fn what(self) -> &'static str {
        self.said().1
    }

    /// By its word; what an older bursar wrote has none.
    pub fn named(word: &str) -> Needs {
        Needs::ALL.into_iter().find(|needs| needs.word() == word).unwrap_or(Needs::Unknown)
    }

    fn said(self) -> (&'static str, &'static str) {
        match self {
            Needs::LightningWallet => ("lightning_wallet", "a Lightning wallet"),
            Needs::CashuMint => ("cashu_mint", "ecash from a Cashu mint"),
            Needs::CrawlerAccount => ("crawler_account", "an account with the operator, and a bot it has verified"),
            Needs::StripeAccount => ("stripe_account", "a Stripe account that issues payment tokens"),
            Needs::Card => ("card", "a payment card"),
            Needs::SolanaKey => ("solana_key", "a key and money on Solana"),
            Needs::MppOnSolana => ("mpp_on_solana", "MPP's own way to be paid on Solana"),
            Needs::OtherChain => ("other_chain", "a key and money on a chain that is not an EVM chain"),
            Needs::UnknownNetwork => ("unknown_network", "a network that bursar knows"),
            Needs::UnknownAsset => ("unknown_asset", "the asset in config.toml, as an [[asset]]"),
            Needs::Deposit => ("deposit", "money deposited in advance"),
            Needs::Escrow => ("escrow", "money locked away until the seller decides"),
            Needs::Allowance => ("allowance", "an allowance for Permit2, which the owner can give"),
            Needs::Subscription => ("subscription", "a standing permission to charge"),
            Needs::TransferMethod => {
                ("transfer_method", "another way to move the asset than a signed transfer of its own")
            }
            Needs::AuthorizationHeader => ("authorization_header", "a call without an `Authorization` of its own"),
            Needs::Extension => ("extension", "an extension of x402 that bursar does not speak"),
            Needs::SignIn => ("sign_in", "its owner's leave to sign in there"),
            Needs::SoundTerms => ("sound_terms", "terms that have one reading and can be signed as they stand"),
            Needs::Unknown => ("unknown", "a way to pay that bursar does not know"),
        }
    }

    /// Whether the reason beside it does not say so already.
    fn is_news(self) -> bool {
        !matches!(
            self,
            Needs::SignIn
                | Needs::UnknownAsset
                | Needs::Allowance
                | Needs::AuthorizationHeader
                | Needs::SoundTerms
                | Needs::Unknown
        )
    }
}

impl Unpayable {
    /// What it would take to pay it.
    pub fn needs(&self) -> Needs {
        match self.dialect {
            Dialect::L402 => Needs::LightningWallet,
            Dialect::Cashu => Needs::CashuMint,
            Dialect::PayPerCrawl => Needs::CrawlerAccount,
            Dialect::X402V1 | Dialect::X402V2 | Dialect::Mpp | Dialect::Unknown => self.needs_by_reason(),
        }
    }

    fn needs_by_reason(&self) -> Needs {
        match self.reason.code.as_str() {
            "method_not_supported" => by_method(&self.scheme),
            "scheme_not_supported" => by_scheme(&self.scheme),
            "network_not_supported" => by_network(&self.network),
            "unknown_asset" => Needs::UnknownAsset,
            "no_key_for_rail" if self.network.starts_with("solana:") => Needs::SolanaKey,
            "flow_not_supported" => Needs::Escrow,
            "permit2_allowance_required" | "permit2_allowance_unknown" => Needs::Allowance,
            "gateway_not_supported" => Needs::Deposit,
            "transfer_method_not_supported" | "splits_not_supported" | "memo_not_supported" => Needs::TransferMethod,
            "authorization_header_taken" => Needs::AuthorizationHeader,
            "extension_not_supported" => Needs::Extension,
            "sign_in_only" => Needs::SignIn,
            "challenge_not_understood" | "version_not_supported" => Needs::Unknown,
            _ => Needs::SoundTerms,
        }
    }

    /// The same, with what it would take said in its reason.
    pub(super) fn explained(mut self) -> Unpayable {
        let needs = self.needs();
        if needs.is_news() {
            self.reason.message += "; to pay it, bursar would need ";
            self.reason.message += needs.what();
        }
        self
    }
}

/// `method/intent`, as MPP has them, where both are known.
fn by_method(scheme: &str) -> Needs {
    match scheme.split_once('/').unwrap_or_default() {
        ("", _) => Needs::Unknown,
        (_, "session") => Needs::Deposit,
        (_, "subscription") => Needs::Subscription,
        ("lightning", _) => Needs::LightningWallet,
        ("stripe", _) => Needs::StripeAccount,
        ("card", _) => Needs::Card,
        ("solana", _) => Needs::MppOnSolana,
        ("hedera" | "nearintents" | "stellar" | "xrpl", _) => Needs::OtherChain,
        _ => Needs::Unknown,
    }
}

fn by_scheme(scheme: &str) -> Needs {
    match scheme {
        "batch-settlement" | "deferred" => Needs::Deposit,
        "auth-capture" | "escrow" => Needs::Escrow,
        "subscription" => Needs::Subscription,
        _ => Needs::Unknown,
    }
}

/// Of a network on no rail, or one that is spelled as none.
fn by_network(network: &str) -> Needs {
    match network.split(':').next().unwrap_or_default() {
        "" | "eip155" | "solana" => Needs::UnknownNetwork,
        _ => Needs::OtherChain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_has_a_word_of_its_own_that_reads_back() {
        for needs in Needs::ALL {
            assert_eq!(Needs::named(needs.word()), needs);
            assert_eq!(serde_json::to_value(needs).unwrap(), needs.word());
            assert!(!needs.what().is_empty());
        }
        assert_eq!(Needs::named("of tomorrow"), Needs::Unknown);
    }
}
