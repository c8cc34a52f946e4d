//! Channels of several parameters that go together, as plain data.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Pattern;
use crate::error::{CoupledError, PruneError};

/// Channels that can only be removed together: groups of units that span several parameters.
///
/// Removing channel `c` of a convolution means removing row `c` of its weight, entry `c` of its
/// bias and of the norm that follows, and column `c` of every weight that reads it. Those slices
/// are one *unit*; the units that one layer makes, or several layers that are added up, are one
/// [`CoupledGroup`]. `burn-prune-deploy` makes the groups of a model from its graph; they are plain
/// data, so they can also be written by hand or read from a file. How they are pruned is said at
/// [`Pattern::Coupled`].
///
/// Only what can be masked is a member: no running statistics. Members may overlap: a weight belongs
/// to two units where its outputs and its inputs are both coupled, and is pruned with either.
///
/// ```
/// use burn_prune::{CoupledChannels, CoupledGroup, CoupledMember, MemberRole};
///
/// // Two Linear layers, 3 → 2 → 4: the hidden features are the outputs of one (columns, in Burn's
/// // layout) and the inputs of the other (rows).
/// let hidden = CoupledGroup::new("fc1.weight", [
///     CoupledMember::whole("fc1.weight", 1, [3, 2], MemberRole::Output),
///     CoupledMember::whole("fc1.bias", 0, [2], MemberRole::Shift),
///     CoupledMember::whole("fc2.weight", 0, [2, 4], MemberRole::Input),
/// ]);
/// let channels = CoupledChannels::new([hidden])?;
/// assert_eq!(channels.groups()[0].units(), 2);
///
/// let json = serde_json::to_string(&channels).unwrap();
/// assert_eq!(serde_json::from_str::<CoupledChannels>(&json).unwrap(), channels);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct CoupledChannels {
    groups: Vec<CoupledGroup>,
}

/// Units that the same parameters have a part in.
///
/// See [`CoupledChannels`] for an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoupledGroup {
    name: String,
    members: Vec<CoupledMember>,
}

/// One axis of one parameter, and which of its entries belong to which unit of a group.
///
/// ```
/// use burn_prune::{CoupledMember, MemberRole};
///
/// // The input of a Linear behind a flattened image of 2 channels, 3 pixels each.
/// let member = CoupledMember {
///     path: "head.weight".to_string(),
///     axis: 0,
///     shape: vec![6, 10],
///     role: MemberRole::Input,
///     indices: vec![vec![0, 1, 2], vec![3, 4, 5]],
/// };
/// assert_eq!(member.indices.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoupledMember {
    /// Dotted path of the parameter.
    pub path: String,
    /// The dimension whose entries belong to the units, counted from 0.
    pub axis: usize,
    /// Shape of the parameter.
    pub shape: Vec<usize>,
    /// What the parameter does with the channels.
    pub role: MemberRole,
    /// For each unit, its entries along the axis. Entries of no unit stay as they are.
    pub indices: Vec<Vec<usize>>,
}

/// What a parameter does with the channels of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MemberRole {
    /// The axis is the output of a weight that makes the channels.
    Output,
    /// The axis is the input of a weight that reads the channels.
    Input,
    /// The scale of a norm, such as the gamma of a `BatchNorm`.
    Scale,
    /// A bias, or the shift of a norm.
    Shift,
    /// Anything else that has an entry for each channel.
    Other,
}

impl CoupledChannels {
    /// Groups of coupled channels, in the order in which they are ranked.
    ///
    /// # Errors
    /// [`CoupledError::InvalidGroup`] for a group without members or units, with members that have
    /// different numbers of units, with entries that an axis does not have or that are in two units,
    /// with a unit without entries, or with the name of another group.
    pub fn new(groups: impl IntoIterator<Item = CoupledGroup>) -> Result<Self, PruneError> {
        let groups: Vec<_> = groups.into_iter().collect();
        let mut names = HashSet::new();
        for group in &groups {
            group.validate()?;
            if !names.insert(&group.name) {
                return Err(group.invalid("is the name of two groups: give each a name of its own"));
            }
        }
        Ok(Self { groups })
    }

