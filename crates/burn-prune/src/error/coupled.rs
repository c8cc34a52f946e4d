//! What can go wrong with coupled channels.

/// Why coupled channels cannot be pruned as asked: a part of [`PruneError`](super::PruneError).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CoupledError {
    /// A group that is not valid: it has no units, or entries that an axis does not have.
    #[error("the coupled group `{group}` {message}")]
    InvalidGroup {
        /// Name of the group.
        group: String,
        /// What is wrong with it.
        message: String,
    },
    /// The pattern has no coupled channels at all.
    #[error("the pattern has no groups of coupled channels, so there is nothing to prune")]
    NoGroups,
    /// A group has a parameter that the model does not have.
    #[error(
        "the coupled group `{group}` has the parameter `{path}`, but the model has [{found}]; make \
         the pattern from this model"
    )]
    MemberMissing {
        /// Name of the group.
        group: String,
        /// Path of its member.
        path: String,
        /// The float parameters that the model has.
        found: String,
    },
    /// A group has a parameter of another shape than the model.
    #[error(
        "the coupled channels are of `{path}` with shape {expected:?}, but in the model it has shape \
         {found:?}; make the pattern from this model"
    )]
    MemberShape {
        /// Path of the member.
        path: String,
        /// The shape in the pattern.
        expected: Vec<usize>,
        /// The shape in the model.
        found: Vec<usize>,
    },
    /// A parameter group matches no member of a coupled group.
    #[error(
        "the group given to `{method}` matches no parameter with coupled channels: {group}; the \
         pattern has [{members}]"
    )]
    MatchesNoMember {
        /// The method of the pruner that received the group.
        method: &'static str,
        /// The group.
        group: String,
        /// The parameters that the pattern has.
        members: String,
    },
    /// A group would be left without a unit by the masks that it has and those that others get.
    #[error(
        "the coupled group `{group}` would be left without a unit: what it keeps is masked already, \
         or goes with others that it overlaps with; prune less, exclude the group, or give the \
         pruner a floor"
    )]
    Emptied {
        /// Name of the group.
        group: String,
    },
    /// Different targets for one group of coupled channels.
    #[error(
        "`{path}` and `{other}` make the channels of the coupled group `{group}` together, but have \
         different targets: give both the same target, or set the target of one of them only"
    )]
    TargetsDiffer {
        /// Name of the group.
        group: String,
        /// Path of a weight that makes its channels.
        path: String,
        /// Path of another one.
        other: String,
    },
}
