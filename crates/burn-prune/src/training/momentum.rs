//! The momentum of a norm, from two runs on one batch.

use burn::tensor::DType;

/// What statistics of a float type are started from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    /// Next to nothing, and no statistic of a batch that runs through a norm: a variance is not
    /// negative. So it tells a norm that has run from one that has not.
    pub small: f64,
    /// So large that the statistics of a batch hardly count beside it.
    large: f64,
    /// Half of the distance from 1 to the next number.
    rounding: f64,
}

impl Range {
    pub(super) fn of(dtype: DType) -> Self {
        // Powers of two, so that no type rounds them.
        let range = |small: i32, large: i32, digits: i32| Self {
            small: -2f64.powi(small),
            large: 2f64.powi(large),
            rounding: 2f64.powi(-digits),
        };
        match dtype {
            DType::F64 => range(-500, 40, 53),
            DType::BF16 => range(-100, 20, 8),
            // The smallest normal number, and room for the batch below the largest.
            DType::F16 => range(-14, 14, 11),
            _ => range(-100, 40, 24),
        }
    }

    /// Different in each channel, so that roundings cancel out; all types have it exactly.
    pub(super) fn large(self, channel: usize) -> f64 {
        let thirty_seconds = (channel * 13 % 32) as f64;
        self.large * (1.0 + thirty_seconds / 32.0)
    }
}

/// The momentum `m` with which two runs on one batch have made `(1 - m) start + m batch` of two
/// starts, small and large.
pub(super) fn of(range: Range, starts: [&Vec<f64>; 2], runs: [&Vec<f64>; 2]) -> f64 {
    let channels = starts[0].len();
    let of_channel = |channel: usize| {
        let [end, start] = [runs, starts].map(|[small, large]| large[channel] - small[channel]);
        1.0 - end / start
    };
    // A channel in which the batch is not finite says nothing about the momentum.
    let found: Vec<f64> = (0..channels)
        .map(of_channel)
        .filter(|momentum| momentum.is_finite())
        .collect();
    if found.is_empty() {
        return 1.0;
    }
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    // `1 - m` itself is rounded once for all channels, and each channel twice more.
    let error = range.rounding * (0.5 + 3.0 / (found.len() as f64).sqrt());
    shortest_decimal(mean, error)
}

/// The number in (0, 1] that is no further than `error` from this one and has the fewest decimal
/// places.
fn shortest_decimal(number: f64, error: f64) -> f64 {
    for places in 0..12 {
        let power = 10f64.powi(places);
        let decimal = (number * power).round() / power;
        if decimal > 0.0 && decimal <= 1.0 && (decimal - number).abs() <= error {
            return decimal;
        }
    }
    number.clamp(f64::MIN_POSITIVE, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decimal_with_the_fewest_places_is_taken() {
        assert_eq!(shortest_decimal(0.0999, 0.0005), 0.1);
        assert_eq!(shortest_decimal(0.1004, 0.0001), 0.1004);
        assert_eq!(shortest_decimal(0.9999, 0.001), 1.0);
        assert_eq!(shortest_decimal(0.0001, 0.001), 0.0001);
        assert_eq!(shortest_decimal(0.19, 1e-9), 0.19);
    }

    #[test]
    fn a_momentum_is_found_from_two_runs() {
        for momentum in [0.1, 0.01, 0.19, 0.5, 1.0] {
            for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 0.0)] {
                let range = Range::of(dtype);
                let batch = [3.0, -20.0, 0.5];
                let small = vec![range.small; 3];
                let large: Vec<f64> = (0..3).map(|channel| range.large(channel)).collect();
                let run = |starts: &[f64]| -> Vec<f64> {
                    let channels = starts.iter().zip(batch);
                    let end = |(start, batch)| (1.0 - momentum) * start + momentum * batch;
                    channels.map(end).collect()
                };
                let found = of(range, [&small, &large], [&run(&small), &run(&large)]);
                assert!((found - momentum).abs() <= tolerance, "{dtype:?}: {found}");
            }
        }
    }
}
