//! Where things are.
pub struct Home;
