//! The same market, paid in every way there is.

use super::*;
use crate::chain::{ASSET, EXACT_PROXY, PERMIT2, SEQUENCE_ASSET, SEQUENCE_DOLLAR, SETTLER, UPTO_PROXY};
use crate::eip3009;
use crate::key::Key;
use crate::permit2::Permit2Transfer;
use crate::tx::{SignedTx, Tx};

/// A signed payment by Permit2, before it is put into a header.
struct Signed {
    challenge: Value,
    transfer: Permit2Transfer,
    payment: Value,
}

impl Scene {
    fn allow(&self, value: u64) {
        let dollar = self.sandbox.chain.asset(ASSET);
        dollar.approve_permit2(self.payer.address, U256::from(value)).expect("approved");
    }

    fn allowance(&self) -> u64 {
        self.sandbox.chain.asset(ASSET).allowance(self.payer.address, PERMIT2).to()
    }

    /// Asks, and signs the first entry for Permit2 as it wants it.
    async fn sign(&self, path: &str) -> Signed {
        self.sign_changed(path, |_| ()).await
    }

    async fn sign_changed(&self, path: &str, change: impl FnOnce(&mut Permit2Transfer)) -> Signed {
        let challenge = decoded(&self.ask(path).await, "payment-required");
        let entries = challenge["accepts"].as_array().expect("entries");
        let entry = entries.iter().find(|e| e["extra"]["assetTransferMethod"] == "permit2").expect("by Permit2");
        let facilitator = entry["extra"]["facilitatorAddress"].as_str();
        let mut transfer = Permit2Transfer {
            to: entry["payTo"].as_str().expect("a payee").parse().expect("an address"),
            amount: entry["amount"].as_str().expect("an amount").parse().expect("a number"),
            spender: if facilitator.is_some() { UPTO_PROXY } else { EXACT_PROXY },
            facilitator: facilitator.map(|f| f.parse().expect("an address")),
            ..self.payer.one_cent_by_permit2(&self.sandbox.chain, self.sandbox.sellers.seen().len() as u64)
        };
        change(&mut transfer);
        let mut payment = json!({"x402Version": 2, "resource": challenge["resource"], "accepted": entry,
            "payload": payload(&transfer, &self.payer.sign_permit2(&transfer))});
        if let Some(extensions) = challenge.get("extensions") {
            payment["extensions"] = extensions.clone();
        }
        Signed { challenge, transfer, payment }
    }

    async fn present(&self, path: &str, signed: &Signed) -> Result<Reply, client::Error> {
        let header = STANDARD.encode(signed.payment.to_string());
        client::get(&self.url(path), &[("payment-signature", &header)]).await
    }

    async fn pay(&self, path: &str, signed: &Signed) -> Reply {
        self.present(path, signed).await.expect("a reply")
    }

    /// What the buyer has spent, and whether the chain says the nonce was used.
    fn taken(&self, signed: &Signed) -> (u64, bool) {
        let t = &signed.transfer;
        let used = self.sandbox.chain.permit2_nonce_used(t.from, t.nonce);
        (1_000_000 - self.balance(self.payer.address), used)
    }
}

impl Signed {
    fn add(mut self, extension: &str, info: Value) -> Self {
        for (key, value) in info.as_object().expect("an object") {
            self.payment["extensions"][extension]["info"][key] = value.clone();
        }
        self
    }
}

fn payload(t: &Permit2Transfer, signature: &[u8]) -> Value {
    let mut witness = json!({"to": t.to.to_string(), "validAfter": t.valid_after.to_string()});
    if let Some(facilitator) = t.facilitator {
        witness["facilitator"] = json!(facilitator.to_string());
    }
    json!({
        "signature": hex::encode_prefixed(signature),
        "permit2Authorization": {
            "from": t.from.to_string(),
            "permitted": {"token": t.asset.to_string(), "amount": t.amount.to_string()},
            "spender": t.spender.to_string(), "nonce": t.nonce.to_string(), "deadline": t.deadline.to_string(),
            "witness": witness,
        },
    })
}

