//! Parameters that several layers share, and their copies.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use burn_prune::{Mask, MaskSet, Prunable};
use burn_prune_deploy::{Graph, Selection};

use crate::random::{assert_close, example, randomised};

/// Layers in a row, two of which are clones.
fn tied(device: &Device) -> Vec<Linear> {
    let linear = |sizes: [usize; 2]| LinearConfig::new(sizes[0], sizes[1]).init(device);
    let tied = linear([6, 6]);
    let mut model = randomised(vec![linear([4, 6]), tied.clone(), tied, linear([6, 2])], 3);
    model[2].weight = model[1].weight.clone();
    model
}

#[expect(clippy::ptr_arg, reason = "a slice is no module")]
fn in_a_row(model: &Vec<Linear>, x: Tensor<2>) -> Tensor<2> {
    let (last, layers) = model.split_last().unwrap();
    last.forward(layers.iter().fold(x, |x, layer| sigmoid(layer.forward(x))))
}

/// Masks that make the third output of a weight 0.
fn columns(rows: usize) -> Mask {
    let kept: Vec<bool> = (0..rows * 6).map(|entry| entry % 6 != 2).collect();
    Mask::from_kept([rows, 6], &kept).unwrap()
}

#[test]
fn a_mask_at_any_path_of_a_shared_weight_is_that_of_all() {
    let model = tied(&Device::flex());
    let x = example([3, 4], &Device::flex());
    let graph = Graph::capture(&model, x.clone(), in_a_row).unwrap();
    let groups = graph.groups().unwrap();
    let kept = ["1.weight", "2.weight"].map(|path| {
        let mut masks = MaskSet::new();
        masks.insert("0.weight", columns(4));
        masks.insert(path, columns(6));
        let masked = model.clone().with_masks(&masks).unwrap();
        let selection = Selection::from_masks(&groups, &masks).unwrap();
        let plan = selection.plan();
        let small = plan.shrink(&masked, x.clone(), in_a_row).unwrap();
        assert_close(&in_a_row(&small, x.clone()), &in_a_row(&masked, x.clone()));
        selection.kept().to_vec()
    });
    assert!(!kept[0][0][2]);
    assert_eq!(kept[0], kept[1]);
}

#[test]
fn copies_of_a_shared_weight_that_differ_by_now_are_not_folded_as_if_they_did_not() {
    let device = Device::flex();
    let model = tied(&device);
    let x = example([3, 4], &device);
    let mut masks = MaskSet::new();
    masks.insert("0.weight", columns(4));
    masks.insert("1.weight", columns(6));
    masks.insert("2.weight", columns(6));
    let masked = model.with_masks(&masks).unwrap();
    let graph = Graph::capture(&masked, x.clone(), in_a_row).unwrap();
    assert_eq!(graph.parameter("2.weight").unwrap().path, "1.weight");
    let selection = Selection::from_masks(&graph.groups().unwrap(), &masks).unwrap();
    assert!(!selection.kept()[0][2], "{:?}", selection.constants());
    let plan = selection.plan();
    let small = plan.shrink(&masked, x.clone(), in_a_row).unwrap();
    assert_close(&in_a_row(&small, x.clone()), &in_a_row(&masked, x.clone()));
    // Burn's optimizers move the first copy alone.
    let mut trained = masked;
    trained[1].weight = trained[1].weight.clone().map(|weight| weight * 1.5);
    let trained = trained.with_masks(&masks).unwrap();
    let error = plan.shrink(&trained, x, in_a_row).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`1.weight`") && text.contains("`2.weight`"),
        "{text}"
    );
}
