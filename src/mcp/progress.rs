//! Tells a host that asked for it that a call is still under way.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use rmcp::{Peer, RoleServer};
use tokio::sync::mpsc;

use super::asking::Asking;
use super::door::Leaving;
use crate::answer::Pending;
use crate::ports::{Asked, Caller, Ways};

/// Hosts that wait longer while they hear something give up after 30 to 60 s of silence.
const SILENCE: Duration = Duration::from_secs(5);
/// Steps a host has not read yet. Further ones are dropped: a later one says more.
const UNREAD: usize = 8;

/// The purchase's end.
pub struct Steps {
    steps: mpsc::Sender<String>,
    asking: Arc<Asking>,
    is_heard: Box<dyn Fn() -> bool + Send + Sync>,
}

/// The host's end.
pub struct Teller {
    steps: mpsc::Receiver<String>,
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    told: u32,
    last: String,
}

/// A host that cancelled the call, or has closed its end, is taken not to hear the answer.
pub fn channel(context: &RequestContext<RoleServer>, exit: &Leaving, asking: Arc<Asking>) -> (Steps, Teller) {
    let (sender, steps) = mpsc::channel(UNREAD);
    let (cancelled, exit) = (context.ct.clone(), exit.clone());
    let is_heard = Box::new(move || !cancelled.is_cancelled() && !exit.has_begun());
    let to = context.meta.get_progress_token().map(|token| (context.peer.clone(), token));
    (Steps { steps: sender, asking, is_heard }, Teller { steps, to, told: 0, last: "working".to_owned() })
}

impl Caller for Steps {
    fn step(&self, message: &str) {
        // Nobody listening, or not fast enough, is no reason to stop.
        let _ = self.steps.try_send(message.to_owned());
    }

    fn is_heard(&self) -> bool {
        (self.is_heard)()
    }

    fn ask(&self, question: &Pending, ways: &Ways) -> Asked {
        self.asking.ask(question, ways)
    }
}

impl Teller {
    /// Waits for the next step, or for a silence that is long enough to repeat the last one into.
    pub async fn next(&mut self) {
        match tokio::time::timeout(SILENCE, self.steps.recv()).await {
            Ok(Some(step)) => self.last = step,
            // No more steps will come: the answer is about to.
            Ok(None) => std::future::pending().await,
            Err(_) => {}
        }
    }

    /// Not to be dropped halfway: it could then be heard after the answer.
    pub async fn tell(&mut self) {
        let Some((peer, token)) = &self.to else { return };
        self.told += 1;
        let told = ProgressNotificationParam::new(token.clone(), f64::from(self.told)).with_message(self.last.clone());
        // A host that is gone hears nothing; the purchase goes on.
        let _ = peer.notify_progress(told).await;
    }
}
