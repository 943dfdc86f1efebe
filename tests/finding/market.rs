//! A directory on loopback that answers what a test puts there, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bursar::answer::{FindQuery, Found, FoundThing};
use bursar::listing::{Directory, DirectoryKind};
use sandbox::chain::{ASSET, NETWORK};
use sandbox::http::{Request, Server, Wire, response};
use sandbox::sellers::stall::PAYEE;
use serde_json::{Value, json};
use testkit::scene::{AGENT, Scene};
use tokio::sync::Notify;
use url::Url;

/// What it does when it is asked at one path.
#[derive(Clone)]
enum Says {
    Answer(u16, Vec<u8>),
    Nothing,
}

pub struct Shelf {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    says: Mutex<BTreeMap<String, Says>>,
    asked: Mutex<Vec<String>>,
    was_asked: Notify,
}

impl Shelf {
    pub async fn open() -> Shelf {
        let state = Arc::new(State::default());
        let answering = state.clone();
        let server = Server::start(0, move |request| {
            let wire = answering.answer(&request);
            async move { wire }
        });
        Shelf { server: server.await.unwrap(), state }
    }

    /// It is asked as a directory of this kind.
    pub fn as_a(&self, kind: DirectoryKind) -> Directory {
        Directory { kind, base: Url::parse(&self.server.url()).unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    pub fn put(&self, path: &str, body: &Value) {
        self.put_bytes(path, 200, body.to_string().into_bytes());
    }

    pub fn put_bytes(&self, path: &str, status: u16, body: Vec<u8>) {
        self.state.says.lock().unwrap().insert(path.to_owned(), Says::Answer(status, body));
    }

    /// It takes the question and never answers.
    pub fn be_silent(&self, path: &str) {
        self.state.says.lock().unwrap().insert(path.to_owned(), Says::Nothing);
    }

    /// Paths and queries, in the order they came.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    pub async fn was_asked(&self) {
        self.state.was_asked.notified().await;
    }
}

impl State {
    fn answer(&self, request: &Request) -> Wire {
        self.asked.lock().unwrap().push(request.uri.to_string());
        self.was_asked.notify_one();
        match self.says.lock().unwrap().get(request.uri.path()).cloned() {
            Some(Says::Answer(status, body)) => Wire::Answer(response(status, "application/json", body)),
            Some(Says::Nothing) => Wire::Silence,
            None => Wire::Answer(response(404, "text/plain", "")),
        }
    }
}

pub const SEARCH: &str = "/discovery/search";
pub const RESOURCES: &str = "/discovery/resources";

/// An entry of the Bazaar, for so many atomic units on the play chain.
pub fn item(url: &str, name: &str, amount: &str) -> Value {
    let accepts = json!([{
        "scheme": "exact", "network": NETWORK, "amount": amount, "asset": ASSET.to_string(), "payTo": PAYEE.to_string(),
    }]);
    json!({"resource": url, "type": "http", "serviceName": name, "description": "Weather", "accepts": accepts})
}

pub fn tool(url: &str, name: &str, amount: &str) -> Value {
    let mut tool = item(url, name, amount);
    tool["type"] = json!("mcp");
    tool["extensions"] = json!({"bazaar": {"info": {"input": {"type": "mcp", "toolName": name}}}});
    tool
}

pub fn searched(items: &[Value]) -> Value {
    json!({"x402Version": 2, "resources": items, "pagination": null})
}

pub fn words(words: &str) -> FindQuery {
    FindQuery { query: words.to_owned(), ..FindQuery::default() }
}

pub async fn find(scene: &Scene, query: FindQuery) -> Found {
    scene.bursar.agent(AGENT).find(query).await.unwrap()
}

pub fn names(found: &Found) -> Vec<&str> {
    found.results.iter().map(|thing| thing.name.as_str()).collect()
}

pub fn named<'a>(found: &'a Found, name: &str) -> &'a FoundThing {
    found.results.iter().find(|thing| thing.name == name).unwrap_or_else(|| panic!("no {name} in {found:#?}"))
}

/// What it said of a thing: the verdict, and the codes of the reasons.
pub fn said(thing: &FoundThing) -> String {
    let verdict = serde_json::to_value(thing.verdict).unwrap().as_str().unwrap().to_owned();
    let codes = thing.reasons.iter().map(|reason| reason.code.clone());
    std::iter::once(verdict).chain(codes).collect::<Vec<_>>().join(" ")
}
