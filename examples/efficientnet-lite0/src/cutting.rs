use std::error::Error;
use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use burn_prune::{Allocation, Magnitude, Prunable, Pruner};
use burn_prune_deploy::{Cost, Graph, Selection, ShrinkPlan};

use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;

/// Channels of a layer are left in multiples of so many.
const MULTIPLE: usize = 8;

/// A network with channels cut off, and how it came about.
pub(crate) struct Cut {
    pub plan: ShrinkPlan,
    /// The network with zeros for the channels.
    pub masked: EfficientNetLite0,
    /// The network without them.
    pub small: EfficientNetLite0,
    pub groups: usize,
    /// Channels of all groups: before, and those that are left.
    pub channels: [usize; 2],
    /// Before and after.
    pub costs: [Cost; 2],
    /// What took how long.
    pub times: Vec<(&'static str, Duration)>,
}

/// Cuts this fraction of each group of channels off, those with the smallest weights.
pub(crate) fn cut(
    model: &EfficientNetLite0,
    example: Tensor<4>,
    fraction: f64,
) -> Result<Cut, Box<dyn Error>> {
    let mut times = Vec::new();
    let mut start = Instant::now();
    let mut lap = |what| {
        times.push((what, start.elapsed()));
        start = Instant::now();
    };
    let graph = Graph::capture(model, example.clone(), EfficientNetLite0::forward)?;
    lap("graph");
    let groups = graph.groups()?;
    lap("groups");
    let pruner = Pruner::new(Magnitude::l2())
        .pattern(groups.pattern())
        .amount(fraction)
        .allocation(groups.multiple_of(MULTIPLE, Allocation::Uniform));
    let masks = pruner.masks(model)?;
    let selection = Selection::from_masks(&groups, &masks)?;
    lap("selection");
    let plan = selection.plan();
    lap("plan");

    let model = model.clone();
    let masked = if masks.is_empty() {
        model
    } else {
        model.with_masks(&masks)?
    };
    lap("masks");
    // Makes sure that the small network computes what was planned.
    let small = plan.shrink(&masked, example, EfficientNetLite0::forward)?;
    lap("shrinking");

    let units = selection.kept().iter().flatten();
    let left = units.clone().filter(|kept| **kept).count();
    Ok(Cut {
        masked,
        small,
        groups: groups.groups().len(),
        channels: [units.count(), left],
        costs: [graph.cost(), plan.graph.cost()],
        plan,
        times,
    })
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;

    use super::*;
    use crate::reference::images;
    use examples_shared::nets::efficientnet_lite0::SIZE;

    #[test]
    fn the_small_network_computes_what_the_masked_one_does() {
        let device = Device::flex();
        let cut = half();
        // The stem, 15 expansions, 7 widths of what goes through the blocks, and the head.
        assert_eq!(cut.groups, 1 + 15 + 7 + 1);
        assert_eq!(cut.costs[0].parameters(), 4_652_008);
        // Convolutions and the last layer, and two for each of 6,737,696 normalised activations.
        assert_eq!(cut.costs[0].multiply_adds(), 385_187_552 + 2 * 6_737_696);
        assert!(cut.costs[1].parameters() < cut.costs[0].parameters() / 2);
        let expected = cut.masked.forward(images(&device));
        let difference = cut.small.forward(images(&device)) - expected.clone();
        let largest = expected.abs().max().into_scalar::<f32>();
        assert!(largest > 0.0);
        assert!(difference.abs().max().into_scalar::<f32>() <= 1e-4 * largest);
    }

    #[test]
    fn a_fresh_network_becomes_the_small_one_by_its_plan_and_weights() {
        let device = Device::flex();
        let cut = half();
        let plan = serde_json::to_vec(&cut.plan).unwrap();
        let plan: ShrinkPlan = serde_json::from_slice(&plan).unwrap();
        let fresh = plan.apply(&EfficientNetLite0::new(&device)).unwrap();
        let loaded = fresh.load_record(cut.small.clone().into_record());
        let [found, expected] =
            [loaded, cut.small].map(|model| model.forward(images(&device)).into_data());
        assert_eq!(found, expected);
    }

    fn half() -> Cut {
        let device = Device::flex();
        let example = Tensor::zeros([1, 3, SIZE, SIZE], &device);
        cut(&EfficientNetLite0::new(&device), example, 0.5).unwrap()
    }
}
