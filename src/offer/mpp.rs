//! MPP, the `Payment` HTTP authentication scheme: recognised and explained.

use http::HeaderMap;
use serde_json::Value;

use super::www_authenticate::{AuthChallenge, challenges};
use super::{Dialect, Listed, Unpayable, base64, not_spoken, shown};
use crate::json;
use crate::limits;

pub(super) fn offers(headers: &HeaderMap) -> Vec<Listed> {
    let all = challenges(headers);
    all.iter().filter(|challenge| challenge.is("Payment")).take(limits::OFFERS + 1).map(listed).collect()
}

fn listed(challenge: &AuthChallenge) -> Listed {
    let param = |name| challenge.param(name).unwrap_or_default();
    let request = base64::decode_text(param("request")).and_then(|text| json::strict(&text).ok()).unwrap_or_default();
    let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
    let chain = request.pointer("/methodDetails/chainId").and_then(Value::as_u64);
    Unpayable {
        dialect: Dialect::Mpp,
        scheme: shown::mpp_scheme(param("method"), param("intent")),
        network: chain.map(|id| format!("eip155:{id}")).unwrap_or_default(),
        asset: shown::asset(text("currency")),
        amount: shown::amount(text("amount")),
        payee: shown::address(text("recipient")),
        reason: not_spoken("MPP (the `Payment` authentication scheme)"),
    }
    .into()
}
