//! Which sizes follow the batch, as the graph says it, and batches that cannot be changed.

use std::cell::Cell;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_prune_deploy::{AxisSize, Batch, DeployError, Graph, GraphTensors, ShrinkPlan};
use examples_shared::nets::convolutional::Vgg11;

use crate::common::{halved, values, vgg};
use crate::random::example;
use crate::size_nets::{Heads, linear};

/// Two layers, and what is done between them.
#[derive(Module, Debug)]
struct Pair {
    first: Linear,
    last: Linear,
}

impl Pair {
    fn new(sizes: [usize; 3], device: &Device) -> Self {
        Self {
            first: linear([sizes[0], sizes[1]], device),
            last: linear([sizes[1], sizes[2]], device),
        }
    }

    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.last.forward(relu(self.first.forward(x)))
    }
}

fn pair(device: &Device) -> Pair {
    Pair::new([4, 6, 2], device)
}

#[test]
fn sizes_that_follow_the_batch_are_told() {
    let device = Device::flex();
    // The batch is also the number of heads, their size and the length.
    let model = Heads::new(4, 4, [true, false], &device);
    let graph = Graph::capture(&model, example([4, 4, 16], &device), Heads::forward).unwrap();
    assert_eq!(graph.sizes().batch(), Some(4));
    assert_eq!(graph.sizes().why_fixed(), None);
    let text = graph.sizes().to_string();
    assert_eq!(text, "batch: any, 4 in the example, compared with 5");
    let batch = |times| AxisSize::Batch { times, power: 1 };
    let [length, size] = [4, 16].map(AxisSize::Fixed);
    assert_eq!(
        graph.axis_sizes(graph.inputs()[0]),
        [batch(1), length, size]
    );
    assert_eq!(
        graph.axis_sizes(graph.outputs()[0]),
        [batch(1), length, size]
    );
    let merged = [batch(4), length, length];
    let scores = graph
        .operations()
        .iter()
        .flat_map(|operation| &operation.outputs);
    let scores = scores.filter(|tensor| graph.tensors()[**tensor].shape == [16, 4, 4]);
    assert!(scores.clone().count() > 3);
    for tensor in scores {
        assert_eq!(graph.axis_sizes(*tensor), merged);
    }
    for parameter in graph.parameters() {
        let shape = graph.tensors()[parameter.tensor].shape.iter();
        let fixed: Vec<_> = shape.copied().map(AxisSize::Fixed).collect();
        assert_eq!(graph.axis_sizes(parameter.tensor), fixed);
    }
    let json = serde_json::to_string(&graph).unwrap();
    let loaded: Graph = serde_json::from_str(&json).unwrap();
    assert_eq!(loaded.sizes(), graph.sizes());
}

#[test]
fn a_square_of_the_batch_and_a_batch_and_one_are_told_apart() {
    let device = Device::flex();
    for size in 1..7 {
        let forward = |model: &Pair, x: Tensor<2>| {
            let y = model.forward(x);
            let similar = y.clone().matmul(y.clone().transpose());
            let first = y.clone().narrow(0, 0, 1);
            (similar.flatten::<1>(0, 1), Tensor::cat(vec![y, first], 0))
        };
        let graph = Graph::capture(&pair(&device), example([size, 4], &device), forward).unwrap();
        assert_eq!(graph.sizes().batch(), Some(size));
        let square = AxisSize::Batch { times: 1, power: 2 };
        assert_eq!(graph.axis_sizes(graph.outputs()[0]), [square]);
        let more = [AxisSize::Other, AxisSize::Fixed(2)];
        assert_eq!(graph.axis_sizes(graph.outputs()[1]), more);
        let groups = graph.groups().unwrap();
        assert_eq!(groups.groups().len(), 1);
        let plan = halved(&pair(&device), &groups);
        let small = plan.shrink(&pair(&device), example([size, 4], &device), forward);
        assert_eq!(small.unwrap().first.weight.dims(), [4, 3]);
    }
}

fn fixed<I: GraphTensors, O: GraphTensors>(input: I, forward: impl Fn(&Pair, I) -> O) -> String {
    let graph = Graph::capture(&pair(&Device::flex()), input, forward).unwrap();
    assert_eq!(graph.sizes().batch(), None);
    // It is as good a graph as before.
    assert_eq!(graph.groups().unwrap().groups().len(), 1);
    assert!(
        graph
            .axis_sizes(graph.inputs()[0])
            .iter()
            .all(|size| matches!(size, AxisSize::Fixed(_)))
    );
    let text = graph.sizes().to_string();
    let reason = graph.sizes().why_fixed().unwrap();
    assert_eq!(text, format!("batch: fixed, because {reason}"));
    reason.to_string()
}

