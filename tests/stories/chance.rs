//! Random numbers for tests, and how many cases of a test are tried.

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// A number from `start` to `end`, both included.
    pub(crate) fn between(&mut self, start: usize, end: usize) -> usize {
        start + self.below(end - start + 1)
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A number in [0, 1).
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// So many times more cases than a short run has: `BURN_PRUNE_TEST_SCALE`, 1 by default.
pub(crate) fn scale() -> usize {
    let scale = std::env::var("BURN_PRUNE_TEST_SCALE").ok();
    scale.map_or(1, |scale| {
        let scale = scale.parse();
        scale.expect("BURN_PRUNE_TEST_SCALE is a whole number")
    })
}

/// Tries so many seeds, times [`scale`], and says which one failed.
pub(crate) fn for_seeds(cases: usize, mut test: impl FnMut(u64, &mut Chance)) {
    for seed in 0..(cases * scale()) as u64 {
        let failed = Failed(seed);
        test(seed, &mut Chance::new(seed));
        std::mem::forget(failed);
    }
}

/// Says the seed when a test panics.
struct Failed(u64);

impl Drop for Failed {
    fn drop(&mut self) {
        eprintln!("failed with seed {}", self.0);
    }
}
