//! What both versions of x402 share: the envelope around the entries, and every check an entry must pass.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{
    Carrier, Dialect, Echo, Listed, Offer, Scheme, SignInAsked, SolanaTerms, Unpayable, Words, mcp, refusal, shown,
    x402_v1, x402_v2,
};
use crate::json::{self, Unreadable};
use crate::limits;
use crate::money::{Account, Amount, Asset, Assets, Network, NotAnAddress, Rail, TransferMethod, address_in_any_case};
use crate::reason::{Reason, Who};

/// The extension by which a seller asks which wallet it is.
const SIGN_IN: &str = "sign-in-with-x";

/// Where the two versions differ.
pub(super) struct Wire {
    pub(super) dialect: Dialect,
    /// The field the amount stands in.
    pub(super) amount: &'static str,
    /// The other version's field for it: a seller that writes both must mean the same.
    pub(super) rival: &'static str,
    pub(super) network: fn(&str) -> Option<Network>,
}

/// A challenge whose entries are still text.
struct Envelope<'a> {
    wire: &'static Wire,
    accepts: Vec<&'a RawValue>,
    resource: Option<&'a str>,
    extensions: Option<&'a str>,
}

/// The header wins; a body of the same version beside it is not read.
pub(super) fn offers(said: &Words<'_>, assets: &Assets) -> Vec<Listed> {
    if said.meta.is_some() {
        let text = mcp::x402(std::str::from_utf8(said.body).unwrap_or_default());
        let read = text.as_ref().map(|text| text.as_deref().map_err(Reason::clone).and_then(envelope));
        return read.map_or_else(Vec::new, |read| listed(read, Dialect::X402V2, Carrier::Meta, assets));
    }
    let in_body = body_text(said.body);
    let in_body = in_body.as_ref().map(|text| text.as_deref().map_err(Reason::clone).and_then(envelope));
    let Some(header) = x402_v2::header(said.headers) else {
        return in_body.map_or_else(Vec::new, |read| listed(read, Dialect::X402V1, Carrier::Headers, assets));
    };
    let in_header = header.as_deref().map_err(Reason::clone).and_then(envelope);
    let in_header_v1 = in_header.as_ref().is_ok_and(Envelope::is_v1);
    let mut offers = listed(in_header, Dialect::X402V2, Carrier::Headers, assets);
    if let Some(Ok(legacy)) = in_body
        && legacy.is_v1()
        && !in_header_v1
    {
        offers.extend(listed(Ok(legacy), Dialect::X402V1, Carrier::Headers, assets));
    }
    offers
}

/// What the challenge that is read for offers says of a sign-in.
pub(super) fn sign_in_asked(said: &Words<'_>) -> Option<SignInAsked> {
    let text = x402_v2::header(said.headers).or_else(|| body_text(said.body))?.ok()?;
    let envelope = envelope(&text).ok()?;
    let extension = json::members(envelope.extensions?)?.member(SIGN_IN).ok()??.to_owned();
    Some(SignInAsked { extension, is_all: envelope.accepts.is_empty() })
}

/// The body when it looks like a challenge. Any other body of a 402 is for people.
fn body_text(body: &[u8]) -> Option<Result<String, Reason>> {
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    if !text.starts_with(b"{") {
        return None;
    }
    // The wire keeps no more than this, so what is as long may have been cut.
    if body.len() >= limits::CHALLENGE_BODY_BYTES {
        return Some(Err(refusal("challenge_too_large", "the challenge is larger than bursar reads")));
    }
    let text = std::str::from_utf8(text).ok()?;
    let members = json::members(text)?;
    (members.has("x402Version") || members.has("accepts")).then(|| Ok(text.to_owned()))
}

fn envelope(text: &str) -> Result<Envelope<'_>, Reason> {
    let members = json::members(text).ok_or(Unreadable::Malformed)?;
    let wire = version(members.member("x402Version")?)?;
    let accepts = members.member("accepts")?.unwrap_or("[]");
    let accepts = serde_json::from_str(accepts).map_err(|_| Unreadable::Malformed)?;
    let (resource, extensions) = match wire.dialect {
        Dialect::X402V2 => (members.member("resource")?, members.member("extensions")?),
        _ => (None, None),
    };
    extensions.map_or(Ok(()), demands_nothing_unknown)?;
    Ok(Envelope { wire, accepts, resource, extensions })
}

