//! A file of TOML as the JSON it means.

use serde_json::Value;
use toml_edit::{Item, TableLike};

pub fn as_json(table: &dyn TableLike) -> Value {
    table.iter().map(|(key, item)| (key.to_owned(), value(item))).collect::<serde_json::Map<_, _>>().into()
}

fn value(item: &Item) -> Value {
    if let Some(inner) = item.as_table_like() {
        return as_json(inner);
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|entry| as_json(entry)).collect();
    }
    if let Some(array) = item.as_array() {
        return array.iter().map(|entry| value(&Item::Value(entry.clone()))).collect();
    }
    let number = item.as_integer().map(Value::from).or_else(|| item.as_float().map(Value::from));
    number.or_else(|| item.as_bool().map(Value::from)).unwrap_or_else(|| item.as_str().unwrap_or_default().into())
}
