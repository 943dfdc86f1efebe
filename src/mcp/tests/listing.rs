//! What a host is told before it calls anything.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// What a model has to read before it can use us at all.
const READ_FIRST_BYTES: usize = 5_000;

#[tokio::test]
async fn both_eras_see_the_same_tools_in_the_same_order() {
    let [one, other] = [listed(Era::Handshake).await, listed(Era::Stateless).await];
    assert_eq!(one, other);
    let names: Vec<&str> = one.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fetch_paid", "quote", "get_balance", "get_budget", "list_spend", "get_purchase"]);
}

#[tokio::test]
async fn the_list_of_tools_changes_only_when_someone_looks() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&listed(Era::Handshake).await).unwrap());
}

#[tokio::test]
async fn names_descriptions_and_input_schemas_are_small() {
    let read_first = |tool: &Value| json!({"name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"]});
    let sizes: BTreeMap<String, usize> = listed(Era::Stateless)
        .await
        .iter()
        .map(|tool| (tool["name"].to_string(), read_first(tool).to_string().len()))
        .collect();
    assert!(sizes.values().sum::<usize>() <= READ_FIRST_BYTES, "{} in {sizes:?}", sizes.values().sum::<usize>());
}

#[tokio::test]
async fn no_tool_hides_what_it_does() {
    let hints: Vec<String> = listed(Era::Handshake)
        .await
        .iter()
        .map(|tool| {
            let hint = |name: &'static str| if tool["annotations"][name].as_bool().unwrap() { name } else { "-" };
            let all = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"].map(hint);
            format!("{}: {}", tool["name"].as_str().unwrap(), all.join(" "))
        })
        .collect();
    insta::assert_snapshot!(hints.join("\n"), @r"
    fetch_paid: - destructiveHint idempotentHint openWorldHint
    quote: - - - openWorldHint
    get_balance: readOnlyHint - idempotentHint openWorldHint
    get_budget: readOnlyHint - idempotentHint -
    list_spend: readOnlyHint - idempotentHint -
    get_purchase: readOnlyHint - idempotentHint -
    ");
}

#[tokio::test]
async fn input_schemas_are_plain_and_closed() {
    for tool in listed(Era::Handshake).await {
        let schema = &tool["inputSchema"];
        assert_eq!(schema["type"], "object", "{tool}");
        assert_eq!(schema["additionalProperties"], false, "{tool}");
        for (name, argument) in schema["properties"].as_object().unwrap() {
            assert!(argument["type"].is_string(), "{name} of {tool}");
        }
        for noise in ["$schema", "$ref", "$defs", "anyOf", "null"] {
            assert!(!schema.to_string().contains(noise), "{noise} in {tool}");
        }
    }
}

#[tokio::test]
async fn every_property_of_every_schema_has_one_type() {
    for era in ERAS {
        for tool in listed(era).await {
            for schema in ["inputSchema", "outputSchema"] {
                let untyped = untyped(&tool[schema], schema);
                assert!(untyped.is_empty(), "{}: {untyped:?}", tool["name"]);
            }
        }
    }
}

/// Where a host that knows one type for each property finds none, or several.
fn untyped(schema: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    match schema {
        Value::Object(keywords) => {
            found.extend(keywords.get("type").filter(|types| types.is_array()).map(|_| format!("{at}: several")));
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                found.extend((!is_typed(property)).then(|| format!("{at}.{name}: none")));
            }
            found.extend(keywords.iter().flat_map(|(name, value)| untyped(value, &format!("{at}.{name}"))));
        }
        Value::Array(all) => found.extend(all.iter().flat_map(|one| untyped(one, at))),
        _ => {}
    }
    found
}

fn is_typed(schema: &Value) -> bool {
    let either = schema["anyOf"].as_array();
    schema["type"].is_string() || schema["$ref"].is_string() || either.is_some_and(|all| all.iter().all(is_typed))
}

#[tokio::test]
async fn both_eras_are_told_who_we_are_and_when_to_use_what() {
    let mut told = Vec::new();
    for era in ERAS {
        let client = client(era, (), all_tools()).await;
        let info = client.peer_info().unwrap();
        let me = info.server_info.clone().unwrap();
        assert_eq!((me.name.as_str(), me.title.as_deref()), ("bursar", Some("Bursar")));
        assert_eq!(me.version, env!("CARGO_PKG_VERSION"));
        told.push(info.instructions.clone().unwrap());
    }
    assert_eq!(told[0], told[1]);
    for tool in all_tools() {
        assert!(told[0].contains(tool.name), "{}", tool.name);
    }
    insta::assert_snapshot!(told[0]);
}

#[test]
fn what_is_special_about_a_wallet_is_told_before_all_else() {
    let told = |notice: Option<&str>| {
        let server = server(all_tools()).with_notice(notice.map(str::to_owned));
        rmcp::ServerHandler::get_info(&server).instructions.unwrap()
    };
    assert_eq!(told(Some("This is play money.")), format!("This is play money.\n\n{}", told(None)));
}

async fn listed(era: Era) -> Vec<Value> {
    let tools = client(era, (), all_tools()).await.list_all_tools().await.unwrap();
    tools.into_iter().map(|tool| serde_json::to_value(tool).unwrap()).collect()
}
