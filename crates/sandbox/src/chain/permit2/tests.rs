//! Payments by Permit2 on the real EVM: what moves, and what reverts with whose words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::chain::{ASSET, ChainOptions, hand_clock};
use crate::payer::Payer;

const CENT: u64 = 10_000;

/// A chain whose time stands still, and a payer with one dollar and no allowance for anybody.
struct Scene {
    chain: PlayChain,
    time: Arc<AtomicU64>,
    payer: Payer,
}

impl Scene {
    fn new() -> Self {
        let (clock, time) = hand_clock(1_800_000_000);
        let chain = PlayChain::new(ChainOptions { clock, idle_blocks: false, ..ChainOptions::default() });
        let payer = Payer::well_known();
        chain.mint(payer.address, U256::from(1_000_000)).expect("minted");
        Self { chain, time, payer }
    }

    fn with_allowance(value: u64) -> Self {
        let scene = Self::new();
        scene.chain.asset(ASSET).approve_permit2(scene.payer.address, U256::from(value)).expect("approved");
        scene
    }

    fn exact(&self, nonce: u64) -> Permit2Transfer {
        self.payer.one_cent_by_permit2(&self.chain, nonce)
    }

    fn upto(&self, nonce: u64) -> Permit2Transfer {
        self.payer.up_to_one_cent(&self.chain, nonce)
    }

    fn settle(&self, transfer: &Permit2Transfer) -> Result<B256, String> {
        self.take(transfer, CENT, None)
    }

    fn take(&self, transfer: &Permit2Transfer, amount: u64, sponsored: Option<&Sponsored>) -> Result<B256, String> {
        self.take_with(transfer, amount, sponsored, &self.payer.sign_permit2(transfer))
    }

    fn take_with(
        &self,
        transfer: &Permit2Transfer,
        amount: u64,
        sponsored: Option<&Sponsored>,
        signature: &[u8],
    ) -> Result<B256, String> {
        let settlement = Permit2Settlement { transfer, signature, amount: U256::from(amount), sponsored };
        let foretold = self.chain.simulate_permit2(&settlement);
        let done = self.chain.settle_permit2(&settlement);
        assert_eq!(foretold.as_ref().err(), done.as_ref().err());
        done.map_err(|e| e.reason)
    }

    fn paid(&self, transfer: &Permit2Transfer) -> u64 {
        self.chain.balance_of(transfer.to).to()
    }

    fn allowance(&self) -> u64 {
        self.chain.asset(ASSET).allowance(self.payer.address, PERMIT2).to()
    }

    fn topics(&self, tx: B256) -> Vec<B256> {
        let block = self.chain.block_of(tx).expect("in a block");
        let logs = block.receipt.expect("with a receipt").logs;
        logs.iter().filter_map(|log| log.topics().first().copied()).collect()
    }
}

fn topic(event: &str) -> B256 {
    alloy_primitives::keccak256(event)
}

#[test]
fn an_exact_payment_moves_exactly_its_amount_and_uses_its_nonce() {
    let s = Scene::with_allowance(3 * CENT);
    let cent = s.exact(0x1ff);
    let tx = s.settle(&cent).expect("settled");
    assert_eq!((s.paid(&cent), s.allowance()), (CENT, 2 * CENT));
    assert_eq!(s.chain.balance_of(s.payer.address), U256::from(1_000_000 - CENT));
    assert!(s.chain.permit2_nonce_used(cent.from, cent.nonce));
    assert!(!s.chain.permit2_nonce_used(cent.from, U256::from(0x1fe)));
    assert_eq!(s.topics(tx), [topic("Transfer(address,address,uint256)"), topic("Settled()")]);
}

#[test]
fn a_used_nonce_refuses_and_moves_nothing_more() {
    let s = Scene::with_allowance(3 * CENT);
    s.settle(&s.exact(1)).expect("settled");
    assert_eq!(s.settle(&s.exact(1)), Err("InvalidNonce".into()));
    assert_eq!(s.settle(&s.upto(1)), Err("InvalidNonce".into()));
    assert_eq!(s.paid(&s.exact(1)), CENT);
}