fn permit_info(s: &Scene, value: u64) -> Value {
    let signed = s.payer.permit(&s.sandbox.chain, value);
    let permit = &signed.permit;
    json!({"from": permit.owner.to_string(), "asset": ASSET.to_string(), "spender": PERMIT2.to_string(),
        "amount": permit.value.to_string(), "nonce": permit.nonce.to_string(),
        "deadline": permit.deadline.to_string(), "signature": hex::encode_prefixed(signed.signature)})
}

fn approval_info(s: &Scene, value: u64) -> Value {
    let raw = s.payer.approval(&s.sandbox.chain, value);
    json!({"from": s.payer.address.to_string(), "asset": ASSET.to_string(), "spender": PERMIT2.to_string(),
        "amount": value.to_string(), "signedTransaction": hex::encode_prefixed(raw)})
}

/// What a challenge that is no challenge for money says: its status, and why.
fn refusal(reply: &Reply) -> (u16, String) {
    let said = decoded(reply, "payment-required");
    (reply.status.as_u16(), said["error"].as_str().expect("an error").to_owned())
}

fn failure(reply: &Reply) -> (u16, String) {
    let receipt = decoded(reply, "payment-response");
    assert_eq!((&receipt["success"], &receipt["transaction"]), (&json!(false), &json!("")));
    (reply.status.as_u16(), receipt["errorReason"].as_str().expect("a reason").to_owned())
}

const BY_PERMIT2: [Way; 2] = [Way::Permit2, Way::Upto];

#[tokio::test]
async fn a_challenge_offers_every_way_in_its_order() {
    let ways = vec![Way::Permit2, Way::Eip3009, Way::Upto];
    let s = Scene::with(vec![Stall { ways, upfront: true, ..Stall::get("/thing", 10_000) }]).await;
    let challenge = decoded(&s.ask("/thing").await, "payment-required");
    let said: Vec<Value> = challenge["accepts"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| json!([entry["scheme"], entry["extra"]]))
        .collect();
    assert_eq!(
        json!(said),
        json!([
            ["exact", {"name": "USDC", "version": "2", "assetTransferMethod": "permit2", "paymentFlow": "upfront"}],
            ["exact", {"name": "USDC", "version": "2", "paymentFlow": "upfront"}],
            ["upto", {"name": "USDC", "version": "2", "assetTransferMethod": "permit2",
                "facilitatorAddress": SETTLER.to_string()}],
        ])
    );
}

#[tokio::test]
async fn a_stall_of_several_ways_takes_each_of_them() {
    let ways = vec![Way::Eip3009, Way::Permit2];
    let s = Scene::with(vec![Stall { ways, ..Stall::get("/thing", 10_000) }]).await;
    s.allow(10_000);
    let signed = s.sign("/thing").await;
    assert_eq!(s.pay("/thing", &signed).await.status, 200);
    assert_eq!(s.prepare("/thing").await.reply().await.status, 200);
    assert_eq!(s.balance(stall::PAYEE), 20_000);
}

#[tokio::test]
async fn what_is_signed_must_be_what_was_accepted() {
    let ways = vec![Way::Eip3009, Way::Permit2, Way::Upto];
    let s = Scene::with(vec![Stall { ways, ..Stall::get("/thing", 10_000) }]).await;
    s.allow(90_000);
    let mut signed = s.sign("/thing").await;
    for (entry, status) in [(0, 402), (2, 402), (1, 200)] {
        signed.payment["accepted"] = signed.challenge["accepts"][entry].clone();
        let reply = s.pay("/thing", &signed).await;
        assert_eq!(reply.status, status);
        if status == 402 {
            assert_eq!(error(&reply), "unsupported_payload_type");
        }
    }
}

