//! What masks of people allow to be cut, and what is said of the rest.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use burn_prune::lottery::Ticket;
use burn_prune::{Axis, Magnitude, Mask, MaskSet, Pattern, Prunable, Pruner};
use burn_prune_deploy::{DeployError, Folding, Graph, Groups, Selection, ShrinkPlan, UnitName};

use examples_shared::nets::convolutional::{LeNet5, Mlp};
use examples_shared::nets::norm;

use crate::random::{assert_close, example, randomised};

/// Two convolutions one after the other, with a norm between, and a head.
#[derive(Module, Debug)]
struct Cnn {
    conv1: Conv2d,
    norm: BatchNorm,
    conv2: Conv2d,
    head: Linear,
}

impl Cnn {
    fn new(device: &Device) -> Self {
        let conv1 = Conv2dConfig::new([3, 8], [3, 3]).with_padding(PaddingConfig2d::Same);
        randomised(
            Self {
                conv1: conv1.init(device),
                norm: norm(8, device),
                conv2: Conv2dConfig::new([8, 6], [1, 1]).init(device),
                head: LinearConfig::new(6, 4).init(device),
            },
            5,
        )
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = sigmoid(self.norm.forward(self.conv1.forward(x)));
        let x = relu(self.conv2.forward(x));
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
    }
}

fn input(batch: usize) -> Tensor<4> {
    example([batch, 3, 6, 6], &Device::flex())
}

fn groups(model: &Cnn) -> Groups {
    let graph = Graph::capture(model, input(2), Cnn::forward).unwrap();
    graph.groups().unwrap()
}

/// Masks that make rows of a parameter 0.
fn rows<const D: usize>(masks: &mut MaskSet, path: &str, shape: [usize; D], rows: &[usize]) {
    let inner: usize = shape[1..].iter().product();
    let elements: usize = shape.iter().product();
    let kept: Vec<bool> = (0..elements)
        .map(|entry| !rows.contains(&(entry / inner)))
        .collect();
    masks.insert(path, Mask::from_kept(shape, &kept).unwrap());
}

fn shrinks_alike(plan: &ShrinkPlan, model: &Cnn) -> Cnn {
    let small = plan.shrink(model, input(2), Cnn::forward).unwrap();
    for batch in [2, 5] {
        let input = input(batch);
        assert_close(&small.forward(input.clone()), &model.forward(input));
    }
    small
}

#[test]
fn a_channel_that_sends_a_constant_is_folded() {
    let model = Cnn::new(&Device::flex());
    let mut masks = MaskSet::new();
    rows(&mut masks, "conv1.weight", [8, 3, 3, 3], &[1, 6]);
    let masked = model.with_masks(&masks).unwrap();
    let selection = Selection::from_masks(&groups(&masked), &masks).unwrap();
    let gone = selection.kept()[0].iter().filter(|kept| !**kept);
    assert_eq!(gone.count(), 2);
    let constants = selection.constants();
    assert_eq!(constants.len(), 2);
    assert!(constants[0].is_cut);
    let sent = &constants[0].sends[0];
    assert_eq!(sent.reader, "conv2.weight");
    let formula = "sigmoid(batch norm(conv1.bias[1], norm.gamma[1], norm.beta[1], norm.running_mean[1], \
                   norm.running_var[1], 0.00001))";
    assert_eq!(sent.constant.to_string(), formula);
    assert!(sent.value.is_some_and(|value| value > 0.0 && value < 1.0));
    assert_eq!(sent.folding, Folding::Into("conv2.bias".to_string()));
    assert!(selection.disagreements().is_empty());

    let plan = selection.plan();
    let text = plan.to_string();
    assert!(
        text.contains("fold: 2 constants that conv2.weight reads, into conv2.bias"),
        "{text}"
    );
    let small = shrinks_alike(&plan, &masked);
    assert_eq!(small.conv1.weight.dims(), [6, 3, 3, 3]);
    // Its masks are those that were given: another would change the outputs.
    assert_eq!(selection.masks(), masks);
}

