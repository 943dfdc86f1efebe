//! A question put inside the host, in the way of its era: as a request of the server's, or as an answer that asks for
//! input and is followed by the same call again. Either way a yes is a `decision` that somebody chose: there is no
//! default, and an empty form is no answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::{
    ClientCapabilities, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, EnumSchema, InputRequest, InputRequests, InputRequiredResult, InputResponses, JsonObject,
    ProtocolVersion, RequestMetaObject, RequestStateCodec, SealOptions, ServerRequest,
};
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::{Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::tell::clean;
use crate::bursar::{Asked, Bursar, Pending, Shut, Ways};
use crate::limits;

/// The one thing asked for, in either era.
const DECISION: &str = "decision";
const APPROVE: &str = "approve";
const DENY: &str = "deny";
/// What the question is called in an answer that asks for input.
const QUESTION: &str = "approval";

/// How one call can ask the person at its host.
pub struct Asking {
    bursar: Arc<Bursar>,
    peer: Peer<RoleServer>,
    meta: RequestMetaObject,
    is_stateless: bool,
    form: bool,
    url: bool,
    agent: Arc<str>,
    seal: Option<Seal>,
    earlier: Mutex<Option<Earlier>>,
    /// The question that the answer to this call shall carry.
    carried: Mutex<Option<(Pending, ElicitRequestParams)>>,
}

/// What came back with the call, in the era where a question is an answer and its answer comes with the next call.
pub struct Earlier {
    pub state: Option<String>,
    pub responses: Option<InputResponses>,
}

/// None: this system gave no randomness for a key, and so such a question cannot be told from a forged one.
pub type Codec = Option<Arc<RequestStateCodec>>;

/// With a key of this process alone.
pub fn codec() -> Codec {
    let key: [u8; 32] = crate::bursar::fresh().ok()?;
    RequestStateCodec::try_new(key).ok().map(Arc::new)
}

/// Which question an answer belongs to goes through the host's hands, and comes back for the same call only.
struct Seal {
    codec: Arc<RequestStateCodec>,
    call: Vec<u8>,
}

/// What is sealed: a purchase of this agent, and the terms that were shown.
#[derive(Serialize, Deserialize)]
struct State {
    purchase_id: String,
    terms: String,
}

impl Asking {
    pub fn new(
        bursar: &Arc<Bursar>,
        agent: Arc<str>,
        codec: &Codec,
        arguments: &JsonObject,
        earlier: Earlier,
        context: &RequestContext<RoleServer>,
    ) -> Asking {
        let (form, url) = means(context.client_capabilities());
        Asking {
            bursar: bursar.clone(),
            peer: context.peer.clone(),
            meta: echoed(&context.meta),
            is_stateless: context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28),
            form,
            url,
            seal: codec.clone().map(|codec| Seal { codec, call: of_call(&agent, arguments) }),
            agent,
            earlier: Mutex::new(Some(earlier)),
            carried: Mutex::default(),
        }
    }

    pub fn ask(&self, question: &Pending, ways: &Ways) -> Asked {
        let Some(params) = self.params(question, ways) else { return Asked::Nowhere };
        if !self.is_stateless {
            return Asked::Here(self.request(question.clone(), params));
        }
        *locked(&self.carried) = Some((question.clone(), params));
        Asked::InTheAnswer
    }

    /// The answer of an earlier round, which came with this call.
    pub async fn hear(&self) {
        let Some((state, yes)) = self.said_earlier() else { return };
        let standing = self.bursar.question(&self.agent, &state.purchase_id).await;
        if let Some(question) = standing.filter(|question| question.terms == state.terms) {
            record(&self.bursar, &question, yes).await;
        }
    }

    fn said_earlier(&self) -> Option<(State, bool)> {
        let Earlier { state, responses } = locked(&self.earlier).take()?;
        let state = self.seal.as_ref()?.open(&state?)?;
        let said = serde_json::from_value(responses?.remove(QUESTION)?).ok()?;
        Some((state, decision(said)?))
    }

    /// The question that this call was to carry back, as an answer that asks for input.
    pub fn input_required(&self) -> Option<InputRequiredResult> {
        let (question, params) = locked(&self.carried).take()?;
        let state = self.seal.as_ref()?.close(State { purchase_id: question.purchase_id, terms: question.terms })?;
        let asked = InputRequest::Elicitation(ElicitRequest::new(params));
        Some(InputRequiredResult::new(Some(InputRequests::from([(QUESTION.to_owned(), asked)])), Some(state)))
    }

    /// A form where its yes counts, else the way to the owner's own page, else nothing.
    fn params(&self, question: &Pending, ways: &Ways) -> Option<ElicitRequestParams> {
        if self.form && ways.form {
            let requested_schema = schema()?;
            return Some(ElicitRequestParams::FormElicitationParams {
                meta: None,
                message: words(question),
                requested_schema,
            });
        }
        let url = ways.page.clone().filter(|_| self.url)?;
        let message = format!("{}\nDecide on bursar's review page.", words(question));
        let elicitation_id = question.purchase_id.clone();
        Some(ElicitRequestParams::UrlElicitationParams { meta: None, message, url, elicitation_id })
    }

    /// Asks now, beside the call: a late answer counts too, as long as the question waits.
    fn request(&self, question: Pending, params: ElicitRequestParams) -> Shut {
        let (open, shut) = oneshot::channel::<()>();
        let (bursar, peer, meta) = (self.bursar.clone(), self.peer.clone(), self.meta.clone());
        tokio::spawn(async move {
            if let Some(yes) = elicit(&bursar, &peer, meta, &question, params).await {
                record(&bursar, &question, yes).await;
            }
            drop(open);
        });
        Box::pin(async move { drop(shut.await) })
    }
}

