//! Parameters that the captured forward pass does not reach.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune_deploy::{Graph, ShrinkPlan};

use crate::common::halved;
use crate::random::example;

/// A head that only the training pass uses, and experts of which an input reaches one.
#[derive(Module, Debug)]
struct Net {
    stem: Linear,
    experts: Vec<Linear>,
    head: Linear,
    auxiliary: Option<Linear>,
}

impl Net {
    fn new(experts: usize, auxiliary: bool, device: &Device) -> Self {
        let linear = |sizes: [usize; 2]| LinearConfig::new(sizes[0], sizes[1]).init(device);
        Self {
            stem: linear([4, 8]),
            experts: (0..experts).map(|_| linear([8, 6])).collect(),
            head: linear([6, 2]),
            auxiliary: auxiliary.then(|| linear([8, 2])),
        }
    }

    fn forward(&self, x: Tensor<2>, expert: usize) -> Tensor<2> {
        let x = relu(self.stem.forward(x));
        self.head.forward(relu(self.experts[expert].forward(x)))
    }

    fn training(&self, x: Tensor<2>) -> Tensor<2> {
        let auxiliary = self.auxiliary.as_ref().unwrap();
        auxiliary.forward(relu(self.stem.forward(x)))
    }
}

#[test]
fn parameters_that_the_capture_did_not_see_are_named_in_the_plan() {
    let device = Device::flex();
    let input = example([2, 4], &device);
    for experts in 1..4 {
        for has_auxiliary in [false, true] {
            let model = Net::new(experts, has_auxiliary, &device);
            let forward = |model: &Net, x| model.forward(x, 0);
            let graph = Graph::capture(&model, input.clone(), forward).unwrap();
            let mut expected = Vec::new();
            for expert in 1..experts {
                expected.push(format!("experts.{expert}.weight"));
                expected.push(format!("experts.{expert}.bias"));
            }
            if has_auxiliary {
                expected.push("auxiliary.weight".to_string());
                expected.push("auxiliary.bias".to_string());
            }
            assert_eq!(graph.unseen(), expected);
            let groups = graph.groups().unwrap();
            let plan = halved(&model, &groups);
            assert_eq!(plan.unseen, expected);
            let text = plan.to_string();
            for path in &expected {
                let line = format!("not seen by the capture: {path}");
                assert!(text.lines().any(|found| found == line), "{text}");
            }
            assert_eq!(text.matches("not seen").count(), expected.len());
            let saved = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<ShrinkPlan>(&saved).unwrap(), plan);
            let small = plan.shrink(&model, input.clone(), forward).unwrap();
            assert_eq!(small.stem.weight.dims(), [4, 4]);
        }
    }
}

#[test]
fn a_capture_of_both_passes_sees_all() {
    let device = Device::flex();
    let input = example([2, 4], &device);
    let model = Net::new(2, true, &device);
    let forward = |model: &Net, x: Tensor<2>| {
        let outputs = [0, 1].map(|expert| model.forward(x.clone(), expert));
        (outputs.to_vec(), model.training(x))
    };
    let graph = Graph::capture(&model, input.clone(), forward).unwrap();
    assert!(graph.unseen().is_empty());
    let groups = graph.groups().unwrap();
    let plan = halved(&model, &groups);
    let small = plan.shrink(&model, input.clone(), forward).unwrap();
    assert_eq!(small.training(input).dims(), [2, 2]);
}

#[test]
fn the_line_of_a_cut_says_what_stays() {
    let device = Device::flex();
    let model = Net::new(1, false, &device);
    let forward = |model: &Net, x| model.forward(x, 0);
    let graph = Graph::capture(&model, example([2, 4], &device), forward).unwrap();
    let groups = graph.groups().unwrap();
    let text = halved(&model, &groups).to_string();
    let line = "cut: stem.weight [4x8], axis 1: 4 of 8 entries stay";
    assert!(text.lines().any(|found| found == line), "{text}");
}
