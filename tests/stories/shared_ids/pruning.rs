//! Which places of one id are ranked together.

use burn::module::{Module, ParamGroup, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{Allocation, Axis, Mask, MaskMode, MaskSet, Pattern, Prunable, PruneError};

use super::{PATHS, Pair, l1, language, model, pair, weights};
use crate::nets::{linear, seeded, values};

/// What an L1 pruning of these tensors together leaves of them.
fn pruned_together(tensors: &[Vec<f32>], fraction: f64) -> Vec<Vec<f32>> {
    let all = tensors.iter().enumerate();
    let all = all.flat_map(|(at, tensor)| (0..tensor.len()).map(move |index| (at, index)));
    let mut order: Vec<_> = all.collect();
    let count = (fraction * order.len() as f64).round_ties_even() as usize;
    let size = |&(at, index): &(usize, usize)| tensors[at][index].abs();
    order.sort_by(|a, b| size(a).total_cmp(&size(b)).then(b.cmp(a)));
    let mut left = tensors.to_vec();
    for (at, index) in &order[..count] {
        left[*at][*index] = 0.0;
    }
    left
}

#[test]
fn models_from_one_file_are_pruned_each_by_its_own_weights() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let dense = weights(&pair(&device));
        let uniform = pair(&device).l1_unstructured(0.5).unwrap();
        for (layer, dense) in weights(&uniform).into_iter().zip(&dense) {
            assert_eq!(layer, pruned_together(std::slice::from_ref(dense), 0.5)[0]);
        }
        assert_eq!(uniform.masks().len(), 4);
        let global = l1().allocation(Allocation::Global).amount(0.6);
        let masks = global.masks(&pair(&device)).unwrap();
        let paths: Vec<&str> = masks.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, PATHS);
        let pruned = pair(&device).prune(&global).unwrap();
        assert_eq!(weights(&pruned).as_slice(), pruned_together(&dense, 0.6));
        let report = pruned.sparsity_report();
        assert_eq!((report.weights(), report.zeros()), (160, 96));
        assert_eq!(report.all_weights, pruned.num_params());
    }
}

#[test]
fn a_selection_of_the_student_leaves_the_teacher_alone() {
    let device = Device::flex();
    let dense = weights(&pair(&device));
    let student = || ParamGroup::from_predicate("student");
    let teacher = ParamGroup::from_predicate("teacher");
    for pruner in [l1().only(student()), l1().exclude(teacher)] {
        let pruned = pair(&device).prune(&pruner.amount(0.5)).unwrap();
        let found = weights(&pruned);
        assert_eq!(found[..2], dense[..2]);
        assert_eq!(found[2], pruned_together(&dense[2..3], 0.5)[0]);
        assert!(!pruned.teacher.is_pruned() && pruned.student.is_pruned());
    }
    let own = Allocation::per_layer([
        (ParamGroup::from_path(PATHS[0]), 0.25),
        (ParamGroup::from_path(PATHS[2]), 0.75),
    ]);
    let masks = l1().allocation(own).masks(&pair(&device)).unwrap();
    let pruned = PATHS.map(|path| masks.get(path).map_or(0, Mask::pruned));
    assert_eq!(pruned, [12, 0, 36, 0]);
}

#[test]
fn a_clone_whose_weights_are_still_equal_is_not_pruned_in_part() {
    let device = Device::flex();
    let both = || {
        let teacher = model(&device, 1);
        let student = teacher.clone();
        Pair { teacher, student }
    };
    let student = || ParamGroup::from_predicate("student");
    let teacher = || ParamGroup::from_predicate("teacher");
    let biases = || ParamGroup::from_predicate("student.hidden.bias");
    for (method, pruner) in [
        ("only", l1().only(student())),
        ("exclude", l1().exclude(teacher())),
        ("include", l1().include(biases())),
    ] {
        let refused = both().prune(&pruner.amount(0.5)).unwrap_err();
        let message = refused.error().to_string();
        assert!(message.contains(method), "{message}");
        assert!(message.contains("with_fresh_ids"), "{message}");
        assert!(!refused.into_model().is_pruned());
    }
    let Pair { teacher, student } = both();
    let apart = Pair {
        teacher,
        student: student.with_fresh_ids(),
    };
    let only = l1().only(ParamGroup::from_predicate("student"));
    let apart = apart.prune(&only.amount(0.5)).unwrap();
    assert!(!apart.teacher.is_pruned() && apart.student.is_pruned());
}