#[tokio::test]
async fn a_purchase_by_permit2_delivers_with_a_receipt_and_moves_the_price() {
    for way in BY_PERMIT2 {
        let s = Scene::with(vec![Stall::paid(way, "/thing", 10_000)]).await;
        s.allow(50_000);
        let signed = s.sign("/thing").await;
        let reply = s.pay("/thing", &signed).await;
        assert_eq!(reply.status, 200, "{way:?}");
        let receipt = decoded(&reply, "payment-response");
        let seen = s.sandbox.sellers.seen_at("/thing");
        assert_eq!(receipt["transaction"], seen[1].settled_tx.expect("settled").to_string());
        assert_eq!(receipt["payer"], s.payer.address.to_string());
        let amount = (way == Way::Upto).then(|| json!("10000"));
        assert_eq!(receipt.get("amount"), amount.as_ref());
        assert_eq!(s.taken(&signed), PAID_ONCE);
        assert_eq!(seen[1].nonce, Some(B256::from(signed.transfer.nonce)));
        assert_eq!(seen[1].value, Some(U256::from(10_000)));
        assert_eq!(error(&s.pay("/thing", &signed).await), "permit2_invalid_nonce");
        assert_eq!(s.taken(&signed), PAID_ONCE);
    }
}

#[tokio::test]
async fn a_missing_allowance_is_412_and_costs_nothing() {
    for way in BY_PERMIT2 {
        let s = Scene::with(vec![Stall::paid(way, "/thing", 10_000)]).await;
        s.allow(9_999);
        let signed = s.sign("/thing").await;
        let missing = (412, "permit2_allowance_required".to_owned());
        assert_eq!(refusal(&s.pay("/thing", &signed).await), missing, "{way:?}");
        assert_eq!(s.taken(&signed), UNPAID);
        s.allow(10_000);
        assert_eq!(s.pay("/thing", &signed).await.status, 200);
        // The allowance is gone with the payment, and that is told before the nonce is looked at.
        assert_eq!(refusal(&s.pay("/thing", &signed).await), missing);
        assert_eq!(s.taken(&signed), PAID_ONCE);
    }
}

#[tokio::test]
async fn a_seller_is_strict_about_what_was_signed_for_permit2() {
    type Change = fn(&mut Permit2Transfer);
    let both: [(Change, &str); 8] = [
        (|t| t.spender = SETTLER, "invalid_permit2_spender"),
        (|t| t.to = t.from, "invalid_permit2_recipient_mismatch"),
        (|t| t.amount += U256::ONE, "permit2_amount_mismatch"),
        (|t| t.amount -= U256::ONE, "permit2_amount_mismatch"),
        (|t| t.asset = SEQUENCE_ASSET, "permit2_token_mismatch"),
        (|t| t.deadline -= U256::from(56), "permit2_deadline_expired"),
        (|t| t.valid_after += U256::from(700), "permit2_not_yet_valid"),
        (|t| t.from = t.to, "invalid_permit2_signature"),
    ];
    let upto: [(Change, &str); 2] = [
        (|t| t.facilitator = Some(t.from), "upto_facilitator_mismatch"),
        (|t| t.facilitator = None, "unsupported_payload_type"),
    ];
    for way in BY_PERMIT2 {
        let s = Scene::with(vec![Stall::paid(way, "/thing", 10_000)]).await;
        s.allow(90_000);
        for (change, reason) in both.iter().chain(upto.iter().filter(|_| way == Way::Upto)) {
            let signed = s.sign_changed("/thing", change).await;
            assert_eq!(error(&s.pay("/thing", &signed).await), *reason, "{way:?}");
            assert_eq!(s.taken(&signed), UNPAID);
        }
        let dear = s.sandbox.chain.transfer(s.payer.address, SETTLER, U256::from(990_001));
        dear.expect("moved");
        let signed = s.sign("/thing").await;
        assert_eq!(error(&s.pay("/thing", &signed).await), "permit2_insufficient_balance");
    }
}

