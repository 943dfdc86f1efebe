//! A topic of ntfy, on the owner's own server or the public one: an amount and a link, because others may read along.

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::word::Word;
use crate::config::{Home, Ntfy};
use crate::outward;

pub struct Topic {
    server: Url,
    topic: String,
    token: Option<Zeroizing<String>>,
}

impl Topic {
    pub fn of(home: &Home, ntfy: &Ntfy) -> Result<Topic, String> {
        Ok(Topic {
            server: ntfy.server.clone(),
            topic: ntfy.topic.clone(),
            token: ntfy.token_file.as_ref().map(|file| home.read_secret(file)).transpose()?,
        })
    }

    /// Whoever knows the topic may read along, so it is not said.
    pub fn name(&self) -> String {
        format!("ntfy at {}", outward::name(&self.server))
    }

    pub fn request(&self, client: &Client, word: &Word) -> RequestBuilder {
        let brief = word.brief();
        let mut body = json!({
            "topic": self.topic,
            "title": brief.title,
            "message": brief.text,
            "priority": brief.priority,
        });
        if let Some(link) = &word.link {
            body["click"] = json!(link);
        }
        let posted = client.post(self.server.clone()).header("content-type", "application/json");
        let posted = posted.body(body.to_string());
        match &self.token {
            Some(token) => posted.bearer_auth(token.as_str()),
            None => posted,
        }
    }
}
