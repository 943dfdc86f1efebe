//! MPP, the `Payment` HTTP authentication scheme: challenges in `WWW-Authenticate`, a credential in `Authorization` in
//! return. What is paid by which method stands in a file each: [`mpp_evm`](super::mpp_evm) and
//! [`mpp_tempo`](super::mpp_tempo).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::www_authenticate::{AuthChallenge, Unclear, challenges};
use super::x402::{Fields, malformed};
use super::{Dialect, Echo, Listed, Offer, Paid, Unpayable, base64, mpp_evm, mpp_tempo, refusal, shown};
use crate::json;
use crate::limits;
use crate::money::Assets;
use crate::reason::Reason;
use crate::request::Request;
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
    pub(super) opaque: Option<String>,
    expires: Option<String>,
    header: CredentialHeader,
    /// What goes back: each parameter as it came.
    echo: String,
}

pub(super) fn offers(headers: &HeaderMap, assets: &Assets) -> Vec<Listed> {
    let all = challenges(headers);
    // One more than are kept, so that the caller sees there were more.
    let ours = all.iter().filter(|challenge| challenge.is("Payment")).take(limits::OFFERS + 1);
    ours.map(|challenge| listed(challenge, assets)).collect()
}

/// Whether a challenge in here has expired, or is about to.
pub(super) fn is_over(headers: &HeaderMap, at: Time) -> bool {
    let soon = at.plus(limits::WINDOW_AT_LEAST).secs();
    let expires = |challenge: &AuthChallenge| challenge.param("expires")?.parse::<Timestamp>().ok();
    let ours = challenges(headers).into_iter().filter(|challenge| challenge.is("Payment"));
    ours.filter_map(|challenge| expires(&challenge)).any(|ends| ends.as_second() < soon)
}

fn listed(challenge: &AuthChallenge, assets: &Assets) -> Listed {
    match payable(challenge, assets) {
        Ok(offer) => Listed::Payable(Box::new(offer)),
        Err(reason) => unpayable(challenge, reason).into(),
    }
}

fn payable(challenge: &AuthChallenge, assets: &Assets) -> Result<Offer, Reason> {
    let method = Method::of(challenge)?;
    let said = PaymentChallenge::read(challenge)?;
    let PaymentChallenge { header, ref echo, .. } = said;
    let (terms, prescribed) = match method {
        Method::Evm => mpp_evm::terms(&said, assets)?,
        Method::Tempo => mpp_tempo::terms(&said, assets)?,
    };
    let echo = Echo::Mpp { challenge: echo.clone(), header, prescribed };
    let mpp_evm::ChargeTerms { scheme, asset, amount, usd, payee } = terms;
    let window_secs = limits::WINDOW_ENDS_WITHIN.as_secs();
    Ok(Offer { scheme, asset: asset.clone(), amount, usd, payee, window_secs, takes_first: false, echo })
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
    fn of(challenge: &AuthChallenge) -> Result<Method, Reason> {
        let (method, intent) = (required(challenge, "method")?, required(challenge, "intent")?);
        let why = match (method.as_str(), intent.as_str()) {
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
            opaque: clear(challenge, "opaque")?,
            expires: clear(challenge, "expires")?,
            header: CredentialHeader::named(clear(challenge, "header")?.as_deref())?,
            echo: Value::Object(echo).to_string(),
        })
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

fn unpayable(challenge: &AuthChallenge, reason: Reason) -> Unpayable {
    let param = |name| challenge.param(name).unwrap_or_default();
    let request = base64::decode_text(&param("request")).and_then(|text| json::strict(&text).ok()).unwrap_or_default();
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
pub(super) fn fits(
    challenge: &str,
    header: CredentialHeader,
    ends: u64,
    request: &Request,
    at: Time,
) -> Result<u64, Reason> {
    let of_its_own = |name: &str| request.headers.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
    if header == CredentialHeader::Authorization && of_its_own(AUTHORIZATION.as_str()) {
        let message = "the seller wants the payment in the `Authorization` header, where this call has one of its own";
        return Err(refusal("authorization_header_taken", message));
    }
    let realm = json::strict(challenge).ok().and_then(|echo| Some(echo.get("realm")?.as_str()?.to_owned()));
    if !realm.is_some_and(|realm| may_be_of(&realm, request.url.host_str().unwrap_or_default())) {
        let message = "the challenge is written for the realm of another host, as if it were passed on from there";
        return Err(refusal("realm_mismatch", message));
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

/// What pays: the challenge as it came, what was signed for it, and who signed.
pub(super) fn payment(challenge: &str, paid: &Paid<'_>) -> String {
    let (payload, payer) = (credential_payload(paid.payload), paid.payer);
    let source = format!("did:pkh:{}:{payer}", payer.network());
    let credential = format!(r#"{{"challenge":{challenge},"payload":{payload},"source":"{source}"}}"#);
    format!("Payment {}", base64::encode_for_urls(&credential))
}

/// x402 puts what was signed into a member of its own, MPP beside the signature. What is MPP's own stands as it is.
fn credential_payload(payload: &str) -> Value {
    let read: Value = serde_json::from_str(payload).unwrap_or_default();
    let Value::Object(mut signed) = read["authorization"].clone() else { return read };
    signed.insert("type".to_owned(), json!("authorization"));
    signed.insert("signature".to_owned(), read["signature"].clone());
    Value::Object(signed)
}
