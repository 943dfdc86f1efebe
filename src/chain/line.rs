//! The way to nodes: questions of JSON-RPC, and answers that are bounded.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use url::Url;

use super::gather::Gather;
use super::json_rpc::{self, NodeFailure};
use crate::outward::{self, OutwardClient};

/// A month of one wallet's logs is far below this; what is above it was not asked for.
const REPLY_BYTES: usize = 1024 * 1024;

/// The owner's way to nodes: any address, so unguarded, and apart from what goes to sellers.
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    wait: Duration,
    /// Where what is asked here waits for more.
    gather: Option<Arc<Gather>>,
}

#[derive(Debug, Default)]
struct Shared {
    client: OutwardClient,
    /// The nodes that take one question at a time.
    alone: Mutex<HashSet<Url>>,
}

impl Line {
    pub fn new(wait: Duration) -> Line {
        Line { shared: Arc::default(), wait, gather: None }
    }

    /// Does work over this line whose questions go together as far as they are asked at once.
    pub async fn gathering<T, F>(&self, work: impl FnOnce(Line) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let gather = Arc::new(Gather::default());
        let line = Line { shared: self.shared.clone(), wait: self.wait, gather: Some(gather.clone()) };
        gather.carry(self, work(line)).await
    }

    /// One question, one answer; `null` is an answer.
    pub async fn ask(&self, url: &Url, method: &'static str, params: Value) -> Result<Value, NodeFailure> {
        match &self.gather {
            Some(gather) => gather.ask(url, method, params).await,
            None => self.ask_alone(url, method, params).await,
        }
    }

    pub async fn ask_alone(&self, url: &Url, method: &str, params: Value) -> Result<Value, NodeFailure> {
        const ID: u64 = 1;
        let question = json!({ "jsonrpc": "2.0", "id": ID, "method": method, "params": params });
        let (status, body) = self.post(url, question.to_string()).await?;
        json_rpc::result(&body, ID).map_err(|failure| match failure {
            NodeFailure::Nonsense(_) if status != 200 => NodeFailure::Silent(format!("HTTP status {status}")),
            NodeFailure::Refused(cause) => NodeFailure::Refused(format!("{method} refused ({cause})")),
            other => other,
        })
    }

    pub fn is_asked_alone(&self, url: &Url) -> bool {
        self.shared.alone.lock().unwrap_or_else(PoisonError::into_inner).contains(url)
    }

    pub fn ask_alone_from_now_on(&self, url: &Url) {
        self.shared.alone.lock().unwrap_or_else(PoisonError::into_inner).insert(url.clone());
    }

    pub async fn post(&self, url: &Url, body: String) -> Result<(u16, Vec<u8>), NodeFailure> {
        let exchange = async {
            let sending = self.client()?.post(url.clone()).header("content-type", "application/json").body(body);
            let reply = sending.send().await.map_err(|error| NodeFailure::Silent(outward::root(&error)))?;
            Ok((reply.status().as_u16(), read(reply).await?))
        };
        match tokio::time::timeout(self.wait, exchange).await {
            Ok(result) => result,
            Err(_) => Err(NodeFailure::Silent(format!("nothing within {} s", self.wait.as_secs()))),
        }
    }

    fn client(&self) -> Result<&Client, NodeFailure> {
        self.shared.client.get().map_err(NodeFailure::Silent)
    }
}

async fn read(mut reply: Response) -> Result<Vec<u8>, NodeFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.map_err(|error| NodeFailure::Silent(outward::root(&error)))? {
        if body.len() + chunk.len() > REPLY_BYTES {
            return Err(NodeFailure::Refused(format!("its answer is larger than {REPLY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
