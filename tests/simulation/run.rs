//! One world from its beginning to the time when the dust has settled.

use bursar::answer::Answer;
use bursar::ports::Quiet;
use bursar::wish::Call;
use tokio::task::JoinHandle;

use crate::world::disk::Fault;
use crate::world::house::House;
use crate::world::{Manner, Random, Tally};

const STEPS: u64 = 18;
const WISHES: u64 = 4;

struct Run {
    house: House,
    /// What is left of a disk after a power cut.
    remains: Random,
    /// Ids the agent was told, with the wish they are for.
    told: Vec<(u64, String)>,
}

pub fn run(seed: u64) -> Tally {
    let mut run = Run::begin(seed);
    for _ in 0..STEPS {
        run.step();
    }
    run.dust_settles();
    run.house.world.lock().tally
}

impl Run {
    fn begin(seed: u64) -> Run {
        let house = House::build(seed, Manner::Whimsical);
        let (mut random, world) = (Random::of(seed, "disk"), house.world.clone());
        house.disk.is_troubled_by(move |_| if world.has_faults() { trouble(&mut random) } else { None });
        let mut run = Run { house, remains: Random::of(seed, "remains"), told: Vec::new() };
        run.opens();
        run
    }

    fn step(&mut self) {
        let what = self.pick(20);
        match what {
            0..11 => self.calls(),
            11..13 => self.time_passes(),
            13 => self.clock_jumps(),
            14..16 => self.reconciles(),
            16 => self.house.world.lock().settle_late(),
            17 => self.leaves_and_returns(),
            18 => self.crashes(),
            _ => self.loses_power(),
        }
        if self.house.disk.is_off() {
            self.loses_power();
        }
        self.house.world.next_step();
        assert_eq!(self.house.world.lock().violations, Vec::<String>::new());
    }

    fn pick(&self, below: u64) -> u64 {
        self.house.world.lock().pick("run", below)
    }

    /// One to three calls at once, some of them for the same thing.
    fn calls(&mut self) {
        let calls: Vec<(u64, Call)> = (0..1 + self.pick(3)).map(|_| self.call()).collect();
        let stuck = self.house.world.lock().stuck.clone();
        let heard = self.house.patiently(async {
            let is_alone = calls.len() == 1;
            let calls = calls.into_iter().map(|(wish, call)| self.under_way(wish, call, is_alone));
            let under_way: Vec<_> = calls.collect();
            tokio::select! {
                heard = futures_util::future::join_all(under_way) => Some(heard),
                () = stuck.notified() => None,
            }
        });
        match heard {
            Some(answers) => answers.into_iter().for_each(|answer| {
                let (wish, answer) = answer.expect("a call panicked");
                self.hear(wish, &answer);
            }),
            None => self.crashes(),
        }
    }

    /// An answer is held against the world when it is given: a call beside it may go on and buy. That a payment has not
    /// left this machine is by then of a moment ago, where another call has taken it up.
    fn under_way(&self, wish: u64, call: Call, is_alone: bool) -> JoinHandle<(u64, Answer)> {
        let (bursar, world) = (self.house.bursar(), self.house.world.clone());
        tokio::spawn(async move {
            let answer = bursar.agent("a").fetch_paid(None, call, &Quiet).await;
            let is_waiting = answer.reasons.iter().any(|reason| reason.code == "not_presented");
            if is_alone || !is_waiting {
                world.lock().holds_true(&answer);
            }
            (wish, answer)
        })
    }

    fn call(&mut self) -> (u64, Call) {
        let mut world = self.house.world.lock();
        world.tally.calls += 1;
        let wish = world.pick("run", WISHES);
        let known: Vec<&String> = self.told.iter().filter(|(of, _)| *of == wish).map(|(_, id)| id).collect();
        let purchase_id = match known.is_empty() || world.pick("run", 2) == 0 {
            true => None,
            false => Some(known[world.pick("run", known.len() as u64) as usize].clone()),
        };
        let url = format!("https://shop.test/{}", "x".repeat(wish as usize));
        (wish, Call { url, purchase_id, ..Call::default() })
    }

    fn hear(&mut self, wish: u64, answer: &Answer) {
        if let Some(id) = &answer.purchase_id {
            self.told.push((wish, id.clone()));
        }
        self.house.world.lock().tally.refused += u64::from(answer.is_error());
    }

    fn time_passes(&mut self) {
        let span = [1, 20, 59, 61, 125, 400, 4_000, 90_000];
        let secs = span[self.pick(span.len() as u64) as usize];
        self.house.world.lock().pass(secs);
    }

    /// Only this machine's clock; the chain's goes on as it does.
    fn clock_jumps(&mut self) {
        let by = [-3_600_000, -30_000, 30_000, 45_000][self.pick(4) as usize];
        let mut world = self.house.world.lock();
        world.millis = (world.chain_secs as i64 * 1_000) + by;
    }

    fn reconciles(&mut self) {
        let _ = self.house.reconcile();
        self.looks_around();
    }

    fn leaves_and_returns(&mut self) {
        self.house.leave();
        self.opens();
    }

    fn crashes(&mut self) {
        self.house.world.lock().tally.crashes += 1;
        self.house.crash();
        self.opens();
    }

    fn loses_power(&mut self) {
        self.house.world.lock().tally.cuts += 1;
        self.house.lose_power(&mut |below| self.remains.below(below));
        self.opens();
    }

    /// Again and again, where the disk does not let it.
    fn opens(&mut self) {
        while self.house.open().is_err() {
            if self.house.disk.is_off() {
                self.house.lose_power(&mut |below| self.remains.below(below));
            }
        }
        self.looks_around();
    }

    /// Nothing goes wrong meanwhile; what the power cut before stays undone.
    fn looks_around(&self) {
        if self.house.disk.is_off() {
            return;
        }
        self.house.world.set_faults(false);
        self.house.is_in_order();
        self.house.world.set_faults(true);
    }

    /// No more faults, every window long past: each authorization is settled or lapsed, and the sums agree.
    fn dust_settles(&mut self) {
        self.loses_power();
        self.house.world.set_faults(false);
        self.house.is_in_order();
        self.house.adds_up();
    }
}

/// A disk that fails about twice in a world.
fn trouble(random: &mut Random) -> Option<Fault> {
    const FAULTS: [Fault; 5] = [Fault::Full, Fault::Error, Fault::Error, Fault::Torn, Fault::PowerCut];
    (random.below(1_000) == 0).then(|| FAULTS[random.below(5) as usize])
}
