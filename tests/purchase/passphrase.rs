//! The owner's passphrase: what asks for it, and what a program that can write bursar's files can do without it.

use bursar::answer::Refusal;
use bursar::answer::{Charged, Outcome};
use bursar::policy::Effect;
use sandbox::sellers::Stall;
use serde_json::Value;

use crate::scene::*;

const PASSPHRASE: &str = "open sesame";
const DEAR: u64 = 20 * CENT;

/// A passphrase is set, and a cent is allowed but not two.
async fn guarded() -> Scene {
    let stalls = [Stall::get("/thing", CENT), Stall::get("/two", 2 * CENT), Stall::get("/dear", DEAR)];
    let scene = market(stalls).rules("[wallet]\nper_payment = \"0.01\"\n").open().await;
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    scene
}

#[track_caller]
fn refused_as<T>(result: Result<T, Refusal>, code: &str) {
    let refusal = result.err().unwrap_or_else(|| panic!("this was not refused with {code}"));
    assert_eq!(refusal.reasons[0].code, code, "{refusal}");
}

#[tokio::test]
async fn a_changed_policy_is_in_force_once_its_owner_applies_it_and_not_before() {
    let scene = guarded().await;
    scene.write_rules("[wallet]\nper_payment = \"0.02\"\n");
    let held_back = scene.get("/two").await;
    is(&held_back, Outcome::Refused, Charged::No);
    reason(&held_back, "over_payment");
    reason(&held_back, "policy_not_applied");
    let change = scene.bursar.policy_change().await.unwrap().unwrap();
    let told: Vec<_> = change.changes.iter().map(|change| (change.key.as_str(), change.effect)).collect();
    assert_eq!(told, [("wallet per_payment", Effect::Looser)]);
    refused_as(scene.bursar.apply_policy(&change, None).await, "passphrase_needed");
    refused_as(scene.bursar.apply_policy(&change, Some("open barley")).await, "wrong_passphrase");
    is(&scene.get("/two").await, Outcome::Refused, Charged::No);
    scene.bursar.apply_policy(&change, Some(PASSPHRASE)).await.unwrap();
    bought(&scene.get("/two").await);
    assert_eq!(scene.bursar.policy_change().await.unwrap(), None);
    scene.end().await;
}

#[tokio::test]
async fn what_is_applied_is_what_was_shown() {
    let scene = guarded().await;
    scene.write_rules("[wallet]\nper_payment = \"0.02\"\n");
    let shown = scene.bursar.policy_change().await.unwrap().unwrap();
    scene.write_rules("[wallet]\nper_payment = \"none\"\n");
    refused_as(scene.bursar.apply_policy(&shown, Some(PASSPHRASE)).await, "policy_changed");
    is(&scene.get("/two").await, Outcome::Refused, Charged::No);
    scene.end().await;
}

#[tokio::test]
async fn a_policy_that_is_damaged_or_gone_changes_nothing_where_a_passphrase_is_set() {
    let scene = guarded().await;
    std::fs::write(scene.home.policy_file(), "version = 1\n[wallet").unwrap();
    bought(&scene.get("/thing").await);
    std::fs::remove_file(scene.home.policy_file()).unwrap();
    is(&scene.get("/two").await, Outcome::Refused, Charged::No);
    scene.end().await;
}

#[tokio::test]
async fn without_the_passphrase_nothing_is_approved_or_thawed() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    let shown = scene.bursar.pending().await.unwrap().remove(0);
    refused_as(scene.bursar.approve(&shown, None).await, "passphrase_needed");
    refused_as(scene.bursar.approve(&shown, Some("")).await, "wrong_passphrase");
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    scene.bursar.freeze("a test").await.unwrap();
    refused_as(scene.bursar.thaw(None).await, "passphrase_needed");
    refused_as(scene.bursar.thaw(Some("open")).await, "wrong_passphrase");
    assert!(scene.bursar.frozen().await.unwrap().is_some());
    scene.bursar.thaw(Some(PASSPHRASE)).await.unwrap();
    scene.bursar.approve(&shown, Some(PASSPHRASE)).await.unwrap();
    bought(&scene.get("/dear").await);
    scene.end().await;
}

