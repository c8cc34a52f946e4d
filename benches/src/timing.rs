use std::time::Instant;

/// Seconds that this takes.
pub fn seconds<R>(work: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// Times several ways in turns; the seconds of each, by round. The first round warms up.
///
/// Each round starts with another one, as each finds the caches as the one before left them. Each
/// returns the seconds that count, so that what prepares it does not.
pub fn in_turns<const N: usize>(
    rounds: usize,
    ways: [&mut dyn FnMut() -> f64; N],
) -> [Vec<f64>; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..=rounds {
        for turn in 0..N {
            let way = (round + turn) % N;
            let time = ways[way]();
            if round > 0 {
                times[way].push(time);
            }
        }
    }
    times
}

/// The middle one.
pub fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The middle of the ratios of the same round.
pub fn ratio(times: &[f64], of: &[f64]) -> f64 {
    let ratios = times.iter().zip(of).map(|(time, of)| time / of);
    median(&ratios.collect::<Vec<_>>())
}
