//! The same masks as the published formulas give, by `fixtures/reference_masks.py`.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{
    Allocation, Blocks, Lamp, Magnitude, MaskSet, NM, Normalize, Pattern, Pooling, Prunable, Pruner,
};
use serde_json::Value;

pub(crate) fn fixtures() -> Value {
    serde_json::from_str(include_str!("../fixtures/reference_masks.json")).unwrap()
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub(crate) fn floats(value: &Value) -> Vec<f32> {
    let values = array(value).iter();
    values.map(|value| value.as_f64().unwrap() as f32).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    let values = array(value).iter();
    values
        .map(|value| value.as_u64().unwrap() as usize)
        .collect()
}

fn bits(value: &Value) -> Vec<bool> {
    array(value).iter().map(|kept| kept == 1).collect()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: &[usize]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape.to_vec()), &Device::flex())
}

/// A layer with a weight that PyTorch stores so.
fn linear(weight: Vec<f32>, shape: &[usize]) -> Linear {
    let mut layer = LinearConfig::new(shape[1], shape[0]).init(&Device::flex());
    layer.weight = Param::from_tensor(tensor::<2>(weight, shape).transpose());
    layer
}

fn conv(weight: Vec<f32>, shape: &[usize]) -> Conv2d {
    let config = Conv2dConfig::new([shape[1], shape[0]], [shape[2], shape[3]]);
    let mut layer = config.init(&Device::flex());
    layer.weight = Param::from_tensor(tensor(weight, shape));
    layer
}

/// The mask of a weight in PyTorch's order.
fn kept(masks: &MaskSet, path: &str, shape: &[usize]) -> Vec<bool> {
    let mask: Vec<bool> = masks.get(path).unwrap().iter().collect();
    match shape {
        &[outputs, inputs] => {
            let places = (0..mask.len()).map(|i| i % inputs * outputs + i / inputs);
            places.map(|place| mask[place]).collect()
        }
        _ => mask,
    }
}

fn masks_of_layer(case: &Value, pruner: &Pruner) -> Vec<bool> {
    let (weight, shape) = (floats(&case["weight"]), sizes(&case["shape"]));
    let masks = match case["layer"].as_str() {
        Some("Linear") => pruner.masks(&linear(weight, &shape)),
        _ => pruner.masks(&conv(weight, &shape)),
    };
    kept(&masks.unwrap(), "weight", &shape)
}

#[test]
fn n_of_m_masks_are_those_of_the_reference() {
    let fixtures = fixtures();
    let mut compared = 0;
    for case in array(&fixtures["layers"]) {
        for expected in array(&case["n_of_m"]) {
            let of = |name: &str| expected[name].as_u64().unwrap() as usize;
            let pruner = Pruner::new(Magnitude::l1()).pattern(NM::new(of("n"), of("m")));
            let found = masks_of_layer(case, &pruner);
            assert_eq!(found, bits(&expected["mask"]), "{}:{}", of("n"), of("m"));
            compared += 1;
        }
    }
    assert_eq!(compared, 15);
}

#[test]
fn block_masks_are_those_of_the_reference() {
    let fixtures = fixtures();
    let mut compared = 0;
    for case in array(&fixtures["layers"]) {
        for expected in array(&case["blocks"]) {
            let size = sizes(&expected["size"]).try_into().unwrap();
            let (pooling, criterion) = match expected["pooling"].as_str().unwrap() {
                "sum" => (Pooling::Sum, Some(Magnitude::l1())),
                "mean" => (Pooling::Mean, None),
                _ => (Pooling::Max, Some(Magnitude::ln(f64::INFINITY))),
            };
            let amount = expected["amount"].as_f64().unwrap();
            let pruner = |criterion, blocks: Blocks| {
                let pruner = Pruner::new(criterion).pattern(blocks);
                masks_of_layer(case, &pruner.amount(amount))
            };
            let blocks = Blocks::new(size);
            let found = pruner(Magnitude::l1(), blocks.pooling(pooling));
            assert_eq!(found, bits(&expected["mask"]), "{size:?} {pooling:?}");
            // The norm of a block is the pooled score of its weights.
            if let Some(criterion) = criterion {
                assert_eq!(
                    pruner(criterion, blocks),
                    found,
                    "{size:?} by the criterion"
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 45);
}

#[derive(Module, Debug)]
struct Net {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

#[test]
fn network_masks_are_those_of_the_references() {
    let fixtures = fixtures();
    let network = &fixtures["network"];
    let shapes: Vec<_> = array(&network["shapes"]).iter().map(sizes).collect();
    let weight = |layer: usize| floats(&network["weights"][layer]);
    let net = Net {
        conv1: conv(weight(0), &shapes[0]),
        conv2: conv(weight(1), &shapes[1]),
        fc1: linear(weight(2), &shapes[2]),
        fc2: linear(weight(3), &shapes[3]),
    };
    let paths = ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"];
    let check = |pruner: Pruner, case: &Value, name: &str| {
        let sparsity = case["sparsity"].as_f64().unwrap();
        let masks = pruner.to_sparsity(sparsity).masks(&net).unwrap();
        for (layer, path) in paths.iter().enumerate() {
            let found = kept(&masks, path, &shapes[layer]);
            let expected = bits(&case[name][layer]);
            assert!(found == expected, "{name} {sparsity} {path}");
        }
    };
    let cases = array(&network["cases"]);
    assert_eq!(cases.len(), 5);
    for case in cases {
        let magnitude = || Pruner::new(Magnitude::l1());
        let global = |pruner: Pruner| pruner.allocation(Allocation::Global);
        check(magnitude().allocation(Allocation::Erk), case, "erk");
        check(global(Pruner::new(Lamp)), case, "lamp");
        check(
            global(magnitude()).normalize(Normalize::Norm),
            case,
            "normalised",
        );
    }
}

#[test]
fn patterns_intersect_with_what_is_there() {
    let fixtures = fixtures();
    let case = &fixtures["layers"][2];
    let layer = conv(floats(&case["weight"]), &sizes(&case["shape"]));
    let layer = layer.l1_unstructured(0.3).unwrap();
    let before = layer.masks();
    let pruners = [
        Pruner::new(Magnitude::l1()).pattern(NM::new(2, 4)),
        Pruner::new(Magnitude::l1())
            .pattern(Blocks::new([2, 3]))
            .amount(0.2),
        Pruner::new(Magnitude::l1())
            .pattern(Pattern::Unstructured)
            .amount(0.2),
    ];
    for pruner in pruners {
        let after = pruner.masks(&layer).unwrap();
        let both = after.clone().intersect(&before).unwrap();
        assert_eq!(both, after, "something came back");
        assert!(after.sparsity() > before.sparsity());
    }
}
