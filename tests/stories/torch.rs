//! The same numbers as `torch.nn.utils.prune` on the same input.
//!
//! `fixtures/torch_masks.py` made the masks. PyTorch stores the weight of a Linear layer as
//! `[d_output, d_input]`; here it is transposed.

use burn::module::{Module, Param};
use burn::nn::LinearConfig;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{Amount, Axis, Magnitude, Pattern, Prunable, Pruner};
use serde_json::Value;

fn fixtures() -> Value {
    serde_json::from_str(include_str!("../fixtures/torch_masks.json")).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn shape<const D: usize>(value: &Value) -> [usize; D] {
    let shape: Vec<usize> = array(value)
        .iter()
        .map(|n| n.as_u64().unwrap() as usize)
        .collect();
    shape.try_into().unwrap()
}

fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = array(values)
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn amount(value: &Value) -> Amount {
    match value.as_u64() {
        Some(count) => Amount::Count(count as usize),
        None => Amount::Fraction(value.as_f64().unwrap()),
    }
}

fn pruner<const D: usize>(call: &Value, importance: Tensor<D>) -> Pruner {
    let n = match call["n"].as_str() {
        Some(n) => n.parse().unwrap(),
        None => call["n"].as_f64().unwrap_or(1.0),
    };
    let pruner = Pruner::new(Magnitude::ln(n)).amount(amount(&call["amount"]));
    let pruner = match call["axis"].as_str() {
        Some("output") => pruner.pattern(Pattern::Channels(Axis::Output)),
        Some("input") => pruner.pattern(Pattern::Channels(Axis::Input)),
        _ => pruner,
    };
    match call["importance"].as_bool() {
        Some(true) => pruner.importance("weight", importance),
        _ => pruner,
    }
}

fn mask<M: Module>(layer: &M) -> Vec<u64> {
    layer
        .masks()
        .get("weight")
        .unwrap()
        .iter()
        .map(u64::from)
        .collect()
}

fn expected(mask: &Value) -> Vec<u64> {
    array(mask)
        .iter()
        .map(|kept| kept.as_u64().unwrap())
        .collect()
}

/// `[rows, columns]` in flat order, transposed.
fn transposed(values: Vec<u64>, [rows, columns]: [usize; 2]) -> Vec<u64> {
    let of_column = |column| (0..rows).map(move |row| row * columns + column);
    (0..columns)
        .flat_map(of_column)
        .map(|index| values[index])
        .collect()
}

#[test]
fn conv2d_masks_are_those_of_pytorch() {
    let fixtures = fixtures();
    let cases = array(&fixtures["cases"])
        .iter()
        .filter(|case| case["layer"] == "Conv2d");
    let mut compared = 0;
    for case in cases {
        let shape = shape::<4>(&case["shape"]);
        let mut layer = Conv2dConfig::new([shape[1], shape[0]], [3, 3]).init(&Device::flex());
        layer.weight = Param::from_tensor(tensor(&case["weight"], shape));
        for (call, torch) in array(&case["calls"]).iter().zip(array(&case["masks"])) {
            let importance = tensor(&case["importance"], shape);
            layer = layer.prune(&pruner(call, importance)).unwrap();
            assert_eq!(mask(&layer), expected(torch), "{call}");
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
}

#[test]
fn linear_masks_are_those_of_pytorch_transposed() {
    let fixtures = fixtures();
    let cases = array(&fixtures["cases"])
        .iter()
        .filter(|case| case["layer"] == "Linear");
    let mut compared = 0;
    for case in cases {
        let shape = shape::<2>(&case["shape"]);
        let mut layer = LinearConfig::new(shape[1], shape[0]).init(&Device::flex());
        layer.weight = Param::from_tensor(tensor(&case["weight"], shape).transpose());
        for (call, torch) in array(&case["calls"]).iter().zip(array(&case["masks"])) {
            let importance = tensor(&case["importance"], shape).transpose();
            layer = layer.prune(&pruner(call, importance)).unwrap();
            assert_eq!(mask(&layer), transposed(expected(torch), shape), "{call}");
            compared += 1;
        }
    }
    assert_eq!(compared, 11);
}

#[test]
fn global_masks_are_those_of_pytorch() {
    for case in array(&fixtures()["global"]) {
        let shapes: Vec<[usize; 2]> = array(&case["shapes"]).iter().map(shape).collect();
        let layer = |(weight, shape): (&Value, &[usize; 2])| {
            let mut layer = LinearConfig::new(shape[1], shape[0]).init(&Device::flex());
            layer.weight = Param::from_tensor(tensor(weight, *shape).transpose());
            layer
        };
        let weights = array(&case["weights"]).iter();
        let layers: Vec<_> = weights.zip(&shapes).map(layer).collect();
        let amount = amount(&case["amount"]);
        let layers = layers.global_unstructured(Magnitude::l1(), amount).unwrap();
        let masks = layers.iter().zip(array(&case["masks"])).zip(shapes);
        for ((layer, torch), shape) in masks {
            assert_eq!(mask(layer), transposed(expected(torch), shape));
        }
    }
}