#[tokio::test]
async fn an_upto_keeper_takes_what_it_says_and_the_receipt_says_so() {
    for (takes, spent) in [(Some(1), 1), (Some(4_321), 4_321), (None, 10_000)] {
        let s = Scene::with(vec![Stall { takes, ..Stall::paid(Way::Upto, "/thing", 10_000) }]).await;
        s.allow(10_000);
        let signed = s.sign("/thing").await;
        let receipt = decoded(&s.pay("/thing", &signed).await, "payment-response");
        assert_eq!(receipt["amount"], spent.to_string());
        assert_eq!(s.taken(&signed), (spent, true));
    }
}

#[tokio::test]
async fn an_upto_keeper_that_takes_nothing_has_no_chain_transaction() {
    let s = Scene::with(vec![Stall { takes: Some(0), ..Stall::paid(Way::Upto, "/thing", 10_000) }]).await;
    s.allow(10_000);
    let signed = s.sign("/thing").await;
    let reply = s.pay("/thing", &signed).await;
    assert_eq!(reply.status, 200);
    let receipt = decoded(&reply, "payment-response");
    assert_eq!((&receipt["success"], &receipt["transaction"]), (&json!(true), &json!("")));
    assert_eq!(receipt["amount"], "0");
    assert_eq!(s.taken(&signed), UNPAID);
    // It still can, until the deadline.
    let seen = s.sandbox.sellers.seen();
    s.sandbox.sellers.redeem_amount(seen.last().expect("a visit"), 7_000).expect("redeemed");
    assert_eq!(s.taken(&signed), (7_000, true));
}

#[tokio::test]
async fn a_hostile_upto_keeper_can_claim_another_amount_and_never_take_more_than_the_most() {
    let claiming = Stall { takes: Some(9_000), claims: Some(1), ..Stall::paid(Way::Upto, "/claims", 10_000) };
    let grasping = Stall { takes: Some(10_001), ..Stall::paid(Way::Upto, "/grasps", 10_000) };
    let s = Scene::with(vec![claiming, grasping]).await;
    s.allow(90_000);
    let signed = s.sign("/claims").await;
    let receipt = decoded(&s.pay("/claims", &signed).await, "payment-response");
    assert_eq!(receipt["amount"], "1");
    assert_eq!(s.taken(&signed), (9_000, true));
    let signed = s.sign("/grasps").await;
    let reason = "invalid_upto_evm_payload_settlement_exceeds_amount".to_owned();
    assert_eq!(failure(&s.pay("/grasps", &signed).await), (402, reason));
    assert_eq!(s.taken(&signed), (9_000, false));
}

#[tokio::test]
async fn a_declared_sponsor_brings_a_signed_permit_or_approval() {
    for way in BY_PERMIT2 {
        let stalls = vec![
            Stall::paid(way, "/permit", 10_000).sponsoring_permits(),
            Stall::paid(way, "/approval", 10_000).sponsoring_approvals(),
        ];
        let s = Scene::with(stalls).await;
        let by_permit = s.sign("/permit").await.add("eip2612GasSponsoring", permit_info(&s, 10_000));
        assert_eq!(s.pay("/permit", &by_permit).await.status, 200, "{way:?}");
        assert_eq!((s.taken(&by_permit), s.allowance()), (PAID_ONCE, 0));
        let by_approval = s.sign("/approval").await.add("erc20ApprovalGasSponsoring", approval_info(&s, 15_000));
        assert_eq!(s.pay("/approval", &by_approval).await.status, 200, "{way:?}");
        assert_eq!((s.taken(&by_approval), s.allowance()), ((20_000, true), 5_000));
        // An echo without the payer's part is a payer with an allowance of its own.
        s.allow(10_000);
        let plain = s.sign("/approval").await;
        assert_eq!(s.pay("/approval", &plain).await.status, 200, "{way:?}");
    }
}

