//! Models with a shared parameter that are there twice: teacher and student, loads of one file.

use burn::module::{Module, ModuleMapper, Param, ParamGroup};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Magnitude, Mask, MaskMode, MaskSet, Prunable, PruneError, Pruner,
    SensitivityReport, shared_parameters,
};

use crate::nets::{linear, seeded, values};

/// A language model whose embedding is its head.
#[derive(Module, Debug)]
struct Tied {
    embedding: Embedding,
    hidden: Linear,
    head: Head,
}

#[derive(Module, Debug)]
struct Head {
    weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Pair {
    teacher: Tied,
    student: Tied,
}

fn tied(device: &Device, seed: u64) -> Tied {
    let embedding: Embedding = seeded(EmbeddingConfig::new(10, 4).init(device), seed);
    let head = Head {
        weight: embedding.weight.clone(),
    };
    Tied {
        embedding,
        hidden: seeded(LinearConfig::new(4, 4).init(device), seed + 1),
        head,
    }
}

/// Burn's optimizer moves the embedding and leaves the head.
fn trained(mut model: Tied) -> Tied {
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..3 {
        let hidden = model.hidden.forward(model.embedding.weight.val());
        let logits = hidden.matmul(model.head.weight.val().transpose()) + 1.0;
        let loss = logits.powi_scalar(2).mean();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.3, model, grads);
    }
    assert_ne!(embedding(&model), values(model.head.weight.val()));
    model
}

fn to_sparsity(sparsity: f64) -> Pruner {
    let weights = ParamGroup::from_predicate("weight");
    Pruner::new(Magnitude::l1())
        .only(weights)
        .to_sparsity(sparsity)
}

fn embedding(model: &Tied) -> Vec<f32> {
    values(model.embedding.weight.val())
}

fn paths(masks: &MaskSet) -> Vec<&str> {
    masks.iter().map(|(path, _)| path).collect()
}

/// What an L1 pruning leaves of these weights.
fn pruned(weights: &[f32], count: usize) -> Vec<f32> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let size = |index: &usize| weights[*index].abs();
    order.sort_by(|a, b| size(a).total_cmp(&size(b)).then(b.cmp(a)));
    let mut left = weights.to_vec();
    order[..count].iter().for_each(|index| left[*index] = 0.0);
    left
}

/// Each is pruned further by its own weights, and counts in the report.
fn assert_pruned_apart(teacher: Tied, student: Tied) {
    let dense = [&teacher, &student].map(embedding);
    assert_ne!(dense[0], dense[1]);
    let pair = Pair { teacher, student };
    let all = [
        "teacher.embedding.weight",
        "teacher.hidden.weight",
        "student.embedding.weight",
        "student.hidden.weight",
    ];
    assert_eq!(paths(&pair.masks()), all);
    let report = pair.sparsity_report();
    assert_eq!(report.all_weights, 2 * (40 + 16 + 4));
    let pair = pair.prune(&to_sparsity(0.75)).unwrap();
    let (teacher, student) = (&pair.teacher, &pair.student);
    assert_eq!(embedding(teacher), pruned(&dense[0], 30));
    assert_eq!(embedding(student), pruned(&dense[1], 30));
    // The two places of each have one mask.
    for model in [teacher, student] {
        assert_eq!(paths(&model.masks()), ["embedding.weight", "hidden.weight"]);
        assert_eq!(values(model.head.weight.val()).len(), 40);
        let zeros = |weights: Vec<f32>| weights.iter().map(|w| *w == 0.0).collect::<Vec<_>>();
        assert_eq!(
            zeros(embedding(model)),
            zeros(values(model.head.weight.val()))
        );
    }
    let fresh = pair.with_fresh_ids();
    let ids = |model: &Tied| [model.embedding.weight.id, model.head.weight.id];
    let (teacher, student) = (ids(&fresh.teacher), ids(&fresh.student));
    assert!(teacher[0] == teacher[1] && student[0] == student[1] && teacher != student);
    assert_eq!(paths(&fresh.masks()), all);
}

#[test]
fn clones_of_a_masked_model_with_a_shared_parameter_are_pruned_apart() {
    let device = Device::flex().autodiff();
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let teacher = tied(&device, 1).prune(&to_sparsity(0.25)).unwrap();
        let teacher = teacher.with_mask_mode(mode).unwrap();
        assert_pruned_apart(teacher.clone(), trained(teacher.clone()));
        assert_pruned_apart(trained(teacher.clone()), teacher.clone());
        // Also clones that have had new ids, and masks that have been replaced.
        let fresh = teacher.with_fresh_ids();
        assert_pruned_apart(fresh.clone(), trained(fresh.clone()));
        let masks = fresh.masks();
        let replaced = fresh.replace_masks(&masks).unwrap();
        assert_pruned_apart(replaced.clone(), trained(replaced));
    }
}

