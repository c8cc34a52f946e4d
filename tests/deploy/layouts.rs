//! Linear layers that hold their weight by columns.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig, LinearLayout};
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune::{Magnitude, Pruner};
use burn_prune_deploy::Graph;
use proptest::prelude::*;

use crate::common::{cases, select, values};
use crate::random::{assert_close, example, randomised};

#[derive(Module, Debug)]
struct Net {
    layers: Vec<Linear>,
}

impl Net {
    fn new(sizes: &[usize], columns: &[bool], device: &Device) -> Self {
        let layers = sizes.windows(2).zip(columns).map(|(sizes, by_column)| {
            let layout = if *by_column {
                LinearLayout::Col
            } else {
                LinearLayout::Row
            };
            let config = LinearConfig::new(sizes[0], sizes[1]).with_layout(layout);
            config.init(device)
        });
        Self {
            layers: layers.collect(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, layers) = self.layers.split_last().unwrap();
        let layers = layers.iter();
        last.forward(layers.fold(x, |x, layer| relu(layer.forward(x))))
    }
}

fn weights(model: &Net) -> Vec<Vec<f32>> {
    let layers = model.layers.iter();
    layers.map(|layer| values(layer.weight.val())).collect()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn the_weights_of_a_small_model_load_whatever_its_layout(
        sizes in prop::collection::vec(2usize..9, 4),
        columns in prop::collection::vec(any::<bool>(), 3),
        is_training in any::<bool>(),
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let device = if is_training { device.autodiff() } else { device };
        let net = || Net::new(&sizes, &columns, &device);
        let model = randomised(net(), seed);
        let input = example([2, sizes[0]], &device);
        let graph = Graph::capture(&model, input.clone(), Net::forward).unwrap();
        let groups = graph.groups().unwrap();
        let plan = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups).plan();
        let small = plan.shrink(&model, input.clone(), Net::forward).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("small.bpk");
        small.clone().save_file(&file).unwrap();
        // As it is, it has its own weights.
        let same = plan.apply(&model).unwrap();
        prop_assert_eq!(weights(&same), weights(&small));
        assert_close(&same.forward(input.clone()), &small.forward(input.clone()));
        let fresh = plan.apply(&net()).unwrap().load_file(&file);
        prop_assert_eq!(weights(&fresh), weights(&small));
        assert_close(&fresh.forward(input.clone()), &small.forward(input));
        for layer in &fresh.layers {
            prop_assert_eq!(layer.weight.is_require_grad(), is_training);
        }
        let fresh = fresh.train();
        prop_assert!(fresh.layers.iter().all(|layer| layer.weight.is_require_grad()));
    }
}

#[test]
fn what_is_not_trained_stays_so() {
    let device = Device::flex();
    let mut model = Net::new(&[6, 8, 3], &[true, true], &device);
    model.layers[0] = model.layers[0].clone().freeze();
    let input = example([2, 6], &device);
    let graph = Graph::capture(&model, input, Net::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups).plan();
    let trained = plan.apply(&model).unwrap().train();
    let trains: Vec<bool> = trained
        .layers
        .iter()
        .map(|layer| layer.weight.is_require_grad())
        .collect();
    assert_eq!(trains, [false, true]);
}
