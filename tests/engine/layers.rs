//! Sparse layers in models that are built by hand.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::store::ModuleRecord;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor};
use burn_prune::Prunable;
use burn_prune_engine::{EngineError, SparseConv2d, SparseEngine, SparseLinear};

use crate::law::judge;
use crate::signals::{Outputs, noise};
use crate::trained::{doubled, masked, trained};

fn linear(sizes: [usize; 2], sparsity: f64) -> Linear {
    let layer = LinearConfig::new(sizes[0], sizes[1]).init(&Device::flex());
    masked(&trained(layer, 3), sparsity, 4)
}

fn conv(config: &Conv2dConfig, sparsity: f64) -> Conv2d {
    masked(&trained(config.init(&Device::flex()), 3), sparsity, 4)
}

fn check_linear<const D: usize>(dense: &Linear, sparse: &SparseLinear, input: Tensor<D>) {
    let expected = dense.forward(input.clone());
    let found = sparse.forward(input.clone());
    assert_eq!(found.dims(), expected.dims());
    judge(&found.values(), &expected.values(), || {
        let exact = doubled(dense);
        exact.forward(input.cast(DType::F64)).values()
    });
}

fn check_conv(dense: &Conv2d, input: Tensor<4>) {
    let sparse = SparseConv2d::from_dense(dense).unwrap();
    let expected = dense.forward(input.clone());
    let found = sparse.forward(input.clone());
    assert_eq!(found.dims(), expected.dims());
    judge(&found.values(), &expected.values(), || {
        let exact = doubled(dense);
        exact.forward(input.cast(DType::F64)).values()
    });
}

#[test]
fn a_sparse_linear_takes_any_leading_axes_and_any_batch() {
    for sizes in [[1, 1], [7, 3], [64, 64], [300, 129]] {
        for sparsity in [0.0, 0.5, 0.9, 1.0] {
            let dense = linear(sizes, sparsity);
            let sparse = SparseLinear::from_dense(&dense).unwrap();
            let [inputs, _] = sizes;
            check_linear(&dense, &sparse, noise([inputs], 5));
            for batch in [1, 2, 5, 16, 33] {
                check_linear(&dense, &sparse, noise([batch, inputs], 5));
            }
            check_linear(&dense, &sparse, noise([2, 3, inputs], 5));
            check_linear(&dense, &sparse, noise([1, 2, 1, 4, inputs], 5));
            // Not contiguous.
            let turned = noise([inputs, 6], 5).transpose();
            check_linear(&dense, &sparse, turned);
        }
    }
}

#[test]
fn a_sparse_convolution_has_all_strides_paddings_dilations_and_groups() {
    let zeros = PaddingConfig2d::Explicit;
    let config = |channels, kernel| Conv2dConfig::new(channels, kernel);
    let configs = [
        config([3, 8], [3, 3]),
        config([3, 8], [1, 1]),
        config([4, 6], [3, 3]).with_padding(zeros(1, 1, 1, 1)),
        config([4, 6], [3, 5])
            .with_stride([2, 1])
            .with_padding(zeros(1, 0, 2, 3)),
        config([4, 6], [2, 4]).with_padding(PaddingConfig2d::Same),
        config([4, 6], [3, 3])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Same),
        config([4, 6], [3, 3])
            .with_dilation([2, 3])
            .with_padding(zeros(2, 3, 2, 3)),
        config([6, 9], [3, 3]).with_groups(3).with_stride([3, 2]),
        config([6, 6], [3, 3])
            .with_groups(6)
            .with_padding(zeros(1, 1, 1, 1)),
        config([4, 8], [3, 3]).with_groups(4).with_bias(false),
    ];
    for config in configs {
        for sparsity in [0.0, 0.5, 0.9, 1.0] {
            let dense = conv(&config, sparsity);
            let channels = config.channels[0];
            for (batch, height, width) in [(1, 9, 9), (3, 12, 7), (2, 8, 21)] {
                check_conv(&dense, noise([batch, channels, height, width], 5));
            }
        }
    }
}

