//! A seller that asks the same price for everything and believes every payment, on a thread of its own.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response};
use sandbox::chain::{ASSET, NETWORK};
use sandbox::http::{self as wire, Server, Wire};
use sandbox::sellers::stall::PAYEE;
use serde_json::{Value, json};
use testkit::processes::{OPEN, Scene};
use tokio::runtime;

/// Where goods are sold that are long.
pub const LARGE: &str = "/large";
const LARGE_BYTES: usize = 30 << 20;

pub struct Seller {
    pub url: String,
    pages: AtomicU64,
}

impl Seller {
    pub async fn open() -> Seller {
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (challenge, receipt) = (carried(&challenge()), carried(&receipt()));
                let large = bytes::Bytes::from(vec![b'a'; LARGE_BYTES]);
                let server = Server::start(0, move |request| {
                    let is_paid = request.headers.contains_key("payment-signature");
                    let goods = match request.uri.path() == LARGE {
                        true => large.clone(),
                        false => r#"{"weather":"fair"}"#.into(),
                    };
                    let answer = match is_paid {
                        true => reply(200, goods, "payment-response", &receipt),
                        false => reply(402, "{}".into(), "payment-required", &challenge),
                    };
                    async { Wire::Answer(answer) }
                });
                let server = server.await.expect("a port");
                let _ = tell.send(server.url());
                std::future::pending::<()>().await;
            });
        });
        Seller { url: told.await.expect("a seller"), pages: AtomicU64::new(0) }
    }

    /// A page that nobody bought yet.
    pub fn page(&self) -> String {
        format!("{}/{}", self.url, self.pages.fetch_add(1, Ordering::Relaxed))
    }

    /// A home whose wallet may pay here; in this folder, or where temporary files go.
    pub async fn scene(&self, folder: Option<&Path>) -> Scene {
        let temporary = std::env::temp_dir();
        let scene = Scene::open_in(folder.unwrap_or(&temporary), Vec::new(), OPEN).await;
        scene.allow_door(self.url.trim_start_matches("http://"));
        scene
    }
}

fn challenge() -> Value {
    let offer = json!({
        "scheme": "exact", "network": NETWORK, "amount": "1000", "asset": ASSET.to_string(), "payTo": PAYEE.to_string(),
        "maxTimeoutSeconds": 300, "extra": { "name": "USDC", "version": "2" },
    });
    json!({ "x402Version": 2, "error": "pay", "resource": { "url": "" }, "accepts": [offer] })
}

fn receipt() -> Value {
    json!({ "success": true, "transaction": format!("0x{}", "5e".repeat(32)), "network": NETWORK })
}

fn carried(value: &Value) -> HeaderValue {
    HeaderValue::try_from(STANDARD.encode(value.to_string())).expect("a header")
}

fn reply(status: u16, body: bytes::Bytes, name: &'static str, value: &HeaderValue) -> Response<bytes::Bytes> {
    let mut reply = wire::response(status, "application/json", body);
    reply.headers_mut().insert(HeaderName::from_static(name), value.clone());
    reply
}
