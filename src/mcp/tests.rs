//! The agent's door from the outside: sessions of both eras over a pipe, and what every kind of answer looks like.

mod answers;
mod fits;
mod leaving;
mod listing;
mod sessions;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, RunningService, ServiceError};
use rmcp::{ClientHandler, RoleClient, ServiceExt, service::ClientServiceExt};
use serde_json::Value;

use super::server::Server;
use super::tool::{Ask, Tool, schema};
use super::{all_tools, attend};
use crate::chain::Rpc;
use crate::clock::SystemClock;
use crate::config::Home;
use crate::house::{House, Ports};
use crate::money::Assets;
use crate::ports::NoDirectories;
use crate::seller::Sellers;

#[derive(Clone, Copy, Debug)]
enum Era {
    /// 2025-11-25: `initialize` opens a session.
    Handshake,
    /// 2026-07-28: `server/discover`, and every request for itself.
    Stateless,
}

const ERAS: [Era; 2] = [Era::Handshake, Era::Stateless];

/// Over a house of which these tests never open a room.
fn server(tools: Vec<Tool>) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.keep());
    let ports = Ports {
        wallet: None,
        seller: Arc::new(Sellers::new(&home.purchases_dir(), &BTreeMap::new())),
        chains: Arc::new(Rpc::new([])),
        directories: Arc::new(NoDirectories),
        clock: Arc::new(SystemClock),
    };
    home.prepare().unwrap();
    Server::new(House::over(&home, Assets::default(), ports).unwrap().agent("researcher"), tools)
}

/// A client of one era, connected to a server that has these tools.
async fn client<H: ClientHandler>(era: Era, host: H, tools: Vec<Tool>) -> RunningService<RoleClient, H> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    tokio::spawn(attend(server(tools), read, write, pending()));
    let opened = match era {
        Era::Handshake => host.serve(theirs).await,
        Era::Stateless => {
            let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
            host.serve_with_lifecycle(theirs, ClientLifecycleMode::Discover { preferred_versions }).await
        }
    };
    opened.unwrap()
}

async fn call<H: ClientHandler>(
    client: &RunningService<RoleClient, H>,
    tool: &'static str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    client.call_tool(CallToolRequestParams::new(tool).with_arguments(schema(arguments))).await
}

fn text(result: &CallToolResult) -> &str {
    &result.content[0].as_text().unwrap().text
}

/// `fetch_paid`, doing something else.
fn fetch_paid_that(run: fn(Ask) -> super::tool::Running) -> Vec<Tool> {
    vec![Tool { run, ..super::fetch_paid::tool() }]
}