#[tokio::test]
async fn what_nobody_declared_to_sponsor_is_not_brought() {
    let s = Scene::with(vec![Stall::paid(Way::Permit2, "/thing", 10_000)]).await;
    let signed = s.sign("/thing").await.add("eip2612GasSponsoring", permit_info(&s, 10_000));
    assert_eq!(refusal(&s.pay("/thing", &signed).await), (412, "permit2_allowance_required".into()));
    assert_eq!((s.taken(&signed), s.allowance()), (UNPAID, 0));
}

#[tokio::test]
async fn a_seller_is_strict_about_the_permit_it_is_to_bring() {
    let s = Scene::with(vec![Stall::paid(Way::Permit2, "/thing", 10_000).sponsoring_permits()]).await;
    let good = permit_info(&s, 10_000);
    for (key, value, reason) in [
        ("from", json!(SETTLER.to_string()), "eip2612_from_mismatch"),
        ("asset", json!(SEQUENCE_ASSET.to_string()), "eip2612_asset_mismatch"),
        ("spender", json!(EXACT_PROXY.to_string()), "eip2612_spender_not_permit2"),
        ("deadline", json!((s.sandbox.chain.now() + 3).to_string()), "eip2612_deadline_expired"),
        ("amount", json!("10001"), "permit2_2612_amount_mismatch"),
        ("amount", json!(10_000), "invalid_eip2612_extension_format"),
        ("signature", json!("0x00"), "invalid_eip2612_extension_format"),
        ("version", json!("2"), "extension_echo_mismatch"),
    ] {
        let signed = s.sign("/thing").await.add("eip2612GasSponsoring", good.clone());
        let signed = signed.add("eip2612GasSponsoring", json!({key: value}));
        assert_eq!(error(&s.pay("/thing", &signed).await), reason, "{key}");
    }
    let forged = json!({"signature": hex::encode_prefixed([1; 65])});
    let signed = s.sign("/thing").await.add("eip2612GasSponsoring", good).add("eip2612GasSponsoring", forged);
    assert_eq!(refusal(&s.pay("/thing", &signed).await), (412, "permit2_allowance_required".into()));
    assert_eq!(s.taken(&signed), UNPAID);
}

#[tokio::test]
async fn a_seller_is_strict_about_the_approval_it_is_to_send() {
    let s = Scene::with(vec![Stall::paid(Way::Permit2, "/thing", 10_000).sponsoring_approvals()]).await;
    let good = approval_info(&s, 10_000);
    let stranger = Key::new(&[7; 32]).expect("a key");
    let strange = SignedTx::read(&s.payer.approval(&s.sandbox.chain, 10_000)).expect("read").tx.signed_by(&stranger);
    let raw = |change: fn(&mut Tx)| {
        let sent = s.payer.approval(&s.sandbox.chain, 10_000);
        let mut tx = SignedTx::read(&sent).expect("read").tx;
        change(&mut tx);
        json!(hex::encode_prefixed(tx.signed_by(&s.payer.key)))
    };
    for (key, value, reason) in [
        ("from", json!(SETTLER.to_string()), "erc20_approval_from_mismatch"),
        ("asset", json!(SEQUENCE_ASSET.to_string()), "erc20_approval_asset_mismatch"),
        ("spender", json!(EXACT_PROXY.to_string()), "erc20_approval_spender_not_permit2"),
        ("amount", json!("all"), "invalid_erc20_approval_extension_format"),
        ("signedTransaction", json!("0x02c0"), "erc20_approval_tx_parse_failed"),
        ("signedTransaction", raw(|tx| tx.to = PERMIT2), "erc20_approval_tx_wrong_target"),
        ("signedTransaction", raw(|tx| tx.data = vec![1; 68].into()), "erc20_approval_tx_wrong_selector"),
        ("signedTransaction", raw(|tx| tx.data = tx.data.slice(..67)), "erc20_approval_tx_invalid_calldata"),
        ("signedTransaction", json!(hex::encode_prefixed(strange)), "erc20_approval_tx_signer_mismatch"),
        ("signedTransaction", raw(turned_to_another_spender), "erc20_approval_tx_wrong_spender"),
    ] {
        let signed = s.sign("/thing").await.add("erc20ApprovalGasSponsoring", good.clone());
        let signed = signed.add("erc20ApprovalGasSponsoring", json!({key: value}));
        assert_eq!(error(&s.pay("/thing", &signed).await), reason, "{key}");
    }
    assert_eq!(s.sandbox.chain.nonce_of(s.payer.address), 0);
}

