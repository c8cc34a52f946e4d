use std::thread;
use std::time::{Duration, Instant};

/// Runs of one runtime, before the next one has its turn.
const RUNS: usize = 5;
/// Before each turn: threads that spin for work would take a processor from the next one.
const REST: Duration = Duration::from_millis(5);

/// Milliseconds of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    /// The median.
    pub p50: f64,
    /// 95 % of the runs are at least as fast.
    pub p95: f64,
}

/// Something that makes so many runs, and says how many seconds each has taken.
pub(crate) type Runtime<'a> = Box<dyn FnMut(usize) -> Vec<f64> + 'a>;

/// Times this here.
pub(crate) fn timed<'a>(mut work: impl FnMut() + 'a) -> Runtime<'a> {
    Box::new(move |runs| {
        let times = (0..runs).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        });
        times.collect()
    })
}

/// The latency of each runtime. They take turns, so that whatever else the machine does meets all
/// of them. The first round warms up.
pub(crate) fn in_turns(runtimes: &mut [Runtime<'_>], rounds: usize) -> Vec<Latency> {
    let mut times = vec![Vec::new(); runtimes.len()];
    for round in 0..=rounds {
        for (runtime, times) in runtimes.iter_mut().zip(&mut times) {
            thread::sleep(REST);
            let taken = runtime(RUNS);
            if round > 0 {
                times.extend(taken);
            }
        }
    }
    times.into_iter().map(Latency::of).collect()
}

impl Latency {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        // To a tenth of a microsecond.
        let at = |share: f64| {
            let place = (share * seconds.len() as f64).ceil() as usize;
            (1e7 * seconds[place.saturating_sub(1)]).round() / 1e4
        };
        Self {
            p50: at(0.5),
            p95: at(0.95),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_runs() {
        let seconds = (1..=100).rev().map(|run| f64::from(run) * 1e-3).collect();
        let latency = Latency::of(seconds);
        assert_eq!(
            latency,
            Latency {
                p50: 50.0,
                p95: 95.0
            }
        );
    }

    #[test]
    fn the_first_round_is_left_out() {
        let mut calls = 0;
        let runtime: Runtime<'_> = Box::new(|runs| {
            calls += 1;
            vec![if calls == 1 { 9.0 } else { 1e-3 }; runs]
        });
        let latencies = in_turns(&mut [runtime], 3);
        assert_eq!(latencies, [Latency { p50: 1.0, p95: 1.0 }]);
        assert_eq!(calls, 4);
    }
}
