//! Settings of a pruner that contradict each other.

use crate::error::PruneError;

/// Two settings that contradict each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Contradiction {
    /// `amount` and `to_sparsity`.
    AmountAndSparsity,
    /// `only`, twice.
    OnlyTwice,
}

impl From<Contradiction> for PruneError {
    fn from(contradiction: Contradiction) -> Self {
        let (settings, advice) = match contradiction {
            Contradiction::AmountAndSparsity => (
                "`amount` and `to_sparsity`",
                "an amount counts what is left and a sparsity counts everything, so give one of them",
            ),
            Contradiction::OnlyTwice => (
                "two calls of `only`",
                "name everything that is pruned in one group, or add to it with `include`",
            ),
        };
        Self::Contradiction { settings, advice }
    }
}
