//! What only the graph can tell a pruner: how much a model costs, and which sizes suit the hardware.

mod cost_goal;
mod multiple;

use std::any::Any;
use std::sync::Arc;

use burn_prune::{Allocation, AllocationRule};

use crate::groups::Groups;
use cost_goal::{CostGoal, Measure};
use multiple::MultipleOf;

impl Groups {
    /// An allocation that removes units until this fraction of the multiply-adds is gone, or a
    /// little more; each group loses the same fraction of its units.
    ///
    /// The fraction is of the multiply-adds of the graph, and units that masks have removed already
    /// count as gone. It says how much is removed, so a pruner with an amount or a sparsity beside
    /// it is refused. It is for [`pattern`](Self::pattern) of the same groups; groups that the
    /// pruner excludes stay whole.
    ///
    /// When too little can be removed, because groups keep one unit or the pruner's floor, the
    /// pruner returns an error that says how much can.
    ///
    /// ```
    /// use burn::module::Module;
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Magnitude, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
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
    /// let forward = |net: &Net, x| net.fc2.forward(relu(net.fc1.forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    ///
    /// let pruner = Pruner::new(Magnitude::l2())
    ///     .pattern(groups.pattern())
    ///     .allocation(groups.multiply_adds(0.25));
    /// let selection = Selection::from_masks(&groups, &pruner.masks(&model)?)?;
    /// assert_eq!(graph.cost().multiply_adds(), 32 * (8 + 4));
    /// assert_eq!(selection.graph().cost().multiply_adds(), 24 * (8 + 4));
    ///
    /// let all = Pruner::new(Magnitude::l2())
    ///     .pattern(groups.pattern())
    ///     .allocation(groups.multiply_adds(1.0));
    /// let refused = all.masks(&model).unwrap_err().to_string();
    /// assert!(refused.contains("96.9 %"), "{refused}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn multiply_adds(&self, fraction: f64) -> Allocation {
        self.multiply_adds_with(fraction, Allocation::Uniform)
    }

    /// The same, divided among the groups by another allocation: [`Allocation::Global`] ranks the
    /// units of all groups together.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Allocation, Magnitude, Normalize, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// let device = Device::flex();
    /// let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 16), linear(16, 4)];
    /// let forward = |model: &Vec<Linear>, x| {
    ///     let hidden = model[..2].iter().fold(x, |x, layer| relu(layer.forward(x)));
    ///     model[2].forward(hidden)
    /// };
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    ///
    /// let pruner = Pruner::new(Magnitude::l2())
    ///     .pattern(groups.pattern())
    ///     .normalize(Normalize::Mean)
    ///     .allocation(groups.multiply_adds_with(0.5, Allocation::Global));
    /// let selection = Selection::from_masks(&groups, &pruner.masks(&model)?)?;
    /// let [before, after] = [graph.cost(), selection.graph().cost()].map(|cost| cost.multiply_adds());
    /// assert!(2 * after <= before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn multiply_adds_with(&self, fraction: f64, shared_by: Allocation) -> Allocation {
        self.goal(Measure::MultiplyAdds, fraction, shared_by)
    }

    /// An allocation that removes units until this fraction of the parameters is gone, or a little
    /// more; each group loses the same fraction of its units.
    ///
    /// Otherwise as [`multiply_adds`](Self::multiply_adds).
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Magnitude, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// let device = Device::flex();
    /// let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    ///
    /// let pruner = Pruner::new(Magnitude::l2())
    ///     .pattern(groups.pattern())
    ///     .allocation(groups.parameters(0.5));
    /// let selection = Selection::from_masks(&groups, &pruner.masks(&model)?)?;
    /// // 13 parameters a unit, and the bias of the outputs stays.
    /// assert_eq!(graph.cost().parameters(), 32 * 13 + 4);
    /// assert_eq!(selection.graph().cost().parameters(), 15 * 13 + 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameters(&self, fraction: f64) -> Allocation {
        self.parameters_with(fraction, Allocation::Uniform)
    }

    /// The same, divided among the groups by another allocation.
    ///
    /// As [`multiply_adds_with`](Self::multiply_adds_with).
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Allocation, Magnitude, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// let device = Device::flex();
    /// let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    ///
    /// let pruner = Pruner::new(Magnitude::l2())
    ///     .pattern(groups.pattern())
    ///     .allocation(groups.parameters_with(0.5, Allocation::Erk));
    /// let selection = Selection::from_masks(&groups, &pruner.masks(&model)?)?;
    /// assert_eq!(selection.graph().cost().parameters(), 15 * 13 + 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameters_with(&self, fraction: f64, shared_by: Allocation) -> Allocation {
        self.goal(Measure::Parameters, fraction, shared_by)
    }

    /// An allocation that leaves each group a multiple of this many units, to suit the hardware.
    /// Another allocation says how many are pruned; fewer are pruned where that leaves no multiple.
    ///
    /// A group that would be left between two multiples keeps the larger one, or all that it has. A
    /// goal of multiply-adds or parameters is reached nevertheless: with multiples, more units are
    /// asked for.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Allocation, Magnitude, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// let device = Device::flex();
    /// let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let groups = graph.groups()?;
    ///
    /// let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern());
    /// let left = |pruner: &Pruner| -> Result<usize, Box<dyn std::error::Error>> {
    ///     let selection = Selection::from_masks(&groups, &pruner.masks(&model)?)?;
    ///     Ok(selection.kept()[0].iter().filter(|kept| **kept).count())
    /// };
    /// // 0.6 of 32 units are 19; 13 would stay, and 16 do.
    /// let multiples = groups.multiple_of(8, Allocation::Uniform);
    /// assert_eq!(left(&pruner.clone().amount(0.6).allocation(multiples))?, 16);
    /// // With 16 units, less than 60 % of the multiply-adds would be gone.
    /// let multiples = groups.multiple_of(8, groups.multiply_adds(0.6));
    /// assert_eq!(left(&pruner.allocation(multiples))?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn multiple_of(&self, units: usize, allocation: Allocation) -> Allocation {
        let goal = match &allocation {
            Allocation::Rule(rule) => {
                let rule: &dyn Any = rule.as_ref();
                rule.downcast_ref::<CostGoal>().cloned()
            }
            _ => None,
        };
        match goal {
            // The goal is looked for among multiples.
            Some(mut goal) => {
                goal.shared_by = self.multiple_of(units, goal.shared_by);
                rule(goal)
            }
            None => rule(MultipleOf { units, allocation }),
        }
    }

    fn goal(&self, measure: Measure, fraction: f64, shared_by: Allocation) -> Allocation {
        rule(CostGoal {
            groups: self.clone(),
            measure,
            fraction,
            shared_by,
        })
    }
}

/// An allocation as data; nothing for a rule that does not say what it is.
fn stored(allocation: &Allocation) -> Option<serde_json::Value> {
    serde_json::to_value(allocation).ok()
}

fn rule(rule: impl AllocationRule + 'static) -> Allocation {
    Allocation::Rule(Arc::new(rule))
}
