//! What a payer signed, as the payload of its payment says it.

use alloy_primitives::{Address, B256, U256};
use serde_json::Value;

use crate::chain::Transfer;
use crate::permit2::Permit2Transfer;

/// An EIP-3009 authorization.
pub(super) fn authorization(payload: &Value) -> Option<Transfer> {
    transfer(payload.get("authorization")?)
}

/// The members of one.
pub(super) fn transfer(members: &Value) -> Option<Transfer> {
    let said = Said(members);
    Some(Transfer {
        from: said.address("from")?,
        to: said.address("to")?,
        value: said.number("value")?,
        valid_after: said.number("validAfter")?,
        valid_before: said.number("validBefore")?,
        nonce: said.0["nonce"].as_str()?.parse().ok()?,
    })
}

/// A transfer by Permit2; one that names a facilitator is for `upto`.
pub(super) fn permit2(payload: &Value) -> Option<Permit2Transfer> {
    let said = Said(payload.get("permit2Authorization")?);
    let (permitted, witness) = (Said(&said.0["permitted"]), Said(&said.0["witness"]));
    let facilitator = match witness.0.get("facilitator") {
        None | Some(Value::Null) => None,
        Some(_) => Some(witness.address("facilitator")?),
    };
    Some(Permit2Transfer {
        asset: permitted.address("token")?,
        from: said.address("from")?,
        to: witness.address("to")?,
        amount: permitted.number("amount")?,
        spender: said.address("spender")?,
        nonce: said.number("nonce")?,
        deadline: said.number("deadline")?,
        valid_after: witness.number("validAfter")?,
        facilitator,
    })
}

/// The same in the words of EIP-3009, for whoever only asks who pays whom how much and until when.
pub(super) fn in_short(t: &Permit2Transfer) -> Transfer {
    Transfer {
        from: t.from,
        to: t.to,
        value: t.amount,
        valid_after: t.valid_after,
        valid_before: t.deadline,
        nonce: B256::from(t.nonce),
    }
}

/// An object whose numbers are texts.
pub(super) struct Said<'a>(pub(super) &'a Value);

impl Said<'_> {
    pub(super) fn address(&self, key: &str) -> Option<Address> {
        self.0[key].as_str()?.parse().ok()
    }

    /// Digits and nothing else; a sign, a space or a `0x` is not a number here.
    pub(super) fn number(&self, key: &str) -> Option<U256> {
        let text = self.0[key].as_str()?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| U256::from_str_radix(text, 10).ok()).flatten()
    }
}
