//! Parameters that several layers share, and constants.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, activation::relu};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{Graph, ShrinkPlan};

use crate::common::select;
use crate::random::{assert_close, example, randomised};

/// The middle layer is one and the same twice.
#[derive(Module, Debug)]
struct Tied {
    first: Linear,
    middle: Linear,
    again: Linear,
    last: Linear,
}

impl Tied {
    fn new(device: &Device) -> Self {
        let linear = |sizes: [usize; 2]| LinearConfig::new(sizes[0], sizes[1]).init(device);
        let middle = linear([16, 16]);
        Self {
            first: linear([8, 16]),
            again: middle.clone(),
            middle,
            last: linear([16, 4]),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.first.forward(x));
        let x = relu(self.middle.forward(x));
        let x = relu(self.again.forward(x));
        self.last.forward(x)
    }
}

fn tied(device: &Device) -> Tied {
    let mut model = randomised(Tied::new(device), 2);
    model.again = model.middle.clone();
    model
}

#[test]
fn a_shared_parameter_is_one_and_is_cut_everywhere() {
    let device = Device::flex();
    let model = tied(&device);
    let input = example([3, 8], &device);
    let graph = Graph::capture(&model, input.clone(), Tied::forward).unwrap();
    let shared = graph.parameter("again.weight").unwrap();
    assert_eq!(shared.path, "middle.weight");
    assert_eq!(shared.shared_as, ["again.weight"]);
    let parameters = 8 * 16 + 16 + 16 * 16 + 16 + 16 * 4 + 4;
    assert_eq!(graph.cost().parameters(), parameters);
    let groups = graph.groups().unwrap();
    // In and out of the shared layer go together, and with them all that is between.
    assert_eq!(groups.groups().len(), 1);
    let selection = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups);
    let masked = model.with_masks(&selection.masks()).unwrap();
    let plan = selection.plan();
    let saved = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<ShrinkPlan>(&saved).unwrap(), plan);
    let small = plan.shrink(&masked, input.clone(), Tied::forward).unwrap();
    for layer in [&small.middle, &small.again] {
        assert_eq!(layer.weight.dims(), [8, 8]);
    }
    assert_eq!(small.middle.weight.id, small.again.weight.id);
    assert_close(&small.forward(input.clone()), &masked.forward(input));
}

#[test]
fn what_is_returned_twice_is_an_output_twice() {
    let device = Device::flex();
    let model = tied(&device);
    let input = example([3, 8], &device);
    let forward = |model: &Tied, x: Tensor<2>| {
        let y = model.forward(x.clone());
        (y.clone(), x, y)
    };
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    assert_eq!(graph.outputs().len(), 3);
    assert_eq!(graph.outputs()[0], graph.outputs()[2]);
    assert_eq!(graph.outputs()[1], graph.inputs()[0]);
    let groups = graph.groups().unwrap();
    let plan = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups).plan();
    plan.shrink(&model, input, forward).unwrap();
}

#[test]
fn what_is_returned_without_being_computed_is_an_output() {
    let device = Device::flex();
    let model = tied(&device);
    let input = example([3, 8], &device);
    let forward = |model: &Tied, x: Tensor<2>| {
        let lengths = Tensor::<1, Int>::arange(0..3, &x.device());
        let anchors = Tensor::<1>::from_floats([0.5, 2.0], &x.device());
        (model.forward(x), lengths, anchors)
    };
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    let shapes: Vec<_> = graph
        .outputs()
        .iter()
        .map(|output| &graph.tensors()[*output].shape)
        .collect();
    assert_eq!(shapes, [&[3, 4][..], &[3], &[2]]);
    let groups = graph.groups().unwrap();
    let plan = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups).plan();
    plan.shrink(&model, input, forward).unwrap();
}

/// Scales by a constant that its code makes from a size.
#[derive(Module, Debug)]
struct Scaled {
    first: Linear,
    last: Linear,
}

impl Scaled {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = self.first.forward(x);
        let [_, width] = x.dims();
        let scale = Tensor::<1>::from_floats([1.0 / width as f32], &x.device());
        self.last.forward(x * scale.unsqueeze())
    }
}

#[test]
fn constants_that_change_with_the_sizes_are_noticed() {
    let device = Device::flex();
    let model = Scaled {
        first: LinearConfig::new(4, 6).init(&device),
        last: LinearConfig::new(6, 2).init(&device),
    };
    let input = example([3, 4], &device);
    let graph = Graph::capture(&model, input.clone(), Scaled::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups).plan();
    let error = plan.shrink(&model, input, Scaled::forward).unwrap_err();
    assert!(
        error.to_string().contains("a constant of other values"),
        "{error}"
    );
}
