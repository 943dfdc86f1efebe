//! Whoever is outside and wants the money: addresses, words, and an agent that was turned.

mod egress;