#[test]
fn constants_are_those_of_the_model_that_is_cut() {
    let model = Cnn::new(&Device::flex());
    let mut masks = MaskSet::new();
    rows(&mut masks, "conv1.weight", [8, 3, 3, 3], &[0, 3]);
    let masked = model.with_masks(&masks).unwrap();
    let plan = Selection::from_masks(&groups(&masked), &masks)
        .unwrap()
        .plan();
    let saved = serde_json::to_string(&plan).unwrap();
    // Training goes on.
    let mut trained = masked;
    trained.norm.beta = trained.norm.beta.map(|beta| beta + 0.7);
    trained.norm.gamma = trained.norm.gamma.map(|gamma| gamma * 1.3);
    shrinks_alike(&plan, &trained);
    let loaded: ShrinkPlan = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded, plan);
    shrinks_alike(&loaded, &trained);
    // So it does on a device that trains.
    let trained = trained.train();
    let small = plan.shrink(&trained, input(2), Cnn::forward).unwrap();
    let bias = small.conv2.bias.as_ref().unwrap();
    assert!(bias.val().is_require_grad());
}

#[test]
fn plans_that_were_saved_without_folds_are_read() {
    let model = Cnn::new(&Device::flex());
    let selection = Selection::new(&groups(&model)).remove("conv1.weight", [2]);
    let plan = selection.unwrap().plan();
    let mut saved = serde_json::to_value(&plan).unwrap();
    let folds = saved.as_object_mut().unwrap().remove("folds").unwrap();
    assert_eq!(folds, serde_json::json!([]));
    let loaded: ShrinkPlan = serde_json::from_value(saved).unwrap();
    assert_eq!(loaded, plan);
}

/// A ReLU before a convolution that pads.
fn padded(model: &Cnn, x: Tensor<4>) -> Tensor<4> {
    let x = relu(model.norm.forward(model.conv1.forward(x)));
    let weight = model.conv2.weight.val();
    let options = burn::tensor::ops::ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let bias = model.conv2.bias.as_ref().map(Param::val);
    burn::tensor::module::conv2d(x, weight, bias, options)
}

fn with_beta(mut model: Cnn, unit: usize, beta: f32) -> Cnn {
    let shift = Tensor::<1>::zeros([8], &Device::flex()).slice_fill(unit..unit + 1, beta);
    let keep = Tensor::<1>::ones([8], &Device::flex()).slice_fill(unit..unit + 1, 0.0);
    model.norm.gamma = model.norm.gamma.map(|gamma| gamma * keep.clone());
    model.norm.beta = model.norm.beta.map(|beta| beta * keep + shift);
    model
}

#[test]
fn under_zero_padding_only_0_is_cut_and_it_has_to_stay_0() {
    let model = with_beta(Cnn::new(&Device::flex()), 1, -0.5);
    let model = with_beta(model, 4, 0.5);
    let mut masks = MaskSet::new();
    rows(&mut masks, "conv1.weight", [8, 3, 3, 3], &[1, 4]);
    let masked = model.with_masks(&masks).unwrap();
    let graph = Graph::capture(&masked, input(2), padded).unwrap();
    let selection = Selection::from_masks(&graph.groups().unwrap(), &masks).unwrap();
    // A ReLU makes 0 of one; the other is listed, with the reason.
    let kept = &selection.kept()[0];
    assert_eq!((kept[1], kept[4]), (false, true));
    let [constant] = selection.constants() else {
        panic!("{:?}", selection.constants())
    };
    assert!(!constant.is_cut && constant.name.unit == 4);
    let text = constant.to_string();
    assert!(text.contains("unit 4 of `conv1.weight` stays"), "{text}");
    assert!(text.contains("cannot be folded: it pads"), "{text}");

    let plan = selection.plan();
    let shrink = |model: &Cnn| plan.shrink(model, input(2), padded);
    let small = shrink(&masked).unwrap();
    for batch in [2, 4] {
        let x = input(batch);
        assert_close(&padded(&small, x.clone()), &padded(&masked, x));
    }
    // It has been trained to something else in the meantime.
    let trained = with_beta(masked.clone(), 1, 0.25);
    let error = shrink(&trained).unwrap_err();
    assert!(matches!(error, DeployError::ConstantChanged { .. }));
    let text = error.to_string();
    assert!(
        text.contains("`conv2.weight`") && text.contains("again"),
        "{text}"
    );
    // A fresh model that takes the small weights may have anything.
    let fresh = plan.apply(&trained).unwrap();
    assert_eq!(fresh.conv1.weight.dims(), [7, 3, 3, 3]);

    let extended = selection.extend();
    assert!(!extended.kept()[0][4] && extended.constants().is_empty());
    let masked = masked.with_masks(&extended.masks()).unwrap();
    let small = extended.plan().shrink(&masked, input(2), padded).unwrap();
    assert_close(&padded(&small, input(2)), &padded(&masked, input(2)));
    assert_eq!(small.conv1.weight.dims(), [6, 3, 3, 3]);
}

