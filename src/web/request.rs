//! A request as it came, read within bounds.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::limits;

#[derive(Clone, Debug)]
pub struct PageRequest {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub form: FormFields,
}

/// Names and values, of a form or behind `?`.
#[derive(Clone, Debug, Default)]
pub struct FormFields(Vec<(String, String)>);

impl PageRequest {
    /// `None`: its body is longer than any form of ours.
    pub async fn read(request: http::Request<Incoming>) -> Option<PageRequest> {
        let (head, body) = request.into_parts();
        let body: Bytes = Limited::new(body, limits::REVIEW_FORM_BYTES).collect().await.ok()?.to_bytes();
        Some(PageRequest { method: head.method, uri: head.uri, headers: head.headers, form: FormFields::read(&body) })
    }

    pub fn query(&self) -> FormFields {
        FormFields::read(self.uri.query().unwrap_or_default().as_bytes())
    }

    /// The only value a header has: none if it has several, or one that is not plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok();
        if values.next().is_some() { None } else { value }
    }
}

impl FormFields {
    pub fn read(text: &[u8]) -> FormFields {
        FormFields(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// What was written into a field; `None` where that is nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}
