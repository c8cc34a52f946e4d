//! What the engine runs itself, and what it gives to Burn.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_prune_engine::{EngineTensors, PlanReport, Runner};
use examples_shared::nets::convolutional::{Mlp, Vgg11};
use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;
use examples_shared::nets::others::{DenseNet, Transformer, UNet, Yolo};
use examples_shared::nets::residual::ResNet18;

use crate::common::compile;
use crate::nets::{Recurrent, Transposed};
use crate::signals::{noise, words};
use crate::trained::{masked, trained};

fn plan<M: Module, I: EngineTensors, O: EngineTensors>(
    model: M,
    example: I,
    forward: impl Fn(&M, I) -> O,
) -> PlanReport {
    let model = masked(&trained(model, 1), 0.9, 2);
    compile(&model, example, forward, 1).plan()
}

fn is_all_ours(plan: &PlanReport) {
    assert!(plan.multiply_adds() > 0);
    assert_eq!(plan.engine_share(), 1.0, "{plan}");
    assert!(plan.border_crossings <= 2, "{plan}");
}

/// Names of the operations that Burn runs.
fn burns(plan: &PlanReport) -> Vec<&str> {
    let steps = plan.steps.iter();
    let burns = steps.filter(|step| step.runner == Runner::Burn);
    burns.map(|step| step.name.as_str()).collect()
}

fn image(channels: usize, size: usize) -> Tensor<4> {
    noise([1, channels, size, size], 7)
}

#[test]
fn all_of_an_mlp() {
    let model = Mlp::new(&[784, 300, 100, 10], &Device::flex());
    is_all_ours(&plan(model, noise([1, 784], 7), Mlp::forward));
}

#[test]
fn all_of_resnet_18() {
    let model = ResNet18::new(16, 10, &Device::flex());
    let plan = plan(model, image(3, 64), ResNet18::forward);
    is_all_ours(&plan);
    // 20 convolutions and a Linear.
    let products = plan.steps.iter().filter(|step| step.weight.is_some());
    assert_eq!(products.count(), 21, "{plan}");
}

#[test]
fn all_of_vgg_11() {
    let model = Vgg11::new(8, &Device::flex());
    is_all_ours(&plan(model, image(3, 32), Vgg11::forward));
}

#[test]
fn all_of_densenet() {
    let model = DenseNet::new(&Device::flex());
    is_all_ours(&plan(model, image(3, 16), DenseNet::forward));
}

#[test]
fn all_of_efficientnet_lite0() {
    let model = EfficientNetLite0::new(&Device::flex());
    is_all_ours(&plan(model, image(3, 64), EfficientNetLite0::forward));
}

#[test]
fn all_of_the_encoder_of_a_u_net() {
    let model = UNet::new(&Device::flex());
    let encoder = |model: &UNet, x: Tensor<4>| {
        let x = model.pool.forward(model.down1.forward(x));
        let x = model.pool.forward(model.down2.forward(x));
        model.bottom.forward(x)
    };
    is_all_ours(&plan(model, image(1, 16), encoder));
}

#[test]
fn all_of_c2f_sppf_and_nearest_up_sampling() {
    let model = Yolo::new(&Device::flex());
    let fine = |model: &Yolo, x: Tensor<4>| model.forward(x).0;
    is_all_ours(&plan(model, image(3, 64), fine));
}

struct Linears {
    path: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Linears {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        if D == 2 && self.path[0] != "embedding" {
            self.found.push(self.path.join("."));
        }
    }
}

#[test]
fn all_linear_layers_of_a_transformer_and_attention_is_burns() {
    let model = Transformer::new(&Device::flex());
    let mut linears = Linears {
        path: Vec::new(),
        found: Vec::new(),
    };
    model.visit(&mut linears);
    assert_eq!(linears.found.len(), 2 * 6 + 1);
    let plan = plan(model, words([2, 5], 20, 7), Transformer::forward);
    for path in &linears.found {
        let mut steps = plan.steps.iter();
        // Its input may be transposed under the same name.
        let step = steps.find(|step| step.name == *path && step.weight.is_some());
        let step = step.unwrap_or_else(|| panic!("{path} is missing:\n{plan}"));
        assert_eq!(step.runner, Runner::Engine, "{path}");
    }
    assert!(!burns(&plan).is_empty(), "{plan}");
}

#[test]
fn transposed_convolutions_are_burns_and_their_neighbours_are_not() {
    let model = Transposed::new(&Device::flex());
    let plan = plan(model, image(2, 6), Transposed::forward);
    let burns = burns(&plan);
    assert_eq!(burns.len(), 1, "{plan}");
    assert!(
        burns[0].contains("ranspose") || burns[0].contains("up."),
        "{plan}"
    );
    assert!(plan.engine_share() < 1.0, "{plan}");
    assert_eq!(plan.border_crossings, 4, "{plan}");
    let norms = plan.steps.iter().filter(|step| step.name.contains("norm"));
    assert_eq!(norms.count(), 0, "{plan}");
}

#[test]
fn gates_of_recurrent_layers_are_burns() {
    let model = Recurrent::new(&Device::flex());
    let plan = plan(model, noise([2, 4, 6], 7), Recurrent::forward);
    assert!(!burns(&plan).is_empty(), "{plan}");
}

#[test]
fn a_plan_is_a_table() {
    let model = Mlp::new(&[784, 300, 10], &Device::flex());
    let text = plan(model, noise([1, 784], 7), Mlp::forward).to_string();
    for word in ["layers.0.weight", "layers.1.weight", "90"] {
        assert!(text.contains(word), "no {word} in\n{text}");
    }
}