    /// Groups of a pattern that has been checked.
    #[cfg(feature = "optim")]
    pub(crate) fn of_valid(groups: impl IntoIterator<Item = CoupledGroup>) -> Self {
        let groups = groups.into_iter().collect();
        Self { groups }
    }

    /// The groups, in the order in which they are ranked.
    pub fn groups(&self) -> &[CoupledGroup] {
        &self.groups
    }
}

impl CoupledGroup {
    /// A group with this name, by which errors, random choices and reports know it.
    ///
    /// By convention the name is the path of the first parameter, with `#2` after it for the second
    /// group that starts with that parameter.
    pub fn new(name: impl Into<String>, members: impl IntoIterator<Item = CoupledMember>) -> Self {
        Self {
            name: name.into(),
            members: members.into_iter().collect(),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The members, each one axis of one parameter.
    pub fn members(&self) -> &[CoupledMember] {
        &self.members
    }

    /// Number of units, the same in each member.
    pub fn units(&self) -> usize {
        let first = self.members.first();
        first.map_or(0, |member| member.indices.len())
    }

    fn validate(&self) -> Result<(), PruneError> {
        let units = self.units();
        if units == 0 {
            return Err(self.invalid("has no units: leave it out"));
        }
        let mut seen = HashSet::new();
        let mut empty = vec![true; units];
        for member in &self.members {
            let CoupledMember { path, axis, .. } = member;
            if !seen.insert((path, axis)) {
                let message = format!("has axis {axis} of `{path}` twice: make one member of it");
                return Err(self.invalid(message));
            }
            let found = member.indices.len();
            if found != units {
                return Err(self.invalid(format!(
                    "needs the same number of units in every member: {units} in `{}`, {found} in \
                     `{path}`",
                    self.members[0].path
                )));
            }
            member.validate().map_err(|message| self.invalid(message))?;
            for (empty, indices) in empty.iter_mut().zip(&member.indices) {
                *empty &= indices.is_empty();
            }
        }
        match empty.iter().position(|empty| *empty) {
            Some(unit) => Err(self.invalid(format!("has no entries for unit {unit}"))),
            None => Ok(()),
        }
    }

    fn invalid(&self, message: impl Into<String>) -> PruneError {
        PruneError::Coupled(CoupledError::InvalidGroup {
            group: self.name.clone(),
            message: message.into(),
        })
    }
}

impl CoupledMember {
    /// A member whose axis has one entry for each unit, in their order.
    ///
    /// An axis that the shape does not have is refused by [`CoupledChannels::new`].
    ///
    /// ```
    /// use burn_prune::{CoupledMember, MemberRole};
    ///
    /// let bias = CoupledMember::whole("conv1.bias", 0, [3], MemberRole::Shift);
    /// assert_eq!(bias.indices, [[0], [1], [2]]);
    /// ```
    pub fn whole(
        path: impl Into<String>,
        axis: usize,
        shape: impl Into<Vec<usize>>,
        role: MemberRole,
    ) -> Self {
        let shape = shape.into();
        let length = shape.get(axis).copied().unwrap_or_default();
        Self {
            path: path.into(),
            axis,
            indices: (0..length).map(|index| vec![index]).collect(),
            shape,
            role,
        }
    }

    fn validate(&self) -> Result<(), String> {
        let Self {
            path, axis, shape, ..
        } = self;
        let Some(&length) = shape.get(*axis) else {
            return Err(format!(
                "asks for axis {axis} of `{path}`, whose shape is {shape:?}"
            ));
        };
        let mut taken = HashSet::new();
        for index in self.indices.iter().flatten() {
            if *index >= length {
                return Err(format!(
                    "asks for entry {index} of axis {axis} of `{path}`, which has {length}"
                ));
            }
            if !taken.insert(index) {
                return Err(format!(
                    "has entry {index} of axis {axis} of `{path}` twice"
                ));
            }
        }
        Ok(())
    }
}

/// What is read from a file, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    groups: Vec<CoupledGroup>,
}

impl TryFrom<Unchecked> for CoupledChannels {
    type Error = PruneError;

