use super::Weight;
use crate::model::Values;
use crate::pattern::{MemberRole, Units};

/// What a criterion sees of a group of [coupled channels](crate::CoupledChannels): its members, in
/// their order, with the effective weights.
///
/// See [`Criterion::group_scores`](crate::Criterion::group_scores) for an example.
#[derive(Debug)]
pub struct GroupWeights<'a> {
    name: &'a str,
    units: usize,
    members: &'a [MemberWeights<'a>],
}

/// A member with its weights.
#[derive(Debug)]
pub(crate) struct MemberWeights<'a> {
    pub path: &'a str,
    pub shape: &'a [usize],
    pub values: Values,
    pub units: &'a Units,
    pub role: MemberRole,
}

impl<'a> GroupWeights<'a> {
    pub(crate) fn new(name: &'a str, units: usize, members: &'a [MemberWeights<'a>]) -> Self {
        Self {
            name,
            units,
            members,
        }
    }

    /// Name of the group.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Number of units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Of each member the whole parameter, which of its weights belong to which unit, and what it
    /// does with the channels.
    ///
    /// A member may have weights of [no unit](Units::unit_of). A parameter is in the group twice
    /// where its output and its input are coupled with each other.
    pub fn members(&self) -> impl Iterator<Item = (Weight<'_>, &Units, MemberRole)> {
        self.members.iter().map(|member| {
            let weight = Weight::new(member.path, member.shape, &member.values);
            (weight, member.units, member.role)
        })
    }
}