#[tokio::test]
async fn a_passphrase_is_changed_and_removed_only_with_the_one_there_is() {
    let scene = guarded().await;
    refused_as(scene.bursar.set_passphrase(None, "open barley").await, "passphrase_needed");
    refused_as(scene.bursar.set_passphrase(Some("open"), "open barley").await, "wrong_passphrase");
    refused_as(scene.bursar.set_passphrase(Some(PASSPHRASE), "short").await, "passphrase_too_short");
    scene.bursar.set_passphrase(Some(PASSPHRASE), "open barley").await.unwrap();
    refused_as(scene.bursar.remove_passphrase(PASSPHRASE).await, "wrong_passphrase");
    bought(&scene.get("/thing").await);
    scene.bursar.remove_passphrase("open barley").await.unwrap();
    scene.write_rules("[wallet]\nper_payment = \"0.02\"\n");
    bought(&scene.get("/two").await);
    scene.end().await;
}

/// Does something to `owner.json`, as a program could that runs as its owner.
fn meddle(scene: &Scene, meddle: impl FnOnce(&mut Value)) {
    let mut file: Value = serde_json::from_slice(&std::fs::read(scene.home.owner_file()).unwrap()).unwrap();
    meddle(&mut file);
    std::fs::write(scene.home.owner_file(), file.to_string()).unwrap();
}

#[tokio::test]
async fn a_passphrase_taken_away_with_its_file_signs_nothing_until_it_is_back() {
    let mut scene = guarded().await;
    let file = std::fs::read(scene.home.owner_file()).unwrap();
    std::fs::remove_file(scene.home.owner_file()).unwrap();
    scene.write_rules("[wallet]\nper_payment = \"none\"\n");
    reason(&scene.get("/two").await, "owner_replaced");
    scene.restart().await;
    reason(&scene.get("/two").await, "owner_replaced");
    refused_as(scene.bursar.set_passphrase(None, "open barley").await, "owner_replaced");
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 0));
    std::fs::write(scene.home.owner_file(), file).unwrap();
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn another_passphrase_put_in_its_place_signs_nothing_and_applies_nothing() {
    let scene = guarded().await;
    let other = market([]).open().await;
    other.bursar.set_passphrase(None, "open barley").await.unwrap();
    let theirs: Value = serde_json::from_slice(&std::fs::read(other.home.owner_file()).unwrap()).unwrap();
    meddle(&scene, |file| file["verifier"] = theirs["verifier"].clone());
    scene.write_rules("[wallet]\nper_payment = \"none\"\n");
    reason(&scene.get("/thing").await, "owner_replaced");
    let change = scene.bursar.policy_change().await.unwrap().unwrap();
    refused_as(scene.bursar.apply_policy(&change, Some("open barley")).await, "owner_replaced");
    refused_as(scene.bursar.remove_passphrase("open barley").await, "owner_replaced");
    assert_eq!(scene.nonces().await.len(), 0);
    scene.end().await;
    other.end().await;
}