#[test]
fn why_a_batch_is_fixed_is_said() {
    let device = Device::flex();
    let input = || example([2, 4], &device);
    // What is stored for the batch of the example.
    let stored = example([2, 4], &device);
    let reason = fixed(input(), |model, x| {
        let stored = stored.clone().to_device(&x.device());
        model.forward(x + stored)
    });
    assert!(
        reason.starts_with("the forward pass fails with a batch of 5 ("),
        "{reason}"
    );
    let reason = fixed(input(), |model, x| {
        assert_eq!(x.dims()[0], 2, "only two at a time");
        model.forward(x)
    });
    assert!(reason.contains("only two at a time"), "{reason}");
    // One operation for each entry.
    let reason = fixed(input(), |model, x: Tensor<2>| {
        let rows = x.iter_dim(0).map(|row| model.forward(row));
        Tensor::cat(rows.collect(), 0)
    });
    assert!(reason.starts_with("operation "), "{reason}");
    // Other outputs.
    let reason = fixed(input(), |model, x: Tensor<2>| {
        let y = model.forward(x.clone());
        if x.dims()[0] == 2 {
            (y, x)
        } else {
            (y.clone(), y)
        }
    });
    assert!(reason.contains("returns other tensors"), "{reason}");
    // Another number of outputs.
    let reason = fixed(input(), |model, x: Tensor<2>| {
        vec![model.forward(x.clone()); x.dims()[0]]
    });
    assert!(reason.contains("returns other tensors"), "{reason}");
    // Inputs of other batches.
    let reason = fixed((input(), example([3, 4], &device)), |model, (x, y)| {
        (model.forward(x), model.forward(y))
    });
    assert!(
        reason.contains("[2, 3]") && reason.contains("capture_with"),
        "{reason}"
    );
    let forward = |model: &Pair, x| model.forward::<2>(x);
    let graph = Graph::capture_with(&pair(&device), input(), Batch::Fixed, forward).unwrap();
    assert_eq!(graph.sizes().why_fixed(), Some("it was captured so"));
}

#[test]
fn a_pass_that_changes_what_it_returned_before_is_left_out() {
    let device = Device::flex();
    let kept = Cell::new(None::<Tensor<2>>);
    let reason = fixed(example([2, 4], &device), |model, x| {
        let y = model.forward(x);
        // As a cache, which the next pass takes over.
        let before = kept.take();
        kept.set(Some(y.clone()));
        match before {
            Some(before) => Tensor::cat(vec![before, y], 0),
            None => y,
        }
    });
    assert!(!reason.is_empty());
}

#[test]
fn the_batch_may_be_in_other_axes() {
    let device = Device::flex();
    let model = pair(&device);
    // [length, batch, size], [layers, batch, size], and positions without a batch.
    let inputs = || {
        let state = example([3, 2, 6], &device);
        let positions = Tensor::<1, Int>::arange(0..5, &device);
        (example([5, 2, 4], &device), state, positions)
    };
    let forward = |model: &Pair, inputs: (Tensor<3>, Tensor<3>, Tensor<1, Int>)| {
        let (x, state, positions) = inputs;
        let x = relu(model.first.forward(x)) + state.narrow(0, 1, 1);
        model.last.forward(x + positions.float().reshape([5, 1, 1]))
    };
    let graph = Graph::capture(&model, inputs(), forward).unwrap();
    assert!(graph.sizes().why_fixed().unwrap().contains("[5, 3, 5]"));
    let axes = Batch::axes([Some(1), Some(1), None]);
    let graph = Graph::capture_with(&model, inputs(), axes, forward).unwrap();
    assert_eq!(graph.sizes().batch(), Some(2));
    let batch = AxisSize::Batch { times: 1, power: 1 };
    let [length, layers] = [5, 3].map(AxisSize::Fixed);
    let sizes = |input: usize| graph.axis_sizes(graph.inputs()[input]);
    assert_eq!(sizes(0), [length, batch, AxisSize::Fixed(4)]);
    assert_eq!(sizes(1), [layers, batch, AxisSize::Fixed(6)]);
    assert_eq!(sizes(2), [length]);
    assert_eq!(
        graph.axis_sizes(graph.outputs()[0]),
        [length, batch, AxisSize::Fixed(2)]
    );
}

