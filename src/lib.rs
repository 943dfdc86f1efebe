//! Bursar: a wallet with budgets for AI agents.
