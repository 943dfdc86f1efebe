//! What is refused before anything is signed, each for its own reason.

use bursar::answer::{Charged, Outcome};
use bursar::wish::Call;
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

async fn refuses(rules: &str, code: &str) {
    let scene = market([Stall::get("/thing", CENT)]).rules(rules).open().await;
    refused(&scene.get("/thing").await, code);
    assert_eq!((scene.payments().len(), scene.nonces().await.len(), scene.spent()), (0, 0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_host_the_owner_refused_is_refused() {
    refuses("[[domain]]\nhost = \"127.0.0.1\"\naccess = \"refuse\"\n", "domain_refused").await;
}

#[tokio::test]
async fn a_method_outside_its_rule_is_refused() {
    refuses("[[domain]]\nhost = \"127.0.0.1\"\nmethods = [\"POST\"]\n", "method_not_allowed").await;
}

#[tokio::test]
async fn a_path_outside_its_rule_is_refused() {
    refuses("[[domain]]\nhost = \"127.0.0.1\"\npaths = [\"/v1/*\"]\n", "path_not_allowed").await;
}

#[tokio::test]
async fn a_payee_the_owner_did_not_name_is_refused() {
    let rules = "[[domain]]\nhost = \"127.0.0.1\"\npayees = [\"0x00000000000000000000000000000000000000aa\"]\n";
    refuses(rules, "payee_not_allowed").await;
}

#[tokio::test]
async fn a_payee_on_the_deny_list_is_refused() {
    refuses(&format!("[payee]\ndeny = [\"{PAYEE}\"]\n"), "payee_denied").await;
}

#[tokio::test]
async fn a_deny_list_that_cannot_be_read_refuses_everything() {
    let scene = market([Stall::get("/thing", CENT)]).rules("[payee]\ndeny_lists = [\"nowhere.txt\"]\n").open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Refused, Charged::No);
    assert_eq!(scene.nonces().await.len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_network_that_is_not_allowed_is_refused() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let text = std::fs::read_to_string(scene.home.policy_file()).unwrap();
    std::fs::write(scene.home.policy_file(), text.replace("eip155:84532", "eip155:8453")).unwrap();
    refused(&scene.get("/thing").await, "network_not_allowed");
    scene.end().await;
}

#[tokio::test]
async fn a_price_above_the_callers_own_ceiling_is_refused_and_the_ceiling_lifts_nothing() {
    let scene = market([Stall::get("/thing", CENT), Stall::get("/yacht", 900 * CENT)]).open().await;
    let call = Call { max_price: Some("0.009999".to_owned()), ..scene.call("/thing") };
    refused(&scene.fetch(call).await, "over_max_price");
    let call = Call { max_price: Some("1000".to_owned()), ..scene.call("/yacht") };
    is(&scene.fetch(call).await, Outcome::Refused, Charged::No);
    bought(&scene.fetch(Call { max_price: Some("0.01".to_owned()), ..scene.call("/thing") }).await);
    scene.end().await;
}

#[tokio::test]
async fn a_known_shortfall_is_refused_with_the_address_to_fund() {
    let scene = market([Stall::get("/thing", 2 * CENT)]).funds(CENT).open().await;
    scene.bursar.read_funds().await;
    let answer = scene.get("/thing").await;
    let why = refused(&answer, "insufficient_funds");
    assert!(why.message.contains(&scene.address.to_checksum(None)), "{}", why.message);
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn after_a_top_up_a_quote_says_what_a_payment_comes_to() {
    let scene = market([Stall::get("/thing", 2 * CENT)]).funds(CENT).open().await;
    let quote = || async { scene.bursar.agent(AGENT).quote(scene.call("/thing")).await };
    assert!(!quote().await.payable);
    scene.sandbox.chain.mint(scene.address, alloy_primitives::U256::from(CENT)).unwrap();
    let quoted = quote().await;
    assert!(quoted.payable, "{quoted:#?}");
    scene.end_with_another_history().await;
}

#[tokio::test]
async fn what_is_open_is_not_there_to_be_spent_again() {
    let stalls = [Stall::that(Behaviour::DropBeforeSettling, "/lost", 2 * CENT), Stall::get("/thing", 2 * CENT)];
    let scene = market(stalls).funds(3 * CENT).open().await;
    scene.bursar.read_funds().await;
    is(&scene.get("/lost").await, Outcome::Held, Charged::Unknown);
    refused(&scene.get("/thing").await, "insufficient_funds");
    scene.end().await;
}

#[tokio::test]
async fn a_clock_that_is_off_signs_nothing() {
    let scene = market([Stall::get("/thing", CENT).in_x402()]).open().await;
    for ahead in [120, -120] {
        scene.set_ours_ahead(ahead);
        refused(&scene.get("/thing").await, "clock_skew");
    }
    assert_eq!(scene.nonces().await.len(), 0);
    scene.set_ours_ahead(30);
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn rules_that_break_in_between_refuse_and_come_back() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    scene.pass(200);
    scene.write_rules("[wallet]\nper_dya = \"9.00\"\n");
    let answer = scene.get("/thing").await;
    assert_eq!(answer.charged, Charged::No);
    assert!(answer.is_error());
    reason(&answer, "policy_invalid");
    assert_eq!(scene.spent(), CENT);
    scene.write_rules("");
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn rules_that_break_after_the_decision_refuse_too() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let rules = scene.home.policy_file();
    scene.keys.on_load(move || std::fs::write(&rules, "version = 1\n[wallet]\nper_day = 2\n").unwrap());
    let answer = scene.get("/thing").await;
    assert_eq!(answer.charged, Charged::No);
    reason(&answer, "policy_invalid");
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn an_agent_in_a_loop_does_not_fill_the_log_with_refusals() {
    let scene = market([Stall::get("/thing", CENT)]).rules("[wallet]\nper_payment = \"0.001\"\n").open().await;
    for _ in 0..15 {
        refused(&scene.get("/thing").await, "over_payment");
    }
    assert_eq!(scene.ids().await.len(), 10);
    scene.pass(60);
    refused(&scene.get("/thing").await, "over_payment");
    assert_eq!(scene.ids().await.len(), 11);
    scene.end().await;
}

#[tokio::test]
async fn an_agent_in_a_loop_does_not_fill_the_log_or_the_store_with_free_answers() {
    let stalls: Vec<Stall> = (0..15).map(|n| Stall::free(&format!("/free{n}"))).collect();
    let scene = market(stalls).open().await;
    let stored = || std::fs::read_dir(scene.home.purchases_dir()).unwrap().count();
    for n in 0..15 {
        let answer = scene.get(&format!("/free{n}")).await;
        is(&answer, Outcome::Answered, Charged::No);
        assert_eq!(answer.purchase_id.is_some(), n < 10, "{answer:#?}");
        assert!(!body(&answer).is_empty(), "{answer:#?}");
    }
    assert_eq!((scene.ids().await.len(), stored()), (10, 10));
    scene.pass(60);
    is(&scene.get("/free0").await, Outcome::Answered, Charged::No);
    assert_eq!((scene.ids().await.len(), stored()), (11, 11));
    scene.end().await;
}

#[tokio::test]
async fn an_address_the_owner_did_not_open_is_not_gone_to() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let metadata = Call { url: "http://169.254.169.254/latest".to_owned(), ..Call::default() };
    refused(&scene.fetch(metadata).await, "egress_forbidden");
    let rpc = Call { url: scene.sandbox.rpc_url(), ..Call::default() };
    refused(&scene.fetch(rpc).await, "egress_forbidden");
    scene.end().await;
}

#[tokio::test]
async fn a_payment_header_of_the_agents_own_is_not_sent() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    for name in ["X-Payment", "payment-signature"] {
        let headers = [(name.to_owned(), "e30=".to_owned())].into();
        is(&scene.fetch(Call { headers, ..scene.call("/thing") }).await, Outcome::Refused, Charged::No);
    }
    assert_eq!(scene.sandbox.sellers.seen().len(), 0);
    scene.end().await;
}
