//! A ledger that is missing, another one, shorter, damaged or read-only signs nothing, and says so.

use std::fs;

use bursar::answer::Charged;
use sandbox::sellers::Stall;

use crate::scene::*;

async fn with_history() -> Scene {
    let mut scene = market([Stall::get("/thing", CENT), Stall::get("/other", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    scene.restart().await;
    scene
}

/// Puts the ledger's files aside, while nobody has them open.
async fn put_aside(scene: &mut Scene) -> tempfile::TempDir {
    let aside = tempfile::tempdir().unwrap();
    scene.close().await;
    for file in ledger_files(&scene.home).into_iter().filter(|file| file.exists()) {
        fs::rename(&file, aside.path().join(file.file_name().unwrap())).unwrap();
    }
    aside
}

#[tokio::test]
async fn a_missing_ledger_signs_nothing_until_the_owner_adopts_the_new_one() {
    let mut scene = with_history().await;
    let _aside = put_aside(&mut scene).await;
    scene.reopen();
    refused(&scene.get("/other").await, "ledger_replaced");
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (1, 0));
    scene.bursar.adopt(None).await.unwrap();
    // Nobody knows what was spent, so every window is full until it has rolled.
    let answer = scene.get("/other").await;
    reason(&answer, "over_day");
    reason(&answer, "over_month");
    assert_eq!(answer.charged, Charged::No);
    scene.pass(31 * DAY);
    bought(&scene.get("/other").await);
    scene.end_after_losing_the_ledger().await;
}

#[tokio::test]
async fn a_ledger_of_another_wallet_signs_nothing() {
    let mut scene = with_history().await;
    let _aside = put_aside(&mut scene).await;
    let mut other = with_history().await;
    other.close().await;
    for file in ledger_files(&other.home).into_iter().filter(|file| file.exists()) {
        fs::copy(&file, scene.home.dir().join(file.file_name().unwrap())).unwrap();
    }
    other.end_without_ledger();
    scene.reopen();
    refused(&scene.get("/other").await, "ledger_replaced");
    assert_eq!(scene.payments().len(), 1);
    scene.end_without_ledger();
}

#[tokio::test]
async fn a_ledger_rolled_back_signs_nothing_until_the_owner_adopts_it() {
    let mut scene = with_history().await;
    scene.close().await;
    let copy = fs::read(scene.home.ledger_file()).unwrap();
    scene.reopen();
    bought(&scene.get("/other").await);
    scene.close().await;
    for file in ledger_files(&scene.home) {
        let _ = fs::remove_file(file);
    }
    fs::write(scene.home.ledger_file(), copy).unwrap();
    scene.reopen();
    scene.pass(200);
    refused(&scene.get("/thing").await, "ledger_rolled_back");
    scene.bursar.adopt(None).await.unwrap();
    reason(&scene.get("/thing").await, "over_day");
    scene.pass(31 * DAY);
    bought(&scene.get("/thing").await);
    scene.restart().await;
    scene.pass(200);
    bought(&scene.get("/thing").await);
    scene.end_after_losing_the_ledger().await;
}

#[tokio::test]
async fn a_restored_ledger_is_noticed_though_it_was_put_there_under_a_running_program() {
    let mut scene = with_history().await;
    let copy = {
        scene.close().await;
        let copy = fs::read(scene.home.ledger_file()).unwrap();
        scene.reopen();
        copy
    };
    bought(&scene.get("/other").await);
    for file in ledger_files(&scene.home) {
        let _ = fs::remove_file(file);
    }
    fs::write(scene.home.ledger_file(), copy).unwrap();
    scene.pass(200);
    scene.get("/thing").await;
    let spent = scene.spent();
    scene.restart().await;
    scene.pass(200);
    refused(&scene.get("/thing").await, "ledger_rolled_back");
    assert_eq!(scene.spent(), spent);
    scene.end_without_ledger();
}

#[tokio::test]
async fn a_damaged_ledger_signs_nothing_and_says_so() {
    let mut scene = with_history().await;
    scene.close().await;
    for file in ledger_files(&scene.home) {
        let _ = fs::remove_file(file);
    }
    fs::write(scene.home.ledger_file(), b"this is no ledger, and it is long enough to be looked at as one".repeat(99))
        .unwrap();
    let refusal = scene.try_reopen().unwrap_err();
    assert_eq!(refusal.reasons[0].code, "ledger_damaged");
    scene.end_without_ledger();
}

#[tokio::test]
async fn a_page_damaged_in_the_middle_signs_nothing() {
    let mut scene = with_history().await;
    scene.close().await;
    let mut bytes = fs::read(scene.home.ledger_file()).unwrap();
    let from = 4096;
    bytes[from..].fill(0xa5);
    for file in ledger_files(&scene.home) {
        let _ = fs::remove_file(file);
    }
    fs::write(scene.home.ledger_file(), bytes).unwrap();
    let spent = scene.spent();
    match scene.try_reopen() {
        Err(refusal) => assert_eq!(refusal.reasons[0].code, "ledger_damaged"),
        Ok(()) => {
            let answer = scene.get("/other").await;
            assert_eq!(answer.charged, Charged::No, "{answer:#?}");
            reason(&answer, "ledger_damaged");
        }
    }
    assert_eq!((scene.spent(), scene.payments().len()), (spent, 1));
    scene.end_without_ledger();
}

#[tokio::test]
async fn a_history_that_was_changed_is_found_by_the_audit() {
    let mut scene = with_history().await;
    scene.close().await;
    let conn = rusqlite::Connection::open(scene.home.ledger_file()).unwrap();
    conn.execute_batch(
        "DROP TRIGGER events_stay; UPDATE event SET detail = replace(detail, '10000', '99') WHERE kind = 'authorized';
         UPDATE bucket SET counted = 0, held = 0;",
    )
    .unwrap();
    drop(conn);
    scene.reopen();
    let found = scene.bursar.audit().await.unwrap().violations;
    assert!(found.iter().any(|violation| violation.contains("history was changed")), "{found:?}");
    assert!(found.iter().any(|violation| violation.contains("bucket")), "{found:?}");
    scene.end_without_ledger();
}

/// Root writes everywhere; then there is nothing to see.
#[cfg(unix)]
#[tokio::test]
async fn a_read_only_ledger_signs_nothing_and_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = with_history().await;
    scene.close().await;
    let read_only = |mode| {
        for file in ledger_files(&scene.home).into_iter().filter(|file| file.exists()) {
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    read_only(0o400);
    let is_held = fs::OpenOptions::new().append(true).open(scene.home.ledger_file()).is_err();
    if is_held {
        let refusal = scene.try_reopen().unwrap_err();
        assert_eq!(refusal.reasons[0].code, "ledger_read_only");
    }
    assert_eq!(scene.payments().len(), 1);
    scene.end_without_ledger();
}
