//! Stored bodies as MCP resources: `bursar://purchase/<id>/body`, which is where answers link to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{ErrorData, ReadResourceResult, ResourceContents, ResourceTemplate};
use serde_json::json;

use super::tell;
use crate::agent::Agent;
use crate::answer::Refusal;
use crate::answer::{Body, Encoding};
use crate::limits;

pub fn template() -> ResourceTemplate {
    let described = "The stored body of one of your purchases; purchase_id is in the answer that bought it";
    ResourceTemplate::new(tell::body_uri("{purchase_id}"), "purchase body").with_description(described)
}

pub async fn read(agent: &Agent, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let id = uri.strip_prefix("bursar://purchase/").and_then(|rest| rest.strip_suffix("/body"));
    // Which one it was, since a host may read many at a time.
    let named = || Some(json!({ "uri": tell::clean(uri) }));
    let nowhere = || ErrorData::resource_not_found("there are only bursar://purchase/<purchase_id>/body", named());
    let id = id.ok_or_else(nowhere)?;
    let bytes = whole(agent, id).await?;
    Ok(ReadResourceResult::new(vec![contents(bytes, tell::body_uri(id))]))
}

/// Page by page, as the agent would read it.
async fn whole(agent: &Agent, id: &str) -> Result<Vec<u8>, ErrorData> {
    let (mut bytes, mut offset) = (Vec::new(), 0);
    loop {
        let page = agent.purchase(id, offset, Some(limits::ANSWER_CHARS_AT_MOST)).await.map_err(refused)?;
        let body = page.body.ok_or_else(|| not_found("no body is stored for this purchase"))?;
        bytes.extend(decoded(&body)?);
        match page.next_offset {
            // A page that leads nowhere ends it, and so does a body that cannot be one of ours.
            Some(next) if next > offset && bytes.len() <= limits::STORED_BODY_BYTES => offset = next,
            _ => return Ok(bytes),
        }
    }
}

fn decoded(body: &Body) -> Result<Vec<u8>, ErrorData> {
    match body.body_encoding {
        Encoding::Text => Ok(body.body.clone().into_bytes()),
        Encoding::Base64 => STANDARD.decode(&body.body).map_err(|_| not_found("the stored body cannot be read")),
        Encoding::None => Err(not_found("no body is stored for this purchase")),
    }
}

fn contents(bytes: Vec<u8>, uri: String) -> ResourceContents {
    match String::from_utf8(bytes) {
        Ok(text) => ResourceContents::text(text, uri),
        Err(binary) => ResourceContents::blob(STANDARD.encode(binary.as_bytes()), uri),
    }
}

fn refused(refusal: Refusal) -> ErrorData {
    let message = refusal.reasons.first().map_or(refusal.next, |reason| reason.message.clone());
    not_found(&message)
}

fn not_found(message: &str) -> ErrorData {
    ErrorData::resource_not_found(tell::clean(message), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str, body_encoding: Encoding) -> Body {
        Body { body: body.into(), body_source: String::new(), body_encoding, body_bytes: 9, truncated: false }
    }

    #[test]
    fn what_is_text_stays_text_and_the_rest_is_a_blob() {
        let text = decoded(&page("goods", Encoding::Text)).unwrap();
        assert!(
            matches!(contents(text, "u".into()), ResourceContents::TextResourceContents { text, .. } if text == "goods")
        );
        let blob = decoded(&page("/w==", Encoding::Base64)).unwrap();
        assert!(
            matches!(contents(blob, "u".into()), ResourceContents::BlobResourceContents { blob, .. } if blob == "/w==")
        );
    }

    #[test]
    fn a_body_that_is_not_stored_is_not_found() {
        assert!(decoded(&page("", Encoding::None)).is_err());
        assert!(decoded(&page("?", Encoding::Base64)).is_err());
    }
}
