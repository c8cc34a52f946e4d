use burn_prune::{Allocation, AllocationRule, Identity, PruneError, Shares, Target};

/// Leaves multiples of so many units, at most as many go as by another allocation.
#[derive(Debug, Clone)]
pub(super) struct MultipleOf {
    pub units: usize,
    pub allocation: Allocation,
}

impl AllocationRule for MultipleOf {
    fn counts(
        &self,
        shares: &Shares<'_>,
        target: Option<Target>,
    ) -> Result<Vec<usize>, PruneError> {
        if self.units == 0 {
            return Err(PruneError::Allocation {
                message:
                    "groups cannot keep a multiple of 0 units: take 1 or more in `multiple_of`"
                        .to_string(),
            });
        }
        let counts = shares.by(&self.allocation, target)?;
        let rounded = shares.iter().zip(counts).map(|(share, count)| {
            let left = share.remaining() - count;
            // A multiple that no number reaches is more than there are.
            let kept = left.checked_next_multiple_of(self.units);
            let kept = kept.map_or(share.remaining(), |kept| kept.min(share.remaining()));
            share.remaining() - kept
        });
        Ok(rounded.collect())
    }

    fn identity(&self) -> Option<Identity> {
        let identity = Identity::new("multiple of")
            .with("units", self.units)
            .with("allocation", super::stored(&self.allocation)?);
        Some(identity)
    }
}