/// Extensions are offers, which one may leave alone; but a seller can say that it takes no payment without one.
fn demands_nothing_unknown(extensions: &str) -> Result<(), Reason> {
    const SPOKEN: [&str; 2] = ["payment-identifier", "offer-receipt"];
    let is_required = |declared| named(declared, "info").iter().any(|info| named(info, "required").contains(&"true"));
    let declared = json::members(extensions);
    let mut unknown = declared.iter().flat_map(json::Members::iter).filter(|(name, _)| !SPOKEN.contains(name));
    if unknown.any(|(_, declared)| is_required(declared)) {
        let message = "the seller takes no payment without an extension of x402 that bursar does not speak";
        return Err(refusal("extension_not_supported", message));
    }
    Ok(())
}

/// Every member of this name, where the text is an object at all.
fn named<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let members = json::members(text);
    let found = members.iter().flat_map(json::Members::iter).filter(|(name, _)| *name == key);
    found.map(|(_, text)| text).collect()
}

fn version(text: Option<&str>) -> Result<&'static Wire, Reason> {
    match text {
        Some("1" | "\"1\"") => Ok(&x402_v1::WIRE),
        Some("2" | "\"2\"") => Ok(&x402_v2::WIRE),
        Some(_) => Err(refusal("version_not_supported", "the seller speaks a version of x402 that bursar does not")),
        None => Err(refusal("malformed_challenge", "the challenge does not say which version of x402 it is")),
    }
}

fn listed(read: Result<Envelope<'_>, Reason>, dialect: Dialect, carrier: Carrier, assets: &Assets) -> Vec<Listed> {
    let envelope = match read {
        Ok(envelope) => envelope,
        Err(reason) => return vec![Unpayable::bare(dialect, reason).into()],
    };
    if envelope.accepts.is_empty() {
        let reason = match envelope.asks_for_a_sign_in() {
            true => refusal(
                "sign_in_only",
                "the seller wants no money: it wants the wallet to sign in, which it does where its owner lets it",
            ),
            false => refusal("no_offers", "the challenge lists no way to pay"),
        };
        return vec![Unpayable::bare(envelope.wire.dialect, reason).into()];
    }
    // One more than are kept, so that the caller sees there were more.
    envelope.accepts.iter().take(limits::OFFERS + 1).map(|raw| envelope.entry(raw.get(), carrier, assets)).collect()
}

impl Envelope<'_> {
    fn asks_for_a_sign_in(&self) -> bool {
        self.extensions.and_then(json::members).is_some_and(|declared| declared.has(SIGN_IN))
    }

    fn is_v1(&self) -> bool {
        self.wire.dialect == Dialect::X402V1
    }

    fn entry(&self, text: &str, carrier: Carrier, assets: &Assets) -> Listed {
        let dialect = self.wire.dialect;
        let fields = match json::strict(text) {
            Ok(Value::Object(fields)) => Fields(fields),
            Ok(_) => return Unpayable::bare(dialect, malformed("the entry is not an object")).into(),
            Err(unreadable) => return Unpayable::bare(dialect, unreadable.into()).into(),
        };
        match terms(self.wire, &fields, assets) {
            Ok(terms) => Listed::Payable(Box::new(self.offer(text, carrier, terms))),
            Err(reason) => unpayable(self.wire, &fields, reason).into(),
        }
    }

    fn offer(&self, text: &str, carrier: Carrier, terms: Terms<'_>) -> Offer {
        let (accepted, kept) = (text.to_owned(), |text: Option<&str>| text.map(str::to_owned));
        Offer {
            scheme: terms.scheme,
            asset: terms.asset.clone(),
            amount: terms.amount,
            usd: terms.usd,
            payee: terms.payee,
            window_secs: terms.window_secs,
            takes_first: terms.takes_first,
            carrier,
            echo: match self.is_v1() {
                true => Echo::X402V1 { accepted },
                false => Echo::X402V2 { accepted, resource: kept(self.resource), extensions: kept(self.extensions) },
            },
        }
    }
}

