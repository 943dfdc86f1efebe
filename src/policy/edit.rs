//! Pure: changing a TOML file of the owner's and leaving the rest as the owner wrote it.

use toml_edit::{Item, TableLike, Value};

/// Sets a key. What stood beside the old value, a comment say, stays.
pub(crate) fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => _ = table.insert(key, Item::Value(value)),
    }
}
