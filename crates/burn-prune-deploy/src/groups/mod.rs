//! Which channels of which parameters go together.

mod coupling;
mod display;
mod group;
mod hazard;
mod pattern;
pub(crate) mod reshape;
mod roles;
mod rules;
mod without;
mod zeros;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use group::{Frozen, Group, GroupMember, Member, Unit};
pub use hazard::GradientHazard;

use coupling::{Axis, Entries};
use rules::Rules;

use crate::error::DeployError;
use crate::graph::{AxisSize, Graph, OperationKind, ParameterId, TensorId};

/// The coupled channels of a model (Fang et al. 2023, "DepGraph: Towards Any Structural Pruning").
///
/// Found from operations alone, never from names or types of layers: two entries of two axes go
/// together when an operation makes one of the other. What goes together is a [`Unit`]: mostly one
/// channel, in all parameters that make, scale, shift or read it. Units of the same parameters are
/// a [`Group`]. Channels that belong to an input, an output, a constant or a layer norm are
/// [frozen](Groups::frozen), with the reason. So are channels that a mask would turn into infinity,
/// NaN, or a number so large that sums overflow, before they are read: through `log(x)` for
/// instance, but not through `sigmoid(x)`.
///
/// Splits into equal parts lose the same entries in each part. A group of a GroupNorm is one unit,
/// and so is a depthwise channel. Other grouped convolutions keep their groups and lose the same
/// entries in each.
///
/// Groups own their graph, and clones are cheap.
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
/// assert_eq!(groups.groups().len(), 1);
/// println!("{groups}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Groups {
    graph: Arc<Graph>,
    found: Arc<Found>,
}

/// What was found in a graph.
#[derive(Debug)]
struct Found {
    groups: Vec<Group>,
    frozen: Vec<Frozen>,
    hazards: Vec<GradientHazard>,
    /// For each tensor and axis, the unit of each entry.
    places: Vec<Vec<Vec<Place>>>,
}

impl Graph {
    /// Finds the channels that go together.
    ///
    /// # Errors
    /// When channels that could be cut lead into an operation that is not understood.
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
    /// assert_eq!(groups.groups()[0].units.len(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn groups(&self) -> Result<Groups, DeployError> {
        Groups::of(Arc::new(self.clone()))
    }
}

/// The unit that an entry of an axis belongs to, if any: numbers of the group and of the unit in it.
pub(crate) type Place = Option<(u32, u32)>;

/// Where the entries of a set are: parameter, axis, index.
type Places = Vec<(ParameterId, usize, usize)>;

impl Groups {
    fn of(graph: Arc<Graph>) -> Result<Self, DeployError> {
        let found = Arc::new(Found::of(&graph)?);
        Ok(Self { graph, found })
    }

    /// The groups, in the order of their first parameters.
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
    /// assert_eq!(groups.groups()[0].name, "0.weight");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn groups(&self) -> &[Group] {
        &self.found.groups
    }

    /// The group of a name.
    ///
    /// # Errors
    /// When there is none. The message lists the names.
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
    /// assert_eq!(groups.group("0.weight")?.units.len(), 32);
    /// let error = groups.group("hidden").unwrap_err();
    /// assert!(error.to_string().contains("there are: 0.weight"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(&self, name: &str) -> Result<&Group, DeployError> {
        let mut groups = self.found.groups.iter();
        let found = groups.find(|group| group.name == name);
        found.ok_or_else(|| DeployError::UnknownGroup {
            name: name.to_string(),
            known: self
                .found
                .groups
                .iter()
                .map(|group| group.name.clone())
                .collect(),
        })
    }

    /// Axes of parameters that are never cut, and why.
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
    /// let reasons: Vec<&str> = groups.frozen().iter().map(|frozen| frozen.reason.as_str()).collect();
    /// assert!(reasons.contains(&"an output of the model"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn frozen(&self) -> &[Frozen] {
        &self.found.frozen
    }

    /// Operations whose gradients may not be finite numbers behind channels that are masked as a
    /// whole: there, shrink before training.
    ///
    /// They follow the way Burn computes gradients. They are listed, not refused: the masked model
    /// computes what the shrunk one does.
    ///
    /// ```
    /// use burn::module::Module;
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::Graph;
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     fc1: Linear,
    ///     fc2: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let model = Net {
    ///     fc1: LinearConfig::new(8, 32).init(&device),
    ///     fc2: LinearConfig::new(32, 4).init(&device),
    /// };
    /// let example = Tensor::<2>::ones([1, 8], &device);
    /// // The derivative of a square root is infinite at 0.
    /// let forward = |net: &Net, x| net.fc2.forward(net.fc1.forward(x).abs().sqrt());
    ///
    /// let graph = Graph::capture(&model, example.clone(), forward)?;
    /// let groups = graph.groups()?;
    /// let hazard = &groups.gradient_hazards()[0];
    /// assert_eq!(hazard.name, "sqrt");
    /// assert_eq!(hazard.groups, ["fc1.weight"]);
    ///
    /// // With a margin it is finite.
    /// let forward = |net: &Net, x| net.fc2.forward((net.fc1.forward(x).abs() + 1e-6).sqrt());
    /// let graph = Graph::capture(&model, example, forward)?;
    /// assert!(graph.groups()?.gradient_hazards().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gradient_hazards(&self) -> &[GradientHazard] {
        &self.found.hazards
    }

    /// The graph that they are of.
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
    /// assert_eq!(groups.graph().parameters().len(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The unit of each entry of an axis of a tensor.
    pub(crate) fn units_of(&self, tensor: TensorId, axis: usize) -> &[Place] {
        &self.found.places[tensor.index()][axis]
    }
}

