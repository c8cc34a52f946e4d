//! What is read is what is reported, and it is masked, whatever has been done to the weights.

mod report;
mod trust;
mod written;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, MaskMode, MaskSet, Prunable};

use crate::nets::{Net, batches, seeded, values};

/// The weights that a network reads, by path.
fn read(net: &Net) -> [(&'static str, Vec<f32>); 3] {
    [
        ("conv.weight", values(net.conv.weight.val())),
        ("fc1.weight", values(net.fc1.weight.val())),
        ("fc2.weight", values(net.fc2.weight.val())),
    ]
}

/// Zeros that are read, which are those of the report, and which are where the masks prune.
fn zeros(net: &Net, masks: &MaskSet) -> usize {
    let report = net.sparsity_report();
    assert_eq!(net.masks(), *masks);
    let mut all = 0;
    for (path, weights) in read(net) {
        let zeros = weights.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!(report.get(path).unwrap().zeros, zeros, "{path}");
        let mask = masks.get(path).unwrap();
        for (kept, weight) in mask.iter().zip(&weights) {
            assert!(kept || weight.to_bits() == 0, "{path} reads {weight}");
        }
        all += zeros;
    }
    assert_eq!(report.zeros(), all);
    all
}

/// The stored weights that are pruned and not 0.
fn drifted(net: &Net, masks: &MaskSet) -> usize {
    let stored = [
        ("conv.weight", values(net.conv.weight.base())),
        ("fc1.weight", values(net.fc1.weight.base())),
        ("fc2.weight", values(net.fc2.weight.base())),
    ];
    let count = |(path, weights): (&str, Vec<f32>)| {
        let stored = masks.get(path).unwrap().iter().zip(weights);
        stored
            .filter(|(kept, weight)| !kept && *weight != 0.0)
            .count()
    };
    stored.into_iter().map(count).sum()
}

fn pruned(device: &Device, mode: MaskMode) -> Net {
    let net = seeded(Net::new(device), 21);
    let net = net.global_unstructured(Magnitude::l1(), 0.7).unwrap();
    net.with_mask_mode(mode).unwrap()
}

/// A network whose masks are on read, and whose stored weights have drifted under them.
fn drifted_on_read(device: &Device) -> Net {
    let momentum = MomentumConfig::new().with_momentum(0.9);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let batches = batches(2, device);
    let net = seeded(Net::new(device), 22);
    let gradients = net.gradients(&batches[0]).1;
    let net = optimizer.step(0.1, net, gradients);
    let net = net.global_unstructured(Magnitude::l1(), 0.7).unwrap();
    let gradients = net.gradients(&batches[1]).1;
    let net = optimizer.step(0.1, net, gradients);
    assert!(drifted(&net, &net.masks()) > 1000, "nothing has drifted");
    net
}

struct Add(f32);

impl ModuleMapper for Add {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let require_grad = weight.is_require_grad();
            (weight.detach().set_require_grad(false) + self.0).set_require_grad(require_grad)
        })
    }
}

/// What the masks of a model show of their trust, in module order.
pub(crate) fn trusts<M: Module>(model: &M) -> Vec<String> {
    struct Shown(Vec<String>);
    impl ModuleVisitor for Shown {
        fn enter_module(&mut self, name: &str, container: &str) {
            if container == "Enum:Trust" {
                self.0.push(name.to_string());
            }
        }
    }
    let mut shown = Shown(Vec::new());
    model.visit(&mut shown);
    shown.0
}
