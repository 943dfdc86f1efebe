//! libFuzzer over one target, which the environment names: `FUZZ_TARGET=amount`. `fuzz/run` runs them all.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use targets::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is one of {:?}", TARGETS.map(|(known, _)| known))).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
