use rayon::prelude::*;

use super::{Criterion, Scores, Weight};
use crate::{PruneError, Units, identity::Identity};

/// Layer-adaptive magnitude: small weights go first, measured by what is left of their layer (Lee
/// et al. 2021, "Layer-Adaptive Sparsity for the Magnitude-based Pruning").
///
/// With the weights of a layer in ascending order of magnitude, weight `u` scores
/// `w_u² / Σ_{v ≥ u} w_v²`. The largest weight of every layer scores 1, so under
/// [`Allocation::Global`](crate::Allocation::Global) no layer is lost before all others are down to
/// their last weight. Within a layer the order is that of [`Magnitude`](crate::Magnitude), so under
/// any other allocation the two choose the same. A channel or block takes the sum of its squares in
/// the place of `w²`. Scores are in f64: 8 bytes a weight while masks are chosen.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lamp;

impl Criterion for Lamp {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        let squares = units.sum(weight.iter().map(|w| w * w));
        let mut ascending: Vec<(f64, usize)> = squares.into_iter().zip(0..).collect();
        // Of equals the lower index is kept, so it comes last.
        ascending.par_sort_unstable_by(|(a, i), (b, j)| a.total_cmp(b).then(j.cmp(i)));
        let mut scores = vec![0f64; ascending.len()];
        let mut left = 0.0;
        for (square, unit) in ascending.into_iter().rev() {
            left += square;
            scores[unit] = match left {
                0.0 => 0.0,
                left => square / left,
            };
        }
        Ok(scores.into())
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity::new("lamp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;

    fn scores(values: Vec<f32>) -> Vec<f64> {
        let shape = [values.len()];
        let values = Values::from_vec(values);
        let units = Units::single(&shape);
        let scores = Lamp.scores(&Weight::new("w", &shape, &values), &units);
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
        assert!(
            scores(vec![1.0, f32::NAN])
                .iter()
                .any(|score| score.is_nan())
        );
    }
}
