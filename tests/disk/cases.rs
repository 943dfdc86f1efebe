//! The first operation on the disk, the second, and so on until there is none: each is a case, times each seller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bursar::answer::Answer;
use bursar::ports::Quiet;
use bursar::wish::Call;

use crate::world::Manner;
use crate::world::disk::{Disk, Fault, Kind};
use crate::world::house::House;

pub const SELLERS: [Manner; 3] = [Manner::Settles, Manner::Refuses, Manner::TakesItAndDropsTheLine];

/// Runs a case for every operation there is, and says how many went wrong. `case` tells whether there was such an
/// operation.
pub fn every_operation(what: &str, sellers: &[Manner], mut case: impl FnMut(Manner, usize) -> bool) {
    let (mut cases, mut violations) = (0, 0);
    for seller in sellers {
        for nth in 0.. {
            match catch_unwind(AssertUnwindSafe(|| case(*seller, nth))) {
                Ok(true) => cases += 1,
                Ok(false) => break,
                Err(_) => {
                    eprintln!("{what}: operation {nth}, and the seller {seller:?}");
                    (cases, violations) = (cases + 1, violations + 1);
                }
            }
        }
    }
    println!("bar: disk, {what} | {cases} operations x sellers | {violations} violations");
    assert_eq!(violations, 0);
}

/// How many operations there were so far.
pub struct Count(Arc<AtomicUsize>);

impl Count {
    pub fn is_past(&self, nth: usize) -> bool {
        self.0.load(Ordering::Relaxed) > nth
    }
}

/// Makes the `nth` operation from now on fail, once. Where a fault is one of writing, only writes count.
pub fn fail_at(disk: &Disk, nth: usize, fault: Fault) -> Count {
    let count = Arc::new(AtomicUsize::new(0));
    let so_far = count.clone();
    let only_writes = matches!(fault, Fault::Full | Fault::Torn);
    disk.is_troubled_by(move |operation| {
        let counts = operation == Kind::Write || !only_writes;
        (counts && so_far.fetch_add(1, Ordering::Relaxed) == nth).then_some(fault)
    });
    Count(count)
}

pub fn buy(house: &House) -> Answer {
    buy_at(house, "https://shop.test/thing")
}

pub fn buy_at(house: &House, url: &str) -> Answer {
    let bursar = house.bursar();
    let call = Call { url: url.to_owned(), ..Call::default() };
    house.patiently(async move { bursar.agent("a").fetch_paid(None, call, &Quiet).await })
}

pub fn opened(seller: Manner) -> House {
    let mut house = House::build(0, seller);
    house.open().unwrap();
    house
}

/// What must be true of every house once its disk is well: now, after the same call again, and when every window is
/// long past. No purchase was seen with two authorizations, and there was one purchase.
pub fn ends_well(house: &House) {
    house.is_in_order();
    let answer = buy(house);
    house.world.lock().holds_true(&answer);
    house.is_in_order();
    let shown = house.world.lock().shown.len();
    assert!(shown <= 1, "sellers saw {shown} authorizations for one wish");
    house.adds_up();
}
