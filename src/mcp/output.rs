//! Schemas of what tools answer, from the answers' own types.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::tell::Trouble;

/// What a tool answers, or what was in the way.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Told<T> {
    Answer(T),
    Trouble(Trouble),
}

pub fn schema<T: JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.meta_schema = None)
        .with_transform(RecursiveTransform(plain))
        .with_transform(RecursiveTransform(present))
        .with_transform(RecursiveTransform(one_type))
        .with_transform(RecursiveTransform(words));
    let mut object = match settings.into_generator().into_root_schema_for::<T>().to_value() {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    };
    // Hosts of the older era insist on it.
    object.insert("type".to_owned(), "object".into());
    Arc::new(object)
}

pub fn schema_or_trouble<T: JsonSchema>() -> Arc<JsonObject> {
    schema::<Told<T>>()
}

/// What may be left out is never null: whoever leaves it out says so by skipping it.
fn present(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let required: Vec<Value> = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(members) = object.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, member) in members.iter_mut().filter(|(name, _)| !required.iter().any(|known| known == name.as_str())) {
        without_null(member);
    }
}

fn without_null(member: &mut Value) {
    let null = serde_json::json!({ "type": "null" });
    if let Some(either) = member.get_mut("anyOf").and_then(Value::as_array_mut) {
        either.retain(|one| *one != null);
    } else if let Some(types) = member.get_mut("type") {
        let kept: Vec<Value> = types.as_array().into_iter().flatten().filter(|name| *name != "null").cloned().collect();
        if let [only] = kept.as_slice() {
            *types = only.clone();
        }
    }
}

/// Hosts that know one type for each schema take several as branches.
fn one_type(schema: &mut Schema) {
    let Some(types) = schema.get("type").and_then(Value::as_array).cloned() else { return };
    schema.remove("type");
    let branches: Vec<Value> = types.into_iter().map(|name| serde_json::json!({ "type": name })).collect();
    // What else is said of it, such as the least number, says nothing of another type.
    schema.insert("anyOf".to_owned(), branches.into());
}

/// What is one of several words is a string all the same, and some hosts ask for it: one list of the words.
fn words(schema: &mut Schema) {
    let Some(branches) = schema.get("oneOf").and_then(Value::as_array) else { return };
    if !branches.iter().all(|one| one.get("type").is_some_and(|name| name == "string")) {
        return;
    }
    let words = |one: &Value| match one.get("const") {
        Some(word) => vec![word.clone()],
        None => one.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
    };
    let all: Vec<Value> = branches.iter().flat_map(words).collect();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), all.into());
}

/// Without what hosts complain about (formats that JSON Schema does not know) or no agent reads: names of Rust types,
/// and what is said in the code for who reads the code. An agent pays for every word of the list, in every session.
fn plain(schema: &mut Schema) {
    for word in ["format", "title", "description"] {
        schema.remove(word);
    }
}
