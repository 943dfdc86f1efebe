//! What of a file is on the medium: what was last synced, and what was written since, which may be lost with the power.

/// What somebody did to a file.
pub enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
    Delete,
}

/// One file as the medium has it. `None`: it is not there.
#[derive(Default)]
pub struct Medium {
    synced: Option<Vec<u8>>,
    since: Vec<Since>,
}

struct Since {
    change: Change,
    /// A sync failed after it. The system then takes it for written, and no later sync tries again.
    given_up: bool,
}

/// The least a disk writes whole.
const SECTOR: usize = 512;

impl Medium {
    pub fn holding(bytes: Option<Vec<u8>>) -> Medium {
        Medium { synced: bytes, since: Vec::new() }
    }

    pub fn note(&mut self, change: Change) {
        self.since.push(Since { change, given_up: false });
    }

    pub fn sync(&mut self) {
        for since in self.since.drain(..).filter(|since| !since.given_up) {
            apply(&mut self.synced, &since.change);
        }
    }

    /// That a file was deleted is durable once its folder is: nothing before that is found any more.
    pub fn sync_folder(&mut self) {
        if let Some(last) = self.since.iter().rposition(|since| matches!(since.change, Change::Delete)) {
            self.since.drain(..=last);
            self.synced = None;
        }
    }

    /// All of it was written once more: what a sync gave up is there to be synced again.
    pub fn written_again(&mut self) {
        self.since.iter_mut().for_each(|since| since.given_up = false);
    }

    pub fn sync_failed(&mut self) {
        self.since.iter_mut().for_each(|since| since.given_up = true);
    }

    /// What is found when the power is back. `pick(n)` is a number below `n` for each change: 0 loses it, the highest
    /// keeps it, and what is between tears it.
    pub fn after_power_cut(self, pick: &mut dyn FnMut(u64) -> u64) -> Option<Vec<u8>> {
        let mut found = self.synced;
        for Since { change, .. } in self.since {
            match (change, pick(3)) {
                // The folder still names the old file: what was written into a new one of that name is not found.
                (Change::Delete, 0) => break,
                (_, 0) => {}
                (Change::Write { at, bytes }, 1) => apply(&mut found, &torn(at, bytes, pick)),
                (change, _) => apply(&mut found, &change),
            }
        }
        found
    }
}

fn apply(file: &mut Option<Vec<u8>>, change: &Change) {
    match change {
        Change::Write { at, bytes } => {
            let file = file.get_or_insert_default();
            let end = at + bytes.len();
            file.resize(file.len().max(end), 0);
            file[*at..end].copy_from_slice(bytes);
        }
        Change::Truncate(len) => file.get_or_insert_default().resize(*len, 0),
        Change::Delete => *file = None,
    }
}

/// The part of a write up to the end of some sector it goes over.
fn torn(at: usize, mut bytes: Vec<u8>, pick: &mut dyn FnMut(u64) -> u64) -> Change {
    let sectors = (at + bytes.len()).div_ceil(SECTOR) - at / SECTOR;
    let end = (at / SECTOR + pick(sectors as u64) as usize) * SECTOR;
    bytes.truncate(end.saturating_sub(at));
    Change::Write { at, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(at: usize, text: &str) -> Change {
        Change::Write { at, bytes: text.as_bytes().to_vec() }
    }

    fn lose(_: u64) -> u64 {
        0
    }

    fn keep(below: u64) -> u64 {
        below - 1
    }

    #[test]
    fn what_was_synced_stays_and_what_was_not_may_go() {
        let written = || {
            let mut medium = Medium::default();
            medium.note(write(0, "abc"));
            medium.sync();
            medium.note(write(2, "d"));
            medium
        };
        assert_eq!(written().after_power_cut(&mut lose).unwrap(), b"abc");
        assert_eq!(written().after_power_cut(&mut keep).unwrap(), b"abd");
    }

    #[test]
    fn a_sync_after_one_that_failed_does_not_bring_back_what_that_one_gave_up() {
        let mut medium = Medium::default();
        medium.note(write(0, "abc"));
        medium.sync_failed();
        medium.note(write(3, "d"));
        medium.sync();
        assert_eq!(medium.after_power_cut(&mut keep).unwrap(), b"\0\0\0d");
    }

    #[test]
    fn a_file_deleted_a_moment_ago_may_be_back_without_what_took_its_place() {
        let deleted = || {
            let mut medium = Medium::holding(Some(b"old".to_vec()));
            medium.note(Change::Delete);
            medium.note(write(0, "new one"));
            medium
        };
        assert_eq!(deleted().after_power_cut(&mut lose).unwrap(), b"old");
        assert_eq!(deleted().after_power_cut(&mut keep).unwrap(), b"new one");
        let mut durably = deleted();
        durably.sync_folder();
        assert_eq!(durably.after_power_cut(&mut lose), None);
    }

    #[test]
    fn a_write_tears_between_sectors() {
        let mut medium = Medium::default();
        medium.note(Change::Write { at: 24, bytes: vec![7; 1000] });
        let found = medium.after_power_cut(&mut |_| 1).unwrap();
        assert_eq!(found.len(), SECTOR);
    }
}