#[test]
fn an_invalidated_nonce_refuses() {
    let s = Scene::with_allowance(CENT);
    let cent = s.exact(7);
    let tx = s.chain.invalidate_permit2_nonce(cent.from, cent.nonce).expect("invalidated");
    assert_eq!(s.topics(tx), [topic("UnorderedNonceInvalidation(address,uint256,uint256)")]);
    assert!(s.chain.permit2_nonce_used(cent.from, cent.nonce));
    assert_eq!(s.settle(&cent), Err("InvalidNonce".into()));
}

#[test]
fn without_an_allowance_or_the_money_nothing_moves_and_the_nonce_stays() {
    let s = Scene::with_allowance(CENT - 1);
    assert_eq!(s.settle(&s.exact(1)), Err("TRANSFER_FROM_FAILED".into()));
    let s = Scene::with_allowance(2_000_000);
    let dear = Permit2Transfer { amount: U256::from(1_000_001), ..s.exact(1) };
    assert_eq!(s.settle(&dear), Err("TRANSFER_FROM_FAILED".into()));
    assert!(!s.chain.permit2_nonce_used(dear.from, dear.nonce));
}

#[test]
fn time_opens_and_closes_a_payment() {
    let s = Scene::with_allowance(CENT);
    let early = Permit2Transfer { valid_after: U256::from(s.chain.now() + 1), ..s.exact(1) };
    assert_eq!(s.settle(&early), Err("PaymentTooEarly".into()));
    let cent = s.exact(2);
    s.time.fetch_add(61, Ordering::Relaxed);
    assert_eq!(s.settle(&cent), Err("SignatureExpired".into()));
    s.time.fetch_sub(1, Ordering::Relaxed);
    s.settle(&cent).expect("at its deadline it is good");
}

#[test]
fn a_payment_goes_to_whom_and_for_what_was_signed() {
    let s = Scene::with_allowance(9 * CENT);
    let signed = s.exact(1);
    let signature = s.payer.sign_permit2(&signed);
    for changed in [
        Permit2Transfer { to: SETTLER, ..signed.clone() },
        Permit2Transfer { amount: U256::from(2 * CENT), ..signed.clone() },
        Permit2Transfer { deadline: signed.deadline + U256::ONE, ..signed.clone() },
        Permit2Transfer { facilitator: Some(SETTLER), ..signed.clone() },
    ] {
        assert_eq!(s.take_with(&changed, CENT, None, &signature), Err("InvalidSigner".into()));
    }
    assert_eq!(s.take_with(&signed, CENT, None, &signature[..64]), Err("InvalidSignatureLength".into()));
    assert_eq!(s.take_with(&signed, CENT, None, &[0; 65]), Err("InvalidSignature".into()));
    let nowhere = Permit2Transfer { to: Address::ZERO, ..signed.clone() };
    assert_eq!(s.settle(&nowhere), Err("InvalidDestination".into()));
    let nothing = Permit2Transfer { amount: U256::ZERO, ..signed };
    assert_eq!(s.take(&nothing, 0, None), Err("InvalidAmount".into()));
}

#[test]
fn up_to_takes_what_the_facilitator_says_and_no_more_than_was_signed() {
    let s = Scene::with_allowance(9 * CENT);
    assert_eq!(s.take(&s.upto(1), CENT + 1, None), Err("AmountExceedsPermitted".into()));
    assert_eq!(s.take(&s.upto(1), 0, None), Err("InvalidAmount".into()));
    s.take(&s.upto(1), 1_234, None).expect("settled");
    assert_eq!(s.paid(&s.upto(1)), 1_234);
    assert_eq!(s.take(&s.upto(1), 1, None), Err("InvalidNonce".into()));
    s.take(&s.upto(2), CENT, None).expect("all of it");
    assert_eq!((s.paid(&s.upto(2)), s.allowance()), (CENT + 1_234, 8 * CENT - 1_234));
}

#[test]
fn only_the_facilitator_that_was_signed_settles_up_to() {
    let s = Scene::with_allowance(CENT);
    let another = Permit2Transfer { facilitator: Some(s.payer.address), ..s.upto(1) };
    assert_eq!(s.settle(&another), Err("UnauthorizedFacilitator".into()));
    let settlement = Permit2Settlement {
        transfer: &another,
        signature: &s.payer.sign_permit2(&another),
        amount: U256::from(CENT),
        sponsored: None,
    };
    let (to, data) = settlement.call();
    s.chain.send(s.payer.address, to, data).expect("by the one it names");
    assert_eq!(s.paid(&another), CENT);
}

