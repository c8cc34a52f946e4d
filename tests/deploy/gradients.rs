//! Gradients behind channels that are masked as a whole.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{gelu, softplus};
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::Graph;

use crate::common::{select, values};
use crate::random::{example, randomised};

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    last: Linear,
    scale: Param<Tensor<1>>,
}

impl Net {
    fn new(seed: u64, device: &Device) -> Self {
        let model = Self {
            first: LinearConfig::new(4, 8).init(device),
            last: LinearConfig::new(8, 3).init(device),
            scale: Param::from_tensor(Tensor::ones([8], device)),
        };
        let mut model = randomised(model, seed);
        model.first.bias = model
            .first
            .bias
            .map(|bias| bias.map(|bias| bias * 0.2 + 3.0));
        model
    }
}

type Forward = fn(&Net, Tensor<2>) -> Tensor<2>;

/// The hazards that are named, and whether the gradient of the input is finite: without masks, under
/// masks, and when the channels are gone.
fn gradients(forward: Forward) -> (Vec<String>, [bool; 3]) {
    let device = Device::flex().autodiff();
    let model = Net::new(5, &Device::flex()).train();
    let input = example([5, 4], &device);
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    let groups = graph.groups().unwrap();
    let selection = select(Pruner::new(Magnitude::l1()).amount(0.5), &model, &groups);
    assert!(!selection.masks().is_empty(), "{groups}");
    let masked = model.clone().with_masks(&selection.masks()).unwrap();
    let plan = selection.plan();
    let small = plan.shrink(&masked, input.clone(), forward).unwrap();
    let is_finite = |model: &Net| {
        let input = input.clone().require_grad();
        let gradients = forward(model, input.clone()).square().sum().backward();
        let gradient = values(input.grad(&gradients).unwrap());
        gradient.iter().all(|value| value.is_finite())
    };
    let hazards = groups.gradient_hazards().iter();
    let hazards = hazards.map(|hazard| {
        assert_eq!(hazard.groups, ["first.weight"]);
        assert!(hazard.parameters.contains(&"last.weight".to_string()));
        assert_eq!(
            graph.operations()[hazard.operation].kind.name(),
            hazard.name
        );
        hazard.name.clone()
    });
    let finite = [&model, &masked, &small].map(is_finite);
    (hazards.collect(), finite)
}

macro_rules! channels {
    ($($name:literal: |$model:ident, $x:ident| $body:expr,)+) => {
        [$(($name, (|$model: &Net, input: Tensor<2>| {
            let $x = $model.first.forward(input);
            let _ = $model;
            $model.last.forward($body)
        }) as Forward)),+]
    };
}

#[test]
fn operations_whose_gradients_diverge_under_masks_are_named() {
    let cases = channels! {
        "sqrt": |model, x| x.sqrt(),
        "powf scalar": |model, x| x.powf_scalar(0.5),
        "sqrt": |model, x| x.square().sqrt(),
        "sqrt": |model, x| {
            let length = x.clone().square().sum_dim(0).sqrt();
            x * length
        },
        "sqrt": |model, x| {
            let mean = x.clone().mean_dim(0);
            let variance = (x.clone() - mean).square().mean_dim(0);
            x + variance.sqrt()
        },
        "sqrt": |model, x| x.abs().sqrt().sqrt().clamp_min(0.1),
        "arc cosh": |model, x| (x.square() + 1.0).acosh(),
        "arc sin": |model, x| (x * -0.05 + 1.0).clamp(-1.0, 1.0).asin(),
        "log": |model, x| x.log().clamp(-2.0, 2.0),
    };
    for (name, forward) in cases {
        let (hazards, finite) = gradients(forward);
        assert_eq!(hazards.first().map(String::as_str), Some(name));
        assert_eq!(finite, [true, false, true], "{name}");
    }
}

#[test]
fn nothing_is_named_where_gradients_are_numbers() {
    let cases = channels! {
        "a margin": |model, x| (x.square() + 1e-6).sqrt(),
        "a norm": |model, x| {
            let mean = x.clone().mean_dim(0);
            let centred = x - mean;
            let variance = centred.clone().square().mean_dim(0);
            centred / (variance + 1e-5).sqrt()
        },
        "a power above 1": |model, x| x.powf_scalar(1.5),
        "a square": |model, x| x.powi_scalar(2),
        "a magnitude": |model, x| x.abs(),
        "activations": |model, x| gelu(softplus(x, 1.0)),
        "a product": |model, x| x.clone().prod_dim(0) * 1e-3 + x,
        "what is divided by a scale": |model, x| x / (model.scale.val().abs() + 1.0).unsqueeze(),
        "a tangent": |model, x| (x * 0.1).tan(),
        "log1p": |model, x| x.log1p(),
    };
    for (name, forward) in cases {
        let (hazards, finite) = gradients(forward);
        assert!(hazards.is_empty(), "{name}: {hazards:?}");
        assert_eq!(finite, [true; 3], "{name}");
    }
}

#[test]
fn a_hazard_says_what_to_do() {
    let device = Device::flex();
    let model = Net::new(5, &device);
    let forward: Forward = |model, x| model.last.forward(model.first.forward(x).sqrt());
    let graph = Graph::capture(&model, example([5, 4], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    let [hazard] = groups.gradient_hazards() else {
        panic!("there is one");
    };
    let text = hazard.to_string();
    for part in ["first.weight", "`sqrt`", "shrink before training"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(groups.to_string().contains(&text));
}
