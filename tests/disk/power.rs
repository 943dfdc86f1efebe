//! The power is cut at every operation on the ledger's files, before it and with it everything not synced.
//!
//! What holds here is that the commit before presenting is synced (`synchronous = FULL`), and closing need not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bursar::answer::Charged;

use crate::cases::{SELLERS, buy, buy_at, ends_well, every_operation, fail_at, opened};
use crate::world::disk::{Fault, Kind};
use crate::world::house::House;
use crate::world::ports::MEMBERS;
use crate::world::{Manner, Random};

#[test]
fn a_power_cut_that_takes_all_that_was_not_synced_loses_nothing_a_seller_saw() {
    every_operation("power cut, the unsynced lost", &SELLERS, |seller, nth| a_purchase(seller, nth, &mut |_| 0));
}

#[test]
fn a_power_cut_that_keeps_all_that_was_written_loses_nothing_a_seller_saw() {
    let keep = &mut |below| below - 1;
    every_operation("power cut, the unsynced kept", &SELLERS, |seller, nth| a_purchase(seller, nth, keep));
}

#[test]
fn a_power_cut_that_tears_what_was_not_synced_loses_nothing_a_seller_saw() {
    let mut random = Random::of(0, "torn");
    let tear = &mut |below| random.below(below);
    every_operation("power cut, the unsynced torn", &SELLERS, |seller, nth| a_purchase(seller, nth, tear));
}

#[test]
fn a_power_cut_during_a_sign_in_loses_nothing_a_seller_saw() {
    for what_stays in ["the unsynced lost", "the unsynced kept"] {
        let is_kept = what_stays.ends_with("kept");
        let pick = &mut |below| if is_kept { below - 1 } else { 0 };
        let what = format!("power cut in a sign-in, {what_stays}");
        every_operation(&what, &SELLERS[..1], |seller, nth| a_sign_in(seller, nth, pick));
    }
}

#[test]
fn a_power_cut_while_a_ledger_is_begun_leaves_one_that_can_be_begun() {
    let mut random = Random::of(0, "begun");
    let tear = &mut |below| random.below(below);
    every_operation("power cut, beginning a ledger", &SELLERS[..1], |seller, nth| a_beginning(seller, nth, tear));
}

#[test]
fn a_sync_that_failed_takes_nothing_along_that_was_committed_after_it_when_the_power_is_cut() {
    every_operation("an error once, then a power cut", &SELLERS, an_error_and_a_power_cut);
}

/// A ledger is folded in from the journal that the sync gave up, and the power goes in the middle of that.
#[test]
fn a_sync_that_failed_damages_nothing_when_the_power_is_cut_soon_after() {
    let mut random = Random::of(0, "given up");
    let mut cases = 0;
    for sync in 0.. {
        for later in 0.. {
            let (failed, cut) = a_failed_sync_and_a_power_cut(sync, later, &mut |below| random.below(below));
            cases += 1;
            if !failed {
                println!("{cases} cases");
                return;
            }
            if !cut {
                break;
            }
        }
    }
}

/// Whether there were so many syncs, and so many operations after it.
fn a_failed_sync_and_a_power_cut(sync: usize, later: usize, pick: &mut dyn FnMut(u64) -> u64) -> (bool, bool) {
    let mut house = opened(SELLERS[0]);
    let (mut syncs, mut since) = (0, None);
    let reached = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
    let noted = reached.clone();
    for url in ["https://shop.test/a/first", "https://shop.test/a/second"] {
        // A busy machine hands the key out late.
        let is_bought = (0..9).any(|_| buy_at(&house, url).charged == Charged::Yes);
        assert!(is_bought, "{url} was not bought");
    }
    // The journal begins anew: what is found of it later is less than what the file has by then.
    house.leave();
    house.open().unwrap();
    house.disk.is_troubled_by(move |kind| match &mut since {
        None if kind == Kind::Sync => {
            syncs += 1;
            (syncs > sync).then(|| {
                since = Some(0);
                noted.0.store(true, Ordering::Relaxed);
                Fault::Error
            })
        }
        None => None,
        Some(passed) => {
            *passed += 1;
            (*passed > later).then(|| {
                noted.1.store(true, Ordering::Relaxed);
                Fault::PowerCut
            })
        }
    });
    for url in ["https://shop.test/thing", "https://shop.test/another", "https://shop.test/a/third"] {
        if !house.disk.is_off() {
            drop(buy_at(&house, url));
        }
    }
    house.lose_power(pick);
    house.disk.is_well();
    house.open().unwrap();
    house.is_in_order();
    house.adds_up();
    (reached.0.load(Ordering::Relaxed), reached.1.load(Ordering::Relaxed))
}

fn a_purchase(seller: Manner, nth: usize, pick: &mut dyn FnMut(u64) -> u64) -> bool {
    let mut house = opened(seller);
    let count = fail_at(&house.disk, nth, Fault::PowerCut);
    let steps: [fn(&mut House); 3] = [|house| drop(buy(house)), |house| drop(buy(house)), House::leave];
    for step in steps {
        if !count.is_past(nth) {
            step(&mut house);
        }
    }
    house.lose_power(pick);
    house.disk.is_well();
    house.open().unwrap();
    ends_well(&house);
    count.is_past(nth)
}

fn a_sign_in(seller: Manner, nth: usize, pick: &mut dyn FnMut(u64) -> u64) -> bool {
    const PAST_THE_REPEAT_WINDOW: u64 = 200;
    let members = format!("https://shop.test{MEMBERS}");
    let mut house = opened(seller);
    assert_eq!(buy_at(&house, &members).charged, Charged::Yes);
    house.world.lock().pass(PAST_THE_REPEAT_WINDOW);
    let count = fail_at(&house.disk, nth, Fault::PowerCut);
    drop(buy_at(&house, &members));
    house.lose_power(pick);
    house.disk.is_well();
    house.open().unwrap();
    house.is_in_order();
    drop(buy_at(&house, &members));
    assert_eq!(house.world.lock().shown.len(), 1, "it is paid for once");
    house.is_in_order();
    house.adds_up();
    count.is_past(nth)
}

/// What a sync gave up is shown as written until the power is cut, and what was synced later may stand on it.
fn an_error_and_a_power_cut(seller: Manner, nth: usize) -> bool {
    let mut house = opened(seller);
    let count = fail_at(&house.disk, nth, Fault::Error);
    // Closing is not synced: what the sync of the next one gives up is that, and the one after it stands on it.
    for url in ["https://shop.test/thing", "https://shop.test/another", "https://shop.test/a/third"] {
        drop(buy_at(&house, url));
    }
    house.lose_power(&mut |_| 0);
    house.disk.is_well();
    house.open().unwrap();
    house.is_in_order();
    house.adds_up();
    count.is_past(nth)
}

fn a_beginning(seller: Manner, nth: usize, pick: &mut dyn FnMut(u64) -> u64) -> bool {
    let mut house = House::build(0, seller);
    let count = fail_at(&house.disk, nth, Fault::PowerCut);
    let _ = house.open();
    house.lose_power(pick);
    house.disk.is_well();
    house.open().unwrap();
    ends_well(&house);
    count.is_past(nth)
}
