//! Models, and masks on some of their parameters.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_prune::{Prunable, Pruner, Random};
use examples_shared::nets::{ConvNormRelu, conv};

/// Convolutions, one behind the other.
#[derive(Module, Debug)]
pub(crate) struct Chain {
    stem: ConvNormRelu,
    layers: Vec<ConvNormRelu>,
    head: burn::nn::conv::Conv2d,
}

impl Chain {
    pub(crate) fn new(depth: usize, device: &Device) -> Self {
        let layer = |_| ConvNormRelu::new([16, 16], 3, 1, device);
        Self {
            stem: ConvNormRelu::new([3, 16], 3, 2, device),
            layers: (0..depth).map(layer).collect(),
            head: conv([16, 4], 1, 1, device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let layers = self.layers.iter();
        let x = layers.fold(self.stem.forward(x), |x, layer| layer.forward(x));
        self.head.forward(x)
    }
}

struct Paths<F> {
    path: Vec<String>,
    is_chosen: F,
    found: Vec<String>,
}

impl<F: Fn(&str, usize) -> bool> ModuleVisitor for Paths<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if (self.is_chosen)(&path, D) {
            self.found.push(path);
        }
    }
}

/// Whether one of these is a part of the path.
pub(crate) fn only(path: &str, parts: &[&str]) -> bool {
    path.split('.').any(|part| parts.contains(&part))
}

/// The model without most of the weights whose path and rank are chosen.
pub(crate) fn pruned<M: Module>(
    model: M,
    sparsity: f64,
    is_chosen: impl Fn(&str, usize) -> bool,
) -> M {
    let mut paths = Paths {
        path: Vec::new(),
        is_chosen,
        found: Vec::new(),
    };
    model.visit(&mut paths);
    let group = burn::module::ParamGroup::from_paths(paths.found);
    let pruner = Pruner::new(Random::new(1)).amount(sparsity).only(group);
    model.prune(&pruner).unwrap()
}
