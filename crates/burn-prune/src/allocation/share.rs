use crate::allocation::Floor;
use crate::amount::Target;
use crate::error::PruneError;
use crate::model::Parameter;

/// A parameter, or a group of [coupled channels](crate::CoupledChannels), that an amount is divided
/// among.
///
/// See [`AllocationRule`](crate::AllocationRule) for an example.
#[derive(Debug)]
pub struct Share<'a> {
    name: &'a str,
    shape: &'a [usize],
    /// The parameters by which it is given a target of its own.
    named_by: Vec<&'a Parameter>,
    remaining: usize,
    total: usize,
    /// Units that it always keeps, whatever the pruner is told.
    always_kept: usize,
    /// Units that it keeps at least.
    floor: usize,
}

impl<'a> Share<'a> {
    pub(crate) fn of_parameter(
        parameter: &'a Parameter,
        remaining: usize,
        total: usize,
        floor: Floor,
    ) -> Self {
        Self {
            name: parameter.path(),
            shape: &parameter.shape,
            named_by: vec![parameter],
            remaining,
            total,
            always_kept: 0,
            floor: floor.units(total),
        }
    }

    /// Of a group that these parameters make, which has this shape and always keeps a unit.
    pub(crate) fn of_group(
        name: &'a str,
        shape: &'a [usize],
        makers: Vec<&'a Parameter>,
        remaining: usize,
        total: usize,
        floor: Floor,
    ) -> Self {
        Self {
            name,
            shape,
            named_by: makers,
            remaining,
            total,
            always_kept: 1,
            floor: floor.units(total).max(total.min(1)),
        }
    }

    /// Path of the parameter, or name of the group.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Shape of the parameter; for a group, that of the first member that makes its channels.
    pub fn shape(&self) -> &[usize] {
        self.shape
    }

    /// Units that are still unpruned.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// All its units.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Units that can be pruned: those that remain, minus its floor.
    pub fn removable(&self) -> usize {
        self.remaining.saturating_sub(self.floor)
    }

    /// Units that it keeps at least.
    pub(super) fn floor(&self) -> usize {
        self.floor
    }

    /// Units that it always keeps, of those that are left.
    pub(super) fn always_kept(&self) -> usize {
        self.always_kept.min(self.remaining)
    }

    /// Units that may have gone in the end.
    #[cfg(feature = "optim")]
    pub(super) fn most(&self) -> usize {
        self.total.saturating_sub(self.always_kept)
    }

    pub(super) fn named_by(&self) -> &[&'a Parameter] {
        &self.named_by
    }

    /// Whether it is a group of coupled channels.
    pub(super) fn is_group(&self) -> bool {
        self.always_kept > 0
    }

    /// How many units a target takes.
    pub(super) fn count(&self, target: Target) -> Result<usize, PruneError> {
        let count = target.count(self.name, self.remaining, self.total)?;
        let exact = target.exact(self.remaining, self.total);
        let most = self.remaining - self.always_kept();
        Ok(not_rounded_above(most, count, exact))
    }
}

/// A count, unless it is only by rounding that it is above what can go.
pub(super) fn not_rounded_above(most: usize, count: usize, exact: f64) -> usize {
    if count > most && exact < most as f64 + 1.0 {
        most
    } else {
        count
    }
}
