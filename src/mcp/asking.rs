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

use super::tell::{self, clean};
use crate::agent::Agent;
use crate::answer::Pending;
use crate::limits;
use crate::ports::{Asked, Shut, Ways};

/// The one thing asked for, in either era.
const DECISION: &str = "decision";
const APPROVE: &str = "approve";
const DENY: &str = "deny";
/// What the question is called in an answer that asks for input.
const QUESTION: &str = "approval";

/// How one call can ask the person at its host.
pub struct Asking {
    agent: Agent,
    peer: Peer<RoleServer>,
    meta: RequestMetaObject,
    is_stateless: bool,
    form: bool,
    url: bool,
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
    let key: [u8; 32] = crate::random::bytes().ok()?;
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
        agent: Agent,
        codec: &Codec,
        arguments: &JsonObject,
        earlier: Earlier,
        context: &RequestContext<RoleServer>,
    ) -> Asking {
        let (form, url) = means(context.client_capabilities());
        Asking {
            peer: context.peer.clone(),
            meta: echoed(&context.meta),
            is_stateless: context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28),
            form,
            url,
            seal: codec.clone().map(|codec| Seal { codec, call: of_call(agent.name(), arguments) }),
            agent,
            earlier: Mutex::new(Some(earlier)),
            carried: Mutex::default(),
        }
    }

    pub fn ask(&self, question: &Pending, ways: &Ways) -> Asked {
        let Some(params) = params((self.form, self.url), question, ways) else { return Asked::Nowhere };
        if !self.is_stateless {
            return Asked::Here(self.request(question.clone(), params));
        }
        *locked(&self.carried) = Some((question.clone(), params));
        Asked::InTheAnswer
    }

    /// The answer of an earlier round, which came with this call.
    pub async fn hear(&self) {
        let Some((state, yes)) = self.said_earlier() else { return };
        let standing = self.agent.question(&state.purchase_id).await;
        if let Some(question) = standing.filter(|question| question.terms == state.terms) {
            record(&self.agent, &question, yes).await;
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

    /// Asks now, beside the call: a late answer counts too, as long as the question waits.
    fn request(&self, question: Pending, params: ElicitRequestParams) -> Shut {
        let (open, shut) = oneshot::channel::<()>();
        let (agent, peer, meta) = (self.agent.clone(), self.peer.clone(), self.meta.clone());
        tokio::spawn(async move {
            if let Some(yes) = elicit(&agent, &peer, meta, &question, params).await {
                record(&agent, &question, yes).await;
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
async fn record(agent: &Agent, question: &Pending, yes: bool) {
    if let Err(refusal) = agent.host_answers(question, yes).await {
        tracing::debug!("an answer given in the host does not count: {refusal}");
    }
}

/// What the person at the host says, unless another door is faster: then the host is told that nobody asks any more.
async fn elicit(
    agent: &Agent,
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
                agent.answered(question).await;
                None
            }
            _ => None,
        },
        () = agent.answered(question) => {
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

/// A form where its yes counts, else the way to the owner's own page, else nothing. What the host can do is a form, or
/// a URL.
fn params((form, url): (bool, bool), question: &Pending, ways: &Ways) -> Option<ElicitRequestParams> {
    if form && ways.form {
        let (message, requested_schema) = (words(question), schema()?);
        return Some(ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema });
    }
    let url = ways.page.clone().filter(|_| url)?;
    let message = format!("{}\nDecide on bursar's review page.", words(question));
    let elicitation_id = question.purchase_id.clone();
    Some(ElicitRequestParams::UrlElicitationParams { meta: None, message, url, elicitation_id })
}

fn schema() -> Option<ElicitationSchema> {
    let choice = EnumSchema::builder(vec![APPROVE.to_owned(), DENY.to_owned()]).title("Pay this?").build();
    ElicitationSchema::builder().required_enum_schema(DECISION, choice).build().ok()
}

/// The terms as a person reads them. What others wrote in them is cleaned, and no link.
fn words(question: &Pending) -> String {
    let Pending { agent, method, amount, asset, network, payee, domain, reasons, .. } = question;
    let [agent, method, amount, asset, network, payee, domain] =
        [agent, method, amount, asset, &tell::network(network), payee, domain].map(|words| clean(words));
    let price = question.amount_usd;
    let place =
        |url: &str| url::Url::parse(url).ok().map(|url| (clean(url.host_str().unwrap_or_default()), clean(url.path())));
    let (_, path) = place(&question.url).unwrap_or_default();
    let led = question.led_from.as_deref().and_then(place).map(|(host, path)| format!(", where {host} {path} led"));
    let led = led.unwrap_or_default();
    let why: Vec<String> = reasons.iter().map(|reason| clean(&reason.message)).collect();
    format!(
        "Bursar: may agent {agent} pay ${price} to {domain}?\n{method} {path}{led}\n{amount} {asset} on {network} to {payee}\n\
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::money::Usd;
    use crate::reason::{Reason, Who};
    use crate::time::Time;

    fn question() -> Pending {
        Pending {
            purchase_id: "pu_1".into(),
            agent: "researcher".into(),
            asked_at: Time::from_secs(1_800_000_000),
            expires_at: Time::from_secs(1_800_086_400),
            method: "GET".into(),
            url: "https://api.example.com/v1/report?key=secret".into(),
            led_from: None,
            domain: "api.example.com".into(),
            amount_usd: Usd::micros(200_000),
            amount: "0.2".into(),
            asset: "USDC".into(),
            network: "eip155:8453".into(),
            payee: "0x1111111111111111111111111111111111111111".into(),
            reasons: vec![Reason::new(
                "above_approval",
                "approval above",
                "This costs $0.20. The owner is asked about everything above $0.10.",
                Who::Owner,
            )],
            approved_until: None,
            terms: "terms".into(),
        }
    }

    fn ways(form: bool, page: Option<&str>) -> Ways {
        Ways { form, page: page.map(str::to_owned) }
    }

    #[test]
    fn a_person_reads_who_pays_whom_how_much_and_why_they_are_asked() {
        insta::assert_snapshot!(words(&question()), @r"
        Bursar: may agent researcher pay $0.20 to api.example.com?
        GET /v1/report
        0.2 USDC on Base to 0x1111111111111111111111111111111111111111
        Why you are asked: This costs $0.20. The owner is asked about everything above $0.10.
        A yes counts once, for exactly this, and lifts no limit.
        ");
    }

    #[test]
    fn a_person_reads_from_where_the_request_was_led() {
        let led = Pending { led_from: Some("https://trusted.example/go?to=api".into()), ..question() };
        assert_eq!(words(&led).lines().nth(1), Some("GET /v1/report, where trusted.example /go led"));
    }

    #[test]
    fn what_others_wrote_cannot_look_like_the_question() {
        let forged = "evil\nA yes counts for everything\u{202e}\u{1b}[2J";
        let asked = Pending { asset: forged.into(), domain: forged.into(), method: forged.into(), ..question() };
        assert_eq!(words(&asked).lines().count(), 5);
        assert!(!words(&asked).contains(['\u{202e}', '\u{1b}']));
    }

    #[test]
    fn a_form_is_asked_where_its_yes_counts_and_else_the_way_to_the_page_is_shown() {
        let mode = |can, ways: &Ways| {
            params(can, &question(), ways).map(|params| serde_json::to_value(params).unwrap()["mode"].clone())
        };
        let page = Some("http://127.0.0.1:4020/pending/pu_1");
        assert_eq!(mode((true, true), &ways(true, page)), Some(json!("form")));
        assert_eq!(mode((true, true), &ways(false, page)), Some(json!("url")));
        assert_eq!(mode((false, true), &ways(true, page)), Some(json!("url")));
        for (can, ways) in
            [((true, false), ways(false, page)), ((false, true), ways(true, None)), ((false, false), ways(true, page))]
        {
            assert_eq!(mode(can, &ways), None);
        }
    }

    #[test]
    fn a_yes_or_a_no_is_chosen_by_name_and_nothing_else_is_one() {
        let said = |said: Value| serde_json::from_value(said).ok().and_then(decision);
        let accepted = |content: Value| said(json!({"action": "accept", "content": content}));
        assert_eq!(accepted(json!({"decision": "approve"})), Some(true));
        assert_eq!(accepted(json!({"decision": "deny"})), Some(false));
        assert_eq!(said(json!({"action": "decline"})), Some(false));
        for nothing in
            [json!({}), json!(null), json!({"decision": true}), json!({"decision": "Approve"}), json!(["approve"])]
        {
            assert_eq!(accepted(nothing), None);
        }
        assert_eq!(said(json!({"action": "cancel", "content": {"decision": "approve"}})), None);
        assert_eq!(said(json!({"action": "decline", "content": {"decision": "approve"}})), Some(false));
        assert_eq!(said(json!({"content": {"decision": "approve"}})), None);
    }

    #[test]
    fn a_host_that_only_says_that_it_can_ask_means_forms() {
        let of = |capabilities: Value| means(serde_json::from_value(capabilities).ok());
        assert_eq!(of(json!({})), (false, false));
        assert_eq!(of(json!({"elicitation": {}})), (true, false));
        assert_eq!(of(json!({"elicitation": {"url": {}}})), (false, true));
        assert_eq!(of(json!({"elicitation": {"form": {}, "url": {}}})), (true, true));
    }

    #[test]
    fn a_state_opens_for_the_call_it_was_sealed_for_and_no_other() {
        let codec = codec().unwrap();
        let of = |agent: &str, url: &str| {
            let arguments = json!({ "url": url });
            Seal { codec: codec.clone(), call: of_call(agent, arguments.as_object().unwrap()) }
        };
        let state = || State { purchase_id: "pu_1".into(), terms: "terms".into() };
        let sealed = of("one", "https://a.example/").close(state()).unwrap();
        assert!(of("one", "https://a.example/").open(&sealed).is_some());
        assert!(of("two", "https://a.example/").open(&sealed).is_none());
        assert!(of("one", "https://b.example/").open(&sealed).is_none());
        let elsewhere = Seal { codec: super::codec().unwrap(), call: of("one", "https://a.example/").call };
        assert!(elsewhere.open(&sealed).is_none());
    }
}
