//! The only reader of keys.
