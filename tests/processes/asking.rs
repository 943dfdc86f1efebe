//! Asking a person through the host, over real stdio in both eras: what counts as a yes, and what does not.

use std::sync::{Arc, Mutex};

use bursar::answer::Pending;
use bursar::config::Home;
use bursar::wallet::PassphraseSource;
use sandbox::host::{Era, Host, HostOptions, Said};
use sandbox::sellers::Stall;
use serde_json::{Value, json};
use testkit::house::Open;
use tokio::sync::oneshot;

use crate::scene::{Scene, told, until, words};

const AGENT: &str = "asker";
/// Asked about above ten cents; a yes inside the host counts up to twenty-five.
const DEAR: u64 = 200_000;
const DEARER: u64 = 300_000;

/// What a host was asked, and what it says to it.
#[derive(Clone, Default)]
struct Person {
    asked: Arc<Mutex<Vec<Value>>>,
    late: Arc<Mutex<Option<oneshot::Sender<Value>>>>,
}

impl Person {
    /// Answers every elicitation with this.
    fn who_says(&self, era: Era, said: Value) -> HostOptions {
        self.host(era, move |_| Said::Result(said.clone()))
    }

    /// Has not made up their mind.
    fn who_waits(&self, era: Era) -> HostOptions {
        let late = self.late.clone();
        self.host(era, move |_| {
            let (sender, answer) = oneshot::channel();
            *late.lock().unwrap() = Some(sender);
            Said::Later(answer)
        })
    }

