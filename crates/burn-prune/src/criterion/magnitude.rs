use serde::{Deserialize, Serialize};

use super::{Criterion, GroupWeights, Weight};
use crate::error::PruneError;
use crate::identity::Identity;
use crate::pattern::Units;
use crate::scores::Scores;

/// Small weights are pruned first (Han et al. 2015, "Learning both Weights and Connections").
///
/// A single weight scores its absolute value. A channel scores the norm of its weights,
/// `(Σ |w|ⁿ)^(1/n)`, or the largest and smallest `|w|` for n = inf and -inf; sums are in f64. A unit
/// of [coupled channels](crate::CoupledChannels) scores the norm over its weights in all members.
///
/// ```
/// use burn::{module::Param, nn::LinearConfig, tensor::{Device, Tensor}};
/// use burn_prune::{Axis, Magnitude, Pattern, Prunable, Pruner};
///
/// let device = Device::flex();
/// let mut layer = LinearConfig::new(2, 3).init(&device);
/// layer.weight = Param::from_tensor(Tensor::from_floats(
///     [[3.0, -2.0, 0.0], [-3.0, 2.0, 5.0]],
///     &device,
/// ));
///
/// // By L1 the outputs are 6, 4 and 5; by L2 they are √18, √8 and 5.
/// let outputs = Pattern::Channels(Axis::Output);
/// let pruner = Pruner::new(Magnitude::l1()).pattern(outputs).amount(2);
/// let mask = pruner.masks(&layer)?.get("weight").unwrap().clone();
/// assert_eq!(mask.iter().collect::<Vec<_>>(), [true, false, false, true, false, false]);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Magnitude {
    #[serde(default = "l1", with = "crate::exact_float")]
    n: f64,
}

fn l1() -> f64 {
    1.0
}

impl Magnitude {
    /// Sum of absolute values.
    pub fn l1() -> Self {
        Self { n: 1.0 }
    }

    /// Euclidean norm.
    pub fn l2() -> Self {
        Self { n: 2.0 }
    }

    /// `L_n` norm for a positive `n`, or for `f64::INFINITY` and `f64::NEG_INFINITY`.
    ///
    /// Single weights are ranked by their absolute value whatever `n` is. Other values of `n` are
    /// an error when the criterion is used.
    pub fn ln(n: f64) -> Self {
        Self { n }
    }
}

impl Criterion for Magnitude {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        self.validate()?;
        if units.are_single_weights() {
            return Ok(Scores::magnitudes(weight.values()));
        }
        Ok(norms(self.n, units.count(), &[(*weight, units)]).into())
    }

    fn group_scores(&self, group: &GroupWeights<'_>) -> Result<Scores, PruneError> {
        self.validate()?;
        let members: Vec<_> = group
            .members()
            .map(|(weight, units, _)| (weight, units))
            .collect();
        Ok(norms(self.n, group.units(), &members).into())
    }

    fn identity(&self) -> Option<Identity> {
        // As text, which has the infinities.
        Some(Identity::new("magnitude").with("n", format!("{:?}", self.n)))
    }
}

impl Magnitude {
    fn validate(&self) -> Result<(), PruneError> {
        let found = self.n;
        if found.is_nan() || (found <= 0.0 && found != f64::NEG_INFINITY) {
            return Err(PruneError::InvalidNorm { found });
        }
        Ok(())
    }
}

/// The norm of each unit, over its weights in all members.
fn norms(n: f64, count: usize, members: &[(Weight<'_>, &Units)]) -> Vec<f64> {
    // `f64::max` and `min` pass over a NaN; it has to come out and be refused.
    let pick = |keep: fn(f64, f64) -> bool| {
        move |best: &mut f64, w: f64| {
            if w.is_nan() || keep(w, *best) {
                *best = w;
            }
        }
    };
    if n == 1.0 {
        return fold(members, vec![0.0; count], |sum, w| *sum += w);
    }
    if n == 2.0 {
        let squares = fold(members, vec![0.0; count], |sum: &mut f64, w| *sum += w * w);
        return squares.into_iter().map(f64::sqrt).collect();
    }
    if n == f64::NEG_INFINITY {
        return fold(
            members,
            vec![f64::INFINITY; count],
            pick(|w, best| w < best),
        );
    }
    let largest = fold(members, vec![0.0; count], pick(|w, best| w > best));
    if n == f64::INFINITY {
        return largest;
    }
    // Scaled by the largest weight, so that no power overflows or vanishes.
    let scaled = largest.into_iter().map(|largest| (largest, 0.0)).collect();
    let sums = fold(members, scaled, |(largest, sum), w| {
        if *largest != 0.0 {
            *sum += (w / *largest).powf(n);
        }
    });
    sums.into_iter()
        .map(|(largest, sum): (f64, f64)| sum.powf(n.recip()) * largest)
        .collect()
}

/// Folds the absolute values of the weights, member by member.
fn fold<T>(
    members: &[(Weight<'_>, &Units)],
    mut units: Vec<T>,
    mut fold: impl FnMut(&mut T, f64),
) -> Vec<T> {
    for (weight, of) in members {
        of.fold_into(&mut units, weight.iter().map(f64::abs), &mut fold);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Values;

    fn scores(n: f64, values: Vec<f32>) -> Vec<f64> {
        let shape = [2, values.len() / 2];
        let values = Values::from_vec(values);
        let weight = Weight::new("w", &shape, &values);
        let units = Units::slices(&shape, 0);
        let scores = Magnitude::ln(n).scores(&weight, &units).unwrap();
        (0..2).map(|unit| scores.get(unit)).collect()
    }

    #[test]
    fn norms_by_hand() {
        let rows = vec![3.0, -4.0, 0.0, 1.0, 1.0, 1.0];
        assert_eq!(scores(1.0, rows.clone()), [7.0, 3.0]);
        assert_eq!(scores(2.0, rows.clone()), [5.0, 3f64.sqrt()]);
        assert_eq!(scores(f64::INFINITY, rows.clone()), [4.0, 1.0]);
        assert_eq!(scores(f64::NEG_INFINITY, rows.clone()), [0.0, 1.0]);
        let cubic = scores(3.0, rows);
        assert!((cubic[0] - 91f64.cbrt()).abs() < 1e-12);
        assert!((cubic[1] - 3f64.cbrt()).abs() < 1e-12);
    }

    #[test]
    fn high_norms_neither_overflow_nor_vanish() {
        let found = scores(300.0, vec![1e30, 1e30, 1e-30, 1e-30]);
        assert!(found[0].is_finite() && found[0] > found[1] && found[1] > 0.0);
    }

    #[test]
    fn what_is_no_norm_is_refused() {
        let values = Values::from_vec(vec![1.0, 2.0]);
        let weight = Weight::new("w", &[2], &values);
        for n in [0.0, -1.0, f64::NAN] {
            let error = Magnitude::ln(n).scores(&weight, &Units::single(&[2]));
            assert!(matches!(error, Err(PruneError::InvalidNorm { .. })));
        }
    }

    #[test]
    fn a_nan_reaches_the_score_under_every_norm() {
        for n in [1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY] {
            for at in 0..3 {
                let mut rows = vec![1.0; 6];
                rows[at] = f32::NAN;
                let found = scores(n, rows);
                assert!(found[0].is_nan(), "n = {n}, NaN at {at}: {found:?}");
                assert!(found[1].is_finite());
            }
        }
    }
}
