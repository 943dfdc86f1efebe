//! The way in and out. The MCP library stops waiting for answers 5 s after stdin ends and knows no signals; behind this
//! door stdin seems to end only when every call that came in has been answered.

use std::collections::HashSet;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::Transport;
use tokio::sync::watch;

/// Set once, when no further call is taken.
#[derive(Clone, Default)]
pub struct Leaving(Arc<watch::Sender<bool>>);

impl Leaving {
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    pub async fn begun(&self) {
        // The sender is ours, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }

    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }
}

pub struct DrainingTransport<T> {
    inner: T,
    exit: Leaving,
    /// Requests that came in and were not answered yet.
    open: Arc<watch::Sender<HashSet<RequestId>>>,
    /// The host has chosen its era.
    opened: bool,
}

impl<T> DrainingTransport<T> {
    pub fn new(inner: T, exit: Leaving) -> DrainingTransport<T> {
        DrainingTransport { inner, exit, open: Arc::default(), opened: false }
    }

    /// The message as it goes on to the server. Before a session is open a stray notification (say, the cancelling of
    /// a probe) would end it, so it is dropped.
    fn admitted(&mut self, mut message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        match &mut message {
            JsonRpcMessage::Request(asked) => {
                self.opened |= opens(&mut asked.request);
                self.open.send_if_modified(|open| open.insert(asked.id.clone()));
                return Some(message);
            }
            JsonRpcMessage::Notification(told) => {
                if let ClientNotification::CancelledNotification(cancelled) = &told.notification {
                    // No answer will follow.
                    cancelled.params.request_id.as_ref().inspect(|id| answered(&self.open, id));
                }
            }
            _ => {}
        }
        self.opened.then_some(message)
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for DrainingTransport<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answers = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let (sent, open) = (self.inner.send(message), self.open.clone());
        async move {
            let result = sent.await;
            answers.inspect(|id| answered(&open, id));
            result
        }
    }

    /// Dropped and called again whenever the server has something else to do: keeps no state across a wait.
    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        while !self.exit.has_begun() {
            let received = tokio::select! {
                biased;
                () = self.exit.begun() => None,
                message = self.inner.receive() => message,
            };
            let Some(message) = received else {
                self.exit.begin();
                break;
            };
            if let Some(message) = self.admitted(message) {
                return Some(message);
            }
        }
        // As above: the sender is ours.
        let _ = self.open.subscribe().wait_for(HashSet::is_empty).await;
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

fn answered(open: &watch::Sender<HashSet<RequestId>>, id: &RequestId) {
    open.send_if_modified(|open| open.remove(id));
}

/// Whether a request chooses the era: the handshake, or anything but a probe that says its version itself.
fn opens(request: &mut ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        request => request.get_meta().protocol_version().is_some(),
    }
}
