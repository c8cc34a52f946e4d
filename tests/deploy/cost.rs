//! Costs against counts by hand and against published ones.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_prune::Prunable;
use burn_prune_deploy::{ChannelPruner, Cost, Graph, Importance};

use examples_shared::nets::convolutional::{LeNet5, Mlp};
use examples_shared::nets::others::Attention;
use examples_shared::nets::residual::{MobileNetV2, ResNet18};

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
    // Each layer's output, and that of its ReLU.
    assert_eq!(cost.activation_bytes(), 4 * (2 * 300 + 2 * 100 + 10));
    let layer = cost.layer("layers.1").unwrap();
    assert_eq!((layer.multiply_adds, layer.parameters), (30_000, 30_100));
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
    let pruner = ChannelPruner::new(Importance::l1()).fraction(0.5);
    let half = pruner.select(&groups).unwrap().graph().cost();
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
    let cost = cost.measure(|| {
        model.forward(input.clone()).into_data();
    });
    assert!(cost.seconds.unwrap() > 0.0);
    let table = cost.to_string();
    for part in ["layers.0", "matmul", "1x10", "200", "240", "measured: "] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    let json = serde_json::to_string(&cost).unwrap();
    assert_eq!(serde_json::from_str::<Cost>(&json).unwrap(), cost);
}
