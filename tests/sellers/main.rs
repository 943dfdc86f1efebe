//! Hostile sellers, one file each: `tests/sellers/<class>/<name>.toml`. README.md beside this file says how to add one.
//!
//! Each is played as a real server against the real flow: wish, policy, ledger, wallet, wire, and a chain of play money.
//! What its file promises is held against what happened, and so is what holds for every seller there is.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod canary;
mod file;
mod play;
use testkit::scene;
mod server;
mod table;
mod words;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use file::Script;

/// Each has a thread and a runtime of its own: time is moved there, and a failure of one stops no other.
#[test]
fn no_seller_gets_more_than_its_due_and_none_learns_the_key() {
    let log = canary::listen();
    let scripts = wanted(read_all());
    let (next, failed, refusals) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            match alone(script) {
                Ok(refusal) => refusals.lock().unwrap().push(refusal),
                Err(_) => failed.lock().unwrap().push(script.name.as_str()),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    assert!(!canary::leaks(&log.lock().unwrap()), "the key is in what was logged");
    let slowest: Option<Duration> = refusals.into_inner().unwrap().into_iter().max();
    println!("{} sellers; the slowest refusal took {:?}", scripts.len(), slowest.unwrap_or_default());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "what these do was not stood up to (BURSAR_SELLER=NAME plays one): {failed:#?}");
}

#[test]
fn there_are_sixty_sellers_in_twenty_classes_at_least() {
    let scripts = read_all();
    let classes: BTreeSet<&str> = scripts.iter().map(Script::class).collect();
    assert!(scripts.len() >= 60 && classes.len() >= 20, "{} in {}", scripts.len(), classes.len());
}

/// A panic in here is told under the seller's name.
fn alone(script: &Script) -> thread::Result<Duration> {
    let named = thread::Builder::new().name(script.name.clone());
    thread::scope(|scope| named.spawn_scoped(scope, || play::play(script)).unwrap().join())
}

/// `BURSAR_SELLER` plays those whose name has this in it.
fn wanted(mut scripts: Vec<Script>) -> Vec<Script> {
    // Elsewhere 127.0.0.1 is the only address of its kind.
    scripts.retain(|script| script.hosts == 1 || cfg!(target_os = "linux"));
    if let Ok(part) = std::env::var("BURSAR_SELLER") {
        scripts.retain(|script| script.name.contains(&part));
        assert!(!scripts.is_empty(), "no seller is called like `{part}`");
    }
    scripts
}

fn read_all() -> Vec<Script> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sellers");
    let classes = std::fs::read_dir(&root).unwrap().map(|class| class.unwrap().path());
    let files = classes.filter(|path| path.is_dir()).flat_map(|class| std::fs::read_dir(class).unwrap());
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| Script::read(&root, file)).collect()
}