fn unpayable(wire: &Wire, fields: &Fields, reason: Reason) -> Unpayable {
    let seen = |key: &str| fields.as_text(key);
    let network = seen("network");
    let is_known_by_name = x402_v1::is_name(&network);
    Unpayable {
        dialect: wire.dialect,
        scheme: shown::scheme(&seen("scheme")),
        network: if is_known_by_name { network } else { shown::network(&network) },
        asset: shown::asset(&seen("asset")),
        amount: shown::amount(&seen(wire.amount)),
        payee: shown::address(&seen("payTo")),
        reason,
    }
}

/// What an entry says, once all of it has been checked.
struct Terms<'a> {
    scheme: Scheme,
    asset: &'a Asset,
    amount: Amount,
    usd: crate::money::Usd,
    payee: Account,
    window_secs: u64,
    takes_first: bool,
}

/// From what it is, over what it is paid in, to how much and to whom: the first thing in the way is the reason.
fn terms<'a>(wire: &Wire, fields: &Fields, assets: &'a Assets) -> Result<Terms<'a>, Reason> {
    let way = way(fields)?;
    let network = network(wire, fields)?;
    let extra = fields.object("extra")?;
    let takes_first = takes_first(wire, &extra)?;
    let asset = asset(&network, fields, assets)?;
    let scheme = match (way, asset.transfer.rail()) {
        (Way::Exact, Rail::Evm) => moved_by(wire, &extra, asset)?,
        (Way::Exact, Rail::Solana) => Scheme::Solana(SolanaTerms::read(&extra, asset, assets)?),
        (Way::Upto, Rail::Evm) => Scheme::Upto(facilitator(wire, &extra, &network)?),
        (Way::Upto, Rail::Solana) => {
            return Err(refusal("scheme_not_supported", "bursar pays `upto` on EVM chains only"));
        }
    };
    is_the_asset_we_know(&extra, asset)?;
    let amount = amount(wire, fields)?;
    let can_be_signed = asset.transfer.rail() == Rail::Evm || u64::try_from(amount.0).is_ok();
    let usd = asset
        .usd(amount)
        .filter(|_| can_be_signed)
        .ok_or_else(|| refusal("amount_too_large", "the amount is more than bursar can count in dollars"))?;
    Ok(Terms {
        scheme,
        asset,
        amount,
        usd,
        payee: payee(fields, &network, assets)?,
        window_secs: window(fields)?,
        takes_first,
    })
}

/// How much an entry lets the seller take.
enum Way {
    /// The amount.
    Exact,
    /// Up to the amount.
    Upto,
}

fn way(fields: &Fields) -> Result<Way, Reason> {
    let why = match fields.required("scheme")? {
        "exact" => return Ok(Way::Exact),
        "upto" => return Ok(Way::Upto),
        "batch-settlement" => {
            "`batch-settlement` asks for a deposit larger than the price; bursar pays `exact` and `upto` only"
        }
        "auth-capture" => "`auth-capture` locks money until the seller decides; bursar pays `exact` and `upto` only",
        _ => "bursar pays `exact` and `upto` only",
    };
    Err(refusal("scheme_not_supported", why))
}

/// Who says how much is taken of a ceiling.
fn facilitator(wire: &Wire, extra: &Fields, network: &Network) -> Result<Account, Reason> {
    if wire.dialect == Dialect::X402V1 {
        return Err(refusal("scheme_not_supported", "the first version of x402 does not have `upto`"));
    }
    if !matches!(extra.text("assetTransferMethod")?, None | Some("permit2")) {
        return Err(refusal(TRANSFER_NOT_SUPPORTED, "bursar pays `upto` by Permit2 only"));
    }
    let named = Account::parse(network, extra.required("facilitatorAddress")?);
    let named = named.map_err(|_| malformed("`facilitatorAddress` is not an address of its network"))?;
    match named.is_nobodys() {
        true => Err(malformed("`facilitatorAddress` is nobody's address: nobody could ever take such a payment")),
        false => Ok(named),
    }
}

