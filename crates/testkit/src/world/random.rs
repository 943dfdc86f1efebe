//! Chance that can be had again: numbers that follow from a seed.

pub struct Random(u64);

impl Random {
    /// What comes of a seed for one source of chance.
    pub fn of(seed: u64, source: &str) -> Random {
        let mixed = source.bytes().fold(seed, |so_far, byte| mix(so_far ^ u64::from(byte)));
        Random(mixed)
    }

    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % below
    }
}

fn mix(number: u64) -> u64 {
    let mut z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
