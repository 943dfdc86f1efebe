//! Another policy over the recorded past.

use std::sync::Mutex;

use super::*;

/// What each purchase came to then and would come to now, in a word each.
async fn replayed(kit: &Kit, policy: Arc<Policy>) -> Vec<String> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let into = told.clone();
    let visit = move |replayed: Replayed| {
        let codes: Vec<String> = replayed.reasons.iter().map(|reason| reason.code.clone()).collect();
        into.lock()
            .unwrap()
            .push(format!("{:?} {:?} {}", replayed.then, replayed.now, codes.join(" ")).trim().to_owned());
    };
    let before = kit.ledger.seal().await.unwrap();
    let skipped = kit.ledger.replay(policy, Assets::default(), None, visit).await.unwrap();
    assert_eq!((skipped, kit.ledger.seal().await.unwrap()), (0, before));
    told.lock().unwrap().clone()
}

async fn three_paid_and_one_lapsed() -> Kit {
    let kit = kit();
    for micros in [10_000, 20_000, 30_000, 40_000] {
        let url = format!("https://shop.example/{micros}");
        let row = kit.pay(kit.draft_for(&url, micros)).await.row();
        let end = if micros == 20_000 { Standing::HELD } else { Standing::SETTLED_BY_WORD };
        kit.close(row, end, (micros != 20_000).then_some(200)).await;
        if micros == 20_000 {
            kit.move_to(row, Standing::LAPSED).await;
        }
    }
    kit
}

#[tokio::test]
async fn the_same_policy_would_have_done_the_same() {
    let kit = three_paid_and_one_lapsed().await;
    assert_eq!(replayed(&kit, kit.policy.clone()).await, ["Paid Paid"; 3]);
}

#[tokio::test]
async fn a_tighter_policy_counts_only_what_it_would_have_let_through() {
    let kit = three_paid_and_one_lapsed().await;
    let told = replayed(&kit, capped("per_day = \"0.05\"")).await;
    assert_eq!(told, ["Paid Paid", "Paid Paid", "Paid Refused over_day"]);
    let told = replayed(&kit, capped("per_payment = \"0.02\"")).await;
    assert_eq!(told, ["Paid Paid", "Paid Refused over_payment", "Paid Refused over_payment"]);
}

#[tokio::test]
async fn what_would_be_asked_and_was_paid_counts_as_paid() {
    let kit = three_paid_and_one_lapsed().await;
    let open = OPEN.replacen("per_day = \"none\"", "per_day = \"0.05\"", 1);
    let policy = Policy::parse("policy.toml", &format!("{open}above = \"0.01\"\n")).unwrap();
    let told = replayed(&kit, Arc::new(policy)).await;
    assert_eq!(told, ["Paid Paid", "Paid Asked above_approval", "Paid Refused over_day"]);
}

#[tokio::test]
async fn a_looser_policy_spends_what_was_refused() {
    let kit = Kit { policy: capped("per_payment = \"0.01\""), ..kit() };
    kit.pay(kit.draft()).await;
    let dear = kit.draft_for("https://shop.example/dear", 50_000);
    assert_eq!(
        kit.says(Draft { purchase_id: "pu_x".into(), ..kit.draft_for("https://shop.example/dear", 50_000) }).await,
        "refused over_payment"
    );
    kit.ledger.record_refusal(log::unpaid(&dear, kit.now)).await.unwrap();
    assert_eq!(replayed(&kit, capped("per_payment = \"1.00\"")).await, ["Paid Paid", "Refused Paid"]);
}

#[tokio::test]
async fn what_no_policy_refused_stays_refused() {
    let kit = kit();
    for (n, code) in super::super::replay::NO_POLICY.iter().enumerate() {
        let draft = kit.draft_for(&format!("https://shop.example/{n}"), 10_000);
        let draft = Draft { purchase_id: format!("pu_{n}"), ..draft };
        let reasons = vec![crate::reason::Reason::new(code, "a rule", "no", crate::reason::Who::Owner)];
        let unpaid = super::super::record::Unpaid { reasons, ..log::unpaid(&draft, kit.now) };
        kit.ledger.record_refusal(unpaid).await.unwrap();
    }
    assert_eq!(
        replayed(&kit, kit.policy.clone()).await.iter().filter(|told| told.starts_with("Refused Refused")).count(),
        5
    );
}
