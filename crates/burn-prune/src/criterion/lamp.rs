use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Criterion, Weight};
use crate::error::PruneError;
use crate::identity::Identity;
use crate::pattern::Units;
use crate::scores::Scores;

/// Layer-adaptive magnitude: small weights are pruned first, relative to the larger weights of
/// their layer (Lee et al. 2021, "Layer-Adaptive Sparsity for the Magnitude-based Pruning").
///
/// With the weights of a layer in ascending order of magnitude, weight `u` scores
/// `w_u² / Σ_{v ≥ u} w_v²`. The largest weight of every layer scores 1, so under
/// [`Allocation::Global`](crate::Allocation::Global) no layer is lost before all others are down to
/// their last weight. Within a layer the order is that of [`Magnitude`](crate::Magnitude), so under
/// any other allocation the two choose the same. For a channel or block, `w²` is the sum of its
/// squares. A unit of [coupled channels](crate::CoupledChannels) scores the sum of its scores in
/// the members of its group. Scores are in f64: 8 bytes per weight while masks are
/// chosen, and 4 more for the layer that is being scored. Where the scores of a layer are too small
/// or too close for an f64, the order within the layer still holds.
///
/// ```
/// use burn::{module::{Module, Param}, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use burn_prune::{Allocation, Lamp, Pruner};
///
/// #[derive(Module, Debug)]
/// struct Net {
///     fc1: Linear,
///     fc2: Linear,
/// }
///
/// let device = Device::flex();
/// let linear = |weights: [f32; 3]| {
///     let mut linear = LinearConfig::new(1, 3).init(&device);
///     linear.weight = Param::from_tensor(Tensor::from_floats([weights], &device));
///     linear
/// };
/// // LAMP scores are 1/14, 4/13, 1 and, a thousand times smaller, the same.
/// let net = Net { fc1: linear([1.0, 2.0, 3.0]), fc2: linear([0.001, 0.003, 0.002]) };
/// let masks = Pruner::new(Lamp).allocation(Allocation::Global).amount(4).masks(&net)?;
/// let kept = |path| masks.get(path).unwrap().iter().collect::<Vec<_>>();
/// assert_eq!(kept("fc1.weight"), [false, false, true]);
/// assert_eq!(kept("fc2.weight"), [false, true, false]);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lamp;

impl Criterion for Lamp {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        let scale = Scale::of(weight);
        if units.are_single_weights() {
            // Looked up in the weight, so that no copy of it is held.
            let size = |unit: usize| weight.get(unit).abs();
            let bits = if weight.values().are_f32() {
                Bits::OfF32
            } else {
                Bits::OfF64
            };
            let square = |size| scale.squared(size);
            return Ok(lamp(units.count(), bits, size, square).into());
        }
        let squares = units.sum(weight.iter().map(|w| scale.squared(w)));
        let size = |unit: usize| squares[unit];
        let scores = lamp(squares.len(), Bits::OfF64, size, |square| square);
        Ok(scores.into())
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity::new("lamp"))
    }
}

/// The scores of units by their sizes, which order them and have these squares.
fn lamp(
    units: usize,
    bits: Bits,
    size: impl Fn(usize) -> f64 + Sync,
    square: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let ascending = Ascending::of(units, bits, &size);
    let mut scores = vec![0f64; units];
    let mut left = 0.0;
    for unit in ascending.iter().rev() {
        let size = size(unit);
        if !size.is_finite() {
            scores[unit] = size;
            continue;
        }
        let square = square(size);
        left += square;
        scores[unit] = match left {
            0.0 => 0.0,
            left => square / left,
        };
    }
    // Scores that rounding or the smallest f64 have made equal keep the order of their sizes.
    let mut before: Option<(usize, f64)> = None;
    for unit in ascending.iter() {
        if let Some((smaller, score)) = before
            && scores[unit] <= score
        {
            scores[unit] = if size(unit) > size(smaller) {
                score.next_up()
            } else {
                score
            };
        }
        before = Some((unit, scores[unit]));
    }
    scores
}

/// What tells the sizes of units apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bits {
    OfF32,
    OfF64,
}

/// Units by ascending size, those that are not a number last; of equals the lower index, which is
/// kept the longest, comes last.
enum Ascending {
    /// 4 bytes a unit.
    Few(Vec<u32>),
    Many(Vec<usize>),
}