fn turned_to_another_spender(tx: &mut Tx) {
    let mut data = tx.data.to_vec();
    data[16..36].copy_from_slice(EXACT_PROXY.as_slice());
    tx.data = data.into();
}

#[tokio::test]
async fn keepers_of_every_way_misbehave_as_they_are_told() {
    let settled = [
        (Behaviour::Normal, Some(200), Some(true)),
        (Behaviour::DropAfterSettling, None, None),
        (Behaviour::HonoursSameBytes, None, None),
        (Behaviour::SettleThenStatus(500), Some(500), None),
        (Behaviour::RefuseAfterSettling, Some(402), Some(false)),
        (Behaviour::NoReceipt, Some(200), None),
        (Behaviour::MisstatesReceipt, Some(200), Some(true)),
    ];
    let unsettled = [
        (Behaviour::DropBeforeSettling, None, None),
        (Behaviour::FailsToSettle, Some(402), Some(false)),
        (Behaviour::LieAboutSettling, Some(200), Some(true)),
        (Behaviour::RefuseAlways, Some(402), None),
    ];
    let with = |spent| move |(behaviour, status, success)| (behaviour, status, success, spent);
    for (way, upfront) in [(Way::Permit2, false), (Way::Permit2, true), (Way::Upto, false)] {
        let all = settled.clone().map(with(PAID_ONCE)).into_iter().chain(unsettled.clone().map(with(UNPAID)));
        for (behaviour, status, success, spent) in all {
            let stall = Stall { upfront, behaviour: behaviour.clone(), ..Stall::paid(way, "/thing", 10_000) };
            let s = Scene::with(vec![stall]).await;
            s.allow(10_000);
            let signed = s.sign("/thing").await;
            let reply = s.present("/thing", &signed).await.ok();
            assert_eq!(reply.as_ref().map(|r| r.status.as_u16()), status, "{way:?} {behaviour:?}");
            let receipt = reply.filter(|r| r.headers.contains_key("payment-response"));
            let claimed = receipt.map(|r| decoded(&r, "payment-response")["success"] == true);
            assert_eq!(claimed, success, "{way:?} {behaviour:?}");
            assert_eq!(s.taken(&signed), spent, "{way:?} {behaviour:?}");
        }
    }
}

#[tokio::test]
async fn who_settles_first_keeps_the_money_of_a_handler_that_fails() {
    let broken = |way| Stall { upfront: true, handler: stall::fails(500), ..Stall::paid(way, "/thing", 10_000) };
    let s = Scene::with(vec![broken(Way::Permit2)]).await;
    s.allow(10_000);
    let signed = s.sign("/thing").await;
    let reply = s.pay("/thing", &signed).await;
    assert_eq!((reply.status.as_u16(), s.taken(&signed)), (500, PAID_ONCE));
    assert_eq!(decoded(&reply, "payment-response")["success"], true);
    let s = Scene::with(vec![broken(Way::Eip3009)]).await;
    let purchase = s.prepare("/thing").await;
    assert_eq!(purchase.reply().await.status, 500);
    assert_eq!(s.spent(&purchase), PAID_ONCE);
    let s = Scene::with(vec![broken(Way::Upto)]).await;
    s.allow(10_000);
    let signed = s.sign("/thing").await;
    assert_eq!(s.pay("/thing", &signed).await.status, 500);
    assert_eq!(s.taken(&signed), UNPAID);
}

