//! What can go wrong with a pruner that was read from a file.

/// Why a stored pruner cannot be used as it is: a part of [`PruneError`](super::PruneError).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// A stored pruner names a criterion or a rule of your own, which it was not given.
    #[error(
        "the {what} `{wanted}` is not one of burn-prune: give it to the pruner with `{method}`"
    )]
    NotGiven {
        /// "criterion" or "allocation".
        what: &'static str,
        /// What is named, by its [`Identity`](crate::Identity).
        wanted: String,
        /// The method of the pruner that takes it.
        method: &'static str,
    },
    /// A stored pruner names another criterion or rule than the one that it was given.
    #[error("the pruner was stored with the {what} `{wanted}`, but was given `{found}`")]
    Mismatch {
        /// "criterion" or "allocation".
        what: &'static str,
        /// What is named, by its [`Identity`](crate::Identity).
        wanted: String,
        /// What was given.
        found: String,
    },
}
