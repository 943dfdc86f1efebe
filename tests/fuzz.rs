//! The fuzz targets (`fuzz/src/targets.rs`) over what is stored for them: seeds, and inputs that once broke something.
//! `fuzz/run` looks for new ones.

#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use targets::{TARGETS, Target};

#[test]
fn every_stored_input_is_read_without_harm() {
    for (name, target) in TARGETS {
        let inputs = stored(name);
        assert!(inputs.len() >= 5, "few inputs for {name}");
        inputs.iter().for_each(|input| target(input));
    }
}

#[test]
fn no_input_does_harm_by_ending_early() {
    each_input(|target, input| (0..input.len()).for_each(|end| target(&input[..end])));
}

#[test]
fn no_input_does_harm_by_one_byte_that_is_another() {
    const OTHERS: [u8; 8] = [0, b'"', b'0', b'9', b'\\', b'{', 0x7f, 0xff];
    each_input(|target, input| {
        let mut changed = input.to_vec();
        for at in 0..input.len() {
            changed[at] = OTHERS[at % OTHERS.len()];
            target(&changed);
            changed[at] = input[at];
        }
    });
}

fn each_input(run: impl Fn(Target, &[u8])) {
    for (name, target) in TARGETS {
        stored(name).iter().for_each(|input| run(target, input));
    }
}

/// Of the larger ones the beginning: the rest is more of the same.
fn stored(name: &str) -> Vec<Vec<u8>> {
    const BYTES: usize = 1024;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |file| {
        let mut bytes = fs::read(file).expect("readable");
        bytes.truncate(BYTES);
        bytes
    };
    files.into_iter().map(read).collect()
}
