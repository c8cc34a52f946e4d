use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ParamId};
use serde::{Deserialize, Serialize};

use super::difference::difference;
use super::fold::{Check, Fold};
use super::{FieldEdit, cut, edits, shift};
use crate::error::DeployError;
use crate::graph::{Graph, GraphTensors, ParameterId, dims, record_once};
use crate::groups::Groups;

/// The cuts that make a model smaller, and the graph that it has afterwards.
///
/// Plain data: saved beside the weights of the small model, it turns a fresh large model into one
/// that they can be loaded into.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// use burn_prune_deploy::{Selection, ShrinkPlan};
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let plan = Selection::new(&groups).remove("0.weight", 0..16)?.plan();
/// let saved = serde_json::to_string(&plan)?;
/// assert_eq!(serde_json::from_str::<ShrinkPlan>(&saved)?, plan);
/// println!("{plan}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShrinkPlan {
    /// Axes of parameters that lose entries.
    pub cuts: Vec<AxisCut>,
    /// Constants of channels that are cut, which biases and running means take over. They are
    /// computed from the model that is cut.
    #[serde(default)]
    pub folds: Vec<Fold>,
    /// Fields that have to change with them.
    pub edits: Vec<FieldEdit>,
    /// The graph of the small model.
    pub graph: Graph,
    /// Dotted paths of parameters that the capture did not see, which are not cut: for instance
    /// those of an auxiliary head that only the training pass uses. Where one reads channels that
    /// are cut, the pass that uses it fails.
    #[serde(default)]
    pub unseen: Vec<String>,
}

/// An axis of a parameter that loses entries.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// use burn_prune_deploy::Selection;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// let plan = Selection::new(&groups).remove("0.weight", 0..30)?.plan();
/// let cut = &plan.cuts[0];
/// assert_eq!((cut.path.as_str(), cut.axis, cut.kept.as_slice()), ("0.weight", 1, &[30, 31][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AxisCut {
    /// Dotted path of the parameter.
    pub path: String,
    /// Its shape before.
    pub shape: Vec<usize>,
    /// The axis.
    pub axis: usize,
    /// Entries that stay, in their order.
    pub kept: Vec<usize>,
}

impl ShrinkPlan {
    /// The plan for units that go, by group and unit, and what biases take over from them.
    pub(crate) fn of(groups: &Groups, kept: &[Vec<bool>], folds: Vec<Fold>) -> Self {
        let before = groups.graph();
        let mut gone: BTreeMap<(ParameterId, usize), BTreeSet<usize>> = BTreeMap::new();
        for (group, kept) in groups.groups().iter().zip(kept) {
            let removed = group.units.iter().zip(kept).filter(|(_, kept)| !**kept);
            for member in removed.flat_map(|(unit, _)| &unit.members) {
                let of_axis = gone.entry((member.parameter, member.axis)).or_default();
                of_axis.extend(&member.indices);
            }
        }
        let cuts = gone.into_iter().flat_map(|((parameter, axis), gone)| {
            let parameter = &before[parameter];
            let shape = before.shape(parameter.tensor);
            let kept = (0..shape[axis]).filter(|index| !gone.contains(index));
            let kept: Vec<usize> = kept.collect();
            parameter.paths().map(move |path| AxisCut {
                path: path.to_string(),
                shape: shape.to_vec(),
                axis,
                kept: kept.clone(),
            })
        });
        let graph = groups.graph_without(kept);
        let plan = Self {
            cuts: cuts.collect(),
            folds,
            edits: edits::edits(before, &graph),
            graph,
            unseen: before.unseen().into_iter().map(String::from).collect(),
        };
        if !plan.cuts.is_empty() && !plan.unseen.is_empty() {
            log::warn!(
                "the capture did not see {}: they are not cut, and a pass that uses them may fail \
                 on the shrunk model",
                plan.unseen.join(", ")
            );
        }
        plan
    }

