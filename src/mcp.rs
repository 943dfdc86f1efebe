//! The agent's door: MCP over stdio, both eras on one server, one file per tool.
//!
//! What a tool is stands in `tool`, how a call is heard in `server` and `arguments`, how an answer is put in `tell`,
//! and how the house is left without dropping a call in `door`.

pub mod arguments;
mod asking;
mod call_paid_tool;
mod desk;
mod door;
mod fetch_paid;
mod find_paid;
mod get_balance;
mod get_budget;
mod get_purchase;
mod lines;
mod list_paid_tools;
mod list_spend;
mod output;
mod pipes;
mod progress;
mod prompt;
mod proxy;
mod quote;
mod resource;
mod server;
mod tell;
#[cfg(test)]
mod tests;
mod tool;

use std::future::Future;

use rmcp::service::{RunningService, ServerInitializeError};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::agent::Agent;
use crate::answer::Refusal;
use crate::limits;
use door::{DrainingTransport, Leaving};
use lines::AsText;
use proxy::Proxy;
use server::Server;
use tool::Tool;

/// Why serving ended other than by a closed stdin or a signal.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// The session could not be opened.
    #[error("the host did not open an MCP session: {0}")]
    Opening(String),
    /// The server that it stands before could not be asked what it is.
    #[error("{}", said(.0))]
    Unmet(Refusal),
    /// A fault of bursar's own.
    #[error("a fault inside bursar ended the MCP session: {0}")]
    Fault(String),
}

fn said(refusal: &Refusal) -> String {
    refusal.reasons.iter().map(|reason| tell::clean(&reason.message)).collect::<Vec<_>>().join("; ")
}

/// Serves one host over stdin and stdout until it closes stdin or asks the process to stop. Calls taken by then are
/// answered before this returns; what was presented may still have to close. `notice` is told to the model before anything else:
/// what is special about this wallet, such as play money.
///
/// After a signal the host may still hold stdin open, and a read of it cannot be given up: leave the process with
/// `std::process::exit`, not by returning from a runtime that waits for its threads.
pub async fn serve(agent: Agent, notice: Option<String>) -> Result<(), NotServed> {
    let stop = asked_to_stop();
    let (read, write) = pipes::open();
    let server = Server::new(agent, all_tools()).with_notice(notice);
    attend(server, read, write, stop).await
}

/// The same for the tools of another server, which are paid for as they are called.
pub async fn serve_proxy(agent: Agent, server: &str) -> Result<(), NotServed> {
    let stop = asked_to_stop();
    let proxy = Proxy::before(agent, server).await.map_err(NotServed::Unmet)?;
    let (read, write) = pipes::open();
    let exit = proxy.desk.exit.clone();
    until_left(proxy, exit, lines::readable(read, AsText::All), write, stop).await
}

fn all_tools() -> Vec<Tool> {
    vec![
        fetch_paid::tool(),
        quote::tool(),
        get_balance::tool(),
        get_budget::tool(),
        list_spend::tool(),
        get_purchase::tool(),
        find_paid::tool(),
        list_paid_tools::tool(),
        call_paid_tool::tool(),
    ]
}

/// One session over any pair of pipes.
async fn attend(
    server: Server,
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), NotServed> {
    let exit = server.desk.exit.clone();
    until_left(server, exit, lines::readable(read, AsText::Ours), write, stop).await
}

/// Until the host leaves or `stop` comes.
async fn until_left(
    server: impl ServerHandler,
    exit: Leaving,
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), NotServed> {
    let door = DrainingTransport::new(AsyncRwTransport::new(read, write), exit.clone());
    let session = session(server, door);
    tokio::pin!(session);
    tokio::select! {
        served = &mut session => return served,
        () = stop => exit.begin(),
        () = exit.begun() => {}
    }
    // Every call answers well within this. What does not must not keep the process from closing its ledger.
    timeout(limits::DRAIN, session).await.unwrap_or(Ok(()))
}

async fn session(
    server: impl ServerHandler,
    door: impl rmcp::transport::Transport<RoleServer> + 'static,
) -> Result<(), NotServed> {
    let running: RunningService<RoleServer, _> = match server.serve(door).await {
        Ok(running) => running,
        // A host that looks and leaves has done nothing wrong.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(cause) => return Err(NotServed::Opening(cause.to_string())),
    };
    running.waiting().await.map(|_| ()).map_err(|cause| NotServed::Fault(cause.to_string()))
}

/// The first signal begins the exit. Later ones are ignored: hosts send several in a row, and cutting the wait short
/// would turn purchases into doubts. It listens from this call on, so that no host is answered by a process that a signal
/// would still kill.
fn asked_to_stop() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{Signal, SignalKind, signal};
        async fn comes(listening: &mut std::io::Result<Signal>) {
            match listening {
                Ok(signal) => _ = signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        }
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        async move {
            tokio::select! {
                () = comes(&mut terminate) => {}
                () = comes(&mut interrupt) => {}
            }
        }
    }
    #[cfg(not(unix))]
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Stdout belongs to MCP. Warnings and worse only: below that the MCP library logs whole requests, with their headers. To
/// be called before anything is opened that could warn.
pub fn log_to_stderr() {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr);
    // A log that is already set up is as good.
    let _ = log.try_init();
}
