//! How much to prune.

use serde::{Deserialize, Serialize};

use crate::error::PruneError;

/// How many of the units that are *still unpruned* a call removes.
///
/// As in PyTorch: a fraction is rounded half to even, and a second call counts what the first one
/// left, so twice 20 % leaves 64 %. To ask for a sparsity over all weights, whatever was pruned
/// before, use [`Target::Sparsity`].
///
/// ```
/// use burn_prune::Amount;
///
/// assert_eq!(Amount::from(0.3), Amount::Fraction(0.3));
/// assert_eq!(Amount::from(5), Amount::Count(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Amount {
    /// `round_ties_even(f · n)` units, `n` the units that are still unpruned; `f` in `[0, 1]`.
    Fraction(#[serde(with = "crate::exact_float")] f64),
    /// Exactly this many units.
    Count(usize),
}

impl Amount {
    /// Refuses NaN and fractions outside of `[0, 1]`.
    pub(crate) fn validate(self) -> Result<(), PruneError> {
        match self {
            Self::Fraction(found) if !(0.0..=1.0).contains(&found) => {
                Err(PruneError::InvalidFraction { found })
            }
            _ => Ok(()),
        }
    }
}

impl From<f64> for Amount {
    fn from(fraction: f64) -> Self {
        Self::Fraction(fraction)
    }
}

impl From<usize> for Amount {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

/// An [`Amount`] to remove, or a sparsity to arrive at.
///
/// The two count differently and are never mixed: an amount counts over the units that are still
/// unpruned, a sparsity over all units.
///
/// ```
/// use burn_prune::{Amount, Target};
///
/// assert_eq!(Target::from(0.5), Target::Amount(Amount::Fraction(0.5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Target {
    /// Remove this much of what is left.
    Amount(Amount),
    /// Remove until `round_ties_even(s · n)` units are pruned, `n` *all* units; nothing when they
    /// already are.
    Sparsity(#[serde(with = "crate::exact_float")] f64),
}

impl Target {
    pub(crate) fn validate(self) -> Result<(), PruneError> {
        match self {
            Self::Amount(amount) => amount.validate(),
            Self::Sparsity(found) if !(0.0..=1.0).contains(&found) => {
                Err(PruneError::InvalidSparsity { found })
            }
            Self::Sparsity(_) => Ok(()),
        }
    }

    /// How many are to go, before rounding.
    pub(crate) fn exact(self, remaining: usize, total: usize) -> f64 {
        match self {
            Self::Amount(Amount::Fraction(fraction)) => fraction * remaining as f64,
            Self::Amount(Amount::Count(count)) => count as f64,
            Self::Sparsity(sparsity) => sparsity * total as f64 - (total - remaining) as f64,
        }
    }

    /// How many of `remaining` unpruned units, of `total` units, are to go.
    pub(crate) fn count(
        self,
        parameter: &str,
        remaining: usize,
        total: usize,
    ) -> Result<usize, PruneError> {
        let share = |fraction: f64, of: usize| (fraction * of as f64).round_ties_even() as usize;
        match self {
            Self::Amount(Amount::Fraction(fraction)) => Ok(share(fraction, remaining)),
            Self::Amount(Amount::Count(requested)) if requested > remaining => {
                Err(PruneError::CountTooLarge {
                    parameter: parameter.to_string(),
                    requested,
                    available: remaining,
                })
            }
            Self::Amount(Amount::Count(requested)) => Ok(requested),
            Self::Sparsity(sparsity) => {
                let pruned = total - remaining;
                Ok(share(sparsity, total).saturating_sub(pruned))
            }
        }
    }
}

impl<A: Into<Amount>> From<A> for Target {
    fn from(amount: A) -> Self {
        Self::Amount(amount.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(target: impl Into<Target>, remaining: usize, total: usize) -> usize {
        let target = target.into();
        target.validate().unwrap();
        target.count("weight", remaining, total).unwrap()
    }

    #[test]
    fn fractions_round_half_to_even() {
        assert_eq!(count(0.4, 17, 17), 7);
        assert_eq!(count(0.5, 5, 5), 2);
        assert_eq!(count(0.5, 7, 7), 4);
        assert_eq!(count(0.3, 864, 864), 259);
    }

    #[test]
    fn zero_and_one_are_none_and_all() {
        assert_eq!(count(0.0, 9, 9), 0);
        assert_eq!(count(1.0, 9, 9), 9);
        assert_eq!(count(0, 9, 9), 0);
        assert_eq!(count(9, 9, 9), 9);
    }

    #[test]
    fn a_fraction_counts_what_is_left_and_a_sparsity_counts_all() {
        assert_eq!(count(0.5, 50, 100), 25);
        assert_eq!(count(Target::Sparsity(0.9), 50, 100), 40);
        assert_eq!(count(Target::Sparsity(0.3), 50, 100), 0);
    }

    #[test]
    fn bad_amounts_are_refused_with_their_value() {
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1.0000001] {
            assert!(Amount::from(bad).validate().is_err());
            assert!(Target::Sparsity(bad).validate().is_err());
        }
        let error = Target::from(10).count("fc.weight", 9, 12).unwrap_err();
        assert!(error.to_string().contains("cannot prune 10 of `fc.weight`"));
    }
}