/// A panic elsewhere leaves nothing half done in these.
fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first answer counts: one that came too late is no trouble.
async fn record(bursar: &Bursar, question: &Pending, yes: bool) {
    if let Err(refusal) = bursar.host_answers(question, yes).await {
        tracing::debug!("an answer given in the host does not count: {refusal}");
    }
}

/// What the person at the host says, unless another door is faster: then the host is told that nobody asks any more.
async fn elicit(
    bursar: &Bursar,
    peer: &Peer<RoleServer>,
    meta: RequestMetaObject,
    question: &Pending,
    params: ElicitRequestParams,
) -> Option<bool> {
    let is_form = matches!(params, ElicitRequestParams::FormElicitationParams { .. });
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(params));
    let options = PeerRequestOptions::no_options().with_meta(meta);
    let mut asked = peer.send_cancellable_request(request, options).await.ok()?;
    tokio::select! {
        said = &mut asked.rx => match said {
            Ok(Ok(ClientResult::ElicitResult(said))) if is_form => decision(said),
            // Somebody was shown the way to the page, where the answer is given; or nothing was said.
            Ok(Ok(ClientResult::ElicitResult(said))) if said.action == ElicitationAction::Accept => {
                bursar.answered(question).await;
                None
            }
            _ => None,
        },
        () = bursar.answered(question) => {
            let _ = asked.cancel(Some("answered elsewhere".to_owned())).await;
            None
        }
        () = tokio::time::sleep(limits::SHOWN_AGAIN) => {
            let _ = asked.cancel(Some("nobody answered".to_owned())).await;
            None
        }
    }
}

/// A yes is chosen by name. A form that was sent back empty, or put away, says nothing.
fn decision(said: ElicitResult) -> Option<bool> {
    match said.action {
        ElicitationAction::Accept => match said.content?.get(DECISION)?.as_str()? {
            APPROVE => Some(true),
            DENY => Some(false),
            _ => None,
        },
        ElicitationAction::Decline => Some(false),
        _ => None,
    }
}

fn schema() -> Option<ElicitationSchema> {
    let choice = EnumSchema::builder(vec![APPROVE.to_owned(), DENY.to_owned()]).title("Pay this?").build();
    ElicitationSchema::builder().required_enum_schema(DECISION, choice).build().ok()
}

/// The terms as a person reads them. What others wrote in them is cleaned, and no link.
fn words(question: &Pending) -> String {
    let Pending { agent, method, amount, asset, network, payee, domain, reasons, .. } = question;
    let [agent, method, amount, asset, network, payee, domain] =
        [agent, method, amount, asset, network, payee, domain].map(|words| clean(words));
    let price = question.amount_usd;
    let path = url::Url::parse(&question.url).map(|url| clean(url.path())).unwrap_or_default();
    let why: Vec<String> = reasons.iter().map(|reason| clean(&reason.message)).collect();
    format!(
        "Bursar: may agent {agent} pay ${price} to {domain}?\n{method} {path}\n{amount} {asset} on {network} to {payee}\n\
         Why you are asked: {}\nA yes counts once, for exactly this, and lifts no limit.",
        why.join(" ")
    )
}

/// What the host declares for this call. Older ones that say only that they can ask mean forms.
fn means(capabilities: Option<ClientCapabilities>) -> (bool, bool) {
    let Some(elicitation) = capabilities.and_then(|capabilities| capabilities.elicitation) else {
        return (false, false);
    };
    let (form, url) = (elicitation.form.is_some(), elicitation.url.is_some());
    (form || !url, url)
}

/// Some hosts know by it which of their calls a question belongs to. Ours are our own: progress, and what the era says.
fn echoed(meta: &RequestMetaObject) -> RequestMetaObject {
    let mut echoed = meta.clone();
    echoed.retain(|key, _| key != "progressToken" && !key.starts_with("io.modelcontextprotocol/"));
    echoed
}

/// Binds a state to who asked what.
fn of_call(agent: &str, arguments: &JsonObject) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update((agent.len() as u64).to_be_bytes());
    hash.update(agent);
    hash.update(Value::Object(arguments.clone()).to_string());
    hash.finalize().to_vec()
}

impl Seal {
    fn close(&self, state: State) -> Option<String> {
        let options = SealOptions::new().associated_data(&self.call).ttl(limits::SHOWN_AGAIN);
        self.codec.seal_json_with(&state, &options).ok()
    }

    fn open(&self, state: &str) -> Option<State> {
        self.codec.open_json_with(state, &self.call).ok()
    }
}