    fn try_from(unchecked: Unchecked) -> Result<Self, PruneError> {
        Self::new(unchecked.groups)
    }
}

impl From<CoupledChannels> for Pattern {
    fn from(channels: CoupledChannels) -> Self {
        Self::Coupled(Arc::new(channels))
    }
}

/// Serde form of the shared value: that of the value.
pub(super) mod shared {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        channels: &Arc<CoupledChannels>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        channels.as_ref().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<CoupledChannels>, D::Error> {
        CoupledChannels::deserialize(deserializer).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, shape: &[usize], axis: usize) -> CoupledMember {
        CoupledMember::whole(path, axis, shape, MemberRole::Other)
    }

    fn refused(members: impl IntoIterator<Item = CoupledMember>) -> String {
        let refused = CoupledChannels::new([CoupledGroup::new("g", members)]);
        refused.unwrap_err().to_string()
    }

    #[test]
    fn what_makes_no_group_is_refused_with_the_reason() {
        let whole = member("a", &[2, 3], 0);
        let with = |indices: &[&[usize]]| CoupledMember {
            indices: indices.iter().map(|unit| unit.to_vec()).collect(),
            ..whole.clone()
        };
        let cases = [
            (refused([]), "has no units"),
            (refused([with(&[])]), "has no units"),
            (refused([member("a", &[2], 1)]), "has no units"),
            (
                refused([whole.clone(), whole.clone()]),
                "has axis 0 of `a` twice",
            ),
            (
                refused([whole.clone(), member("b", &[3], 0)]),
                "2 in `a`, 3 in `b`",
            ),
            (
                refused([
                    whole.clone(),
                    CoupledMember {
                        axis: 5,
                        ..with(&[&[0], &[1]])
                    },
                ]),
                "asks for axis 5 of `a`, whose shape is [2, 3]",
            ),
            (
                refused([with(&[&[0], &[2]])]),
                "asks for entry 2 of axis 0 of `a`, which has 2",
            ),
            (
                refused([with(&[&[0], &[0]])]),
                "has entry 0 of axis 0 of `a` twice",
            ),
            (refused([with(&[&[0], &[]])]), "has no entries for unit 1"),
        ];
        for (message, expected) in cases {
            assert!(
                message.contains("`g`") && message.contains(expected),
                "{message}"
            );
        }
        let twice = [
            CoupledGroup::new("g", [whole.clone()]),
            CoupledGroup::new("g", [whole]),
        ];
        let message = CoupledChannels::new(twice).unwrap_err().to_string();
        assert!(message.contains("two groups"), "{message}");
    }

    #[test]
    fn a_pattern_of_coupled_channels_comes_back_from_json() {
        let group = CoupledGroup::new("g", [member("a", &[2, 3], 1), member("b", &[3], 0)]);
        let pattern = Pattern::from(CoupledChannels::new([group]).unwrap());
        let json = serde_json::to_string(&pattern).unwrap();
        assert_eq!(serde_json::from_str::<Pattern>(&json).unwrap(), pattern);
        assert!(json.starts_with(r#"{"Coupled":{"groups":[{"name":"g","members":[{"path":"a""#));
    }

    #[test]
    fn unknown_fields_and_invalid_groups_are_refused_when_read() {
        let group = CoupledGroup::new("g", [member("a", &[1], 0)]);
        let json = serde_json::to_string(&CoupledChannels::new([group]).unwrap()).unwrap();
        let read = |json: &str| serde_json::from_str::<CoupledChannels>(json);
        assert!(read(&json).is_ok());
        for typo in ["groups", "name", "members", "axis"] {
            let extra = json.replace(&format!("\"{typo}\""), &format!("\"x\":1,\"{typo}\""));
            assert!(read(&extra).unwrap_err().to_string().contains("`x`"));
        }
        let invalid = read(&json.replace("[[0]]", "[[7]]")).unwrap_err();
        assert!(invalid.to_string().contains("entry 7"), "{invalid}");
    }
}