fn network(wire: &Wire, fields: &Fields) -> Result<Network, Reason> {
    let network = (wire.network)(fields.required("network")?);
    network.filter(|network| network.rail().is_some()).ok_or_else(|| {
        let message = "bursar pays on EVM chains it knows (`eip155:` and a chain id) and on Solana's clusters only";
        refusal("network_not_supported", message)
    })
}

/// Circle's gateway pays in batches out of a deposit, by authorizations that are good for days.
fn is_no_gateway(extra: &Fields) -> Result<(), Reason> {
    match extra.text("name")? {
        Some("GatewayWalletBatched") => Err(refusal(
            "gateway_not_supported",
            "the seller is paid in batches through Circle's gateway; bursar pays sellers themselves",
        )),
        _ => Ok(()),
    }
}

/// Whether the money is taken before the work is done: then nothing is left to hold on to when the goods do not come.
fn takes_first(wire: &Wire, extra: &Fields) -> Result<bool, Reason> {
    is_no_gateway(extra)?;
    let why = match extra.text("paymentFlow")? {
        None | Some("authorization") => return Ok(false),
        Some("upfront") if wire.dialect == Dialect::X402V2 => return Ok(true),
        Some("escrow") => "the seller wants the money in escrow first; bursar pays after the work only",
        Some(_) => "the seller wants the payment in an order bursar does not know",
    };
    Err(refusal("flow_not_supported", why))
}

const TRANSFER_NOT_SUPPORTED: &str = "transfer_method_not_supported";

/// By which scheme exactly the amount is moved: as the seller says, or else as the asset moves by itself.
fn moved_by(wire: &Wire, extra: &Fields, asset: &Asset) -> Result<Scheme, Reason> {
    let why = match (extra.text("assetTransferMethod")?, asset.transfer) {
        // The first version knows one way only.
        (None, TransferMethod::Permit2) | (Some("permit2"), _) if wire.dialect == Dialect::X402V1 => {
            "the seller wants a Permit2 transfer, which the first version of x402 does not have"
        }
        (None | Some("eip3009"), TransferMethod::Eip3009) => return Ok(Scheme::Eip3009),
        (None | Some("permit2"), TransferMethod::Permit2) | (Some("permit2"), TransferMethod::Eip3009) => {
            return Ok(Scheme::Permit2);
        }
        (Some("eip3009"), TransferMethod::Permit2) => {
            "the seller wants an EIP-3009 transfer, which this asset does not have; it moves by Permit2"
        }
        (None | Some("eip3009" | "permit2"), TransferMethod::Spl | TransferMethod::Token2022) => {
            "the asset is moved by chain transactions of Solana's, which are another scheme"
        }
        (None | Some("eip3009" | "permit2"), TransferMethod::Tip20) => {
            "the asset is moved by chain transactions of Tempo's, which x402 has no word for"
        }
        (Some("erc7710"), _) => "the seller wants an ERC-7710 delegation, which a plain account does not have",
        (Some(_), _) => "the seller wants the asset moved in a way bursar does not know",
    };
    Err(refusal(TRANSFER_NOT_SUPPORTED, why))
}

pub(super) fn asset<'a>(network: &Network, fields: &Fields, assets: &'a Assets) -> Result<&'a Asset, Reason> {
    let unknown = || {
        let message = "bursar does not know this asset on this network, so it cannot tell what it is worth; \
                       the owner can add it to config.toml as an [[asset]]";
        Reason::new("unknown_asset", "offer", message, Who::Owner)
    };
    // A seller's own spelling of a contract is not ours to correct: which one it means is certain.
    let address = address_in_any_case(fields.required("asset")?);
    let account = address.and_then(|address| Account::parse(network, &address).ok());
    account.and_then(|account| assets.known(&account)).ok_or_else(unknown)
}

