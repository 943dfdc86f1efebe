//! MPP, the `Payment` HTTP authentication scheme: challenges in `WWW-Authenticate`, a credential in `Authorization` in
//! return; or both as objects, in the error of a tool and in `_meta`. What is paid by which method stands in a file each: [`mpp_evm`](super::mpp_evm) and
//! [`mpp_tempo`](super::mpp_tempo).

use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::www_authenticate::{AuthChallenge, Unclear, challenges};
use super::x402::{Fields, malformed};
use super::{
    Carrier, Dialect, Echo, Listed, Offer, Paid, Unpayable, Words, base64, mcp, mpp_evm, mpp_tempo, refusal, shown,
};
use crate::json;
use crate::limits;
use crate::money::Assets;
use crate::reason::Reason;
use crate::request::{PROGRAM, Request, tool_at};
use crate::time::Time;

/// The header that carries a receipt.
pub(super) const RECEIPT: &str = "payment-receipt";

/// The header a credential is carried in, as the challenge has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialHeader {
    /// Where a challenge names none.
    Authorization,
    /// Beside an `Authorization` of the caller's own.
    PaymentAuthorization,
}

/// What a challenge says, once all of it has one reading.
pub(super) struct PaymentChallenge {
    pub(super) id: String,
    pub(super) realm: String,
    pub(super) request: Fields,
    /// What the seller's software wrote for itself, where it reads.
    pub(super) opaque: Option<Value>,
    expires: Option<String>,
    header: CredentialHeader,
    /// What goes back: each parameter as it came.
    echo: String,
}

/// One challenge, as it came.
enum Came {
    Header(AuthChallenge),
    /// In an error of a tool.
    Member(String),
}

pub(super) fn offers(said: &Words<'_>, assets: &Assets) -> Vec<Listed> {
    // One more than are kept, so that the caller sees there were more.
    came(said).iter().take(limits::OFFERS + 1).map(|challenge| listed(challenge, assets)).collect()
}

fn came(said: &Words<'_>) -> Vec<Came> {
    match said.meta {
        Some(_) => {
            let answer = std::str::from_utf8(said.body).unwrap_or_default();
            mcp::mpp(answer).into_iter().map(Came::Member).collect()
        }
        None => {
            let ours = challenges(said.headers).into_iter().filter(|challenge| challenge.is("Payment"));
            ours.map(Came::Header).collect()
        }
    }
}

/// Whether a challenge in here has expired, or is about to.
pub(super) fn is_over(said: &Words<'_>, at: Time) -> bool {
    let soon = at.plus(limits::WINDOW_AT_LEAST).secs();
    let expires = |challenge: &Came| challenge.param("expires")?.parse::<Timestamp>().ok();
    came(said).iter().filter_map(expires).any(|ends| ends.as_second() < soon)
}

fn listed(challenge: &Came, assets: &Assets) -> Listed {
    match payable(challenge, assets) {
        Ok(offer) => Listed::Payable(Box::new(offer)),
        Err(reason) => unpayable(challenge, reason).into(),
    }
}

fn payable(challenge: &Came, assets: &Assets) -> Result<Offer, Reason> {
    let (method, said) = match challenge {
        Came::Header(challenge) => (
            Method::of(&required(challenge, "method")?, &required(challenge, "intent")?)?,
            PaymentChallenge::read(challenge)?,
        ),
        Came::Member(text) => PaymentChallenge::of_member(text)?,
    };
    let PaymentChallenge { header, ref echo, .. } = said;
    let (terms, prescribed) = match method {
        Method::Evm => mpp_evm::terms(&said, assets)?,
        Method::Tempo => mpp_tempo::terms(&said, assets)?,
    };
    let echo = Echo::Mpp { challenge: echo.clone(), header, prescribed };
    let mpp_evm::ChargeTerms { scheme, asset, amount, usd, payee } = terms;
    let window_secs = limits::WINDOW_ENDS_WITHIN.as_secs();
    let carrier = match challenge {
        Came::Header(_) => Carrier::Headers,
        Came::Member(_) => Carrier::Meta,
    };
    Ok(Offer { scheme, asset: asset.clone(), amount, usd, payee, window_secs, takes_first: false, carrier, echo })
}

impl Came {
    /// As anybody would read it: to be shown, not to be decided on.
    fn param(&self, name: &str) -> Option<String> {
        match self {
            Came::Header(challenge) => challenge.param(name),
            Came::Member(text) => Some(json::strict(text).ok()?.get(name)?.as_str()?.to_owned()),
        }
    }

    fn request(&self) -> Option<Value> {
        match self {
            Came::Header(challenge) => json::strict(&base64::decode_text(&challenge.param("request")?)?).ok(),
            Came::Member(text) => json::strict(text).ok()?.get("request").cloned(),
        }
    }
}

/// By what way money would move.
#[derive(Clone, Copy)]
enum Method {
    /// On any EVM chain, by a signature of the payer's.
    Evm,
    /// On Tempo, by a chain transaction of the payer's.
    Tempo,
}

