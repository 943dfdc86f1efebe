//! A host that leaves, or is asked to go, in the middle of a payment.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use sandbox::host::Host;
use sandbox::sellers::{Behaviour, Stall};
use serde_json::json;
use testkit::terminal::interrupt;

use crate::scene::{OPEN, Scene, ended, told, until};

const PRICE: u64 = 10_000;

async fn slow_market() -> Scene {
    Scene::open(vec![Stall::that(Behaviour::Slow(Duration::from_millis(1_500)), "/slow", PRICE)], OPEN).await
}

/// The host leaves once the seller has the payment; what came of it is in the log, and was answered.
async fn sees_it_through(leave: impl Fn(&Host)) {
    let scene = slow_market().await;
    let host = scene.host("leaver").await;
    let call = host.begin_tool("fetch_paid", json!({"url": scene.url("/slow"), "purchase_id": "slow-1"}));
    until("the seller to have the payment", || scene.presented().len() == 1).await;
    leave(&host);
    assert_eq!(ended(&host).await, Some(0));
    let log = scene.log().await;
    assert_eq!(log.len(), 1);
    let row = &log[0];
    assert_eq!((&row["state"], &row["delivered"]), (&json!("settled"), &json!(true)), "{row:#}");
    let answer = told(call.result().await);
    assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("answered"), &json!("yes")));
    assert_eq!((scene.settlements(), scene.spent()), (1, PRICE));
    scene.audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_stdin_in_the_middle_of_a_payment_loses_nothing() {
    sees_it_through(Host::close_stdin).await;
    println!("bar: stdin closed in the middle of a payment | 1 case | 0 violations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_in_the_middle_of_a_payment_loses_nothing() {
    sees_it_through(|host| host.terminate().expect("told")).await;
    println!("bar: SIGTERM in the middle of a payment | 1 case | 0 violations");
}

/// As a supervisor stops and starts a service: what the seller took and never answered stands in doubt, and is resumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_with_the_reply_lost_leaves_a_doubt_that_the_next_start_resumes() {
    let scene = Scene::open(vec![Stall::that(Behaviour::HonoursSameBytes, "/lost", PRICE)], OPEN).await;
    let wish = json!({"url": scene.url("/lost")});
    let host = scene.host("served").await;
    let _cut_off = host.begin_tool("fetch_paid", wish.clone());
    until("the seller to have the payment", || scene.presented().len() == 1).await;
    host.terminate().expect("told");
    assert_eq!(ended(&host).await, Some(0));
    let log = scene.log().await;
    assert_eq!((log.len(), &log[0]["delivered"], &log[0]["amount_atomic"]), (1, &json!(false), &json!("10000")));
    assert!(log[0]["state"] == "held" || log[0]["proof"] != "none", "{log:#?}");

    let answer = told(scene.host("served").await.tool("fetch_paid", wish).await);
    assert_eq!(
        (&answer["outcome"], &answer["body"]),
        (&json!("answered"), &json!("{\"goods\":\"/lost\"}")),
        "{answer:#}"
    );
    assert_eq!((scene.nonces().len(), scene.settlements(), scene.spent()), (1, 1, PRICE));
    scene.audited().await;
    println!("bar: SIGTERM with the reply lost | 1 case | 0 violations");
}

/// A supervisor takes the first answer for the sign that the program is up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_answered_once_can_ask_it_to_stop() {
    const ROUNDS: usize = 40;
    let scene = Scene::open(Vec::new(), OPEN).await;
    for round in 0..ROUNDS {
        let mut command = scene.command(&["serve"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = command.as_std_mut().spawn().unwrap();
        let mut stdin = program.stdin.take().unwrap();
        writeln!(stdin, "{}", json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).unwrap();
        let mut answer = String::new();
        BufReader::new(program.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        interrupt(&program);
        assert_eq!(program.wait().unwrap().code(), Some(0), "round {round}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_in_a_row_do_not_cut_the_wait_short() {
    sees_it_through(|host| (0..3).for_each(|_| host.terminate().expect("told"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_program_leaves_at_once() {
    let scene = slow_market().await;
    let leave: [fn(&Host); 2] = [Host::close_stdin, |host| host.terminate().expect("told")];
    for leave in leave {
        let host = scene.host("idler").await;
        leave(&host);
        assert_eq!(ended(&host).await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_bought_while_nobody_listened_is_handed_over_at_the_next_start() {
    let scene = slow_market().await;
    let wish = json!({"url": scene.url("/slow")});
    let host = scene.host("leaver").await;
    let call = host.begin_tool("fetch_paid", wish.clone());
    until("the seller to have the payment", || scene.presented().len() == 1).await;
    host.cancel(call.id);
    host.close_stdin();
    assert_eq!(ended(&host).await, Some(0));
    let answer = told(scene.host("leaver").await.tool("fetch_paid", wish).await);
    assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("answered"), &json!("yes")), "{answer:#}");
    assert_eq!((&answer["served_from_store"], &answer["body"]), (&json!(true), &json!("{\"goods\":\"/slow\"}")));
    assert_eq!((scene.presented().len(), scene.spent()), (1, PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_waits_for_one_that_is_stopped_leaves_all_the_same() {
    let scene = Scene::open(vec![Stall::that(Behaviour::NeverAnswers, "/silent", PRICE)], OPEN).await;
    let wish = json!({"url": scene.url("/silent"), "purchase_id": "silent-1"});
    let stopped = scene.host("twin").await;
    let _presenting = stopped.begin_tool("fetch_paid", wish.clone());
    until("the seller to have the payment", || scene.presented().len() == 1).await;
    stopped.stop().expect("stopped");
    let waiting = scene.host("twin").await;
    let call = waiting.begin_tool("fetch_paid", wish);
    // Calls are taken in order: once this one is answered, the other is on its way.
    told(waiting.tool("get_budget", json!({})).await);
    waiting.cancel(call.id);
    waiting.close_stdin();
    assert_eq!(ended(&waiting).await, Some(0));
    assert_eq!((scene.presented().len(), scene.nonces().len()), (1, 1));
}