impl Ascending {
    fn of(units: usize, bits: Bits, size: &(impl Fn(usize) -> f64 + Sync)) -> Self {
        let order = |a: usize, b: usize| size(a).total_cmp(&size(b)).then(b.cmp(&a));
        if u32::try_from(units).is_err() {
            let mut all: Vec<usize> = (0..units).collect();
            all.par_sort_unstable_by(|a, b| order(*a, *b));
            return Self::Many(all);
        }
        // Sizes are not negative, so their bits order as they do. With the index in the lower half
        // of a key there is nothing to look up.
        let bits_of = |size: f64| match bits {
            Bits::OfF32 => u64::from((size as f32).to_bits()) << 32,
            Bits::OfF64 => size.to_bits() >> 32 << 32,
        };
        let key = |unit: usize| bits_of(size(unit)) | u64::from(!(unit as u32));
        let mut keys: Vec<u64> = (0..units).map(key).collect();
        keys.par_sort_unstable();
        let unit = |key: &u64| !(*key as u32);
        if bits == Bits::OfF32 {
            return Self::Few(keys.iter().map(unit).collect());
        }
        let mut all = Vec::with_capacity(units);
        for alike in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            let first = all.len();
            all.extend(alike.iter().map(unit));
            all[first..].sort_unstable_by(|a, b| order(*a as usize, *b as usize));
        }
        Self::Few(all)
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let units = match self {
            Self::Few(units) => units.len(),
            Self::Many(units) => units.len(),
        };
        (0..units).map(|rank| match self {
            Self::Few(units) => units[rank] as usize,
            Self::Many(units) => units[rank],
        })
    }
}

/// The power of two that brings the largest weight to 1, so that no square that counts overflows
/// or vanishes. Ratios stay the same to the last bit.
#[derive(Clone, Copy)]
struct Scale([f64; 2]);

impl Scale {
    fn of(weight: &Weight<'_>) -> Self {
        let finite = weight.iter().map(f64::abs).filter(|w| w.is_finite());
        let largest = finite.fold(0.0, f64::max);
        if largest == 0.0 {
            return Self([1.0; 2]);
        }
        // In two steps, each of which an f64 holds.
        let exponent = -(largest.log2().floor() as i32);
        let first = exponent / 2;
        Self([2f64.powi(first), 2f64.powi(exponent - first)])
    }

    fn squared(self, weight: f64) -> f64 {
        let scaled = weight * self.0[0] * self.0[1];
        scaled * scaled
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::model::Values;

    fn scores(values: Vec<f32>) -> Vec<f64> {
        scores_of(&Values::from_vec(values))
    }

    fn scores_f64(values: Vec<f64>) -> Vec<f64> {
        let shape = [values.len()];
        scores_of(&Values::from_data(&TensorData::new(values, shape)))
    }

    fn scores_of(values: &Values) -> Vec<f64> {
        let shape = [values.len()];
        let units = Units::single(&shape);
        let scores = Lamp.scores(&Weight::new("w", &shape, values), &units);
        let scores = scores.unwrap();
        (0..shape[0]).map(|unit| scores.get(unit)).collect()
    }

    fn close(found: Vec<f64>, expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found} against {expected}"
            );
        }
    }

    #[test]
    fn scores_by_hand() {
        close(scores(vec![3.0, -1.0, 2.0]), &[1.0, 1.0 / 14.0, 4.0 / 13.0]);
    }

    #[test]
    fn of_equal_weights_the_lower_index_scores_higher() {
        close(scores(vec![1.0; 4]), &[1.0, 0.5, 1.0 / 3.0, 0.25]);
    }

    #[test]
    fn zeros_score_zero_and_a_nan_comes_out() {
        assert_eq!(scores(vec![0.0, 0.0]), [0.0, 0.0]);
        let found = scores(vec![1.0, f32::NAN, 0.0]);
        assert!(found[1].is_nan() && (found[0], found[2]) == (1.0, 0.0));
        assert_eq!(scores(vec![f32::INFINITY, 1.0])[0], f64::INFINITY);
    }

    /// Units by ascending score, the later of equals first: as they go.
    fn order(scores: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
        order
    }

    #[test]
    fn the_order_is_that_of_magnitude_whatever_the_weights_are() {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state ^ state >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        for bits in [0, 1 << 42, 1 << 52, 1 << 58, u64::MAX >> 1] {
            for center in [1e-300, 1e-170, 1.0, 1e170] {
                let mut weight = || match bits {
                    // Any finite number, a few of them, or numbers close to one another.
                    0 => [0.0, center, -center, 3.0 * center][random() as usize % 4],
                    bits => f64::from_bits(f64::to_bits(center) + random() % bits),
                };
                let weights: Vec<f64> = (0..200).map(|_| weight()).collect();
                let weights: Vec<f64> = weights.into_iter().filter(|w| w.is_finite()).collect();
                let magnitudes: Vec<f64> = weights.iter().map(|w| w.abs()).collect();
                let scores = scores_f64(weights);
                assert_eq!(order(&scores), order(&magnitudes));
                assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
            }
        }
    }

    #[test]
    fn tiny_and_huge_weights_score_as_ordinary_ones_do() {
        let weights: Vec<f64> = (1..50).map(|i| f64::from(i * 7 % 50)).collect();
        let ordinary = scores_f64(weights.clone());
        for power in [-1040, -600, 900] {
            let scaled = weights
                .iter()
                .map(|w| w * 2f64.powi(power / 2) * 2f64.powi(power / 2));
            assert_eq!(scores_f64(scaled.collect()), ordinary);
        }
    }
}
