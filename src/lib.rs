//! Bursar: a wallet with budgets for AI agents.
//!
//! The map of the house. [`purchase`] is the flow; everything else is a room it passes through.
//! Pure rooms (`money`, `offer`, `policy`, `authorization`, `settlement`, `listing`) know no clock, network, disk, environment or
//! randomness. Three doors are guarded: money (`ledger`), keys (`wallet`), wire (`seller`).

mod account;
pub mod agent;
pub mod answer;
pub mod authorization;
pub mod backup;
pub mod chain;
pub mod cli;
mod clock;
mod conclude;
pub mod config;
pub mod crash;
pub mod directory;
mod find;
mod funds;
pub mod goods;
mod ground;
pub mod house;
mod imagine;
pub mod json;
pub mod keeper;
pub mod ledger;
pub mod limits;
pub mod listing;
pub mod mcp;
pub mod money;
mod notify;
pub mod offer;
mod outward;
pub mod owner;
mod parts;
pub mod policy;
pub mod ports;
pub mod purchase;
mod questions;
mod random;
pub mod reason;
mod reconcile;
pub mod request;
pub mod seal;
pub mod seller;
pub mod settlement;
pub mod sign_in;
pub mod spill;
pub mod text;
pub mod time;
mod tools;
pub mod wallet;
pub mod web;
mod whereabouts;
pub mod wish;
