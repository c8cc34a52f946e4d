//! A state dict that `torch.nn.utils.prune` has left, with its masks.

use std::path::Path;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, LinearLayout};
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use burn_prune::Prunable;

use crate::nets::values;
use crate::reference::{array, fixtures, floats};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    norm: BatchNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Net {
    fn new(layout: LinearLayout) -> Self {
        let device = Device::flex();
        Self {
            conv: Conv2dConfig::new([1, 4], [3, 3]).init(&device),
            norm: BatchNormConfig::new(4).init(&device),
            fc1: LinearConfig::new(4 * 4 * 4, 7)
                .with_layout(layout)
                .init(&device),
            fc2: LinearConfig::new(7, 3).init(&device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(images)));
        self.fc2.forward(relu(self.fc1.forward(x.flatten(1, 3))))
    }
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pruned.pt")
}

#[test]
fn a_pruned_state_dict_loads_with_its_masks_and_gives_the_same_outputs() {
    let fixture = &fixtures()["state_dict"];
    let images = TensorData::new(floats(&fixture["images"]), [2, 1, 6, 6]);
    let images = Tensor::<4>::from_data(images, &Device::flex());
    for layout in [LinearLayout::Row, LinearLayout::Col] {
        let net = Net::new(layout).load_pytorch(file()).unwrap();
        let masks = net.masks();
        let expected = fixture["pruned"].as_object().unwrap();
        assert_eq!(masks.len(), expected.len());
        for (path, pruned) in expected {
            let mask = masks.get(path).unwrap();
            assert_eq!(mask.pruned() as u64, pruned.as_u64().unwrap(), "{path}");
        }
        let outputs = values(net.forward(images.clone()));
        assert_eq!(outputs.len(), array(&fixture["outputs"]).len());
        let close = |found: &[f32], expected: &[f32]| {
            let mut pairs = found.iter().zip(expected);
            assert!(
                pairs.all(|(a, b)| (a - b).abs() < 1e-5),
                "{found:?}, {expected:?}"
            );
        };
        close(&outputs, &floats(&fixture["outputs"]));
        // Saved and loaded, it is what it was.
        let again = Net::new(layout)
            .load_masked_record(net.masked_record())
            .unwrap();
        close(&values(again.forward(images.clone())), &outputs);
    }
}

#[test]
fn a_model_on_a_training_device_stays_trainable() {
    use burn::optim::{GradientsParams, SgdConfig};
    let device = Device::flex().autodiff();
    let net = Net::new(LinearLayout::Row).train();
    assert!(net.fc1.weight.is_require_grad());
    let frozen = Net {
        fc2: net.fc2.no_grad(),
        ..net
    };
    let net = frozen.load_pytorch(file()).unwrap();
    assert!(net.fc1.weight.base().is_require_grad());
    assert!(!net.fc2.weight.base().is_require_grad());
    let images = TensorData::new(floats(&fixtures()["state_dict"]["images"]), [2, 1, 6, 6]);
    let images = Tensor::<4>::from_data(images, &device);
    let loss = net.forward(images).square().sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let (before, masks) = (values(net.fc1.weight.val()), net.masks());
    let net = SgdConfig::new().init().step(0.1, net, gradients);
    assert_ne!(values(net.fc1.weight.val()), before);
    assert_eq!(net.masks(), masks);
}

#[test]
fn a_state_dict_that_does_not_fit_changes_nothing() {
    let net = Net::new(LinearLayout::Row);
    let net = Net {
        fc2: LinearConfig::new(7, 4).init(&Device::flex()),
        ..net
    };
    let weights = values(net.fc1.weight.val());
    let (net, error) = net.load_pytorch(file()).unwrap_err().into_parts();
    assert!(
        error.to_string().contains("the mask of `fc2.bias`"),
        "{error}"
    );
    assert_eq!(values(net.fc1.weight.val()), weights);
    assert!(!net.is_pruned());

    let net = net.l1_unstructured(0.5).unwrap();
    let error = net.load_pytorch(file()).unwrap_err();
    assert!(error.to_string().contains("has masks already"), "{error}");
    let error = Net::new(LinearLayout::Row)
        .load_pytorch("no such file.pt")
        .unwrap_err();
    assert!(error.to_string().contains("no such file.pt"), "{error}");
    // A weight without a mask that does not fit.
    let net = Net {
        norm: BatchNormConfig::new(5).init(&Device::flex()),
        ..Net::new(LinearLayout::Row)
    };
    let weights = values(net.fc1.weight.val());
    let (net, error) = net.load_pytorch(file()).unwrap_err().into_parts();
    assert!(error.to_string().contains("norm"), "{error}");
    assert_eq!(values(net.fc1.weight.val()), weights);
    // A mask for a layer that the model lacks.
    let layer = LinearConfig::new(7, 3).init(&Device::flex());
    let error = layer.load_pytorch(file()).unwrap_err();
    assert!(
        error.to_string().contains("no parameter for the mask"),
        "{error}"
    );
}
