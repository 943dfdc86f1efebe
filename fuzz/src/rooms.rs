//! The rooms of bursar that read what others wrote, and nothing else of it. They name no other room, which a test of the
//! house holds them to, so they stand here as they are.
#![allow(dead_code, unused_imports)]

#[path = "../../src/authorization.rs"]
pub mod authorization;
#[path = "../../src/config.rs"]
pub mod config;
#[path = "../../src/limits.rs"]
pub mod limits;
#[path = "../../src/money.rs"]
pub mod money;
#[path = "../../src/offer.rs"]
pub mod offer;
#[path = "../../src/policy.rs"]
pub mod policy;
#[path = "../../src/reason.rs"]
pub mod reason;
#[path = "../../src/text.rs"]
pub mod text;
#[path = "../../src/time.rs"]
pub mod time;
#[path = "../../src/wish.rs"]
pub mod wish;

/// Of the door to the chains, what nodes say.
pub mod chain {
    #[path = "../../../src/chain/reply.rs"]
    pub mod reply;
}

/// Of the agent's door, what an agent says.
pub mod mcp {
    #[path = "../../../src/mcp/arguments.rs"]
    pub mod arguments;
}

/// Of the door to the sellers, what an agent may write into a request.
pub mod seller {
    #[path = "../../../src/seller/headers.rs"]
    mod headers;
    #[path = "../../../src/seller/request.rs"]
    mod request;

    pub use headers::{check_headers, check_method};
    pub use request::Request;
}
