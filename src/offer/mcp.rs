//! Payment in what an MCP server answers to `tools/call`: x402 in a result, MPP in an error, and both told apart from
//! everything else that an answer may be.
//!
//! | who | challenge | what pays | receipt |
//! |---|---|---|---|
//! | x402 | a result with `isError` and a `PaymentRequired` in `structuredContent`, or as its only text | `_meta["x402/payment"]` | `_meta["x402/payment-response"]` |
//! | x402 as `org.x402/payment` | `resultType: "payment_required"`, `paymentRequired` | the same | the same |
//! | MPP | error -32042 with `data.challenges`, or `data.x402` | `_meta["org.paymentauth/credential"]` | `_meta["org.paymentauth/receipt"]` |
//!
//! What says that it went well is no challenge, whatever stands in it: another's challenge may be what was asked for.

use serde_json::Value;
use serde_json::value::RawValue;
use url::{Host, Url};

use super::{Dialect, Echo, Offer, refusal, x402_v2};
use crate::json::{self, Members};
use crate::limits;
use crate::reason::Reason;
use crate::request::{PROGRAM, Request, tool_at};

/// What carries a payment of x402.
pub(super) const X402_PAYMENT: &str = "x402/payment";
/// And of MPP.
pub(super) const MPP_PAYMENT: &str = "org.paymentauth/credential";
const X402_RECEIPT: &str = "x402/payment-response";
const MPP_RECEIPT: &str = "org.paymentauth/receipt";

/// MCP's own code for a question that is asked in a browser, which payments share: only what is inside tells.
const PAYMENT_REQUIRED: i64 = -32042;
/// A payment was looked at, and not taken.
const NOT_VERIFIED: i64 = -32043;

/// Whether what carries a payment under this name is a member of `_meta`, and no header.
pub fn is_member(name: &str) -> bool {
    [X402_PAYMENT, MPP_PAYMENT].contains(&name)
}

/// Which status of HTTP a tool's answer amounts to: its result or its error, as it was written.
pub fn status(answer: &str, is_error: bool) -> u16 {
    match json::members(answer) {
        Some(members) if is_error => status_of_error(&members),
        Some(members) => status_of_result(&members),
        None => 502,
    }
}

fn status_of_error(members: &Members<'_>) -> u16 {
    if x402_in(members).is_some() || !mpp_in(members).is_empty() {
        return 402;
    }
    match code(members) {
        // Used already, say: its own word for it.
        Some(NOT_VERIFIED) => http_status(members).filter(|status| (400..600).contains(status)).unwrap_or(500),
        Some(-32601 | -32602) => 400,
        _ => 500,
    }
}

/// A result with the code of an error in it is no challenge: what is one there, and asked by whom, has two readings.
fn status_of_result(members: &Members<'_>) -> u16 {
    let is_clear = ["isError", "resultType"].iter().all(|key| members.member(key).is_ok());
    match x402_in(members) {
        _ if !is_clear => 502,
        Some(_) if !members.has("code") => 402,
        _ if failed(members) => 500,
        _ if is_finished(members) => 200,
        // It asks for something that is not offered to sellers.
        _ => 501,
    }
}

/// The challenge of x402 in a tool's answer. Two readings are none.
pub(super) fn x402(answer: &str) -> Option<Result<String, Reason>> {
    let members = json::members(answer)?;
    Some(match x402_in(&members)? {
        challenge if challenge.len() >= limits::CHALLENGE_BODY_BYTES => {
            Err(refusal("challenge_too_large", "the challenge is larger than bursar reads"))
        }
        challenge => Ok(challenge),
    })
}

/// The challenges of MPP in a tool's answer, each as it was written.
pub(super) fn mpp(answer: &str) -> Vec<String> {
    json::members(answer).map(|members| mpp_in(&members)).unwrap_or_default()
}

/// What a seller says became of a payment, as it was written. Where it failed, x402 in Python puts that elsewhere.
pub(super) fn receipt(dialect: Dialect, answer: &str, meta: &str) -> Option<String> {
    let in_meta = |name: &str| json::members(meta)?.member(name).ok()?.map(str::to_owned);
    match dialect {
        Dialect::X402V1 | Dialect::X402V2 => in_meta(X402_RECEIPT).or_else(|| {
            let result = json::members(answer)?;
            let content = json::members(result.member("structuredContent").ok()??)?;
            content.member(X402_RECEIPT).ok()?.filter(|_| failed(&result)).map(str::to_owned)
        }),
        Dialect::Mpp => in_meta(MPP_RECEIPT),
        Dialect::L402 | Dialect::Cashu | Dialect::PayPerCrawl | Dialect::Unknown => None,
    }
}