#[test]
fn a_running_mean_takes_over_where_there_is_no_bias() {
    let device = Device::flex();
    let mut model = Cnn::new(&device);
    model.conv2.bias = None;
    let norm2 = randomised(norm(6, &device), 9);
    let forward = |model: &(Cnn, BatchNorm), x: Tensor<4>| {
        let x = sigmoid(model.0.norm.forward(model.0.conv1.forward(x)));
        model.1.forward(model.0.conv2.forward(x))
    };
    let mut masks = MaskSet::new();
    rows(&mut masks, "0.conv1.weight", [8, 3, 3, 3], &[2, 3, 7]);
    let masked = (model, norm2).with_masks(&masks).unwrap();
    let graph = Graph::capture(&masked, input(2), forward).unwrap();
    let selection = Selection::from_masks(&graph.groups().unwrap(), &masks).unwrap();
    let sent = &selection.constants()[0].sends[0];
    assert_eq!(sent.folding, Folding::Into("1.running_mean".to_string()));
    let before = masked.1.running_mean.value().to_data();
    let small = selection.plan().shrink(&masked, input(2), forward).unwrap();
    for batch in [2, 3] {
        let x = input(batch);
        assert_close(&forward(&small, x.clone()), &forward(&masked, x));
    }
    // The caller's statistics are what they were.
    assert_eq!(masked.1.running_mean.value().to_data(), before);
}

#[test]
fn what_leads_to_nothing_but_cuts_goes_with_them() {
    let device = Device::flex();
    let model = randomised(Mlp::new(&[6, 8, 7, 3], &device), 3);
    let x = example([2, 6], &device);
    let groups = Graph::capture(&model, x.clone(), Mlp::forward).unwrap();
    let groups = groups.groups().unwrap();
    // Units 0 and 1 of the second layer are not read; unit 5 of the first one leads there only.
    let mut masks = MaskSet::new();
    rows(&mut masks, "layers.2.weight", [7, 3], &[0, 1]);
    let kept: Vec<bool> = (0..56)
        .map(|entry| entry / 7 != 5 || entry % 7 < 2)
        .collect();
    masks.insert("layers.1.weight", Mask::from_kept([8, 7], &kept).unwrap());
    let masked = model.with_masks(&masks).unwrap();
    let selection = Selection::from_masks(&groups, &masks).unwrap();
    let gone = |group: usize| {
        let kept = selection.kept()[group].iter().enumerate();
        kept.filter(|(_, kept)| !**kept)
            .map(|(unit, _)| unit)
            .collect::<Vec<_>>()
    };
    assert_eq!((gone(0), gone(1)), (vec![5], vec![0, 1]));
    assert!(selection.constants().is_empty());
    let small = selection.plan().shrink(&masked, x.clone(), Mlp::forward);
    assert_close(&small.unwrap().forward(x.clone()), &masked.forward(x));
}

#[test]
fn a_group_that_would_lose_everything_keeps_its_first_unit() {
    let device = Device::flex();
    let model = randomised(Mlp::new(&[6, 8, 3], &device), 3);
    let x = example([2, 6], &device);
    let groups = Graph::capture(&model, x.clone(), Mlp::forward).unwrap();
    let groups = groups.groups().unwrap();
    let mut masks = MaskSet::new();
    masks.insert(
        "layers.1.weight",
        Mask::from_kept([8, 3], &[false; 24]).unwrap(),
    );
    let masked = model.with_masks(&masks).unwrap();
    let selection = Selection::from_masks(&groups, &masks).unwrap();
    assert_eq!(selection.kept()[0].iter().filter(|kept| **kept).count(), 1);
    let [UnitName { group, unit, .. }] = selection.last_units() else {
        panic!("{:?}", selection.last_units())
    };
    assert_eq!((group.as_str(), *unit), ("layers.0.weight", 0));
    let small = selection.plan().shrink(&masked, x.clone(), Mlp::forward);
    assert_close(&small.unwrap().forward(x.clone()), &masked.forward(x));
}

