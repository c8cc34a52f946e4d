//! What several stories start from.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, Pruner};
use burn_prune_deploy::{Groups, Selection, ShrinkPlan};
use proptest::prelude::ProptestConfig;

use examples_shared::nets::convolutional::Vgg11;

use crate::random::{example, randomised};

pub(crate) fn vgg(device: &Device) -> (Vgg11, Tensor<4>) {
    let model = randomised(Vgg11::new(4, device), 3);
    (model, example([2, 3, 32, 32], device))
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// The units that a pruner removes when it is given the groups.
pub(crate) fn select<M: Module>(pruner: Pruner, model: &M, groups: &Groups) -> Selection {
    // A pruner refuses a pattern that has nothing to prune.
    if groups.groups().is_empty() {
        return Selection::new(groups);
    }
    let masks = pruner.pattern(groups.pattern()).masks(model).unwrap();
    Selection::from_masks(groups, &masks).unwrap()
}

pub(crate) fn halved<M: Module>(model: &M, groups: &Groups) -> ShrinkPlan {
    select(Pruner::new(Magnitude::l1()).amount(0.5), model, groups).plan()
}

/// So many cases, or as many times more as `BURN_PRUNE_TEST_SCALE` says.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let scale = std::env::var("BURN_PRUNE_TEST_SCALE").ok();
    let scale = scale.map_or(1, |scale| {
        let scale = scale.parse::<u32>();
        scale.expect("BURN_PRUNE_TEST_SCALE is a whole number")
    });
    ProptestConfig {
        cases: cases * scale,
        ..ProptestConfig::default()
    }
}