#[test]
fn masks_are_folded_in_and_come_back_as_zeros() {
    let dense = linear([20, 10], 0.8);
    let sparse = SparseLinear::from_dense(&dense).unwrap();
    assert_eq!(sparse.nonzeros(), 40);
    assert!((sparse.sparsity() - 0.8).abs() < 1e-12);
    let again = sparse.to_dense();
    assert!(!again.is_pruned());
    assert_eq!(again.weight.to_data(), dense.weight.val().to_data());
    let bias = |layer: &Linear| layer.bias.as_ref().unwrap().to_data();
    assert_eq!(bias(&again), bias(&dense));
    let config = Conv2dConfig::new([4, 6], [3, 3]).with_groups(2);
    let dense = conv(&config.with_stride([2, 1]), 0.5);
    let again = SparseConv2d::from_dense(&dense).unwrap().to_dense();
    assert_eq!(again.weight.to_data(), dense.weight.val().to_data());
    assert_eq!(
        (again.stride, again.groups, again.kernel_size),
        (dense.stride, dense.groups, dense.kernel_size)
    );
}

/// A model as people build it.
#[derive(Module, Debug)]
struct Net {
    conv: SparseConv2d,
    fc: SparseLinear,
}

impl Net {
    fn new(sparsity: f64) -> Self {
        let config = Conv2dConfig::new([2, 4], [3, 3]);
        Self {
            conv: SparseConv2d::from_dense(&conv(&config, sparsity)).unwrap(),
            fc: SparseLinear::from_dense(&linear([64, 5], sparsity)).unwrap(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        self.fc.forward(relu(self.conv.forward(x)).flatten(1, 3))
    }
}

#[test]
fn a_record_loads_into_a_model_with_other_zeros() {
    let input = noise([2, 2, 6, 6], 5);
    let model = Net::new(0.9);
    let expected = model.forward(input.clone()).to_data();
    let bytes = model.clone().into_record().into_bytes().unwrap();
    for sparsity in [0.0, 0.9, 1.0] {
        let other = Net::new(sparsity);
        // Its packed form, too, is that of other weights.
        other.forward(input.clone());
        let record = ModuleRecord::from_bytes(bytes.clone()).unwrap();
        let loaded = other.load_record(record);
        assert_eq!(loaded.fc.nonzeros(), model.fc.nonzeros());
        assert_eq!(loaded.forward(input.clone()).to_data(), expected);
    }
}

#[test]
fn a_record_is_as_small_as_the_layer() {
    let layer = SparseLinear::from_dense(&linear([512, 512], 0.9)).unwrap();
    let bytes = layer.into_record().into_bytes().unwrap().len();
    let dense = 4 * 512 * 512;
    // A value for each tenth weight, a bit for each, and names.
    assert!(bytes < dense * 14 / 100, "{bytes} of {dense} bytes");
}

#[test]
fn a_record_of_another_size_is_refused() {
    let record = SparseLinear::from_dense(&linear([64, 8], 0.5)).unwrap();
    let other = SparseLinear::from_dense(&linear([64, 16], 0.5)).unwrap();
    let error = other.try_load_record(record.into_record()).unwrap_err();
    assert!(error.to_string().contains("kept"), "{error}");
}

#[test]
fn a_model_with_sparse_layers_is_compiled() {
    let model = Net::new(0.9);
    let input = noise([2, 2, 6, 6], 5);
    let expected = model.forward(input.clone());
    let engine = SparseEngine::compile(&model, input.clone(), Net::forward).unwrap();
    let found = engine.run(input.clone()).unwrap();
    judge(&found.values(), &expected.values(), || unreachable!());
    assert_eq!(model.forward(input).to_data(), expected.to_data());
}

struct Halve;

impl ModuleMapper for Halve {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| values / 2.0)
    }
}