#[test]
fn clones_that_were_trained_apart_are_pruned_apart_and_equal_ones_together() {
    let device = Device::flex().autodiff();
    let start: Linear = seeded(LinearConfig::new(6, 6).init(&device), 1);
    let train = |mut layer: Linear, input: f32| {
        let mut optimizer = SgdConfig::new().init();
        for _ in 0..3 {
            let input = Tensor::<2>::full([1, 6], input, &device);
            let loss = layer.forward(input).powi_scalar(2).sum();
            let grads = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(0.05, layer, grads);
        }
        layer
    };
    let apart = vec![train(start.clone(), 0.3), train(start.clone(), 1.0)];
    let dense: Vec<_> = apart
        .iter()
        .map(|layer| values(layer.weight.val()))
        .collect();
    assert_ne!(dense[0], dense[1]);
    let apart = apart.l1_unstructured(0.5).unwrap();
    for (layer, dense) in apart.iter().zip(&dense) {
        let expected = pruned_together(std::slice::from_ref(dense), 0.5);
        assert_eq!(values(layer.weight.val()), expected[0]);
    }
    assert_eq!(apart.sparsity_report().weights(), 72);

    // Nothing tells equal ones from a parameter that is used three times.
    let equal = vec![start.clone(), start.clone(), start].l1_unstructured(0.5);
    let equal = equal.unwrap();
    let masks = equal.masks();
    assert_eq!(
        masks.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        ["0.weight"]
    );
    assert_eq!(equal.sparsity_report().weights(), 36);
    for layer in &equal {
        assert_eq!(layer.masks().get("weight"), masks.get("0.weight"));
    }
    // Two masks with one id are a shared parameter, or clones of a masked one: these are clones.
    let clones = vec![apart[1].clone(), train(apart[1].clone(), -0.8)];
    let dense: Vec<_> = clones
        .iter()
        .map(|layer| values(layer.weight.val()))
        .collect();
    let clones = clones.prune(&l1().to_sparsity(0.75)).unwrap();
    for (layer, dense) in clones.iter().zip(&dense) {
        let expected = pruned_together(std::slice::from_ref(dense), 0.75);
        assert_eq!(values(layer.weight.val()), expected[0]);
    }
    assert_eq!(clones.masks().len(), 2);
}

#[test]
fn a_tied_embedding_is_one_parameter_also_after_training_has_moved_one_place() {
    let device = Device::flex().autodiff();
    let tied = ParamGroup::from_paths(vec!["embedding.weight", "head.weight"]);
    let pruner = l1().only(tied);
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let model = language(&device);
        let model = model.prune(&pruner.clone().amount(0.25)).unwrap();
        let mut model = model.with_mask_mode(mode).unwrap();
        let paths = |masks: MaskSet| -> Vec<String> {
            masks.iter().map(|(path, _)| path.to_string()).collect()
        };
        assert_eq!(paths(model.masks()), ["embedding.weight"]);
        let before = model.masks();
        let mut optimizer = SgdConfig::new().init();
        let logits = model.hidden.forward(model.embedding.weight.val());
        let loss = logits.matmul(model.head.weight.val().transpose());
        let loss = loss.powi_scalar(2).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01, model, grads).zero_pruned();
        let moved = values(model.embedding.weight.val());
        // Burn has moved the first place alone.
        assert_ne!(moved, values(model.head.weight.val()));

        let model = model.prune(&pruner.clone().to_sparsity(0.5)).unwrap();
        let masks = model.masks();
        assert_eq!(paths(masks.clone()), ["embedding.weight"]);
        assert_eq!(masks.clone().intersect(&before).unwrap(), masks);
        assert_eq!(
            values(model.embedding.weight.val()),
            pruned_together(&[moved], 0.5)[0]
        );
        let head = model.head.masks();
        assert_eq!(head.get("weight"), masks.get("embedding.weight"));

        // Under either path, and recognised in a record.
        let mut one = MaskSet::new();
        one.insert(
            "head.weight",
            Mask::from_kept([10, 4], &[false; 40]).unwrap(),
        );
        let loaded = language(&device).load_masked_record(model.masked_record());
        let loaded = loaded.unwrap();
        assert_eq!(loaded.masks(), masks);
        for model in [model, loaded] {
            let model = model.with_masks(&one).unwrap();
            assert_eq!(values(model.embedding.weight.val()), [0.0; 40]);
            assert_eq!(values(model.head.weight.val()), [0.0; 40]);
        }
    }
}