#[tokio::test]
async fn a_policy_smuggled_into_force_signs_nothing_until_its_owner_applies_one() {
    let scene = guarded().await;
    meddle(&scene, |file| file["policy"] = file["policy"].as_str().unwrap().replace("0.01", "none").into());
    reason(&scene.get("/two").await, "policy_replaced");
    assert_eq!(scene.nonces().await.len(), 0);
    let change = scene.bursar.policy_change().await.unwrap().unwrap();
    scene.bursar.apply_policy(&change, Some(PASSPHRASE)).await.unwrap();
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn a_rule_written_for_the_owner_is_in_force_at_once_and_takes_nothing_else_with_it() {
    let scene = guarded().await;
    let text = std::fs::read_to_string(scene.home.policy_file()).unwrap();
    let wider = text.replace("0.01", "0.02");
    refused_as(scene.bursar.write_policy(Some(&text), wider.clone(), None).await, "passphrase_needed");
    scene.bursar.write_policy(Some(&text), wider.clone(), Some(PASSPHRASE)).await.unwrap();
    bought(&scene.get("/two").await);
    scene.write_rules("[wallet]\nper_payment = \"none\"\n");
    let now = std::fs::read_to_string(scene.home.policy_file()).unwrap();
    refused_as(scene.bursar.write_policy(Some(&now), wider, Some(PASSPHRASE)).await, "policy_not_applied");
    scene.end().await;
}

#[tokio::test]
async fn a_passphrase_moved_away_for_a_moment_or_replaced_approves_and_thaws_nothing() {
    let scene = market([Stall::get("/dear", DEAR)]).open().await;
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    let shown = scene.bursar.pending().await.unwrap().remove(0);
    scene.bursar.freeze("a test").await.unwrap();
    let file = std::fs::read(scene.home.owner_file()).unwrap();
    std::fs::remove_file(scene.home.owner_file()).unwrap();
    refused_as(scene.bursar.approve(&shown, None).await, "owner_replaced");
    refused_as(scene.bursar.thaw(None).await, "owner_replaced");
    refused_as(scene.bursar.review(None, None).await, "owner_replaced");
    let other = market([]).open().await;
    other.bursar.set_passphrase(None, "open barley").await.unwrap();
    std::fs::copy(other.home.owner_file(), scene.home.owner_file()).unwrap();
    refused_as(scene.bursar.approve(&shown, Some("open barley")).await, "owner_replaced");
    std::fs::write(scene.home.owner_file(), file).unwrap();
    refused_as(scene.bursar.review(None, None).await, "passphrase_needed");
    is(&scene.get("/dear").await, Outcome::Refused, Charged::No);
    scene.bursar.thaw(Some(PASSPHRASE)).await.unwrap();
    scene.bursar.review(None, Some(PASSPHRASE)).await.unwrap();
    is(&scene.get("/dear").await, Outcome::NeedsApproval, Charged::No);
    scene.end().await;
    other.end().await;
}

#[tokio::test]
async fn a_policy_smuggled_in_while_an_offer_is_decided_on_is_not_the_one_that_counts() {
    let scene = guarded().await;
    let file = scene.home.owner_file();
    let kept = std::fs::read(&file).unwrap();
    bought(&scene.get("/thing").await);
    // In force for the moment in which the offer is decided on, and taken back before anything is checked.
    scene.write_rules("[wallet]\nper_payment = \"none\"\n");
    std::fs::remove_file(&file).unwrap();
    scene.keys.on_load(move || std::fs::write(&file, kept).unwrap());
    is(&scene.get("/two").await, Outcome::Refused, Charged::No);
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn a_deny_list_beside_a_passphrase_stops_whom_it_lists_and_nobody_else() {
    let rules = "[payee]\ndeny_lists = [\"bad.txt\"]\n";
    let scene = market([Stall::get("/thing", CENT), Stall::get("/two", 2 * CENT)]).rules(rules).open().await;
    let list = |text: &str| std::fs::write(scene.home.dir().join("bad.txt"), text).unwrap();
    list("# nobody yet\n");
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    let answer = scene.get("/thing").await;
    bought(&answer);
    // A list is brought up to date every day, and asks nobody for that.
    let payee = answer.payment.as_ref().unwrap().payee.clone();
    list(&payee);
    assert_eq!(scene.bursar.policy_change().await.unwrap(), None);
    reason(&scene.get("/two").await, "payee_denied");
    list("# nobody again\n");
    bought(&scene.get("/two").await);
    scene.end().await;
}

#[tokio::test]
async fn which_deny_lists_count_is_sealed_with_the_policy() {
    let rules = "[payee]\ndeny_lists = [\"bad.txt\"]\n";
    let scene = market([Stall::get("/thing", CENT)]).rules(rules).open().await;
    std::fs::write(scene.home.dir().join("bad.txt"), "not an address\n").unwrap();
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    scene.write_rules("");
    reason(&scene.get("/thing").await, "deny_list_unreadable");
    meddle(&scene, |file| file["policy"] = file["policy"].as_str().unwrap().replace("\"bad.txt\"", "").into());
    reason(&scene.get("/thing").await, "policy_replaced");
    assert_eq!(scene.nonces().await.len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn changing_the_passphrase_puts_no_smuggled_policy_into_force() {
    let scene = guarded().await;
    meddle(&scene, |file| file["policy"] = file["policy"].as_str().unwrap().replace("0.01", "none").into());
    refused_as(scene.bursar.set_passphrase(Some(PASSPHRASE), "open barley").await, "policy_replaced");
    reason(&scene.get("/two").await, "policy_replaced");
    assert_eq!(scene.nonces().await.len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_rule_written_for_the_owner_takes_no_smuggled_policy_with_it() {
    let scene = guarded().await;
    let text = std::fs::read_to_string(scene.home.policy_file()).unwrap();
    let smuggled = text.replace("0.01", "none");
    meddle(&scene, |file| file["policy"] = smuggled.clone().into());
    std::fs::write(scene.home.policy_file(), &smuggled).unwrap();
    let with_a_rule = format!("{smuggled}\n[[domain]]\nhost = \"*.example.com\"\n");
    refused_as(scene.bursar.write_policy(Some(&smuggled), with_a_rule, Some(PASSPHRASE)).await, "policy_replaced");
    reason(&scene.get("/two").await, "policy_replaced");
    assert_eq!(scene.nonces().await.len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn beside_a_smuggled_policy_all_that_would_be_applied_is_shown() {
    let scene = guarded().await;
    let text = std::fs::read_to_string(scene.home.policy_file()).unwrap();
    let smuggled = text.replace("0.01", "none");
    meddle(&scene, |file| file["policy"] = smuggled.clone().into());
    for written in [smuggled.clone(), format!("{smuggled}\n[[domain]]\nhost = \"*.example.com\"\n")] {
        std::fs::write(scene.home.policy_file(), &written).unwrap();
        let change = scene.bursar.policy_change().await.unwrap().unwrap();
        let told: Vec<_> = change.changes.iter().map(|change| (change.key.as_str(), change.effect)).collect();
        assert!(told.contains(&("wallet per_payment", Effect::Looser)), "{told:?}");
        assert!(change.is_whole);
    }
    std::fs::write(scene.home.policy_file(), &text).unwrap();
    let change = scene.bursar.policy_change().await.unwrap().unwrap();
    scene.bursar.apply_policy(&change, Some(PASSPHRASE)).await.unwrap();
    is(&scene.get("/two").await, Outcome::Refused, Charged::No);
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn a_ledger_of_before_the_passphrase_is_adopted_with_it() {
    let mut scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    scene.close().await;
    let copy = std::fs::read(scene.home.ledger_file()).unwrap();
    scene.reopen();
    scene.bursar.set_passphrase(None, PASSPHRASE).await.unwrap();
    scene.close().await;
    for file in ledger_files(&scene.home) {
        let _ = std::fs::remove_file(file);
    }
    std::fs::write(scene.home.ledger_file(), copy).unwrap();
    scene.reopen();
    scene.bursar.adopt(Some(PASSPHRASE)).await.unwrap();
    scene.bursar.freeze("a test").await.unwrap();
    let file = std::fs::read(scene.home.owner_file()).unwrap();
    std::fs::remove_file(scene.home.owner_file()).unwrap();
    refused_as(scene.bursar.thaw(None).await, "owner_replaced");
    std::fs::write(scene.home.owner_file(), file).unwrap();
    scene.bursar.thaw(Some(PASSPHRASE)).await.unwrap();
    scene.end_after_losing_the_ledger().await;
}

#[tokio::test]
async fn a_plan_that_somebody_else_wrote_is_not_carried_out() {
    let mut scene = guarded().await;
    let file = std::fs::read_to_string(scene.home.owner_file()).unwrap();
    for plan in ["{\"next\": null}".to_owned(), format!("{{\"next\": {}}}", file.replace("0.01", "none"))] {
        std::fs::write(scene.home.owner_next_file(), plan).unwrap();
        std::fs::remove_file(scene.home.owner_file()).unwrap();
        scene.restart().await;
        reason(&scene.get("/thing").await, "owner_replaced");
        assert!(!scene.home.owner_file().exists());
        std::fs::write(scene.home.owner_file(), &file).unwrap();
    }
    assert_eq!(scene.nonces().await.len(), 0);
    bought(&scene.get("/thing").await);
    scene.end().await;
}
