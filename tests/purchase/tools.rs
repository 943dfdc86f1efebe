//! Tools of MCP servers: bought through the same flow, under the same promises, as whatever stands at a URL.

use crate::scene::{AGENT, CENT, Fault, Scene, body, bought, is, market, reason, refused, state};
use bursar::answer::{Charged, OfferVerdict, Outcome};
use bursar::json::Written;
use bursar::ports::Quiet;
use bursar::wish::ToolCall;
use sandbox::sellers::tools::{OLD_SERVER, SERVER};
use sandbox::sellers::{Behaviour, Stall, Way};
use serde_json::{Value, json};

fn with(call: ToolCall, arguments: Value) -> ToolCall {
    ToolCall { arguments: Some(Written::new(arguments.to_string())), ..call }
}

fn at(scene: &Scene, server: &str, tool: &str) -> ToolCall {
    ToolCall { server: scene.url(server), ..scene.tool(tool) }
}

#[tokio::test]
async fn a_tool_is_paid_for_in_every_era_and_its_result_is_handed_over() {
    let mut dear = Stall::get("/both", 2 * CENT);
    dear.dialect = sandbox::sellers::Dialect::V1;
    dear.ways = vec![Way::Eip3009];
    let scene = market([Stall::get("/weather", CENT), dear, Stall::paid(Way::Mpp, "/mpp", CENT)]).open().await;
    for (server, tool) in
        [(SERVER, "weather"), (OLD_SERVER, "weather"), (SERVER, "both"), (OLD_SERVER, "both"), (SERVER, "mpp")]
    {
        let answer = scene.call_tool(at(&scene, server, tool)).await;
        bought(&answer);
        let result: Value = serde_json::from_str(body(&answer)).unwrap();
        let said: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(said, json!({"goods": format!("/{tool}")}));
        assert_eq!(state(&answer), ("settled", "seller"), "{server} {tool}");
        let shown = format!("mcp://{}/{tool}", scene.url("").trim_start_matches("http://"));
        assert_eq!(answer.http.unwrap().final_url, shown);
    }
    assert_eq!(scene.spent(), 7 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_free_tool_runs_at_once_and_one_that_is_not_there_costs_nothing() {
    let scene = market([Stall::free("/hello")]).open().await;
    let answer = scene.call_tool(scene.tool("hello")).await;
    is(&answer, Outcome::Answered, Charged::No);
    assert!(body(&answer).contains("/hello"), "{answer:?}");
    let answer = scene.call_tool(scene.tool("nothing")).await;
    is(&answer, Outcome::Answered, Charged::No);
    assert_eq!(answer.http.as_ref().unwrap().status, 400);
    assert!(body(&answer).contains("no such tool"), "{answer:?}");
    scene.nothing_is_presented().await;
    scene.end().await;
}

#[tokio::test]
async fn the_same_call_is_one_purchase_and_other_arguments_are_another() {
    let scene = market([Stall::get("/weather", CENT)]).open().await;
    let bern = with(scene.tool("weather"), json!({"city": "Bern", "days": 2}));
    let first = scene.call_tool(bern.clone()).await;
    bought(&first);
    let again = scene.call_tool(with(scene.tool("weather"), json!({"days": 2, "city": "Bern"}))).await;
    assert!(again.served_from_store, "{again:?}");
    assert_eq!((again.charged, again.purchase_id), (Charged::No, first.purchase_id.clone()));
    assert_eq!(again.body.unwrap().body, first.body.as_ref().unwrap().body);
    bought(&scene.call_tool(with(scene.tool("weather"), json!({"city": "Basel", "days": 2}))).await);
    let conflict = ToolCall { purchase_id: first.purchase_id, ..scene.tool("weather") };
    refused(&scene.call_tool(conflict).await, "purchase_id_conflict");
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_lost_answer_is_one_payment_and_the_same_bytes_bring_it() {
    let scene = market([Stall::that(Behaviour::HonoursSameBytes, "/lost", CENT)]).open().await;
    let first = scene.call_tool(scene.tool("lost")).await;
    is(&first, Outcome::Held, Charged::Unknown);
    let again = ToolCall { purchase_id: first.purchase_id, ..scene.tool("lost") };
    let second = scene.call_tool(again).await;
    assert_eq!(second.outcome, Outcome::Answered, "{second:?}");
    let shown: Vec<_> = scene.payments().into_iter().map(|seen| seen.payment_header).collect();
    assert_eq!((shown.len(), &shown[0]), (2, &shown[1]));
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_reply_that_is_lost_on_the_way_is_resumed_and_never_paid_twice() {
    let scene = market([Stall::get("/weather", CENT)]).open().await;
    scene.fault(Fault::LosesTheReply);
    let first = scene.call_tool(scene.tool("weather")).await;
    is(&first, Outcome::Held, Charged::Unknown);
    let second = scene.call_tool(scene.tool("weather")).await;
    assert_eq!(second.purchase_id, first.purchase_id);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_handler_that_fails_is_an_answer_that_may_still_charge() {
    let broken = Stall { handler: sandbox::sellers::stall::fails(500), ..Stall::get("/broken", CENT) };
    let scene = market([broken]).open().await;
    let answer = scene.call_tool(scene.tool("broken")).await;
    is(&answer, Outcome::Answered, Charged::Unknown);
    assert_eq!(answer.http.as_ref().unwrap().status, 500);
    assert!(body(&answer).contains("the handler failed"));
    assert_eq!((state(&answer), scene.spent()), (("held", "none"), 0));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_asks_again_after_it_was_paid_gets_no_second_payment() {
    for behaviour in [Behaviour::RefuseAlways, Behaviour::RefuseAfterSettling, Behaviour::FailsToSettle] {
        let scene = market([Stall::that(behaviour.clone(), "/greedy", CENT)]).open().await;
        let first = scene.call_tool(scene.tool("greedy")).await;
        is(&first, Outcome::Held, Charged::Unknown);
        for _ in 0..4 {
            scene.call_tool(scene.tool("greedy")).await;
        }
        let nonces = scene.nonces().await;
        assert_eq!(nonces.len(), 1, "{behaviour:?}");
        assert!(scene.spent() <= CENT);
        scene.end().await;
    }
}

#[tokio::test]
async fn a_tool_is_a_place_of_its_own_under_its_hosts_budget() {
    let rules = "[[domain]]\nhost = \"127.0.0.1\"\ntools = [\"cheap*\"]\nper_day = \"0.03\"\n";
    let scene = market([Stall::get("/cheap-1", CENT), Stall::get("/cheap-2", CENT), Stall::get("/other", CENT)])
        .rules(rules)
        .open()
        .await;
    refused(&scene.call_tool(scene.tool("other")).await, "tool_not_allowed");
    refused(&scene.fetch(scene.call("/cheap-1")).await, "path_not_allowed");
    let said = async |tool: &str| {
        let price = "0.01".parse().unwrap();
        scene.bursar.explain_tool(AGENT, &scene.url(SERVER), tool, price).await.unwrap().verdict
    };
    assert_eq!((said("cheap-9").await, said("other").await), (OfferVerdict::Allow, OfferVerdict::Refuse));
    bought(&scene.call_tool(scene.tool("cheap-1")).await);
    bought(&scene.call_tool(at(&scene, OLD_SERVER, "cheap-1")).await);
    bought(&scene.call_tool(scene.tool("cheap-2")).await);
    refused(&scene.call_tool(with(scene.tool("cheap-2"), json!({"n": 1}))).await, "over_domain_day");
    assert_eq!(scene.spent(), 3 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn what_needs_the_owner_is_asked_and_paid_as_it_was_shown() {
    let scene = market([Stall::get("/dear", 20 * CENT)]).open().await;
    let first = scene.call_tool(scene.tool("dear")).await;
    is(&first, Outcome::NeedsApproval, Charged::No);
    let id = first.purchase_id.clone().unwrap();
    let asked = scene.bursar.pending().await.unwrap();
    assert!(asked[0].url.starts_with("mcp://127.0.0.1:"), "{asked:?}");
    scene.approve(&id).await.unwrap();
    bought(&scene.call_tool(ToolCall { purchase_id: Some(id), ..scene.tool("dear") }).await);
    assert_eq!(scene.spent(), 20 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_signed_payment_that_never_left_is_presented_later_to_the_same_tool() {
    let scene = market([Stall::get("/weather", CENT)]).open().await;
    scene.fault(Fault::CannotConnect);
    let first = scene.call_tool(scene.tool("weather")).await;
    assert_eq!((first.outcome, first.charged), (Outcome::Failed, Charged::No), "{first:?}");
    bought(&scene.call_tool(scene.tool("weather")).await);
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn three_calls_at_once_are_one_purchase() {
    let scene = market([Stall::get("/weather", CENT)]).open().await;
    let call = || scene.call_tool(scene.tool("weather"));
    let (one, two, three) = tokio::join!(call(), call(), call());
    for answer in [&one, &two, &three] {
        assert_eq!(answer.outcome, Outcome::Answered, "{answer:?}");
        assert_eq!(answer.purchase_id, one.purchase_id);
    }
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn tools_are_listed_with_what_they_claim_and_nothing_is_called() {
    let scene =
        market([Stall::get("/weather", CENT).describe("Tomorrow's weather"), Stall::free("/hello")]).open().await;
    for server in [SERVER, OLD_SERVER] {
        let listed = scene.bursar.agent(AGENT).paid_tools(&scene.url(server)).await.unwrap();
        let names: Vec<_> = listed.tools.iter().map(|tool| (tool.name.as_str(), tool.price_usd)).collect();
        assert_eq!(names, [("weather", Some("0.01".parse().unwrap())), ("hello", None)]);
        assert_eq!(listed.tools[0].description, "Tomorrow's weather");
        assert!(listed.source.ends_with("(untrusted)"), "{listed:?}");
    }
    let nowhere = scene.bursar.agent(AGENT).paid_tools("weather").await.unwrap_err();
    assert_eq!(nowhere.reasons[0].code, "egress_forbidden");
    assert!(nowhere.reasons[0].message.contains("[[tools]]"), "{nowhere:?}");
    assert!(scene.sandbox.sellers.seen().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_server_behind_a_closed_door_is_not_spoken_to() {
    let scene = market([Stall::get("/weather", CENT)]).open().await;
    let agent = scene.bursar.agent(AGENT);
    for server in ["http://127.0.0.1:1/mcp", "https://10.0.0.1/mcp", "https://169.254.169.254/mcp"] {
        let call = ToolCall { server: server.to_owned(), ..scene.tool("weather") };
        let answer = agent.call_paid_tool(None, call, &Quiet).await;
        assert_eq!(answer.charged, Charged::No);
        reason(&answer, "egress_forbidden");
    }
    scene.end().await;
}