#[test]
fn a_signed_permit_brings_the_allowance_for_either_scheme() {
    for (nonce, upto) in [(1, false), (2, true)] {
        let s = Scene::new();
        let transfer = if upto { s.upto(nonce) } else { s.exact(nonce) };
        let sponsored = Sponsored::Permit(s.payer.permit(&s.chain, CENT));
        let tx = s.take(&transfer, CENT, Some(&sponsored)).expect("settled");
        assert_eq!((s.paid(&transfer), s.allowance()), (CENT, 0));
        assert_eq!(s.topics(tx).last(), Some(&topic("SettledWithPermit()")));
    }
}

#[test]
fn a_permit_over_another_value_than_the_payment_reverts() {
    for value in [CENT - 1, CENT + 1, u64::MAX] {
        let s = Scene::with_allowance(9 * CENT);
        let sponsored = Sponsored::Permit(s.payer.permit(&s.chain, value));
        let reason = Err("Permit2612AmountMismatch".into());
        assert_eq!(s.take(&s.exact(1), CENT, Some(&sponsored)), reason);
        assert_eq!(s.take(&s.upto(1), CENT, Some(&sponsored)), reason);
        assert_eq!(s.allowance(), 9 * CENT);
    }
}

#[test]
fn a_permit_that_fails_is_passed_over_where_the_allowance_is_there() {
    let s = Scene::new();
    let mut stale = s.payer.permit(&s.chain, CENT);
    stale.signature[0] ^= 1;
    let stale = Sponsored::Permit(stale);
    assert_eq!(s.take(&s.exact(1), CENT, Some(&stale)), Err("TRANSFER_FROM_FAILED".into()));
    s.chain.asset(ASSET).approve_permit2(s.payer.address, U256::from(CENT)).expect("approved");
    let tx = s.take(&s.exact(1), CENT, Some(&stale)).expect("settled");
    assert_eq!(s.topics(tx)[0], topic("EIP2612PermitFailedWithReason(address,address,string)"));
    assert_eq!(s.paid(&s.exact(1)), CENT);
}

#[test]
fn a_signed_approval_is_sent_before_the_payment() {
    let s = Scene::new();
    let sponsored = Sponsored::Approval(s.payer.approval(&s.chain, CENT));
    s.take(&s.exact(1), CENT, Some(&sponsored)).expect("settled");
    assert_eq!((s.paid(&s.exact(1)), s.allowance()), (CENT, 0));
    assert_eq!(s.chain.nonce_of(s.payer.address), 1);
    assert_eq!(s.take(&s.exact(2), CENT, Some(&sponsored)), Err("nonce too low".into()));
}

#[test]
fn an_approval_is_not_sent_for_a_payment_that_would_fail() {
    let s = Scene::new();
    let sponsored = Sponsored::Approval(s.payer.approval(&s.chain, CENT - 1));
    assert_eq!(s.take(&s.exact(1), CENT, Some(&sponsored)), Err("TRANSFER_FROM_FAILED".into()));
    assert_eq!(s.chain.nonce_of(s.payer.address), 0);
}

#[test]
fn a_reorganized_block_gives_nonce_money_and_allowance_back() {
    let s = Scene::with_allowance(CENT);
    let cent = s.exact(1);
    s.settle(&cent).expect("settled");
    s.chain.reorganize(1);
    assert!(!s.chain.permit2_nonce_used(cent.from, cent.nonce));
    assert_eq!((s.paid(&cent), s.allowance()), (0, CENT));
    s.settle(&cent).expect("settled anew");
}

#[test]
fn the_domain_is_permit2_s_on_base_sepolia() {
    let s = Scene::new();
    let separator = s.chain.call(PERMIT2, Bytes::from(alloy_primitives::hex!("3644e515")));
    assert_eq!(
        alloy_primitives::hex::encode(separator.expect("a domain")),
        "010f27a92fb9a32622f44f001dc4d15706a85b33499cfc2ce9033113ab26592c"
    );
}
