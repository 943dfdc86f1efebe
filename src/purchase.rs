//! THE FLOW.

pub mod answer;
