//! Every operation on the ledger's files fails once, in every way it can.

use bursar::answer::Outcome;

use crate::cases::{SELLERS, buy, ends_well, every_operation, fail_at, opened};
use crate::world::Manner;
use crate::world::disk::Fault;
use crate::world::house::House;

#[test]
fn a_disk_that_is_full_at_any_one_write_loses_nothing() {
    every_operation("full once", &SELLERS, |seller, nth| a_purchase(seller, nth, Fault::Full));
}

#[test]
fn a_disk_that_fails_at_any_one_operation_loses_nothing() {
    every_operation("an error once", &SELLERS, |seller, nth| a_purchase(seller, nth, Fault::Error));
}

#[test]
fn a_disk_that_breaks_off_in_any_one_write_loses_nothing() {
    every_operation("a write torn once", &SELLERS, |seller, nth| a_purchase(seller, nth, Fault::Torn));
}

#[test]
fn a_ledger_that_could_not_be_begun_is_begun_the_next_time() {
    for (fault, what) in [(Fault::Full, "full"), (Fault::Error, "an error"), (Fault::Torn, "a write torn")] {
        every_operation(&format!("{what} once, beginning a ledger"), &SELLERS[..1], |seller, nth| {
            a_beginning(seller, nth, fault)
        });
    }
}

/// A purchase, asked for twice, and leaving.
fn a_purchase(seller: Manner, nth: usize, fault: Fault) -> bool {
    let mut house = opened(seller);
    let count = fail_at(&house.disk, nth, fault);
    for _ in 0..2 {
        let shown = house.world.lock().shown.len();
        let answer = buy(&house);
        house.world.lock().holds_true(&answer);
        let was_served = seller == Manner::Settles && house.world.lock().shown.len() > shown;
        assert!(!was_served || answer.outcome == Outcome::Answered, "the goods came, and were kept back: {answer:#?}");
    }
    house.leave();
    house.disk.is_well();
    house.open().unwrap();
    ends_well(&house);
    count.is_past(nth)
}

fn a_beginning(seller: Manner, nth: usize, fault: Fault) -> bool {
    let mut house = House::build(0, seller);
    let count = fail_at(&house.disk, nth, fault);
    let begun = house.open();
    house.disk.is_well();
    if begun.is_err() {
        house.open().unwrap();
    }
    ends_well(&house);
    count.is_past(nth)
}