#[test]
fn lazy_places_of_one_id_are_compared_once_they_are_there() {
    let device = Device::flex();
    let lazy: Linear = LinearConfig::new(4, 4).init(&device);
    let shared = vec![lazy.clone(), lazy];
    assert!(!shared[0].weight.is_initialized());
    let shared = shared.l1_unstructured(0.5).unwrap();
    assert_eq!(shared.masks().len(), 1);

    let mut other: Linear = LinearConfig::new(4, 4).init(&device);
    other.weight.id = shared[0].weight.id;
    assert!(!other.weight.is_initialized());
    let both = vec![shared[0].clone(), other].l1_unstructured(0.5).unwrap();
    assert_eq!(both.masks().len(), 2);
}

#[test]
fn equal_means_equal_to_the_last_bit() {
    let layer = |weights: [f32; 4]| linear([weights]);
    let with_id = |mut layer: Linear, id: ParamId| {
        layer.weight.id = id;
        layer
    };
    let only = |layers: Vec<Linear>| l1().amount(1).masks(&layers).map(|masks| masks.len());
    let id = ParamId::new();
    let pair = |a, b| vec![with_id(layer(a), id), with_id(layer(b), id)];
    let one = [1.0, 2.0, 3.0, 0.0];
    assert_eq!(only(pair(one, one)), Ok(1));
    assert_eq!(only(pair(one, [1.0, 2.0, 3.0, -0.0])), Ok(2));
    assert_eq!(
        only(pair(one, [1.0, 2.0, f32::from_bits(0x4040_0001), 0.0])),
        Ok(2)
    );
    // A NaN equals itself: one parameter, and one error.
    let nan = [f32::NAN, 2.0, 3.0, 0.0];
    let refused = only(pair(nan, nan)).unwrap_err();
    assert!(matches!(refused, PruneError::NonFiniteScore { ref path, .. } if path == "0.weight"));
    // The same values in another type or shape are another parameter.
    let mut wide = with_id(layer(one), id);
    wide.weight = wide
        .weight
        .map(|weight| weight.cast(burn::tensor::DType::F64));
    assert_eq!(only(vec![with_id(layer(one), id), wide]), Ok(2));
    let mut square = with_id(layer(one), id);
    square.weight = square.weight.map(|weight| weight.reshape([2, 2]));
    assert_eq!(only(vec![with_id(layer(one), id), square]), Ok(2));
}

#[test]
fn channels_and_nm_rank_places_apart_too() {
    let device = Device::flex();
    for pattern in [
        Pattern::Channels(Axis::Output),
        burn_prune::NM::new(2, 3).into(),
        burn_prune::Blocks::new([2, 2]).into(),
    ] {
        let pruner = match pattern {
            Pattern::NM(_) => l1(),
            _ => l1().amount(0.5),
        };
        let pruner = pruner.pattern(pattern);
        let hidden = |pair: Pair| -> Vec<Linear> { vec![pair.teacher.hidden, pair.student.hidden] };
        let together = pruner.masks(&hidden(pair(&device))).unwrap();
        let apart = hidden(pair(&device)).into_iter();
        let apart: Vec<_> = apart.map(|layer| pruner.masks(&layer).unwrap()).collect();
        assert_ne!(apart[0], apart[1]);
        for (index, alone) in apart.iter().enumerate() {
            assert_eq!(
                together.get(&format!("{index}.weight")),
                alone.get("weight")
            );
        }
    }
}
