//! Where calls are heard: each as a task of its own, so that one its host gives up goes on, and one that panics is still
//! answered; so many at a time; and none after the exit has begun.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{CallToolResponse, ContentBlock, ProtocolVersion};
use rmcp::service::RequestContext;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use super::arguments::JsonObject;
use super::asking::{self, Asking, Earlier};
use super::door::Leaving;
use super::progress::{self, Teller};
use super::tell::Trouble;
use super::tool::{Ask, Running};
use crate::agent::Agent;
use crate::limits;
use crate::reason::{Reason, Who};
use crate::text;

/// What a client calls itself is recorded; this much of it tells clients apart.
const CLIENT_CHARS: usize = 100;

/// Tools answer in time by themselves. If one does not, this is still before hosts give up at 60 s.
const ANSWER_AT_LAST: Duration = limits::ANSWER_WITHIN.saturating_add(Duration::from_secs(7));

/// One agent's, for one session.
pub struct Desk {
    pub agent: Agent,
    /// One for each call that may be under way.
    turns: Arc<Semaphore>,
    /// Seals what goes through the host's hands while it asks a person; good for this process only.
    seal: asking::Codec,
    pub exit: Leaving,
}

/// Why a tool said nothing. What it did is in the ledger, not here.
pub enum Unanswered {
    /// It was not begun: too many are.
    Crowded,
    /// It panicked.
    Broken,
    /// It is still at work, against its promise to answer in time.
    Late,
    /// The host does not want to hear it any more, and will not.
    Unwanted,
}

impl Desk {
    pub fn new(agent: Agent) -> Desk {
        let turns = Arc::new(Semaphore::new(limits::CALLS_AT_ONCE));
        Desk { agent, turns, seal: asking::codec(), exit: Leaving::default() }
    }

    /// One call, from its arguments to its answer.
    pub async fn hear(
        &self,
        arguments: JsonObject,
        earlier: Earlier,
        context: &RequestContext<RoleServer>,
        run: impl FnOnce(Ask) -> Running,
    ) -> Result<Result<CallToolResponse, Trouble>, Unanswered> {
        let Ok(turn) = self.turns.clone().try_acquire_owned() else { return Err(Unanswered::Crowded) };
        let agent = self.agent.clone();
        let asking = Arc::new(Asking::new(agent.clone(), &self.seal, &arguments, earlier, context));
        let (steps, teller) = progress::channel(context, &self.exit, asking.clone());
        let (client, caller) = (client(context), Box::new(steps));
        let running = run(Ask { agent, client, arguments, caller, asking });
        // What goes on keeps its turn.
        let work = tokio::spawn(async move {
            let _turn = turn;
            running.await
        });
        wait(work, teller, context).await
    }

    /// For what is answered without a task of its own.
    pub fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.try_acquire().ok()
    }
}

async fn wait<T>(
    mut work: JoinHandle<T>,
    mut teller: Teller,
    context: &RequestContext<RoleServer>,
) -> Result<T, Unanswered> {
    let at_last = tokio::time::sleep(ANSWER_AT_LAST);
    tokio::pin!(at_last);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done.map_err(|_| Unanswered::Broken),
            () = context.ct.cancelled() => return Err(Unanswered::Unwanted),
            () = &mut at_last => return Err(Unanswered::Late),
            () = teller.next() => teller.tell().await,
        }
    }
}

pub fn crowd() -> String {
    format!("{} calls are being answered already, as many as bursar takes at a time", limits::CALLS_AT_ONCE)
}

pub fn crowded() -> Trouble {
    let reason = Reason::new("too_many_calls", "bursar", crowd(), Who::Time);
    Trouble::refused(vec![reason], "nothing was done and no money moved; call again when some of them are answered")
}

/// Links came with 2025-06-18; an older host may reject a whole answer over one.
pub fn as_understood(mut answer: CallToolResponse, context: &RequestContext<RoleServer>) -> CallToolResponse {
    let older = context.protocol_version().is_some_and(|version| version < ProtocolVersion::V_2025_06_18);
    if let (true, CallToolResponse::Complete(result)) = (older, &mut answer) {
        result.content.retain(|item| !matches!(item, ContentBlock::ResourceLink(_)));
    }
    answer
}

fn client(context: &RequestContext<RoleServer>) -> Option<String> {
    let client = context.client_info()?;
    Some(text::quoted(&format!("{} {}", client.name, client.version), CLIENT_CHARS))
}
