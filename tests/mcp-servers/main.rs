//! Hostile MCP servers, one file each: `tests/mcp-servers/<class>/<name>.toml`. README.md beside this file says how to add
//! one.
//!
//! Each is played as a real server against the real flow, through the tools that agents have for it: wish, policy, ledger,
//! wallet, wire, and a chain of play money. What its file promises is held against what happened, and so is what holds for
//! every server there is.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

#[path = "../sellers/canary.rs"]
mod canary;
mod file;
mod play;
mod server;
#[path = "../sellers/table.rs"]
mod table;
mod words;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use file::Script;

/// Each has a thread and a runtime of its own: time is moved there, and a failure of one stops no other.
#[test]
fn no_server_gets_more_than_its_due_and_none_speaks_for_bursar() {
    let log = canary::listen();
    let scripts = wanted(read_all());
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if alone(script).is_err() {
                failed.lock().unwrap().push(script.name.as_str());
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    assert!(!canary::leaks(&log.lock().unwrap()), "the key is in what was logged");
    println!("{} servers", scripts.len());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "what these do was not stood up to (BURSAR_SERVER=NAME plays one): {failed:#?}");
}

#[test]
fn there_are_seventy_servers_in_twelve_classes_at_least() {
    let scripts = read_all();
    let classes: BTreeSet<&str> = scripts.iter().map(Script::class).collect();
    assert!(scripts.len() >= 70 && classes.len() >= 12, "{} in {}", scripts.len(), classes.len());
}

/// A panic in here is told under the server's name.
fn alone(script: &Script) -> thread::Result<()> {
    let named = thread::Builder::new().name(script.name.clone());
    thread::scope(|scope| named.spawn_scoped(scope, || play::play(script)).unwrap().join())
}

/// `BURSAR_SERVER` plays those whose name has this in it.
fn wanted(mut scripts: Vec<Script>) -> Vec<Script> {
    if let Ok(part) = std::env::var("BURSAR_SERVER") {
        scripts.retain(|script| script.name.contains(&part));
        assert!(!scripts.is_empty(), "no server is called like `{part}`");
    }
    scripts
}

fn read_all() -> Vec<Script> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp-servers");
    let classes = std::fs::read_dir(&root).unwrap().map(|class| class.unwrap().path());
    let files = classes.filter(|path| path.is_dir()).flat_map(|class| std::fs::read_dir(class).unwrap());
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| Script::read(&root, file)).collect()
}
