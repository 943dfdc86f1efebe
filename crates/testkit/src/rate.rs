//! How many authorizations a second one wallet can do, whatever its ledger lies in: processes that authorize what they
//! have signed beforehand, as fast as the ledger lets them.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::keccak256;
use bursar::ledger::{Authorized, Draft, Ledger, ServerPlace, ServerProof};
use bursar::time::Time;
use tokio::task::JoinSet;

use crate::years::Maker;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The server's URL, with a socket for a host; or else a folder with a ledger in a file.
    pub place: String,
    /// The wallet's schema there.
    pub schema: String,
    /// How many processes.
    pub processes: usize,
    /// How many authorizations each of them makes.
    pub each: usize,
    /// How many of them it has under way at a time.
    pub at_once: usize,
}

impl Rate {
    /// Starts all of them, lets them go together, and says how many authorizations a second that made.
    pub fn run(&self) -> f64 {
        let me = std::env::current_exe().expect("a program");
        let mut all: Vec<Child> = (0..self.processes)
            .map(|nth| {
                let numbers = [nth, self.each, self.at_once].map(|number| number.to_string());
                Command::new(&me)
                    .args(["rate-one", &self.place, &self.schema])
                    .args(numbers)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("started")
            })
            .collect();
        let mut lines: Vec<_> =
            all.iter_mut().map(|one| BufReader::new(one.stdout.take().expect("stdout")).lines()).collect();
        for line in &mut lines {
            assert_eq!(line.next().expect("a line").expect("read"), "ready");
        }
        let began = Instant::now();
        for one in &mut all {
            one.stdin.take().expect("stdin").write_all(b"go\n").expect("told");
        }
        for line in &mut lines {
            assert_eq!(line.next().expect("a line").expect("read"), self.each.to_string());
        }
        let took = began.elapsed();
        for mut one in all {
            assert!(one.wait().expect("ended").success());
        }
        (self.processes * self.each) as f64 / took.as_secs_f64()
    }
}

/// One of the processes: says when it is ready, goes when it is told to, and says how many it has authorized.
pub async fn one(place: &str, schema: &str, nth: usize, each: usize, at_once: usize) {
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Time::from_millis(since.as_millis() as i64)
    };
    let nonce = keccak256(format!("{nth} {:?} {}", now(), std::process::id())).0[..16].try_into().expect("16 bytes");
    let ledger = open(place, schema, nonce, now());
    let maker = Maker::new(now());
    let drafts: Vec<Draft> =
        (0..each).map(|of| maker.fresh(u64::from_be_bytes(nonce[..8].try_into().expect("8")), of as u64)).collect();
    println!("ready");
    std::io::stdin().lock().lines().next().expect("told").expect("read");
    let drafts = Arc::new(std::sync::Mutex::new(drafts));
    let mut work = JoinSet::new();
    for _ in 0..at_once {
        let (ledger, drafts) = (ledger.clone(), drafts.clone());
        work.spawn(async move {
            let mut done = 0;
            loop {
                let Some(draft) = drafts.lock().expect("whole").pop() else { return done };
                match ledger.authorize(draft).await.expect("authorized") {
                    Authorized::Recorded(..) => done += 1,
                    Authorized::Refused { reasons, .. } => panic!("refused: {reasons:?}"),
                    Authorized::Taken(_) => panic!("taken"),
                }
            }
        });
    }
    println!("{}", work.join_all().await.into_iter().sum::<usize>());
}

fn open(place: &str, schema: &str, nonce: [u8; 16], now: Time) -> Ledger {
    if place.starts_with("postgres") {
        let place = ServerPlace::at(place, schema, &ServerProof::None, false, None).expect("a place");
        return Ledger::open_on_server(place, nonce).expect("a ledger on a server");
    }
    let dir = std::path::Path::new(place);
    std::fs::create_dir_all(dir).expect("a folder");
    Ledger::open(&dir.join("ledger.db"), &dir.join("leases"), nonce, now).expect("a ledger in a file")
}
