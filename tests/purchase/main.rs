//! Buying, from a wish to the money on the chain: the real ledger, wallet, wire and nodes in one process, over play
//! money. Only the clock is moved by hand, and only where a test says so does anything fail.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod afar;
mod approvals;
mod breakers;
mod budgets;
mod buying;
mod clock;
mod conflicts;
mod faults;
mod freezing;
mod goods;
mod identity;
mod keyring;
mod ledger_identity;
mod mpp;
mod network;
mod nodes;
mod passphrase;
mod permit2;
mod proxy;
mod receipts;
mod redirects;
mod refusals;
mod repeats;
mod resuming;
mod review;
mod sign_in;
mod tools;
mod upfront;
mod upto;
mod witnesses;
use testkit::scene;
use testkit::visitor;