#[test]
fn changed_parameters_are_packed_anew_and_clones_keep_theirs() {
    let input = noise([2, 2, 6, 6], 5);
    let model = Net::new(0.5);
    let before = model.forward(input.clone());
    let changed = model.clone().map(&mut Halve);
    let twice = changed.fc.forward(noise([1, 64], 6)) * 2.0;
    let fc = model.fc.forward(noise([1, 64], 6));
    judge(&twice.values(), &fc.values(), || fc.values());
    assert_ne!(changed.forward(input.clone()).to_data(), before.to_data());
    assert_eq!(
        model.clone().forward(input.clone()).to_data(),
        before.to_data()
    );
    assert_eq!(model.valid().forward(input).to_data(), before.to_data());
}

#[test]
fn gradients_reach_the_values_that_are_kept() {
    let layer = LinearConfig::new(12, 5).init(&Device::flex().autodiff());
    let dense = masked(&trained(layer, 3), 0.5, 4);
    let sparse = SparseLinear::from_dense(&dense).unwrap();
    let input = noise([3, 12], 5).autodiff();
    let gradients = dense.forward(input.clone()).square().sum().backward();
    let all = dense
        .weight
        .base()
        .grad(&gradients)
        .unwrap()
        .values()
        .remove(0);
    let weights = dense.weight.val().values().remove(0);
    let kept = all.iter().zip(weights).filter(|(_, weight)| *weight != 0.0);
    let kept: Vec<f64> = kept.map(|(gradient, _)| *gradient).collect();
    let mut found = Gradients(sparse.forward(input).square().sum().backward(), Vec::new());
    sparse.visit(&mut found);
    let [values, bias] = &found.1[..] else {
        panic!("the values and the bias have gradients");
    };
    judge(std::slice::from_ref(values), &[kept], || unreachable!());
    assert_eq!((values.len(), bias.len()), (30, 5));
}

struct Gradients(burn::tensor::Gradients, Vec<Vec<f64>>);

impl burn::module::ModuleVisitor for Gradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(&self.0).unwrap();
        self.1.push(gradient.values().remove(0));
    }
}

#[test]
fn other_floats_and_backends_compute_the_same() {
    let (dense, input) = (linear([30, 20], 0.7), noise([4, 30], 5));
    let sparse = SparseLinear::from_dense(&dense).unwrap();
    let expected = dense.forward(input.clone()).values();
    let exact = SparseLinear::from_dense(&doubled(&dense)).unwrap();
    let found = exact.forward(input.clone().cast(DType::F64));
    assert_eq!(found.dtype(), DType::F64);
    judge(&found.values(), &expected, || found.values());
    let found = sparse.forward(input.autodiff());
    judge(&found.values(), &expected, || unreachable!());
}

#[test]
fn wrong_settings_are_errors() {
    let dense = || conv(&Conv2dConfig::new([4, 6], [3, 3]), 0.5);
    let message = |layer: Conv2d| match SparseConv2d::from_dense(&layer) {
        Err(EngineError::Layer { message, .. }) => message,
        other => panic!("{other:?}"),
    };
    let groups = Conv2d {
        groups: 4,
        ..dense()
    };
    assert!(message(groups).contains("4 groups do not divide the 6 outputs"));
    let kernel = Conv2d {
        kernel_size: [5, 3],
        ..dense()
    };
    assert!(message(kernel).contains("5 x 3"));
    let stride = Conv2d {
        stride: [0, 1],
        ..dense()
    };
    assert!(message(stride).contains("at least 1"));
}

#[test]
#[should_panic(expected = "expected 8, got 7")]
fn an_input_of_another_size_is_refused() {
    let layer = SparseLinear::from_dense(&linear([8, 4], 0.5)).unwrap();
    let _ = layer.forward(noise([2, 7], 5));
}
