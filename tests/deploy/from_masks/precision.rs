//! Constants are folded in the precision of the model.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use burn_prune::Prunable;
use burn_prune_deploy::{Graph, Selection};

use examples_shared::nets::convolutional::Mlp;

use super::Masker;
use crate::random::{example, randomised};

struct To(DType);

impl ModuleMapper for To {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(self.0))
    }
}

/// Random masks on nets of this type; outputs may be off by so much.
fn check(dtype: DType, off: f64) {
    let device = Device::flex();
    let mut folds = 0;
    for seed in 0..20 {
        let model = randomised(Mlp::new(&[6, 9, 8, 3], &device), seed).map(&mut To(dtype));
        let x = example([3, 6], &device).cast(dtype);
        let graph = Graph::capture(&model, x.clone(), Mlp::forward).unwrap();
        let groups = graph.groups().unwrap();
        let masks = Masker::new(seed).masks(&groups);
        if masks.is_empty() {
            continue;
        }
        let masked = model.with_masks(&masks).unwrap();
        let plan = Selection::from_masks(&groups, &masks).unwrap().plan();
        folds += plan.folds.len();
        let small = plan.shrink(&masked, x.clone(), Mlp::forward).unwrap();
        let found = small.forward(x.clone());
        assert_eq!(found.dtype(), dtype);
        let [found, expected] = [found, masked.forward(x)].map(|y| y.cast(DType::F64));
        let largest: f64 = expected.clone().abs().max().into_scalar();
        let difference: f64 = (found - expected).abs().max().into_scalar();
        assert!(
            difference <= off * largest.max(1e-2),
            "seed {seed}: off by {difference}, where the largest is {largest}"
        );
    }
    assert!(folds > 5, "{folds}");
}

#[test]
fn half() {
    check(DType::F16, 5e-3);
}

#[test]
fn brain_float() {
    check(DType::BF16, 4e-2);
}

#[test]
fn double() {
    check(DType::F64, 1e-12);
}