impl Method {
    /// Of a single charge; there is no other kind of payment that is made.
    fn of(method: &str, intent: &str) -> Result<Method, Reason> {
        let why = match (method, intent) {
            ("evm", "charge") => return Ok(Method::Evm),
            ("tempo", "charge") => return Ok(Method::Tempo),
            (_, "session") => "the seller wants a deposit that it draws on; bursar pays single charges only",
            (_, "subscription") => "the seller wants to charge again and again; bursar pays single charges only",
            (_, "charge") => {
                "the seller is paid by a method of MPP other than `evm` and `tempo`, and bursar pays by no other"
            }
            _ => "the seller wants a kind of payment of MPP that bursar does not know",
        };
        Err(refusal("method_not_supported", why))
    }
}

fn required(challenge: &AuthChallenge, name: &str) -> Result<String, Reason> {
    clear(challenge, name)?
        .filter(|value| !value.is_empty())
        .ok_or_else(|| refusal("malformed_challenge", format!("the challenge is without its `{name}`")))
}

fn clear(challenge: &AuthChallenge, name: &str) -> Result<Option<String>, Reason> {
    let value = challenge.clear(name).map_err(|unclear| match unclear {
        Unclear::Twice => twice(),
        Unclear::Spelling => {
            refusal("malformed_challenge", format!("the challenge's `{name}` can be read in more than one way"))
        }
    })?;
    // Both reference servers read no more than this of any of them.
    match value.as_ref().is_some_and(|value| value.len() > limits::MPP_PARAMETER_BYTES) {
        true => Err(refusal("challenge_too_large", "the challenge is larger than bursar reads")),
        false => Ok(value),
    }
}

fn twice() -> Reason {
    refusal("ambiguous", "a parameter of the challenge stands there twice, so it can be read in two ways")
}

/// Those that are bound to a challenge's id, and go back with it. Its `description` is nothing but words.
const ECHOED: [&str; 9] = ["id", "realm", "method", "intent", "request", "expires", "digest", "header", "opaque"];

impl PaymentChallenge {
    fn read(challenge: &AuthChallenge) -> Result<PaymentChallenge, Reason> {
        if challenge.repeats() {
            return Err(twice());
        }
        let mut echo = Map::new();
        for name in ECHOED {
            if let Some(value) = clear(challenge, name)? {
                echo.insert(name.to_owned(), Value::String(value));
            }
        }
        let request = base64::decode_text(&required(challenge, "request")?)
            .ok_or_else(|| refusal("malformed_challenge", "the challenge's `request` is not base64 of a JSON text"))?;
        let Value::Object(request) = json::strict(&request)? else {
            return Err(refusal("malformed_challenge", "the challenge's `request` is not an object"));
        };
        Ok(PaymentChallenge {
            id: required(challenge, "id")?,
            realm: required(challenge, "realm")?,
            request: Fields(request),
            opaque: clear(challenge, "opaque")?.and_then(|opaque| in_base64(&opaque)),
            expires: clear(challenge, "expires")?,
            header: CredentialHeader::named(clear(challenge, "header")?.as_deref())?,
            echo: Value::Object(echo).to_string(),
        })
    }

    /// An object with the same members; its `request` and `opaque` are objects too, or the texts that stand in a header.
    fn of_member(text: &str) -> Result<(Method, PaymentChallenge), Reason> {
        if text.len() > limits::CHALLENGE_HEADER_BYTES {
            return Err(refusal("challenge_too_large", "the challenge is larger than bursar reads"));
        }
        let Value::Object(said) = json::strict(text)? else { return Err(malformed("the challenge is not an object")) };
        let said = Fields(said);
        let method = Method::of(said.required("method")?, said.required("intent")?)?;
        let unwrapped = |name: &str| match said.0.get(name) {
            Some(Value::String(text)) => in_base64(text),
            value => value.cloned(),
        };
        let Some(Value::Object(request)) = unwrapped("request") else {
            return Err(refusal("malformed_challenge", "the challenge's `request` is not an object"));
        };
        let challenge = PaymentChallenge {
            id: said.required("id")?.to_owned(),
            realm: said.required("realm")?.to_owned(),
            request: Fields(request),
            opaque: unwrapped("opaque"),
            expires: said.text("expires")?.map(str::to_owned),
            header: CredentialHeader::Authorization,
            echo: text.to_owned(),
        };
        Ok((method, challenge))
    }

    /// When it ends, in seconds since 1970. Servers take no credential of a challenge that never does.
    pub(super) fn expires(&self) -> Result<u64, Reason> {
        let expires = self.expires.as_deref().ok_or_else(|| malformed("`expires` is missing"))?;
        let expires = expires.parse::<Timestamp>().map_err(|_| malformed("`expires` is not a time"))?;
        u64::try_from(expires.as_second()).map_err(|_| malformed("`expires` is before 1970"))
    }
}