#[test]
fn a_group_that_is_extended_keeps_its_first_unit() {
    let device = Device::flex();
    let model = randomised(Mlp::new(&[6, 8, 3], &device), 3);
    let x = example([2, 6], &device);
    let groups = Graph::capture(&model, x, Mlp::forward).unwrap();
    let groups = groups.groups().unwrap();
    // All units have a member that is masked: some send constants, in others members disagree.
    let mut masks = MaskSet::new();
    let bias = Mask::from_kept([8], &[true, true, false, false, false, false, false, false]);
    masks.insert("layers.0.bias", bias.unwrap());
    let kept: Vec<bool> = (0..48).map(|entry| entry % 8 > 1).collect();
    masks.insert("layers.0.weight", Mask::from_kept([6, 8], &kept).unwrap());
    let bias = Mask::from_kept([3], &[true; 3]).unwrap();
    masks.insert("layers.1.bias", bias);
    let selection = Selection::from_masks(&groups, &masks).unwrap();
    assert_eq!(selection.disagreements().len(), 6);
    let selection_kept = selection.kept().to_vec();
    let extended = selection.extend();
    let kept: Vec<usize> = (0..8).filter(|unit| extended.kept()[0][*unit]).collect();
    assert_eq!(kept, [2], "{:?}", selection_kept);
    assert_eq!(extended.last_units().len(), 1);
}

/// Masks that somebody else made cut the model, with the same outputs.
fn cuts_lenet(masked: &LeNet5, masks: &MaskSet) -> Selection {
    let x = example([2, 1, 28, 28], &Device::flex());
    let graph = Graph::capture(masked, x.clone(), LeNet5::forward).unwrap();
    let selection = Selection::from_masks(&graph.groups().unwrap(), masks).unwrap();
    let small = selection.plan().shrink(masked, x, LeNet5::forward).unwrap();
    for batch in [1, 3] {
        let x = example([batch, 1, 28, 28], &Device::flex());
        assert_close(&small.forward(x.clone()), &masked.forward(x));
    }
    selection
}

fn channels() -> Pruner {
    Pruner::new(Magnitude::l2())
        .pattern(Pattern::Channels(Axis::Output))
        .exclude(ParamGroup::from_path("fc3.weight"))
        .amount(0.5)
}

#[test]
fn masks_of_channels_are_cut() {
    let model = randomised(LeNet5::new(&Device::flex()), 4);
    let masked = model.prune(&channels()).unwrap();
    let selection = cuts_lenet(&masked, &masked.masks());
    for (group, kept) in selection.groups().groups().iter().zip(selection.kept()) {
        let gone = kept.iter().filter(|kept| !**kept).count();
        assert_eq!(gone, kept.len() / 2, "{}", group.name);
    }
}

#[test]
fn a_mask_file_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("channels.mask");
    let model = randomised(LeNet5::new(&Device::flex()), 8);
    channels().masks(&model).unwrap().save(&file).unwrap();

    let masks = MaskSet::load(&file).unwrap();
    let masked = model.with_masks(&masks).unwrap();
    let selection = cuts_lenet(&masked, &masks);
    assert!(selection.kept().concat().contains(&false));
}

#[test]
fn a_lottery_ticket_is_cut() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lenet.ticket");
    let start = randomised(LeNet5::new(&device), 1);
    // Single weights of all layers: so many that some channels are nothing any more.
    let masks = Pruner::new(Magnitude::l1()).to_sparsity(0.995);
    let masks = masks.masks(&start).unwrap();
    Ticket::new(start, masks).save(&file).unwrap();

    let ticket = Ticket::load(&file).unwrap();
    let masked = ticket.apply(LeNet5::new(&device)).unwrap();
    let selection = cuts_lenet(&masked, &masked.masks());
    assert!(selection.kept().concat().contains(&false));
}

#[test]
fn masks_of_another_model_are_refused_by_name() {
    let model = Cnn::new(&Device::flex());
    let groups = groups(&model);
    let mut masks = MaskSet::new();
    masks.insert("conv9.weight", Mask::all_kept([2, 2]));
    let error = Selection::from_masks(&groups, &masks).unwrap_err();
    let expected = "these masks are of another model: `conv9.weight` should be 2x2, found nothing";
    assert_eq!(error.to_string(), expected);
    let mut masks = MaskSet::new();
    masks.insert("conv2.weight", Mask::all_kept([8, 6, 1, 1]));
    let error = Selection::from_masks(&groups, &masks).unwrap_err();
    let expected =
        "these masks are of another model: `conv2.weight` should be 8x6x1x1, found 6x8x1x1";
    assert_eq!(error.to_string(), expected);
}