    fn host(&self, era: Era, says: impl Fn(&Value) -> Said + Send + Sync + 'static) -> HostOptions {
        let asked = self.asked.clone();
        let answer = move |method: &str, params: &Value| {
            assert_eq!(method, "elicitation/create");
            asked.lock().unwrap().push(params.clone());
            says(params)
        };
        HostOptions { capabilities: json!({"elicitation": {"form": {}}}), answer: Arc::new(answer), ..era.into() }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

async fn market() -> Scene {
    Scene::open(vec![Stall::get("/dear", DEAR), Stall::get("/dearer", DEARER)], "").await
}

fn decides(decision: &str) -> Value {
    json!({"action": "accept", "content": {"decision": decision}})
}

async fn buy(host: &Host, scene: &Scene, path: &str) -> Value {
    told(host.tool("fetch_paid", json!({"url": scene.url(path)})).await)
}

/// The owner, in another process.
async fn owner(scene: &Scene) -> Open {
    bursar::house::House::open(&Home::at(scene.home()), vec![PassphraseSource::File(scene.folder().join("passphrase"))])
        .await
        .expect("a house")
        .into()
}

async fn pending(scene: &Scene) -> Vec<Pending> {
    owner(scene).await.pending().await.expect("questions")
}

#[track_caller]
fn is(answer: &Value, outcome: &str, charged: &str) {
    assert_eq!((&answer["outcome"], &answer["charged"]), (&json!(outcome), &json!(charged)), "{answer:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_given_in_the_host_pays_within_the_same_call_and_once() {
    let (scene, person) = (market().await, Person::default());
    let host = scene.host_in(person.who_says(Era::Initialize, decides("approve")), AGENT).await;
    let call = json!({
        "name": "fetch_paid", "arguments": {"url": scene.url("/dear")},
        "_meta": {"hosts/call": "call-7", "progressToken": "p"},
    });
    let answer = told(host.call("tools/call", call).await);
    is(&answer, "answered", "yes");
    let asked = person.asked().remove(0);
    let schema = &asked["requestedSchema"];
    assert_eq!(
        (&schema["required"], &schema["properties"]["decision"]["enum"]),
        (&json!(["decision"]), &json!(["approve", "deny"]))
    );
    assert!(schema["properties"]["decision"].get("default").is_none(), "{schema:#}");
    assert_eq!(asked["_meta"]["hosts/call"], "call-7", "{asked:#}");
    let message = asked["message"].as_str().unwrap();
    for part in [AGENT, "$0.20", "/dear", "0.2 USDC", "above $0.10"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(host.notifications().iter().any(|note| note["params"]["message"] == "waiting for the owner"));
    assert_eq!((person.asked().len(), scene.settlements(), scene.spent()), (1, 1, DEAR));
    scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_cannot_ask_is_answered_at_once_and_told_no_command() {
    let scene = market().await;
    for era in [Era::Initialize, Era::Stateless] {
        let host = scene.host_in(era, AGENT).await;
        let result = host.tool("fetch_paid", json!({"url": scene.url("/dear")})).await.unwrap();
        is(&result["structuredContent"], "needs_approval", "no");
        assert_eq!(result["isError"], false);
        let all = result.to_string();
        assert!(!all.contains("bursar approve") && !all.contains("bursar pending"), "{all}");
        assert!(words(&result).contains("purchase_id"));
    }
    assert_eq!((pending(&scene).await.len(), scene.spent()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_given_in_the_host_is_remembered() {
    let scene = market().await;
    for (agent, said) in [("one", json!({"action": "decline"})), ("two", decides("deny"))] {
        let person = Person::default();
        let host = scene.host_in(person.who_says(Era::Initialize, said), agent).await;
        for _ in 0..3 {
            let answer = buy(&host, &scene, "/dear").await;
            is(&answer, "refused", "no");
            assert_eq!(answer["reasons"][0]["code"], "denied_by_owner", "{answer:#}");
        }
        assert_eq!(person.asked().len(), 1);
    }
    assert_eq!((pending(&scene).await.len(), scene.spent()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_put_away_or_sent_back_empty_says_nothing_and_is_not_shown_again_at_once() {
    let scene = market().await;
    let silences = [
        json!({"action": "cancel"}),
        json!({"action": "accept"}),
        json!({"action": "accept", "content": {}}),
        json!({"action": "accept", "content": {"decision": ""}}),
        json!({"action": "accept", "content": {"decision": "yes", "approve": true}}),
        json!({"nonsense": 1}),
    ];
    for (n, silence) in silences.into_iter().enumerate() {
        let person = Person::default();
        let host = scene.host_in(person.who_says(Era::Initialize, silence.clone()), &format!("asker-{n}")).await;
        for _ in 0..2 {
            is(&buy(&host, &scene, "/dear").await, "needs_approval", "no");
        }
        assert_eq!(person.asked().len(), 1, "{silence}");
    }
    assert_eq!((pending(&scene).await.len(), scene.spent()), (6, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_owners_line_the_host_is_not_asked() {
    let (scene, person) = (market().await, Person::default());
    let host = scene.host_in(person.who_says(Era::Initialize, decides("approve")), AGENT).await;
    is(&buy(&host, &scene, "/dearer").await, "needs_approval", "no");
    assert_eq!((person.asked().len(), scene.spent()), (0, 0));
}

/// The one test that waits: as long as bursar does for a person who does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_does_not_answer_is_waited_for_briefly_and_a_late_yes_pays_at_the_next_call() {
    let (scene, person) = (market().await, Person::default());
    let host = scene.host_in(person.who_waits(Era::Initialize), AGENT).await;
    let answer = buy(&host, &scene, "/dear").await;
    is(&answer, "needs_approval", "no");
    let late = person.late.lock().unwrap().take().expect("it was asked");
    late.send(decides("approve")).unwrap();
    let ledger = rusqlite::Connection::open(scene.home().join("ledger.db")).unwrap();
    until("the late yes to be noted", || {
        ledger.query_row("SELECT answer IS 'approved' FROM question", [], |row| row.get(0)).unwrap()
    })
    .await;
    let again = json!({"url": scene.url("/dear"), "purchase_id": answer["purchase_id"]});
    is(&told(host.tool("fetch_paid", again).await), "answered", "yes");
    assert_eq!((person.asked().len(), scene.settlements(), scene.spent()), (1, 1, DEAR));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_doors_the_first_answer_counts_and_the_other_is_shut() {
    let scene = market().await;
    for (agent, yes) in [("one", true), ("two", false)] {
        let person = Person::default();
        let host = scene.host_in(person.who_waits(Era::Initialize), agent).await;
        let call = host.begin_tool("fetch_paid", json!({"url": scene.url("/dear")}));
        until("the host to be asked", || person.asked().len() == 1).await;
        let owner = owner(&scene).await;
        let shown = owner.pending().await.unwrap().remove(0);
        match yes {
            true => drop(owner.approve(&shown, None).await.unwrap()),
            false => drop(owner.deny(&shown).await.unwrap()),
        }
        let answer = told(call.result().await);
        if yes {
            is(&answer, "answered", "yes")
        } else {
            is(&answer, "refused", "no")
        }
        let is_shut = || host.notifications().iter().any(|note| note["method"] == "notifications/cancelled");
        until("the host to be told that nobody asks any more", is_shut).await;
        // What the host says now comes too late, whatever it is.
        let late = person.late.lock().unwrap().take().unwrap();
        let _ = late.send(decides(if yes { "deny" } else { "approve" }));
        let again = buy(&host, &scene, "/dear").await;
        if yes { is(&again, "answered", "no") } else { is(&again, "refused", "no") }
    }
    assert_eq!((scene.settlements(), scene.spent()), (1, DEAR));
}

/// The stateless era: the question is an answer, and its answer comes with the same call again.
async fn first_round(host: &Host, arguments: &Value) -> Value {
    let asked = host.tool("fetch_paid", arguments.clone()).await.expect("a question");
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    let question = &asked["inputRequests"]["approval"];
    assert_eq!(
        (&question["method"], &question["params"]["requestedSchema"]["required"]),
        (&json!("elicitation/create"), &json!(["decision"]))
    );
    asked["requestState"].clone()
}

async fn next_round(host: &Host, arguments: &Value, state: &Value, said: Value) -> Value {
    let params = json!({
        "name": "fetch_paid", "arguments": arguments, "requestState": state, "inputResponses": {"approval": said},
    });
    told(host.call("tools/call", params).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_stateless_era_a_yes_comes_with_the_next_call_and_pays_once() {
    let (scene, person) = (market().await, Person::default());
    let host = scene.host_in(person.who_waits(Era::Stateless), AGENT).await;
    let wish = json!({"url": scene.url("/dear")});
    let state = first_round(&host, &wish).await;
    is(&next_round(&host, &wish, &state, decides("approve")).await, "answered", "yes");
    is(&next_round(&host, &wish, &state, decides("approve")).await, "answered", "no");
    assert_eq!((person.asked().len(), scene.settlements(), scene.spent()), (0, 1, DEAR));
    scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_stateless_era_only_a_chosen_yes_to_this_very_question_counts() {
    let scene = market().await;
    let host = scene.host_in(Person::default().who_waits(Era::Stateless), AGENT).await;
    let wish = json!({"url": scene.url("/dear")});
    let state = first_round(&host, &wish).await;
    let silences = [
        (state.clone(), json!({"action": "cancel"})),
        (state.clone(), json!({"action": "accept", "content": {}})),
        (state.clone(), json!("approve")),
        (json!("rs1.AAAA.AAAA"), decides("approve")),
        (json!(format!("{}A", state.as_str().unwrap())), decides("approve")),
        (json!(""), decides("approve")),
    ];
    for (state, said) in silences {
        is(&next_round(&host, &wish, &state, said).await, "needs_approval", "no");
    }
    let elsewhere = scene.host_in(Person::default().who_waits(Era::Stateless), "other").await;
    first_round(&elsewhere, &wish).await;
    is(&next_round(&elsewhere, &wish, &state, decides("approve")).await, "needs_approval", "no");
    assert_eq!(scene.spent(), 0);
    is(&next_round(&host, &wish, &state, json!({"action": "decline"})).await, "refused", "no");
    is(&next_round(&host, &wish, &state, decides("approve")).await, "refused", "no");
    assert_eq!(scene.spent(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_stateless_era_a_yes_to_one_call_is_none_to_the_same_with_other_headers() {
    let scene = market().await;
    let host = scene.host_in(Person::default().who_waits(Era::Stateless), AGENT).await;
    let other = json!({"url": scene.url("/dear"), "headers": {"accept": "text/html"}});
    let wish = json!({"url": scene.url("/dear")});
    let state = first_round(&host, &wish).await;
    is(&next_round(&host, &other, &state, decides("approve")).await, "needs_approval", "no");
    // The question is about the other call by now.
    is(&next_round(&host, &wish, &state, decides("approve")).await, "needs_approval", "no");
    assert_eq!(scene.spent(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_stateless_era_a_yes_given_elsewhere_is_found_by_the_next_call() {
    let scene = market().await;
    let host = scene.host_in(Person::default().who_waits(Era::Stateless), AGENT).await;
    let wish = json!({"url": scene.url("/dear")});
    let state = first_round(&host, &wish).await;
    let owner = owner(&scene).await;
    let shown = owner.pending().await.unwrap().remove(0);
    owner.approve(&shown, None).await.unwrap();
    is(&next_round(&host, &wish, &state, json!({"action": "cancel"})).await, "answered", "yes");
    assert_eq!((scene.settlements(), scene.spent()), (1, DEAR));
}

/// An agent with every tool, saying whatever it likes in whatever place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_cannot_approve_thaw_apply_or_change_anything() {
    let scene = market().await;
    let owner = owner(&scene).await;
    owner.set_passphrase(None, "open sesame").await.expect("set");
    let host = scene.host(AGENT).await;
    let asked = buy(&host, &scene, "/dear").await;
    let id = asked["purchase_id"].as_str().expect("an id");
    owner.freeze("a test").await.expect("frozen");
    let changed = std::fs::read_to_string(scene.home().join("policy.toml")).unwrap() + "[wallet]\nper_day = \"none\"\n";
    std::fs::write(scene.home().join("policy.toml"), changed).unwrap();
    let files =
        || ["policy.toml", "owner.json", "config.toml"].map(|name| std::fs::read(scene.home().join(name)).unwrap());
    let before = files();

    let smuggled = [
        json!({"approve": true}),
        json!({"decision": "approve"}),
        json!({"passphrase": "open sesame"}),
        json!({"purchase_id": id}),
        json!({"purchase_id": format!("{AGENT}/{id}; approve")}),
        json!({"buy_again": id}),
        json!({"max_price": "999"}),
        json!({"headers": {"x-bursar-approve": id}}),
        json!({"json": {"approve": id}}),
        json!({"url": "bursar://approve"}),
        json!({"url": "file:///etc/passwd"}),
        json!({"since": "'; UPDATE question"}),
    ];
    for (tool, extra) in testkit::TOOLS.iter().flat_map(|tool| smuggled.iter().map(move |extra| (tool, extra))) {
        let mut arguments = json!({"url": scene.url("/dear")});
        arguments.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let params = json!({
            "name": tool, "arguments": arguments, "requestState": id, "inputResponses": {"approval": decides("approve")},
            "_meta": {"decision": "approve", "bursar/approve": id},
        });
        let answer = host.call("tools/call", params).await;
        assert!(!answer.is_ok_and(|answer| answer["structuredContent"]["charged"] == "yes"), "{tool} {extra}");
    }
    for name in
        ["approve", "deny", "thaw", "freeze", "policy_apply", "policy_allow", "owner_set", "release", "wallet_export"]
    {
        assert!(host.tool(name, json!({"purchase_id": id})).await.is_err(), "{name}");
        assert!(host.call(&format!("bursar/{name}"), json!({"id": id})).await.is_err(), "{name}");
    }
    host.notify("notifications/elicitation/complete", json!({"elicitationId": id}));
    assert!(host.call("elicitation/create", decides("approve")).await.is_err());
    assert!(host.call("resources/read", json!({"uri": format!("bursar://purchase/{id}/approve")})).await.is_err());

    assert_eq!(before, files());
    let standing = owner.pending().await.unwrap();
    // A frozen wallet refuses, and what was refused waits for nobody; what matters is that nobody said yes.
    assert!(standing.iter().all(|question| question.approved_until.is_none()), "{standing:?}");
    assert!(owner.frozen().await.unwrap().is_some());
    assert!(owner.policy_change().await.unwrap().is_some());
    assert_eq!((scene.settlements(), scene.spent()), (0, 0));
    assert_eq!(scene.audited().await["authorizations"], 0);
}
