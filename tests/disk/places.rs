//! Files that cannot be used for longer than a moment: read-only, deleted, locked by somebody else, and a store for bodies
//! that is none. From the beginning of a purchase, or from when the seller has seen it.

use std::fs;

use bursar::answer::{Answer, Charged, Outcome, SpendQuery};
use rusqlite::Connection;

use crate::cases::{SELLERS, buy, ends_well, opened};
use crate::world::Manner;
use crate::world::disk::{Fault, Kind};
use crate::world::house::House;

#[test]
fn a_ledger_that_cannot_be_written_presents_nothing() {
    for seller in SELLERS {
        let mut house = opened(seller);
        make_read_only(&house);
        refused(&house, &buy(&house));
        works_again(&mut house);
    }
}

#[test]
fn a_ledger_that_cannot_be_written_any_more_once_the_seller_has_been_paid_keeps_nothing_back() {
    for seller in SELLERS {
        let mut house = opened(seller);
        let disk = house.disk.clone();
        once_shown(&house, move || disk.is_troubled_by(read_only));
        told(&house, &buy(&house));
        works_again(&mut house);
    }
}

#[test]
fn a_ledger_that_somebody_holds_for_15_s_is_busy_and_presents_nothing() {
    for seller in SELLERS {
        let house = opened(seller);
        let lock = hold(&house);
        let answer = buy(&house);
        refused(&house, &answer);
        assert_eq!(answer.reasons[0].code, "ledger_busy");
        drop(lock);
        ends_well(&house);
    }
}

#[test]
fn a_ledger_that_somebody_holds_when_the_answer_comes_is_told_when_it_is_let_go() {
    for seller in SELLERS {
        let house = opened(seller);
        let (tell, held) = std::sync::mpsc::channel();
        let file = house.home.ledger_file();
        once_shown(&house, move || tell.send(hold_file(&file)).unwrap());
        told(&house, &buy(&house));
        drop(held.recv().unwrap());
        told(&house, &buy(&house));
        ends_well(&house);
    }
}

#[test]
fn a_ledger_that_was_deleted_presents_nothing_more_and_another_one_does_not_take_its_place() {
    for seller in SELLERS {
        let mut house = opened(seller);
        let file = house.home.ledger_file();
        once_shown(&house, move || fs::remove_file(file).unwrap());
        told(&house, &buy(&house));
        let presents = house.world.lock().tally.again;
        let again = buy(&house);
        assert_ne!(again.charged, Charged::Yes);
        house.leave();
        house.open().unwrap();
        let anew = buy(&house);
        assert_eq!((anew.outcome, anew.charged), (Outcome::Refused, Charged::No), "{anew:#?}");
        assert_eq!(anew.reasons[0].code, "ledger_replaced");
        let world = house.world.lock();
        assert_eq!((world.shown.len(), world.tally.again), (1, presents));
    }
}

/// The purchase is not entered in the log's indexes yet, and cannot be.
#[test]
fn a_log_on_a_disk_that_takes_nothing_is_read_whole() {
    for fault in [Fault::Full, Fault::ReadOnly, Fault::Error] {
        let house = opened(Manner::Settles);
        told(&house, &buy(&house));
        house.disk.is_troubled_by(move |kind| (kind == Kind::Write).then_some(fault));
        let bursar = house.bursar();
        let spend = house.patiently(async move { bursar.agent("a").spend(SpendQuery::default()).await });
        let spend = spend.unwrap_or_else(|refused| panic!("{fault:?}: {refused:?}"));
        assert_eq!((spend.purchases.len(), spend.totals.count), (1, 1), "{fault:?}");
        house.disk.is_well();
        ends_well(&house);
    }
}

#[test]
fn goods_that_cannot_be_kept_are_handed_over_and_not_paid_for_again_unasked() {
    for seller in SELLERS {
        let house = opened(seller);
        let store = house.home.purchases_dir();
        fs::remove_dir_all(&store).unwrap();
        fs::write(&store, "").unwrap();
        told(&house, &buy(&house));
        let again = buy(&house);
        house.world.lock().holds_true(&again);
        let is_lost = again.reasons.iter().any(|reason| reason.code == "body_lost");
        assert_eq!(is_lost, seller == Manner::Settles, "{again:#?}");
        ends_well(&house);
    }
}

fn make_read_only(house: &House) {
    house.disk.is_troubled_by(read_only);
}

/// As a file system is that was mounted anew after errors.
fn read_only(kind: Kind) -> Option<Fault> {
    (kind != Kind::Sync).then_some(Fault::ReadOnly)
}

fn once_shown(house: &House, happens: impl FnOnce() + Send + 'static) {
    house.world.lock().on_show = Some(Box::new(happens));
}

/// Another program that is in the middle of writing.
fn hold(house: &House) -> Connection {
    hold_file(&house.home.ledger_file())
}

fn hold_file(file: &std::path::Path) -> Connection {
    let other = Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// No money was promised to anybody.
fn refused(house: &House, answer: &Answer) {
    assert_eq!(answer.charged, Charged::No, "{answer:#?}");
    assert!(matches!(answer.outcome, Outcome::Refused | Outcome::Failed), "{answer:#?}");
    assert_eq!(house.world.lock().shown.len(), 0);
}

/// The seller saw the payment: what it gave is handed over, and what it did with the money is not said better than it is.
fn told(house: &House, answer: &Answer) {
    house.world.lock().holds_true(answer);
    assert_eq!(house.world.lock().shown.len(), 1);
    let is_answered = answer.outcome == Outcome::Answered && answer.charged == Charged::Yes && answer.body.is_some();
    assert_eq!(is_answered, house.world.lock().manner == Manner::Settles, "{answer:#?}");
}

fn works_again(house: &mut House) {
    house.leave();
    house.disk.is_well();
    house.open().unwrap();
    ends_well(house);
}