    /// Cuts a model and checks that the result has the planned graph. The result is on the same
    /// device and can be trained. Masks are folded in; the model itself is not changed.
    ///
    /// Only what the forward pass does on the example is checked. Parameters that it does not reach
    /// are in [`unseen`](Self::unseen). Sizes in fields that only other inputs or the training pass
    /// use cannot be seen at all.
    ///
    /// # Errors
    /// When the plan is of another model, or the small model computes something else: the message
    /// says what differs, and which fields should have been changed. When a channel that sent 0
    /// sends something else by now, and nothing can take it over; or when a constant is folded with a
    /// shared parameter whose copies differ by now.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// use burn_prune_deploy::Selection;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    /// let plan = Selection::new(&groups).remove("0.weight", 0..16)?.plan();
    /// let small = plan.shrink(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(small[0].weight.dims(), [8, 16]);
    /// assert_eq!(small[1].weight.dims(), [16, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink<M, I, O>(
        &self,
        model: &M,
        example: I,
        forward: impl FnOnce(&M, I) -> O,
    ) -> Result<M, DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        self.shrink_with(model, |model, _| model, example, forward)
    }

    /// The same, with a closure that changes the sizes that Burn keeps in fields, such as the
    /// groups of a depthwise `Conv2d`.
    ///
    /// # Errors
    /// As [`shrink`](Self::shrink).
    ///
    /// ```
    /// use burn::nn::conv::{Conv2d, Conv2dConfig};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// let device = Device::flex();
    /// let conv = |input, output, groups| {
    ///     Conv2dConfig::new([input, output], [1, 1]).with_groups(groups).init(&device)
    /// };
    /// // The one in the middle is depthwise: Burn has its number of groups in a field.
    /// let model: Vec<Conv2d> = vec![conv(3, 8, 1), conv(8, 8, 8), conv(8, 2, 1)];
    /// let forward = |model: &Vec<Conv2d>, x| model.iter().fold(x, |x, conv| conv.forward(x));
    /// let example = Tensor::<4>::ones([1, 3, 4, 4], &device);
    /// let groups = Graph::capture(&model, example.clone(), forward)?.groups()?;
    ///
    /// let plan = Selection::new(&groups).remove("0.weight", 0..4)?.plan();
    /// assert_eq!(plan.edits[0].to_string(), "`1.groups` from 8 to 4");
    /// let edit = |mut model: Vec<Conv2d>, _: &[_]| {
    ///     model[1].groups = 4;
    ///     model
    /// };
    /// let small = plan.shrink_with(&model, edit, example, forward)?;
    /// assert_eq!(small[1].weight.dims(), [4, 1, 1, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_with<M, I, O>(
        &self,
        model: &M,
        edit: impl FnOnce(M, &[FieldEdit]) -> M,
        example: I,
        forward: impl FnOnce(&M, I) -> O,
    ) -> Result<M, DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        let small = edit(self.cut(model, Check::Zeros)?, &self.edits);
        let edits = || self.edits.iter().map(FieldEdit::to_string).collect();
        // Copies of one parameter may differ by now: optimizers move the first one only.
        let shared = self
            .graph
            .parameters
            .iter()
            .filter(|parameter| !parameter.shared_as.is_empty())
            .map(|parameter| parameter.paths().map(String::from).collect())
            .collect();
        let reason = "the plan is for the sizes of its example".to_string();
        let captured = record_once(&small, example, shared, reason, forward);
        let difference = match captured.and_then(|capture| capture.graph()) {
            Ok(graph) => difference(&self.graph, &graph),
            Err(DeployError::Forward { message, .. }) => Some(format!("it fails: {message}")),
            Err(error) => return Err(error),
        };
        match difference {
            None => Ok(small),
            Some(difference) => Err(DeployError::GraphMismatch {
                difference,
                edits: edits(),
            }),
        }
    }

    /// Cuts a model without checking what it computes, and without changing fields: for a fresh
    /// model that the weights of a small one will be loaded into. Constants are folded, but whether
    /// those that nothing can take over are 0 is not looked at.
    ///
    /// Parameters that records hold in another layout, such as those of `LinearLayout::Col`, are
    /// lazy again until they are used: Burn loads them only then.
    ///
    /// # Errors
    /// When the plan is of another model.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// use burn_prune_deploy::Selection;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    /// let plan = Selection::new(&groups).remove("0.weight", 0..16)?.plan();
    /// // A fresh model, which the saved weights of a small one can be loaded into.
    /// let fresh = plan.apply(&vec![linear(8, 32), linear(32, 4)])?;
    /// assert_eq!(fresh[0].weight.dims(), [8, 16]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply<M: Module>(&self, model: &M) -> Result<M, DeployError> {
        self.cut(model, Check::Nothing)
    }

    pub(super) fn cut<M: Module>(&self, model: &M, check: Check) -> Result<M, DeployError> {
        self.ids(model)?;
        let is_training = model.devices().iter().any(|device| device.is_autodiff());
        // `valid` makes running statistics of its own; mapping a clone would cut the caller's.
        let whole = model.valid().materialize();
        let whole = match &self.folds[..] {
            [] => whole,
            folds => shift::folded(whole, folds, &self.graph, check)?,
        };
        let small = cut::cut(whole, &self.cuts);
        let small = if is_training { small.train() } else { small };
        Ok(cut::loadable(small, &self.cuts))
    }

    /// The id of the parameter of each cut, when the plan is of this model.
    pub(super) fn ids<M: Module>(&self, model: &M) -> Result<Vec<ParamId>, DeployError> {
        let parameters = cut::parameters(model);
        let ids = self.cuts.iter().map(|AxisCut { path, shape, .. }| {
            let found = parameters.get(path);
            match found {
                Some((id, found)) if found == shape => Ok(*id),
                _ => Err(DeployError::ModelMismatch {
                    path: path.clone(),
                    expected: dims(shape),
                    found: found.map_or("nothing".to_string(), |(_, found)| dims(found)),
                }),
            }
        });
        ids.collect()
    }
}
