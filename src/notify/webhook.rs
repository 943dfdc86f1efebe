//! A receiver of the owner's: news is posted to it as JSON, signed as the Standard Webhooks are.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Client, RequestBuilder};
use ring::hmac;
use url::Url;

use super::word::Word;
use crate::config::{Home, Webhook};
use crate::outward;
use crate::time::Time;

/// How such secrets are told from others.
const SECRET: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

pub struct Hook {
    url: Url,
    key: hmac::Key,
}

impl Hook {
    pub fn of(home: &Home, webhook: &Webhook) -> Result<Hook, String> {
        let file = webhook.secret_file.display();
        let secret = home.read_secret(&webhook.secret_file)?;
        let bytes = secret.strip_prefix(SECRET).and_then(|text| BASE64_STANDARD.decode(text).ok());
        let bytes = bytes.filter(|bytes| SECRET_BYTES.contains(&bytes.len()));
        let key = bytes.map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        let key = key.ok_or_else(|| format!("{file} holds no secret: {SECRET} and 24 to 64 bytes in Base64"))?;
        Ok(Hook { url: webhook.url.clone(), key })
    }

    pub fn name(&self) -> String {
        format!("the webhook at {}", outward::name(&self.url))
    }

    pub fn request(&self, client: &Client, word: &Word, now: Time) -> RequestBuilder {
        let now = now.secs();
        let body = word.whole().to_string();
        let posted = client.post(self.url.clone());
        posted
            .header("content-type", "application/json")
            .header("webhook-id", &word.id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", self.signature(&word.id, now, &body))
            .body(body)
    }

    fn signature(&self, id: &str, at: i64, body: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(secret: &str) -> Result<Hook, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hook.secret"), secret).unwrap();
        let url = Url::parse("https://example.com/PATH").unwrap();
        Hook::of(&Home::at(dir.path()), &Webhook { url, secret_file: "hook.secret".into() })
    }

    /// The example in the specification of the Standard Webhooks.
    #[test]
    fn it_signs_as_the_specification_does() {
        let hook = hook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signed = hook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn its_name_is_its_host_alone() {
        assert_eq!(hook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().name(), "the webhook at example.com");
    }

    #[test]
    fn a_secret_that_is_none_opens_no_door() {
        for secret in ["", "\n", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"] {
            assert!(hook(secret).is_err(), "{secret:?}");
        }
    }
}