/// A name or version other than ours gives a signature that settles nothing, and other decimals another price, whoever
/// is wrong.
pub(super) fn is_the_asset_we_know(extra: &Fields, asset: &Asset) -> Result<(), Reason> {
    let agrees = |key: &str, ours: &str| Ok::<_, Reason>(extra.text(key)?.is_none_or(|theirs| theirs == ours));
    // Only what is signed for by EIP-712 has a name there.
    let has_domain = asset.transfer.rail() == Rail::Evm;
    let is_named_so =
        || Ok::<_, Reason>(agrees("name", &asset.eip712_name)? && agrees("version", &asset.eip712_version)?);
    let message = if has_domain && !is_named_so()? {
        "the seller gives this asset a signing name or version other than the one bursar knows"
    } else if extra.number("decimals")?.is_some_and(|theirs| theirs != u64::from(asset.decimals)) {
        "the seller counts this asset with other decimals than it has"
    } else {
        return Ok(());
    };
    Err(Reason::new("asset_mismatch", "offer", message, Who::Owner))
}

fn amount(wire: &Wire, fields: &Fields) -> Result<Amount, Reason> {
    let read = |text: &str| Amount::parse(text).ok_or_else(|| malformed("an amount is a string of digits"));
    let amount = read(fields.required(wire.amount)?)?;
    if let Some(rival) = fields.text(wire.rival)?
        && read(rival)? != amount
    {
        return Err(refusal("ambiguous", "the entry names two different amounts"));
    }
    if amount.is_zero() {
        return Err(refusal("amount_zero", "the entry asks for nothing, which is not a price"));
    }
    Ok(amount)
}

pub(super) fn payee(fields: &Fields, network: &Network, assets: &Assets) -> Result<Account, Reason> {
    let bad = |message: &str| refusal("bad_payee", message);
    let payee = Account::parse(network, fields.required("payTo")?).map_err(|cause| match cause {
        NotAnAddress::Shape => bad(match network.rail() {
            Some(Rail::Solana) => "the payee is not an address: 32 bytes in base58",
            Some(Rail::Evm) | None => "the payee is not an address: 0x and 40 hex digits",
        }),
        NotAnAddress::WrongChecksum => bad("the payee's address has a wrong checksum: a digit of it may be mistaken"),
    })?;
    if payee.is_nobodys() || assets.known(&payee).is_some() {
        return Err(bad("the payee is an address that nobody can spend from"));
    }
    Ok(payee)
}

fn window(fields: &Fields) -> Result<u64, Reason> {
    let secs = fields.number("maxTimeoutSeconds")?;
    let secs = secs.ok_or_else(|| malformed("`maxTimeoutSeconds` is missing"))?;
    if secs < limits::WINDOW_AT_LEAST.as_secs() {
        return Err(refusal("window_too_short", "the seller leaves too little time for a payment to arrive"));
    }
    if secs > limits::WINDOW_AT_MOST.as_secs() {
        return Err(refusal("window_too_long", "the seller wants to be able to take the money for too long"));
    }
    Ok(secs)
}

/// `60.0` is what some languages make of 60. The bound keeps the conversion exact.
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=1e9).contains(&number)).then_some(number as u64)
}

/// The fields of an entry. `null` is the same as absent, everywhere.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Reason> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(&format!("`{key}` is not a string"))),
        }
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, Reason> {
        self.text(key)?.ok_or_else(|| malformed(&format!("`{key}` is missing")))
    }

    /// A whole number; some sellers write it as text.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Reason> {
        let read = match self.0.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
            Some(Value::String(text)) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            Some(_) => None,
        };
        read.map(Some).ok_or_else(|| malformed(&format!("`{key}` is not a whole number")))
    }

    pub(super) fn object(&self, key: &str) -> Result<Fields, Reason> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(Fields(Map::new())),
            Some(Value::Object(object)) => Ok(Fields(object.clone())),
            Some(_) => Err(malformed(&format!("`{key}` is not an object"))),
        }
    }

    fn as_text(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }
}

pub(super) fn malformed(message: &str) -> Reason {
    refusal("malformed_offer", message)
}

impl From<Unreadable> for Reason {
    fn from(unreadable: Unreadable) -> Reason {
        match unreadable {
            Unreadable::Ambiguous => refusal("ambiguous", "a key stands there twice, so it can be read in two ways"),
            Unreadable::Malformed => {
                refusal("malformed_challenge", "what the seller sent is not the JSON it should be")
            }
        }
    }
}