#[tokio::test]
async fn who_settles_first_finds_a_bad_payment_by_settling() {
    let s = Scene::with(vec![Stall { upfront: true, ..Stall::paid(Way::Permit2, "/thing", 10_000) }]).await;
    let signed = s.sign("/thing").await;
    let reply = s.pay("/thing", &signed).await;
    assert_eq!(failure(&reply), (402, "permit2_allowance_required".into()));
    assert_eq!(s.taken(&signed), UNPAID);
}

#[tokio::test]
async fn a_slow_keeper_that_settles_first_has_the_money_while_it_works() {
    let slow = Behaviour::Slow(Duration::from_secs(60));
    let stall = Stall { upfront: true, behaviour: slow, ..Stall::paid(Way::Permit2, "/thing", 10_000) };
    let s = Scene::with(vec![stall]).await;
    s.allow(10_000);
    let signed = s.sign("/thing").await;
    assert!(tokio::time::timeout(Duration::from_millis(10), s.present("/thing", &signed)).await.is_err());
    while !s.taken(&signed).1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(s.taken(&signed), PAID_ONCE);
}

#[tokio::test]
async fn the_same_bytes_get_the_goods_they_paid_for_by_permit2_too() {
    let honest = Stall { behaviour: Behaviour::HonoursSameBytes, ..Stall::paid(Way::Upto, "/thing", 10_000) };
    let s = Scene::with(vec![Stall { takes: Some(3), ..honest }]).await;
    s.allow(10_000);
    let signed = s.sign("/thing").await;
    assert!(s.present("/thing", &signed).await.is_err());
    let reply = s.pay("/thing", &signed).await;
    assert_eq!(decoded(&reply, "payment-response")["amount"], "3");
    assert_eq!(s.taken(&signed), (3, true));
}

#[tokio::test]
async fn v1_says_nothing_of_what_it_cannot_say() {
    let ways = vec![Way::Permit2, Way::Eip3009, Way::Upto];
    let s = Scene::with(vec![Stall { ways, dialect: Dialect::Both, ..Stall::get("/thing", 10_000) }]).await;
    let challenge = body(&s.ask("/thing").await);
    assert_eq!(challenge["accepts"].as_array().expect("entries").len(), 1);
    assert_eq!(s.prepare_v1("/thing").await.reply().await.status, 200);
}

#[tokio::test]
async fn a_stall_can_be_paid_in_the_asset_that_counts_its_nonces() {
    let s = Scene::with(vec![Stall { asset: SEQUENCE_DOLLAR, ..Stall::get("/thing", 10_000) }]).await;
    let asset = s.sandbox.chain.asset(SEQUENCE_ASSET);
    asset.mint(s.payer.address, U256::from(20_000)).expect("minted");
    let challenge = decoded(&s.ask("/thing").await, "payment-required");
    let entry = &challenge["accepts"][0];
    assert_eq!(entry["asset"], SEQUENCE_ASSET.to_string());
    assert_eq!(entry["extra"], json!({"name": "Sequence Dollar", "version": "1"}));
    let pay = async |nonce: B256| {
        let transfer = Transfer { nonce, ..s.transfer(entry, &entry["amount"]) };
        let mut payment = json!({"x402Version": 2, "resource": challenge["resource"], "accepted": entry,
            "payload": s.payload(&transfer)});
        let signature = s.payer.key.sign(eip3009::signing_hash_in(&SEQUENCE_DOLLAR, &transfer));
        payment["payload"]["signature"] = json!(hex::encode_prefixed(signature));
        s.purchase("/thing", "payment-signature", &payment, transfer).reply().await
    };
    let random = pay(B256::repeat_byte(0x5a)).await;
    assert_eq!(error(&random), "invalid_exact_evm_transaction_simulation_failed");
    let first_of_its_queue = B256::from(U256::from(0x5a5a) << 64);
    assert_eq!(pay(first_of_its_queue).await.status, 200);
    assert_eq!(asset.balance_of(s.payer.address), U256::from(10_000));
}