#[test]
fn axes_that_are_not_there_are_errors() {
    let device = Device::flex();
    let capture = |batch: Batch| {
        let inputs = (example([5, 2, 4], &device), example([2, 4], &device));
        let forward =
            |model: &Pair, (x, y): (Tensor<3>, Tensor<2>)| (model.forward(x), model.forward(y));
        Graph::capture_with(&pair(&device), inputs, batch, forward)
    };
    assert_eq!(
        capture(Batch::axes([1, 0])).unwrap().sizes().batch(),
        Some(2)
    );
    for (axes, part) in [
        (vec![Some(1)], "1 batch axes are given for 2 inputs"),
        (vec![Some(1), Some(2)], "input 1 of [2, 4] has no axis 2"),
        (vec![Some(0), Some(0)], "sizes [5, 2]"),
    ] {
        let error = capture(Batch::axes(axes)).unwrap_err();
        assert!(matches!(error, DeployError::Batch { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let none = capture(Batch::axes([None, None])).unwrap();
    assert_eq!(none.sizes().why_fixed(), Some("no input has a batch axis"));
}

#[test]
fn inputs_of_every_kind_get_another_batch() {
    let device = Device::flex();
    type Inputs = (Tensor<2>, Vec<Tensor<2, Int>>, Tensor<2, Bool>);
    let forward = |model: &Pair, (x, numbers, mask): Inputs| {
        let numbers = numbers.into_iter().map(|numbers| numbers.float());
        let x = numbers.fold(x, |x, numbers| x + numbers);
        model.forward(x.mask_fill(mask, 0.5))
    };
    for batch in [1, 2, 3, 8, 12] {
        let numbers: Vec<i64> = (0..batch * 4).map(|index| index as i64).collect();
        let numbers = TensorData::new(numbers, [batch, 4]);
        let numbers = Tensor::<2, Int>::from_data(numbers, &device);
        let mask = numbers.clone().lower_elem(3);
        let inputs = (example([batch, 4], &device), vec![numbers; 2], mask);
        let graph = Graph::capture(&pair(&device), inputs, forward).unwrap();
        assert_eq!(graph.sizes().batch(), Some(batch), "{}", graph.sizes());
        assert_eq!(graph.inputs().len(), 4);
    }
}

#[test]
fn the_second_pass_touches_no_statistics_and_no_cost() {
    let device = Device::flex().autodiff();
    let (model, input) = vgg(&device);
    let statistics = |model: &Vgg11| {
        let norms = model.blocks.iter().map(|block| &block.norm);
        let norms = norms.flat_map(|norm| [&norm.running_mean, &norm.running_var]);
        let norms = norms.map(|state| values(state.value_sync()));
        norms.collect::<Vec<_>>()
    };
    let before = statistics(&model);
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let fixed = Graph::capture_with(&model, input, Batch::Fixed, Vgg11::forward).unwrap();
    assert_eq!(statistics(&model), before);
    assert_eq!(graph.cost(), fixed.cost());
    assert_eq!(graph.operations(), fixed.operations());
    assert_eq!(graph.tensors(), fixed.tensors());
    assert_eq!(graph.outputs(), fixed.outputs());
    assert_eq!(graph.sizes().batch(), Some(2));
}

#[test]
fn graphs_and_plans_of_the_first_format_load() {
    let graph = include_str!("../fixtures/first_format/graph.json");
    let graph: Graph = serde_json::from_str(graph).unwrap();
    let reason = graph.sizes().why_fixed().unwrap();
    assert!(
        reason.contains("saved before batches were compared"),
        "{reason}"
    );
    let groups = graph.groups().unwrap();
    let groups: Vec<_> = groups.groups().iter().collect();
    let units = groups
        .iter()
        .map(|group| (group.name.as_str(), group.units.len()));
    let units: Vec<_> = units.collect();
    assert_eq!(units, [("conv1.weight", 2), ("grouped.weight", 12)]);
    let plan = include_str!("../fixtures/first_format/plan.json");
    let plan: ShrinkPlan = serde_json::from_str(plan).unwrap();
    assert!(plan.unseen.is_empty());
    let device = Device::flex();
    let model = examples_shared::nets::others::Transformer::new(&device);
    let words = TensorData::from([[1, 5, 7, 2, 9], [3, 3, 0, 19, 4]]);
    let words = Tensor::<2, Int>::from_data(words, &device);
    let forward = examples_shared::nets::others::Transformer::forward;
    let small = plan.shrink(&model, words, forward).unwrap();
    assert_eq!(
        small.encoder.layers[0].pwff.linear_inner.weight.dims(),
        [16, 16]
    );
}

#[test]
fn a_linear_layer_alone_has_a_batch() {
    let device = Device::flex();
    let model = LinearConfig::new(3, 2).init(&device);
    for length in 1..9 {
        for batch in 1..9 {
            let input = example([batch, length, 3], &device);
            let forward = |model: &Linear, x: Tensor<3>| model.forward(x);
            let graph = Graph::capture(&model, input, forward).unwrap();
            assert_eq!(graph.sizes().batch(), Some(batch), "{}", graph.sizes());
            let sizes = graph.axis_sizes(graph.outputs()[0]);
            let follows = AxisSize::Batch { times: 1, power: 1 };
            assert_eq!(
                sizes,
                [follows, AxisSize::Fixed(length), AxisSize::Fixed(2)]
            );
        }
    }
}