/// Terms for another tool, or of another host, were passed on from there.
pub(super) fn fits(offer: &Offer, request: &Request) -> Result<(), Reason> {
    let named = match &offer.echo {
        Echo::X402V2 { resource, .. } => resource.as_deref().and_then(x402_v2::url_of),
        Echo::X402V1 { accepted } => resource_of_entry(accepted),
        // MPP says it elsewhere.
        Echo::Mpp { .. } => None,
    };
    let Some(named) = named.and_then(|url| Url::parse(&url).ok()) else { return Ok(()) };
    let (tool, place) = (tool_at(&request.url).unwrap_or_default(), &request.url);
    let is_here = match (named.scheme(), place.scheme()) {
        // `mcp://tool/NAME` says nothing of the server; its name is the last that stands there.
        ("mcp", _) if named.host_str() == Some("tool") => is_named(&named, &tool),
        ("http" | "https", "http" | "https") => site(&named) == site(place),
        // A program may speak for any host: its owner chose it. Other words name nothing.
        (_, PROGRAM) | (_, "http" | "https") => true,
        _ => false,
    };
    match is_here {
        true => Ok(()),
        false => {
            let message =
                "the challenge is written for another tool or another host, as if it were passed on from there";
            Err(refusal("resource_mismatch", message))
        }
    }
}

fn resource_of_entry(accepted: &str) -> Option<String> {
    serde_json::from_str(json::members(accepted)?.member("resource").ok()??).ok()
}

/// Who answers there: a registered domain, or an address, of which a part is nobody.
fn site(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => Some(psl::domain_str(name).unwrap_or(name).to_owned()),
        address => Some(address.to_string()),
    }
}

fn is_named(named: &Url, tool: &str) -> bool {
    let path = named.path().trim_start_matches('/');
    let plain = Request::of_tool(named, tool, Vec::new()).url;
    path == tool || Some(path) == plain.fragment()
}

fn x402_in(members: &Members<'_>) -> Option<String> {
    let member = |of: &Members<'_>, key: &str| of.member(key).ok().flatten().map(str::to_owned);
    if code(members) == Some(PAYMENT_REQUIRED) {
        return member(&json::members(members.member("data").ok()??)?, "x402").filter(|text| is_x402(text));
    }
    if members.member("resultType").ok()? == Some("\"payment_required\"") {
        return member(members, "paymentRequired").filter(|text| is_x402(text));
    }
    if !failed(members) {
        return None;
    }
    let structured = member(members, "structuredContent");
    structured.or_else(|| only_text(members)).filter(|text| is_x402(text))
}

/// The text of a result that has nothing else.
fn only_text(members: &Members<'_>) -> Option<String> {
    let blocks: Vec<&RawValue> = serde_json::from_str(members.member("content").ok()??).ok()?;
    let [block] = blocks.as_slice() else { return None };
    serde_json::from_str(json::members(block.get())?.member("text").ok()??).ok()
}

fn is_x402(text: &str) -> bool {
    json::members(text).is_some_and(|members| members.has("x402Version") && members.has("accepts"))
}

