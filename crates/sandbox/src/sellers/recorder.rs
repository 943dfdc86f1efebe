//! The sellers' memory of every request, so a test can ask what really crossed the wire.

use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::x402::Payment;
use crate::http::Request;

/// One request as it arrived. The fields of a payment are there when one was presented and could be read.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: u64,
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The header that carried the payment, byte for byte.
    pub payment_header: Option<String>,
    pub nonce: Option<B256>,
    pub from: Option<Address>,
    pub value: Option<U256>,
    pub valid_before: Option<U256>,
    /// The chain transaction by which the seller took the money.
    pub settled_tx: Option<B256>,
}

impl Seen {
    fn of(request: &Request, at: u64) -> Self {
        let payment = Payment::presented(&request.headers);
        let transfer = payment.as_ref().map(|p| &p.transfer);
        Self {
            at,
            method: request.method.clone(),
            path: request.uri.path().to_owned(),
            query: request.uri.query().map(str::to_owned),
            headers: request.headers.clone(),
            body: request.body.clone(),
            nonce: transfer.map(|t| t.nonce),
            from: transfer.map(|t| t.from),
            value: transfer.map(|t| t.value),
            valid_before: transfer.map(|t| t.valid_before),
            payment_header: payment.map(|p| p.header),
            settled_tx: None,
        }
    }
}

#[derive(Default)]
pub struct Recorder(Mutex<Vec<Seen>>);

impl Recorder {
    /// Notes a request when it arrives, answered or not, and returns its place in the record.
    pub fn note(&self, request: &Request, at: u64) -> usize {
        let mut seen = self.lock();
        seen.push(Seen::of(request, at));
        seen.len() - 1
    }

    pub fn note_settled(&self, place: usize, tx: B256) {
        if let Some(seen) = self.lock().get_mut(place) {
            seen.settled_tx = Some(tx);
        }
    }

    pub fn all(&self) -> Vec<Seen> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
