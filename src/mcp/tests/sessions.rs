//! Calls: heard, refused, broken, waited for.

use std::sync::Mutex;

use rmcp::model::{ClientConfig, ErrorCode, Implementation, ProgressNotificationParam, ReadResourceRequestParams};
use rmcp::service::NotificationContext;
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::answer::{Answer, Charged, Outcome};
use crate::mcp::fetch_paid;

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    for era in ERAS {
        let client = client(era, (), all_tools()).await;
        let Err(ServiceError::McpError(error)) = call(&client, "send_money", json!({})).await else { panic!() };
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
        assert_eq!(error.message, "unknown tool `send_money`");
    }
}

#[tokio::test]
async fn bad_arguments_are_an_answer_that_names_them_and_costs_nothing() {
    for era in ERAS {
        let client = client(era, (), all_tools()).await;
        for tool in all_tools() {
            let result = call(&client, tool.name, json!({"urll": "x", "max_chars": 1.5})).await.unwrap();
            let answer = result.structured_content.clone().unwrap();
            assert_eq!(result.is_error, Some(true), "{}", tool.name);
            assert_eq!(fits::misfits(&serde_json::to_value(&tool.output).unwrap(), &answer), [""; 0], "{}", tool.name);
            assert_eq!(answer["reasons"][0]["code"], "bad_arguments");
            assert!(text(&result).contains("charged: no") && text(&result).contains("`urll`"), "{}", text(&result));
        }
    }
}

#[tokio::test]
async fn a_tool_that_panics_still_answers_and_says_that_money_may_have_moved() {
    for era in ERAS {
        let client = client(era, (), fetch_paid_that(|_| Box::pin(async { panic!("on purpose") }))).await;
        let arguments = json!({"url": "https://example.com/", "purchase_id": "mine"});
        let result = call(&client, "fetch_paid", arguments).await.unwrap();
        let answer = result.structured_content.clone().unwrap();
        assert_eq!(result.is_error, Some(true));
        assert_eq!([&answer["outcome"], &answer["charged"], &answer["purchase_id"]], ["failed", "unknown", "mine"]);
        insta::allow_duplicates! { insta::assert_snapshot!(text(&result), @r"
        failed; charged: unknown; purchase_id: mine. The ledger knows what happened: call this tool again with the same purchase_id.
        - fault: a fault inside bursar (bursar; who can fix it: owner)
        "); }
    }
}

#[tokio::test]
async fn a_tool_that_cannot_pay_says_so_even_when_it_panics() {
    for era in ERAS {
        for tool in all_tools().into_iter().filter(|tool| !tool.hints.destructive) {
            let (name, output) = (tool.name, serde_json::to_value(&tool.output).unwrap());
            let tool = Tool { run: |_| Box::pin(async { panic!("on purpose") }), ..tool };
            let client = client(era, (), vec![tool]).await;
            let needed = match name {
                "quote" => json!({"url": "https://example.com/"}),
                "get_purchase" => json!({"purchase_id": "pu_1"}),
                "list_paid_tools" => json!({"server": "https://example.com/"}),
                "find_paid" => json!({"query": "weather"}),
                _ => json!({}),
            };
            let result = call(&client, name, needed).await.unwrap();
            assert_eq!(fits::misfits(&output, &result.structured_content.clone().unwrap()), [""; 0], "{name}");
            assert!(text(&result).starts_with("failed; charged: no"), "{name}: {}", text(&result));
        }
    }
}

#[tokio::test]
async fn a_tool_is_told_who_asks_through_what() {
    for era in ERAS {
        let tools = fetch_paid_that(|ask| {
            Box::pin(async move {
                let said = format!("{} through {}", ask.agent.name(), ask.client.unwrap_or_default());
                Ok(fetch_paid::told(&answer(&said)).into())
            })
        });
        let client = client(era, Host::named("Some\u{202e} Host\n"), tools).await;
        let result = call(&client, "fetch_paid", json!({"url": "https://example.com/"})).await.unwrap();
        assert!(text(&result).ends_with("researcher through Some Host  1.2"), "{}", text(&result));
    }
}

#[tokio::test]
async fn who_asked_for_progress_hears_each_step_in_rising_numbers_and_nothing_after_the_answer() {
    for era in ERAS {
        let tools = fetch_paid_that(|ask| {
            Box::pin(async move {
                for step in ["asking the seller", "presenting the payment"] {
                    ask.caller.step(step);
                    tokio::task::yield_now().await;
                }
                HEARD.notified().await;
                Ok(fetch_paid::told(&answer("done")).into())
            })
        });
        let client = client(era, Host::named("h"), tools).await;
        let result = call(&client, "fetch_paid", json!({"url": "https://example.com/"})).await.unwrap();
        assert!(text(&result).ends_with("done"));
        let heard = client.service().heard.lock().unwrap().clone();
        assert_eq!(heard, [(1.0, "asking the seller".to_owned()), (2.0, "presenting the payment".to_owned())]);
    }
}

#[tokio::test]
async fn calls_run_beside_each_other() {
    static FIRST: Notify = Notify::const_new();
    for era in ERAS {
        let tools = fetch_paid_that(|mut ask| {
            Box::pin(async move {
                match ask.parse::<crate::wish::Call>()?.url.ends_with("first") {
                    true => FIRST.notified().await,
                    false => FIRST.notify_one(),
                }
                Ok(fetch_paid::told(&answer("done")).into())
            })
        });
        let client = client(era, (), tools).await;
        let (first, second) = tokio::join!(
            call(&client, "fetch_paid", json!({"url": "https://example.com/first"})),
            call(&client, "fetch_paid", json!({"url": "https://example.com/second"})),
        );
        assert!(first.is_ok() && second.is_ok());
    }
}

#[tokio::test]
async fn an_address_that_is_not_a_stored_body_is_not_found() {
    for era in ERAS {
        let client = client(era, (), all_tools()).await;
        for uri in ["file:///etc/passwd", "bursar://purchase/pu_1"] {
            assert!(client.read_resource(ReadResourceRequestParams::new(uri)).await.is_err(), "{uri}");
        }
    }
}

/// The second step was heard.
static HEARD: Notify = Notify::const_new();

/// A host of the first revision.
pub fn old_host() -> impl ClientHandler {
    Host { version: ProtocolVersion::V_2024_11_05, ..Host::named("old") }
}

struct Host {
    name: &'static str,
    version: ProtocolVersion,
    heard: Mutex<Vec<(f64, String)>>,
}

impl Host {
    fn named(name: &'static str) -> Host {
        Host { name, version: ProtocolVersion::V_2025_11_25, heard: Mutex::default() }
    }
}

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new(self.name, "1.2");
        info.protocol_version = self.version.clone();
        info
    }

    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let mut heard = self.heard.lock().unwrap();
        heard.push((told.progress, told.message.unwrap_or_default()));
        if heard.len() == 2 {
            HEARD.notify_one();
        }
    }
}

fn answer(next: &str) -> Answer {
    Answer {
        outcome: Outcome::Answered,
        charged: Charged::No,
        purchase_id: None,
        http: None,
        body: None,
        served_from_store: false,
        age_s: 0,
        payment: None,
        budget_left_usd: None,
        reasons: Vec::new(),
        next: next.to_owned(),
    }
}