fn mpp_in(members: &Members<'_>) -> Vec<String> {
    let listed = || -> Option<Vec<&RawValue>> {
        let data = members.member("data").ok()??;
        serde_json::from_str(json::members(data)?.member("challenges").ok()??).ok()
    };
    match code(members) {
        Some(PAYMENT_REQUIRED | NOT_VERIFIED) => {
            let listed = listed().unwrap_or_default();
            // One more than are kept, so that the caller sees there were more.
            listed.iter().take(limits::OFFERS + 1).map(|raw| raw.get().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

fn code(members: &Members<'_>) -> Option<i64> {
    members.member("code").ok()??.parse().ok()
}

fn failed(members: &Members<'_>) -> bool {
    members.member("isError").is_ok_and(|is_error| is_error == Some("true"))
}

fn is_finished(members: &Members<'_>) -> bool {
    matches!(members.member("resultType"), Ok(None | Some("\"complete\"")))
}

fn http_status(members: &Members<'_>) -> Option<u16> {
    let data: Value = serde_json::from_str(members.member("data").ok()??).ok()?;
    data.get("httpStatus")?.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Only errors have a code here.
    fn status(answer: &str) -> u16 {
        super::status(answer, answer.contains("\"code\""))
    }

    fn challenge() -> Value {
        json!({"x402Version": 2, "accepts": [], "resource": {"url": "mcp://tool/weather"}})
    }

    #[test]
    fn only_a_failure_can_be_a_challenge() {
        let structured = json!({"content": [], "structuredContent": challenge()});
        let text = json!({"content": [{"type": "text", "text": challenge().to_string()}]});
        for answer in [structured, text] {
            let mut failed = answer.clone();
            failed["isError"] = json!(true);
            assert_eq!(status(&answer.to_string()), 200, "{answer}");
            assert_eq!(status(&failed.to_string()), 402, "{failed}");
        }
        let clear = r#""isError":true,"structuredContent":{"x402Version":2,"accepts":[]}"#;
        let ambiguous =
            [format!("{{\"isError\":false,{clear}}}"), format!("{{\"resultType\":1,\"resultType\":2,{clear}}}")];
        assert_eq!(ambiguous.map(|answer| super::status(&answer, false)), [502, 502]);
        let with_a_code = json!({"content": [], "code": -32042, "data": {"x402": challenge(), "challenges": [{}]}});
        assert_eq!(super::status(&with_a_code.to_string(), false), 200);
        let two = json!({"isError": true, "content": [{"text": challenge().to_string()}, {"text": "x"}]});
        assert_eq!(status(&two.to_string()), 500);
    }

    #[test]
    fn the_extension_says_it_by_the_type_of_its_result() {
        let answer = json!({"resultType": "payment_required", "paymentRequired": challenge()});
        assert_eq!(status(&answer.to_string()), 402);
        assert_eq!(x402(&answer.to_string()).unwrap().unwrap(), challenge().to_string());
        assert_eq!(status(&json!({"resultType": "input_required"}).to_string()), 501);
        assert_eq!(status(&json!({"resultType": "complete", "content": []}).to_string()), 200);
    }

    #[test]
    fn a_question_in_a_browser_is_no_payment() {
        let error = |code: i64, data: Value| json!({"code": code, "message": "x", "data": data}).to_string();
        assert_eq!(status(&error(-32042, json!({"elicitations": [{"url": "https://e.com"}]}))), 500);
        assert_eq!(status(&error(-32042, json!({"challenges": [{"id": "1"}]}))), 402);
        assert_eq!(status(&error(-32042, json!({"x402": challenge()}))), 402);
        assert_eq!(status(&error(-32043, json!({"httpStatus": 403, "challenges": []}))), 403);
        assert_eq!(status(&error(-32043, json!({"httpStatus": 200, "challenges": []}))), 500);
        assert_eq!(status(&error(-32602, json!({"challenges": [{"id": "1"}]}))), 400);
        assert_eq!(status(&error(0, json!(null))), 500);
        assert_eq!(super::status(r#"{"code":-32042,"code":-32000,"data":{"challenges":[{}]}}"#, true), 500);
    }

    #[test]
    fn a_receipt_stands_in_meta_or_where_a_failure_is_told() {
        let failed = json!({"isError": true, "structuredContent": {"x402/payment-response": {"success": false}}});
        let read = |dialect, answer: &Value, meta: Value| receipt(dialect, &answer.to_string(), &meta.to_string());
        assert_eq!(read(Dialect::X402V2, &failed, json!({})).as_deref(), Some(r#"{"success":false}"#));
        let in_goods = json!({"structuredContent": {"x402/payment-response": {"success": true}}});
        assert_eq!(read(Dialect::X402V2, &in_goods, json!({})), None);
        let meta =
            json!({"x402/payment-response": {"success": true}, "org.paymentauth/receipt": {"status": "success"}});
        assert_eq!(read(Dialect::X402V1, &json!({}), meta.clone()).as_deref(), Some(r#"{"success":true}"#));
        assert_eq!(read(Dialect::Mpp, &json!({}), meta).as_deref(), Some(r#"{"status":"success"}"#));
    }
}