impl Found {
    fn of(graph: &Graph) -> Result<Self, DeployError> {
        // The batch is never cut, and so nothing may depend on its size.
        let without_batch = graph.without_batch();
        let Rules {
            mut entries,
            reasons,
            hazards,
            ..
        } = Rules::of(&without_batch);
        check_operations(graph, &mut entries)?;
        let used: BTreeSet<TensorId> = graph
            .operations
            .iter()
            .flat_map(|operation| operation.inputs.iter().copied())
            .collect();
        let mut sets: BTreeMap<usize, Places> = BTreeMap::new();
        for (number, parameter) in graph.parameter_ids().zip(&graph.parameters) {
            if !used.contains(&parameter.tensor) {
                continue;
            }
            for axis in 0..graph.shape(parameter.tensor).len() {
                let at = Axis {
                    tensor: parameter.tensor,
                    axis,
                };
                for index in 0..entries.size(at) {
                    let set = entries.set(at, index);
                    sets.entry(set).or_default().push((number, axis, index));
                }
            }
        }
        // The only entry of an axis is no channel among others.
        let is_one = |(parameter, axis, _): &(ParameterId, usize, usize)| {
            graph.shape(graph[*parameter].tensor)[*axis] == 1
        };
        sets.retain(|_, places| !places.iter().all(is_one));
        let (frozen, free): (Vec<_>, Vec<_>) = sets
            .into_iter()
            .partition(|(set, _)| entries.frozen(*set).is_some());
        let frozen = frozen.into_iter().map(|(set, places)| {
            let reason = entries.frozen(set).expect("it is frozen");
            (reasons[reason as usize].clone(), places)
        });
        let frozen = group::frozen(graph, frozen);
        let (groups, units) = group::groups(graph, free);
        let mut places = Vec::new();
        for tensor in graph.tensor_ids() {
            let axes = graph.axis_sizes(tensor).into_iter().enumerate();
            let axes = axes.map(|(axis, size)| {
                let units = (0..size.times()).map(|index| {
                    let set = entries.set(Axis { tensor, axis }, index);
                    units.get(&set).copied()
                });
                let units: Vec<Place> = units.collect();
                let all = graph.shape(tensor)[axis];
                match size {
                    AxisSize::Fixed(_) => units,
                    // Once for each entry of the batch.
                    AxisSize::Batch { .. } => units.into_iter().cycle().take(all).collect(),
                    AxisSize::Other => vec![None; all],
                }
            });
            places.push(axes.collect());
        }
        let hazards = hazard::hazards(graph, &groups, &places, &hazards);
        Ok(Self {
            groups,
            frozen,
            hazards,
            places,
        })
    }
}

/// Refuses operations that are not understood, unless nothing that can be cut leads there: they keep
/// the shapes of all that they read and make.
fn check_operations(graph: &Graph, entries: &mut Entries) -> Result<(), DeployError> {
    for (index, operation) in graph.operation_ids().zip(&graph.operations) {
        let OperationKind::Other { name } = &operation.kind else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for tensor in operation.inputs.iter().chain(&operation.outputs) {
            seen.extend(entries.sets(*tensor));
        }
        seen.retain(|set| entries.frozen(*set).is_none());
        let mut parameters = BTreeSet::new();
        for parameter in &graph.parameters {
            if !entries.sets(parameter.tensor).is_disjoint(&seen) {
                parameters.insert(parameter.path.clone());
            }
        }
        if !parameters.is_empty() {
            return Err(DeployError::UnknownOperation {
                index: index.index(),
                operation: name.clone(),
                parameters: parameters.into_iter().collect(),
            });
        }
    }
    Ok(())
}
