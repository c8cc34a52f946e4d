//! Costs against counts by hand and against published ones.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{Cost, Graph};

use examples_shared::nets::convolutional::{LeNet5, Mlp};
use examples_shared::nets::others::Attention;
use examples_shared::nets::residual::{MobileNetV2, ResNet18};

use crate::common::select;

fn cost<M: Module, const D: usize, const E: usize>(
    model: &M,
    shape: [usize; D],
    forward: impl Fn(&M, Tensor<D>) -> Tensor<E>,
) -> Cost {
    let input = Tensor::zeros(shape, &Device::flex());
    Graph::capture(model, input, forward).unwrap().cost()
}

#[test]
fn lenet_300_100_by_hand() {
    let model = Mlp::new(&[784, 300, 100, 10], &Device::flex());
    let cost = cost(&model, [1, 784], Mlp::forward);
    assert_eq!(cost.multiply_adds(), 784 * 300 + 300 * 100 + 100 * 10);
    assert_eq!(cost.parameters(), 266_200 + 410);
    assert_eq!(cost.weight_bytes(), 4 * 266_610);
    // Of each layer the product, its sum with the bias, and the ReLU.
    assert_eq!(cost.activation_bytes(), 4 * (3 * 300 + 3 * 100 + 2 * 10));
    let layer = cost.layer("layers.1").unwrap();
    assert_eq!((layer.multiply_adds, layer.parameters), (30_000, 30_100));
    assert_eq!(layer.activation_bytes, 4 * 2 * 100);
}

#[test]
fn lenet_5_by_hand() {
    let cost = cost(
        &LeNet5::new(&Device::flex()),
        [2, 1, 28, 28],
        LeNet5::forward,
    );
    let convolutions = 6 * 28 * 28 * 25 + 16 * 10 * 10 * 6 * 25;
    let linear = 400 * 120 + 120 * 84 + 84 * 10;
    assert_eq!(cost.multiply_adds(), 2 * (convolutions + linear));
    assert_eq!(cost.parameters(), 61_706);
}

#[test]
fn resnet_18_has_the_published_numbers_and_a_quarter_of_them_at_half_the_channels() {
    let device = Device::flex();
    let model = ResNet18::new(64, 1000, &device);
    let input = Tensor::zeros([1, 3, 224, 224], &device);
    let graph = Graph::capture(&model, input, ResNet18::forward).unwrap();
    let cost = graph.cost();
    assert_eq!(cost.parameters(), 11_689_512);
    // Convolutions and the last layer, and two for each of 2,483,712 normalised activations.
    assert_eq!(cost.multiply_adds(), 1_814_073_344 + 2 * 2_483_712);
    assert_eq!(format!("{:.2}", cost.multiply_adds() as f64 / 1e9), "1.82");
    let groups = graph.groups().unwrap();
    let half = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups);
    let half = half.graph().cost();
    assert_eq!(format!("{:.2}", half.multiply_adds() as f64 / 1e9), "0.49");
    assert_eq!(format!("{:.2}", half.parameters() as f64 / 1e6), "3.06");
}

#[test]
fn mobilenet_v2_has_the_published_number_of_parameters() {
    let model = MobileNetV2::new(1000, &Device::flex());
    let cost = cost(&model, [1, 3, 224, 224], MobileNetV2::forward);
    assert_eq!(cost.parameters(), 3_504_872);
}

#[test]
fn products_of_activations_count() {
    let model = Attention::new(16, 4, &Device::flex());
    let cost = cost(&model, [2, 5, 16], Attention::forward);
    let linear = 4 * 2 * 5 * 16 * 16;
    let attention = 2 * (2 * 4 * 5 * 5 * 4);
    assert_eq!(cost.multiply_adds(), linear + attention);
}

#[test]
fn zeros_lower_the_effective_cost_and_nothing_else() {
    let model = Mlp::new(&[20, 10, 4], &Device::flex());
    let model = model.l1_unstructured(0.75).unwrap();
    let cost = cost(&model, [1, 20], Mlp::forward);
    assert_eq!(
        (cost.multiply_adds(), cost.effective_multiply_adds()),
        (240, 60)
    );
    assert_eq!(cost.weight_bytes(), 4 * 254);
    let zeros = cost.parameters() - cost.nonzero_parameters();
    assert!((180..=194).contains(&zeros), "{zeros}");
}

#[test]
fn a_cost_prints_and_serializes_and_keeps_the_measured_time_apart() {
    let model = Mlp::new(&[20, 10, 4], &Device::flex());
    let cost = cost(&model, [1, 20], Mlp::forward);
    assert_eq!(cost.seconds, None);
    assert!(!cost.to_string().contains("measured"));
    let input = Tensor::zeros([1, 20], &Device::flex());
    let mut cost = cost.measure(|| {
        model.forward(input.clone()).into_data();
    });
    assert!(cost.seconds.unwrap() > 0.0);
    cost.seconds = Some(0.25);
    let table = cost.to_string();
    for part in ["layers.0", "matmul", "1x10", "200", "240", "measured: "] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    let json = serde_json::to_string(&cost).unwrap();
    assert_eq!(serde_json::from_str::<Cost>(&json).unwrap(), cost);
}

/// Two products in one weight, a bias of a single number, and a layer that is never called.
#[derive(Module, Debug)]
struct Fused {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
    unused: Linear,
}

#[test]
fn parameters_count_once_whether_in_parts_repeated_or_unused() {
    let device = Device::flex();
    let values = (0..24).map(|index| if index % 4 == 0 { 0.0 } else { 1.0 });
    let values = TensorData::new(values.collect::<Vec<f32>>(), [4, 6]);
    let model = Fused {
        weight: Param::from_tensor(Tensor::from_data(values, &device)),
        bias: Param::from_tensor(Tensor::ones([1, 1], &device)),
        unused: LinearConfig::new(2, 3).init(&device),
    };
    let cost = cost(&model, [2, 4], |model: &Fused, x: Tensor<2>| {
        let weight = |from: usize| model.weight.val().slice([0..4, from..from + 3]);
        let left = x.clone().matmul(weight(0));
        let right = x.matmul(weight(3));
        left * right + model.bias.val().expand([2, 3])
    });
    assert_eq!(cost.multiply_adds(), 2 * (2 * 4 * 3));
    // A quarter of the weight is 0.
    assert_eq!(cost.effective_multiply_adds(), 36);
    assert_eq!(cost.parameters(), 24 + 1 + (6 + 3));
    assert_eq!(cost.nonzero_parameters(), 18 + 1);
    assert_eq!((cost.unused_parameters, cost.unused_weight_bytes), (9, 36));
    assert_eq!(cost.weight_bytes(), 4 * cost.parameters());
    // Two products, their product, and the sum.
    assert_eq!(cost.activation_bytes(), 4 * (4 * 2 * 3));
}

/// The weight is on the left.
#[derive(Module, Debug)]
struct Left {
    weight: Param<Tensor<2>>,
}

#[test]
fn zeros_lower_the_effective_cost_on_the_left_too() {
    let device = Device::flex();
    let data = TensorData::new(vec![0.0f32, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0], [2, 4]);
    let model = Left {
        weight: Param::from_tensor(Tensor::from_data(data, &device)),
    };
    let cost = cost(&model, [4, 5], |model: &Left, x: Tensor<2>| {
        model.weight.val().matmul(x)
    });
    assert_eq!(cost.multiply_adds(), 2 * 4 * 5);
    assert_eq!(cost.effective_multiply_adds(), 40 * 5 / 8);
}
