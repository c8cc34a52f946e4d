use std::collections::{BTreeMap, HashMap};

use super::Places;
use crate::graph::{Graph, ParameterId};

/// Units with the same axes of the same parameters, mostly the channels of a layer.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let hidden = &groups.groups()[0];
/// assert_eq!((hidden.name.as_str(), hidden.units.len()), ("0.weight", 32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// Path of its first parameter; a second group with the same path has `#2` after it.
    pub name: String,
    /// Its units, in the order of their first entries.
    pub units: Vec<Unit>,
}

/// What is cut as a whole: usually one channel.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let unit = &groups.groups()[0].units[5];
/// assert!(unit.members.iter().all(|member| member.indices == [5]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unit {
    /// The parts of parameters that belong to it.
    pub members: Vec<Member>,
}

/// The part of a unit in one axis of one parameter.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let member = &groups.groups()[0].units[5].members[0];
/// assert_eq!(graph[member.parameter].path, "0.weight");
/// // Column 5 of the weight: Burn's `Linear` has the outputs in the second axis.
/// assert_eq!((member.axis, member.indices.as_slice()), (1, &[5][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The parameter.
    pub parameter: ParameterId,
    /// Axis of the parameter.
    pub axis: usize,
    /// Indices along the axis.
    pub indices: Vec<usize>,
}

/// An axis of a parameter that all units of a group lie in.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let last = groups.groups()[0].members().last().unwrap();
/// assert_eq!(graph[last.parameter].path, "1.weight");
/// assert_eq!((last.axis, last.entries), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMember {
    /// The parameter.
    pub parameter: ParameterId,
    /// The axis.
    pub axis: usize,
    /// How many entries along it each unit has.
    pub entries: usize,
}

/// An axis of a parameter with entries that are never cut.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let frozen = &groups.frozen()[0];
/// assert_eq!((frozen.parameter.as_str(), frozen.axis, frozen.entries), ("0.weight", 0, 8));
/// assert_eq!(frozen.reason, "an input of the model");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frozen {
    /// Dotted path of the parameter.
    pub parameter: String,
    /// The axis.
    pub axis: usize,
    /// How many of its entries.
    pub entries: usize,
    /// Why.
    pub reason: String,
}

impl Group {
    /// The parameters and axes that it lies in, with how many entries a unit has there.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    /// let paths = groups.groups()[0].members().map(|member| graph[member.parameter].path.as_str());
    /// assert_eq!(paths.collect::<Vec<_>>(), ["0.weight", "0.bias", "1.weight"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn members(&self) -> impl Iterator<Item = GroupMember> + '_ {
        let first = self.units.first();
        first.into_iter().flat_map(|unit| {
            unit.members.iter().map(|member| GroupMember {
                parameter: member.parameter,
                axis: member.axis,
                entries: member.indices.len(),
            })
        })
    }
}

/// Groups the free sets, and says which unit a set is: numbers of the group and of the unit in it.
pub(super) fn groups(
    graph: &Graph,
    free: Vec<(usize, Places)>,
) -> (Vec<Group>, HashMap<usize, (u32, u32)>) {
    let units = free.into_iter().map(|(set, places)| (set, unit(&places)));
    let mut units: Vec<(usize, Unit)> = units.collect();
    let first = |unit: &Unit| {
        let member = &unit.members[0];
        (member.parameter, member.axis, member.indices[0])
    };
    units.sort_by_key(|(_, unit)| first(unit));
    let mut by_signature: BTreeMap<Vec<(ParameterId, usize, usize)>, usize> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut numbers = HashMap::new();
    for (set, unit) in units {
        let signature = unit.members.iter();
        let signature =
            signature.map(|member| (member.parameter, member.axis, member.indices.len()));
        let group = *by_signature.entry(signature.collect()).or_insert_with(|| {
            groups.push(Group {
                name: String::new(),
                units: Vec::new(),
            });
            groups.len() - 1
        });
        let members = &mut groups[group].units;
        numbers.insert(set, (group as u32, members.len() as u32));
        members.push(unit);
    }
    name(graph, &mut groups);
    (groups, numbers)
}

/// The name is the path; with a number where several have the same.
fn name(graph: &Graph, groups: &mut [Group]) {
    let mut used: HashMap<String, usize> = HashMap::new();
    for group in groups {
        let first = &group.units[0].members[0];
        let path = &graph[first.parameter].path;
        let times = used.entry(path.clone()).or_default();
        *times += 1;
        group.name = match times {
            1 => path.clone(),
            times => format!("{path}#{times}"),
        };
    }
}

fn unit(places: &Places) -> Unit {
    let mut members: Vec<Member> = Vec::new();
    for &(parameter, axis, index) in places {
        match members.last_mut() {
            Some(last) if (last.parameter, last.axis) == (parameter, axis) => {
                last.indices.push(index);
            }
            _ => members.push(Member {
                parameter,
                axis,
                indices: vec![index],
            }),
        }
    }
    Unit { members }
}

/// The frozen axes; a unit of a single entry counts for nothing.
pub(super) fn frozen(graph: &Graph, sets: impl Iterator<Item = (String, Places)>) -> Vec<Frozen> {
    let mut counts: BTreeMap<(ParameterId, usize, String), usize> = BTreeMap::new();
    for (reason, places) in sets {
        for (parameter, axis, _) in places {
            let size = graph.shape(graph[parameter].tensor)[axis];
            if size > 1 {
                *counts.entry((parameter, axis, reason.clone())).or_default() += 1;
            }
        }
    }
    let counts = counts.into_iter();
    let frozen = counts.map(|((parameter, axis, reason), entries)| Frozen {
        parameter: graph[parameter].path.clone(),
        axis,
        entries,
        reason,
    });
    frozen.collect()
}
