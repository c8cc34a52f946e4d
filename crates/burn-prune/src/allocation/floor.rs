use crate::error::PruneError;

/// What is kept of every parameter, whatever the amount.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Floor {
    /// Fraction of the units of a parameter, in `[0, 1]`.
    pub density: f64,
    /// Number of units, or all of them where there are fewer.
    pub count: usize,
}

impl Floor {
    pub(crate) fn validate(self) -> Result<(), PruneError> {
        if (0.0..=1.0).contains(&self.density) {
            return Ok(());
        }
        Err(PruneError::InvalidDensity {
            found: self.density,
        })
    }

    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }

    /// How many of `total` units are kept at least.
    pub(crate) fn units(self, total: usize) -> usize {
        // What is a whole number but for rounding is not one more.
        const ROUNDING: f64 = 1e-12;
        let share = self.density * total as f64;
        let share = (share - share * ROUNDING).ceil() as usize;
        share.max(self.count).min(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_share_and_count_is_kept() {
        let floor = |density, count| Floor { density, count };
        assert_eq!(floor(0.1, 0).units(30), 3);
        assert_eq!(floor(0.07, 0).units(100), 7);
        assert_eq!(floor(0.1, 0).units(31), 4);
        assert_eq!(floor(0.55, 0).units(50_000_000), 27_500_000);
        assert_eq!(floor(0.1, 5).units(30), 5);
        assert_eq!(floor(0.0, 5).units(3), 3);
    }
}