#[test]
fn two_loads_of_one_masked_file_with_a_shared_parameter_are_pruned_apart() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("masked.bpk");
    let model = tied(&device, 1).prune(&to_sparsity(0.25)).unwrap();
    model.save_masked(&file).unwrap();
    let load = |seed| tied(&device, seed).load_masked(&file).unwrap();
    assert_pruned_apart(load(5), trained(load(6)));
}

#[test]
fn the_places_of_clones_are_told_apart_in_any_order() {
    let device = Device::flex().autodiff();
    let one = tied(&device, 1).prune(&to_sparsity(0.25)).unwrap();
    let other = trained(one.clone());
    let dense = [&one, &other].map(embedding);
    let embedding = |model: &Tied| Head {
        weight: model.embedding.weight.clone(),
    };
    let mixed = vec![
        embedding(&one),
        embedding(&other),
        one.head.clone(),
        other.head.clone(),
    ];
    let mixed = mixed.prune(&to_sparsity(0.75)).unwrap();
    assert_eq!(paths(&mixed.masks()), ["0.weight", "1.weight"]);
    for (model, dense) in mixed.iter().zip(&dense) {
        assert_eq!(values(model.weight.val()), pruned(dense, 30));
    }
    // A place that has been cloned alone, and has changed since.
    struct Add;
    impl ModuleMapper for Add {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| (weight.detach() + 0.5).detach().require_grad())
        }
    }
    let alone = vec![mixed[0].clone(), mixed[0].clone().map(&mut Add)];
    assert_eq!(alone.masks().len(), 2);
    assert_eq!(alone.sparsity_report().weights(), 80);
}

#[test]
fn a_shared_parameter_is_analysed_once_and_pruned_at_all_its_places() {
    let device = Device::flex();
    let dense = vec![tied(&device, 1)];
    let masked = dense.clone().prune(&to_sparsity(0.25)).unwrap();
    for model in [dense, masked] {
        let zeros = |model: &Vec<Tied>| {
            let both = [&model[0].embedding.weight, &model[0].head.weight];
            let zeros = both.map(|weight| {
                let weights = values(weight.val());
                weights.iter().filter(|weight| **weight == 0.0).count()
            });
            assert_eq!(zeros[0], zeros[1]);
            zeros[0] as f64
        };
        let pruner = to_sparsity(0.0);
        let report = SensitivityReport::of(&model, &pruner, &[0.5, 0.75], zeros, |_| ());
        let report = report.unwrap();
        let rows = report.layers.iter();
        let rows: Vec<_> = rows.map(|row| (row.path.as_str(), row.values[1])).collect();
        let other = report.baseline;
        assert_eq!(
            rows,
            [("0.embedding.weight", 30.0), ("0.hidden.weight", other)]
        );
    }
}

#[test]
fn replaced_masks_bring_weights_back_at_zero_at_every_place() {
    let layer = linear([[1.0, -2.0, 3.0, -4.0]]);
    let set = |kept: [bool; 4]| -> MaskSet {
        let mask = Mask::from_kept([1, 4], &kept).unwrap();
        [("1.weight".to_string(), mask)].into_iter().collect()
    };
    // One parameter at two places, of which one has the mask.
    let masked = layer.clone().l1_unstructured(0.5).unwrap();
    let layers = vec![layer, masked].replace_masks(&set([true, false, true, true]));
    let layers = layers.unwrap();
    for layer in &layers {
        assert_eq!(values(layer.weight.val()), [0.0, 0.0, 3.0, -4.0]);
    }
    assert_eq!(shared_parameters(&layers), [["0.weight", "1.weight"]]);
}

#[test]
fn settings_that_differ_between_the_places_of_one_parameter_are_refused() {
    let device = Device::flex();
    let layer = linear([[1.0, -2.0, 3.0, -4.0]]);
    let layers = vec![layer.clone(), layer];
    let scores = |scores: [f32; 4]| Tensor::<2>::from_floats([scores], &device);
    let l1 = Pruner::new(Magnitude::l1());
    let importance = |one, other| {
        let pruner = l1.clone().importance("0.weight", scores(one));
        let pruner = pruner.importance("1.weight", scores(other));
        pruner.amount(1).masks(&layers)
    };
    let (one, other) = ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]);
    assert_eq!(importance(one, one).unwrap().len(), 1);
    let targets = |targets: [f64; 2]| {
        let group = |index: usize| ParamGroup::from_path(format!("{index}.weight"));
        let targets = [(group(0), targets[0]), (group(1), targets[1])];
        let allocation = Allocation::per_layer(targets);
        l1.clone().allocation(allocation).masks(&layers)
    };
    assert_eq!(targets([0.5, 0.5]).unwrap().len(), 1);
    for refused in [importance(one, other), targets([0.25, 0.75])] {
        let error = refused.unwrap_err();
        assert!(matches!(error, PruneError::PlacesDiffer { .. }), "{error}");
    }
    // One place is enough to name it.
    let second = ParamGroup::from_path("1.weight");
    let allocation = Allocation::per_layer([(second, 0.5)]);
    let masks = l1.clone().allocation(allocation).masks(&layers).unwrap();
    assert_eq!(masks.sparsity(), 0.5);
}
