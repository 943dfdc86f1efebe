//! The rooms of bursar that read what others wrote, and nothing else of it. They name no other room, which a test of
//! the house holds them to, so they stand here as they are.
#![allow(dead_code, unused_imports)]

#[path = "../../src"]
mod rooms {
    pub mod authorization;
    pub mod config;
    pub mod json;
    pub mod limits;
    pub mod listing;
    pub mod money;
    pub mod offer;
    pub mod policy;
    pub mod reason;
    pub mod request;
    pub mod settlement;
    pub mod text;
    pub mod time;
    pub mod wish;

    /// Of the door to the chains, what nodes say.
    pub mod chain {
        pub mod evm {
            pub mod reply;
        }
        pub mod json_rpc;
        pub mod svm {
            pub mod reply;
        }
    }

    /// Of the agent's door, what an agent says.
    pub mod mcp {
        pub mod arguments;
    }
}

pub use rooms::*;
