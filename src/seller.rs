//! The only door a signature leaves by.
//!
//! An unpaid request goes to whatever URL an agent names, within the egress rules, or to whatever tool of an MCP server. A
//! payment is presented as the ledger recorded it, to the origin that asked for it, and to no other:
//! [`Seller::present`](crate::ports::Seller::present) takes nothing but a `Recorded`.

pub mod egress;
pub mod http;
pub mod mcp;
pub mod redirect;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::egress::{Names, SystemNames};
pub use self::http::HttpSeller;
pub use self::mcp::{Programs, ToolSeller};
use crate::ports::{Egress, Inquiry, Presented, Progress, Recorded, RecordedSignIn, Reply, Seller, SellerError};
use crate::request::Request;

/// Every seller there is: at URLs, and the tools of MCP servers.
#[derive(Debug)]
pub struct Sellers {
    http: Arc<HttpSeller>,
    tools: ToolSeller,
}

impl Sellers {
    /// Long bodies go to the store as they come; programs are started when they are first needed.
    pub fn new(store: &Path, programs: &Programs) -> Sellers {
        Sellers::knowing(Arc::new(SystemNames), store, programs)
    }

    /// To whom names lead where these say.
    pub fn knowing(names: Arc<dyn Names>, store: &Path, programs: &Programs) -> Sellers {
        let http = Arc::new(HttpSeller::knowing(names, store));
        Sellers { tools: ToolSeller::new(http.clone(), programs), http }
    }
}

#[async_trait]
impl Seller for Sellers {
    async fn ask(&self, request: &Request, egress: Egress<'_>, progress: &Progress) -> Result<Reply, SellerError> {
        match request.tool() {
            Some(_) => self.tools.ask(request, egress, progress).await,
            None => self.http.ask(request, egress).await,
        }
    }

    async fn inquire(&self, server: &Url, inquiry: &Inquiry, egress: Egress<'_>) -> Result<String, SellerError> {
        self.tools.inquire(server, inquiry, egress).await
    }

    async fn meet(&self, server: &Url, egress: Egress<'_>) -> Result<String, SellerError> {
        self.tools.meet(server, egress).await
    }

    async fn enter(&self, signed_in: &RecordedSignIn, egress: Egress<'_>) -> Result<Reply, SellerError> {
        self.http.enter(signed_in, egress).await
    }

    async fn present(&self, recorded: &Recorded, egress: Egress<'_>, progress: &Progress) -> Presented {
        match recorded.request().tool() {
            Some(_) => self.tools.present(recorded, egress, progress).await,
            None => self.http.present(recorded, egress).await,
        }
    }
}
