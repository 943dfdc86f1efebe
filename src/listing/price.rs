//! What a thing is said to cost. Base units become dollars by our own table of assets and by nothing else, and where the
//! units cannot be told there is no price.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::money::{Account, Amount, Asset, Assets, Network, Usd, address_in_any_case};
use crate::offer::{self, Dialect};

/// One way that a thing is said to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedPrice {
    /// The language of its 402.
    pub dialect: Dialect,
    /// What would be signed, where it reads as such: `exact`, `tempo/charge`.
    pub scheme: String,
    /// The network in CAIP-2, where it reads as one.
    pub network: String,
    /// The asset's symbol in our table; else its address, where it reads as one.
    pub asset: String,
    /// How much, in atomic units of the asset.
    pub amount: Option<Amount>,
    /// The same in US dollars.
    pub usd: Option<Usd>,
    /// The asset, where our table has it.
    pub known: Option<Asset>,
    /// What there is to say about the price.
    pub note: Option<PriceNote>,
}

/// Why a price is none, or less than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriceNote {
    /// It may be in base units or in dollars: so it is no price.
    UnitsUnclear,
    /// In an asset that our table does not have.
    UnknownAsset,
    /// It depends on the call.
    Varies,
    /// No number of money.
    NotAnAmount,
    /// In dollars, on no network that is named.
    NetworkNotNamed,
    /// Directories claim different prices; this is the highest.
    ClaimsDiffer,
}

/// Where MPP's `tempo` is paid, unless a chain is named.
const TEMPO: u64 = 4217;

impl ClaimedPrice {
    /// Nothing is known of it but its language.
    fn of(dialect: Dialect) -> ClaimedPrice {
        let empty = String::new;
        let (scheme, network, asset) = (empty(), empty(), empty());
        ClaimedPrice { dialect, scheme, network, asset, amount: None, usd: None, known: None, note: None }
    }

    fn noted(self, note: PriceNote) -> ClaimedPrice {
        ClaimedPrice { usd: None, amount: None, note: Some(note), ..self }
    }

    /// A price whose units nobody can tell.
    pub(super) fn unclear() -> ClaimedPrice {
        ClaimedPrice::of(Dialect::Unknown).noted(PriceNote::UnitsUnclear)
    }

    /// An entry of `accepts`, in either version of x402.
    pub(super) fn of_x402(entry: &Value, assets: &Assets) -> ClaimedPrice {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let (new, old) = (text("amount"), text("maxAmountRequired"));
        let dialect = if old.is_some() && new.is_none() { Dialect::X402V1 } else { Dialect::X402V2 };
        let price = ClaimedPrice {
            scheme: offer::shown::scheme(text("scheme").unwrap_or_default()),
            ..ClaimedPrice::of(dialect).on(offer::network_named(text("network").unwrap_or_default()))
        };
        let price = price.in_asset(text("asset").unwrap_or_default(), assets);
        match (new, old) {
            (Some(new), Some(old)) if new != old => price.noted(PriceNote::UnitsUnclear),
            (amount, None) | (None, amount) | (amount, Some(_)) => price.base_units(amount),
        }
    }

    /// What MPP's services and documents say of a payment: base units, in a text of digits.
    pub(super) fn of_mpp(payment: &Value, assets: &Assets) -> ClaimedPrice {
        let text = |name: &str| payment.get(name).and_then(Value::as_str);
        let method = text("method").unwrap_or_default();
        let named = payment.get("chainId").and_then(Value::as_u64).or((method == "tempo").then_some(TEMPO));
        let price = ClaimedPrice {
            scheme: offer::shown::mpp_scheme(method, text("intent").unwrap_or_default()),
            ..ClaimedPrice::of(Dialect::Mpp).on(named.map(Network::eip155))
        };
        let price = price.in_asset(text("currency").unwrap_or_default(), assets);
        let decimals = payment.get("decimals").and_then(Value::as_u64);
        let contradicted =
            price.known.as_ref().zip(decimals).is_some_and(|(asset, said)| u64::from(asset.decimals) != said);
        match payment.get("amount") {
            None | Some(Value::Null) => price.noted(PriceNote::Varies),
            Some(Value::String(amount)) if Amount::parse(amount).is_some() && !contradicted => {
                price.base_units(Some(amount))
            }
            Some(_) => price.noted(PriceNote::UnitsUnclear),
        }
    }

    /// A decimal number of dollars, in whatever is said of where it is paid: a network by any of its names, and an asset.
    pub(super) fn in_dollars(
        dialect: Dialect,
        price: Option<&Value>,
        (network, asset): (&str, &str),
        assets: &Assets,
    ) -> ClaimedPrice {
        let on = offer::network_named(network).or_else(|| Network::meant(network));
        let claimed = ClaimedPrice::of(dialect).on(on).in_asset(asset, assets);
        let usd: Option<Usd> = price.and_then(decimal).and_then(|text| text.parse().ok());
        let Some(usd) = usd else { return claimed.noted(PriceNote::NotAnAmount) };
        let amount = claimed.known.as_ref().and_then(|asset| asset.amount_of(usd));
        let note = match &claimed.known {
            Some(_) => None,
            None if network.is_empty() => Some(PriceNote::NetworkNotNamed),
            None => Some(PriceNote::UnknownAsset),
        };
        ClaimedPrice { usd: Some(usd), amount, note, ..claimed }
    }

    /// Depends on the call.
    pub(super) fn varying(dialect: Dialect) -> ClaimedPrice {
        ClaimedPrice::of(dialect).noted(PriceNote::Varies)
    }

    /// By this scheme, as far as it is one.
    pub(super) fn by(self, scheme: &str) -> ClaimedPrice {
        ClaimedPrice { scheme: offer::shown::scheme(scheme), ..self }
    }

    fn on(self, network: Option<Network>) -> ClaimedPrice {
        ClaimedPrice { network: network.map(|network| network.to_string()).unwrap_or_default(), ..self }
    }

    /// By its address, or by the symbol our table has for it there.
    fn in_asset(self, written: &str, assets: &Assets) -> ClaimedPrice {
        let network = Network::new(self.network.clone());
        let account = address_in_any_case(written).and_then(|address| Account::parse(&network, &address).ok());
        let by_symbol = || assets.on(&network).find(|asset| asset.symbol.eq_ignore_ascii_case(written));
        let known = account.and_then(|account| assets.known(&account)).or_else(by_symbol).cloned();
        let asset = known.as_ref().map_or_else(|| offer::shown::asset(written), |asset| asset.symbol.clone());
        ClaimedPrice { asset, known, ..self }
    }

    fn base_units(self, amount: Option<&str>) -> ClaimedPrice {
        let Some(amount) = amount.and_then(Amount::parse) else { return self.noted(PriceNote::NotAnAmount) };
        match self.known.as_ref().map(|asset| asset.usd(amount)) {
            Some(Some(usd)) => ClaimedPrice { amount: Some(amount), usd: Some(usd), ..self },
            Some(None) => self.noted(PriceNote::NotAnAmount),
            None => ClaimedPrice { amount: Some(amount), note: Some(PriceNote::UnknownAsset), ..self },
        }
    }
}

/// A decimal number, as a text or as JSON has it.
fn decimal(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
