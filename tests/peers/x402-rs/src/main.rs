//! x402-rs as a seller: the same pages under `/v2` and `/v1`, a cent each, settled through x402-rs's own facilitator
//! on a second port.
//! Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address once both ports listen.

use std::collections::HashMap;
use std::env::var;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use x402_axum::X402Middleware;
use x402_chain_eip155::chain::config::{Eip155ChainConfig, Eip155ChainConfigInner};
use x402_chain_eip155::chain::{ChecksummedAddress, Eip155ChainProvider, Eip155ChainReference};
use x402_chain_eip155::{KnownNetworkEip155, V1Eip155Exact, V2Eip155Exact};
use x402_facilitator_local::{FacilitatorLocal, handlers};
use x402_types::chain::{ChainRegistry, FromConfig};
use x402_types::networks::USDC;
use x402_types::scheme::{SchemeBlueprints, SchemeConfig, SchemeRegistry};
use x402_types::scheme::{X402SchemeFacilitator, X402SchemeFacilitatorBuilder, X402SchemeId};

const CHAIN: u64 = 84532;
const PRICE_ATOMIC: u64 = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let facilitator_url = serve(facilitator(var("RPC")?, var("FACILITATOR_KEY")?).await?).await?;
    let seller_url = serve_seller(&facilitator_url, var("PAY_TO")?.parse()?).await?;
    println!("{}", json!({ "url": seller_url }));
    std::future::pending().await
}

async fn facilitator(rpc: String, key: String) -> Result<Router, Box<dyn Error>> {
    let inner: Eip155ChainConfigInner = serde_json::from_value(json!({ "signers": [key], "rpc": [{ "http": rpc }] }))?;
    let config = Eip155ChainConfig { chain_reference: Eip155ChainReference::new(CHAIN), inner };
    let provider = Arc::new(Eip155ChainProvider::from_config(&config).await?);
    let chains = ChainRegistry::new(HashMap::from([(config.chain_id(), provider)]));
    let schemes: Vec<SchemeConfig> = serde_json::from_value(json!([
        { "id": "v1-eip155-exact", "chains": "eip155:*" },
        { "id": "v2-eip155-exact", "chains": "eip155:*" },
    ]))?;
    let blueprints = SchemeBlueprints::new().and_register(Shared(V1Eip155Exact)).and_register(Shared(V2Eip155Exact));
    let registry = SchemeRegistry::build(chains, blueprints, &schemes);
    Ok(handlers::routes().with_state(Arc::new(FacilitatorLocal::new(registry))))
}

async fn serve_seller(facilitator_url: &str, pay_to: ChecksummedAddress) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let x402 = X402Middleware::try_new(facilitator_url)?.with_base_url(Url::parse(&url)?);
    let price = USDC::base_sepolia().amount(PRICE_ATOMIC);
    let v2 = x402.with_price_tag(V2Eip155Exact::price_tag(pay_to.clone(), price.clone()));
    let v1 = x402.with_price_tag(V1Eip155Exact::price_tag(pay_to, price));
    let router = Router::new()
        .route("/free", get(|| async { Json(json!({ "goods": "free" })) }))
        .merge(pages("/v2").layer(v2))
        .merge(pages("/v1").layer(v1));
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(url)
}

fn pages(at: &str) -> Router {
    Router::new()
        .route(&format!("{at}/cent"), get(cent))
        .route(&format!("{at}/echo"), post(echo))
        .route(&format!("{at}/broken"), get(broken))
}

async fn cent() -> Json<Value> {
    static SOLD: AtomicU64 = AtomicU64::new(0);
    let copy = SOLD.fetch_add(1, Ordering::Relaxed) + 1;
    Json(json!({ "goods": "a page worth a cent", "copy": copy }))
}

async fn echo(Json(body): Json<Value>) -> Json<Value> {
    Json(json!({ "goods": "an echo", "body": body }))
}

async fn broken() -> (StatusCode, Json<Value>) {
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "out of goods" })))
}

async fn serve(router: Router) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(url)
}

/// The registry hands a scheme `&Arc<provider>`, the schemes want the `Arc` itself.
struct Shared<S>(S);

impl<S: X402SchemeId> X402SchemeId for Shared<S> {
    fn x402_version(&self) -> u8 {
        self.0.x402_version()
    }
    fn namespace(&self) -> &str {
        self.0.namespace()
    }
    fn scheme(&self) -> &str {
        self.0.scheme()
    }
}

impl<'a, S, P> X402SchemeFacilitatorBuilder<&'a Arc<P>> for Shared<S>
where
    S: X402SchemeFacilitatorBuilder<Arc<P>>,
{
    fn build(
        &self,
        provider: &'a Arc<P>,
        config: Option<Value>,
    ) -> Result<Box<dyn X402SchemeFacilitator>, Box<dyn Error>> {
        self.0.build(provider.clone(), config)
    }
}