impl CredentialHeader {
    /// A challenge that names any other header is none that can be answered.
    fn named(name: Option<&str>) -> Result<CredentialHeader, Reason> {
        match name {
            None => Ok(CredentialHeader::Authorization),
            Some(name) if name == CredentialHeader::PaymentAuthorization.name() => {
                Ok(CredentialHeader::PaymentAuthorization)
            }
            Some(_) => Err(refusal(
                "credential_header_not_supported",
                "the seller wants the payment in a header that payments do not go in",
            )),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            CredentialHeader::Authorization => "Authorization",
            CredentialHeader::PaymentAuthorization => "Payment-Authorization",
        }
    }
}

/// JSON as it stands in a header.
fn in_base64(text: &str) -> Option<Value> {
    json::strict(&base64::decode_text(text)?).ok()
}

fn unpayable(challenge: &Came, reason: Reason) -> Unpayable {
    let param = |name| challenge.param(name).unwrap_or_default();
    let request = challenge.request().unwrap_or_default();
    let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
    let chain = request.pointer("/methodDetails/chainId").and_then(Value::as_u64);
    Unpayable {
        dialect: Dialect::Mpp,
        scheme: shown::mpp_scheme(&param("method"), &param("intent")),
        network: chain.map(|id| format!("eip155:{id}")).unwrap_or_default(),
        asset: shown::asset(text("currency")),
        amount: shown::amount(text("amount")),
        payee: shown::address(text("recipient")),
        reason,
    }
}

/// Whether a challenge can be answered with this request, at this time, and for how long from then on.
pub(super) fn fits(offer: &Offer, challenge: &str, ends: u64, request: &Request, at: Time) -> Result<u64, Reason> {
    let of_its_own = |name: &str| request.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
    let is_authorization = matches!(offer.echo, Echo::Mpp { header: CredentialHeader::Authorization, .. });
    if offer.carrier == Carrier::Headers && is_authorization && of_its_own(AUTHORIZATION.as_str()) {
        let message = "the seller wants the payment in the `Authorization` header, where this call has one of its own";
        return Err(refusal("authorization_header_taken", message));
    }
    let echo = json::strict(challenge).unwrap_or_default();
    // A program may speak for any host: its owner chose it.
    let is_here =
        |realm: &str| request.url.scheme() == PROGRAM || may_be_of(realm, request.url.host_str().unwrap_or_default());
    if !echo.get("realm").and_then(Value::as_str).is_some_and(is_here) {
        let message = "the challenge is written for the realm of another host, as if it were passed on from there";
        return Err(refusal("realm_mismatch", message));
    }
    let route = echo.pointer("/request/_mppx_scope/route").and_then(Value::as_str);
    if let (Some(named), Some(tool)) = (route.and_then(|route| route.strip_prefix("tool:")), tool_at(&request.url))
        && named != tool
    {
        let message = "the challenge is written for another tool, as if it were passed on from there";
        return Err(refusal("resource_mismatch", message));
    }
    let left = ends.saturating_sub(u64::try_from(at.secs()).unwrap_or_default());
    if left == 0 {
        return Err(refusal("challenge_expired", "the challenge had expired when it arrived"));
    }
    if left < limits::WINDOW_AT_LEAST.as_secs() {
        return Err(refusal("window_too_short", "the seller leaves too little time for a payment to arrive"));
    }
    if left > limits::WINDOW_AT_MOST.as_secs() {
        return Err(refusal("window_too_long", "the seller wants its challenge to be good for too long"));
    }
    Ok(left)
}

/// A realm is whatever a seller calls itself. Where that is a name that somebody registered, it is to be who was asked;
/// names that a platform gives what runs there, and names inside a network, are as good as any.
fn may_be_of(realm: &str, host: &str) -> bool {
    let is_name = |realm: &str| realm.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    let realm = realm.strip_suffix('.').unwrap_or(realm).to_ascii_lowercase();
    let is_registered = psl::suffix(realm.as_bytes()).is_some_and(|suffix| suffix.typ() == Some(psl::Type::Icann));
    match psl::domain_str(&realm).filter(|_| is_registered && is_name(&realm)) {
        Some(domain) => psl::domain_str(host.strip_suffix('.').unwrap_or(host)) == Some(domain),
        None => true,
    }
}

/// What pays, as a header has it.
pub(super) fn payment(challenge: &str, paid: &Paid<'_>) -> String {
    format!("Payment {}", base64::encode_for_urls(&credential(challenge, paid)))
}

/// The challenge as it came, what was signed for it, and who signed.
pub(super) fn credential(challenge: &str, paid: &Paid<'_>) -> String {
    let (payload, payer) = (credential_payload(paid.payload), paid.payer);
    let source = format!("did:pkh:{}:{payer}", payer.network());
    format!(r#"{{"challenge":{challenge},"payload":{payload},"source":"{source}"}}"#)
}

/// x402 puts what was signed into a member of its own, MPP beside the signature. What is MPP's own stands as it is.
fn credential_payload(payload: &str) -> Value {
    let read: Value = serde_json::from_str(payload).unwrap_or_default();
    let Value::Object(mut signed) = read["authorization"].clone() else { return read };
    signed.insert("type".to_owned(), json!("authorization"));
    signed.insert("signature".to_owned(), read["signature"].clone());
    Value::Object(signed)
}
