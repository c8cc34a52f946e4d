use std::collections::HashSet;

use burn_prune::MaskSet;

use super::found::{Found, UnitName};
use super::masked::{self, Masked};
use crate::error::DeployError;
use crate::graph::Graph;
use crate::groups::{GradientHazard, Groups};
use crate::shrink::{Fold, ShrinkPlan};

/// Units to remove: those that masks remove, or that the caller names.
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
/// let selection = Selection::new(&groups).remove("0.weight", [3, 7])?;
/// assert_eq!(selection.graph().cost().multiply_adds(), 30 * (8 + 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Selection {
    groups: Groups,
    /// By group and unit.
    kept: Vec<Vec<bool>>,
    /// What biases take over from units that go.
    folds: Vec<Fold>,
    /// The masks that it was made from.
    masked: Option<Masked>,
    pub(super) found: Found,
}

impl Selection {
    /// A selection that removes nothing yet.
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
    /// assert!(Selection::new(&groups).masks().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(groups: &Groups) -> Self {
        let kept = groups.groups().iter();
        Self {
            groups: groups.clone(),
            kept: kept.map(|group| vec![true; group.units.len()]).collect(),
            folds: Vec::new(),
            masked: None,
            found: Found::default(),
        }
    }

    /// What was found in masks.
    pub(super) fn found(
        groups: &Groups,
        kept: Vec<Vec<bool>>,
        folds: Vec<Fold>,
        masked: Masked,
        found: Found,
    ) -> Self {
        Self {
            groups: groups.clone(),
            kept,
            folds,
            masked: Some(masked),
            found,
        }
    }

    /// Removes a unit, or notes that it is the last one of its group.
    pub(super) fn remove_but_last(&mut self, name: UnitName) {
        let mut groups = self.groups.groups().iter();
        let number = groups.position(|group| group.name == name.group);
        let kept = &mut self.kept[number.expect("the name is that of a group")];
        if kept.iter().filter(|kept| **kept).count() > 1 {
            kept[name.unit] = false;
        } else if kept[name.unit] {
            self.found.last_units.push(name);
        }
    }

    /// Also removes these units of a group.
    ///
    /// # Errors
    /// When there is no such group or unit, or the group would become empty.
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
    /// let selection = Selection::new(&groups).remove("0.weight", 0..31)?;
    /// assert!(selection.remove("0.weight", [31]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(
        mut self,
        group: &str,
        units: impl IntoIterator<Item = usize>,
    ) -> Result<Self, DeployError> {
        let known = self.groups.group(group)?;
        let mut groups = self.groups.groups().iter();
        let number = groups
            .position(|other| other.name == known.name)
            .expect("it has just been found");
        for unit in units {
            match self.kept[number].get_mut(unit) {
                Some(kept) => *kept = false,
                None => {
                    return Err(DeployError::UnknownUnit {
                        group: group.to_string(),
                        units: known.units.len(),
                        found: unit,
                    });
                }
            }
        }
        if !self.kept[number].contains(&true) {
            return Err(DeployError::EmptyGroup {
                group: group.to_string(),
                units: known.units.len(),
            });
        }
        Ok(self)
    }

    /// Whether each unit of each group is kept.
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
    /// let selection = Selection::new(&groups).remove("0.weight", [1])?;
    /// assert_eq!(selection.kept()[0][..3], [true, false, true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kept(&self) -> &[Vec<bool>] {
        &self.kept
    }

    /// Its groups.
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
    /// assert_eq!(Selection::new(&groups).groups().groups().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Masks on everything that belongs to the removed units: the weights that make and read them,
    /// biases, and the scales and shifts of norms. With these the model computes what the shrunk
    /// one does, and can be trained on.
    ///
    /// Statistics and divisors cannot be masked and need not be: a scale and shift of 0, or what
    /// reads the channel, hide them. The set is empty when nothing is removed. Units that were
    /// found in masks and send a folded constant keep exactly the masks that they had.
    ///
    /// Where the gradients of what goes may not be finite numbers under the masks, that is logged as
    /// a warning; see [`Groups::gradient_hazards`].
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
    /// let masks = Selection::new(&groups).remove("0.weight", [1])?.masks();
    /// assert_eq!(masks.get("0.weight").unwrap().pruned(), 8);
    /// assert_eq!(masks.get("0.bias").unwrap().pruned(), 1);
    /// assert_eq!(masks.get("1.weight").unwrap().pruned(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn masks(&self) -> MaskSet {
        for hazard in self.gradient_hazards() {
            log::warn!("{hazard}");
        }
        let graph = self.groups.graph();
        let mut masked = Masked::nothing(graph);
        let folded: HashSet<&UnitName> = self
            .found
            .constants
            .iter()
            .filter(|unit| unit.is_cut)
            .map(|unit| &unit.name)
            .collect();
        for (group, units) in self.groups.groups().iter().zip(&self.kept) {
            let removed = group
                .units
                .iter()
                .enumerate()
                .zip(units)
                .filter(|(_, kept)| !**kept);
            for ((number, unit), _) in removed {
                let given = self.masked.as_ref();
                let name = UnitName {
                    group: group.name.clone(),
                    unit: number,
                };
                let given = given.filter(|_| folded.contains(&name));
                for member in masked::maskable(graph, unit) {
                    let entries = masked::entries(graph, member);
                    match given {
                        Some(given) => {
                            let removed = given.removed(member.parameter).unwrap_or_default();
                            let entries =
                                entries.filter(|entry| removed.get(*entry) == Some(&true));
                            masked.remove(graph, member.parameter, entries);
                        }
                        None => masked.remove(graph, member.parameter, entries),
                    }
                }
            }
        }
        masked.to_masks(graph)
    }

    /// Those of the groups' hazards that units which go lead to.
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
    /// let selection = Selection::new(&groups).remove("0.weight", [1])?;
    /// assert_eq!(selection.gradient_hazards().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gradient_hazards(&self) -> impl Iterator<Item = &GradientHazard> {
        let groups = &self.groups;
        let hazards = groups.gradient_hazards().iter();
        hazards.filter(move |hazard| {
            let mut kept = groups.groups().iter().zip(&self.kept);
            kept.any(|(group, kept)| kept.contains(&false) && hazard.groups.contains(&group.name))
        })
    }

    /// The graph of the model without the removed units.
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
    /// let selection = Selection::new(&groups).remove("0.weight", 0..16)?;
    /// assert_eq!(selection.graph().cost().parameters(), 16 * (8 + 1 + 4) + 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn graph(&self) -> Graph {
        self.groups.graph_without(&self.kept)
    }

    /// The plan that cuts the removed units.
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
    /// assert_eq!(plan.cuts.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plan(&self) -> ShrinkPlan {
        ShrinkPlan::of(&self.groups, &self.kept, self.folds.clone())
    }
}
