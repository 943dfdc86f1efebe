//! What a tool brought: the texts in its result, as a body would be judged. What is no text is fine.

use serde_json::Value;

use super::{Delivery, Goods, body};
use crate::json;

pub(super) fn judge(delivery: &Delivery<'_>) -> Goods {
    let result = std::str::from_utf8(delivery.body).ok().and_then(|text| json::strict(text).ok());
    let Some(result) = result.filter(|_| delivery.is_whole) else { return Goods::Fine };
    let blocks = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let texts: Option<Vec<&str>> = blocks.iter().map(|block| block.get("text").and_then(Value::as_str)).collect();
    let structured = result.get("structuredContent").filter(|value| !value.is_null()).map(Value::to_string);
    match (texts.as_deref(), structured) {
        (None, _) => Goods::Fine,
        (Some(texts), None) if texts.iter().all(|text| text.trim().is_empty()) => Goods::Empty,
        (Some([text]), None) if body::is_error_object(text.as_bytes()) => Goods::ErrorPage { named: None },
        (Some(_), Some(object)) if body::is_error_object(object.as_bytes()) => Goods::ErrorPage { named: None },
        _ => Goods::Fine,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;
    use crate::request::Request;

    #[test]
    fn what_a_tool_brings_is_judged_by_its_words_and_never_by_its_type() {
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        let cases = [
            (text("sunny"), "fine"),
            (text("  \n"), "empty"),
            (json!({"content": []}), "empty"),
            (json!({"content": [], "structuredContent": {"rain": false}}), "fine"),
            (json!({"content": [], "structuredContent": {"error": "down"}}), "error_page"),
            (text(r#"{"error":"upstream timed out"}"#), "error_page"),
            (text(r#"{"error":"none","rain":false}"#), "fine"),
            (json!({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}), "fine"),
            (json!({"content": [{"type": "text", "text": ""}, {"type": "image", "data": ""}]}), "fine"),
        ];
        let server = url::Url::parse("https://api.example.com/mcp").unwrap();
        let (request, headers) = (Request::of_tool(&server, "t", b"{}".to_vec()), HeaderMap::new());
        for (result, is) in cases {
            let body = result.to_string();
            let delivery =
                Delivery { request: &request, status: 200, headers: &headers, body: body.as_bytes(), is_whole: true };
            assert_eq!(super::super::judge(&delivery, Some("image/png")).word(), is, "{result}");
        }
    }
}
