//! Training, records and rewinding, with the masks of each place kept apart.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Mask, MaskMode, MaskSet, Prunable, PruneError, Pruning, ScheduleConfig, Span, TrainingLength,
    reset_moments,
};

use super::{Model, PATHS, Pair, l1, language, model, pair, weights};
use crate::nets::{kept, linear, seeded, values};

/// Prunes, trains and prunes again; the places of one id keep their own zeros and lose no others.
#[test]
fn masks_of_one_id_do_not_get_mixed_up_in_training() {
    let device = Device::flex().autodiff();
    let forward =
        |model: &Model, input: Tensor<2>| model.output.forward(model.hidden.forward(input));
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let mut pair = pair(&device).l1_unstructured(0.5).unwrap();
        pair = pair.with_mask_mode(mode).unwrap();
        let momentum = MomentumConfig::new();
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        for step in 0..4 {
            let input = Tensor::<2>::full([2, 6], 0.3 + step as f32, &device);
            let loss = (forward(&pair.teacher, input.clone())
                - forward(&pair.student, input) * 2.0)
                .powi_scalar(2)
                .mean();
            let grads = GradientsParams::from_grads(loss.backward(), &pair);
            let grads = pair.zero_pruned_gradients(grads);
            pair = optimizer.step(0.001, pair, grads).zero_pruned();
            let masks = pair.masks();
            for (path, weights) in PATHS.iter().zip(weights(&pair)) {
                let kept = kept(&masks, path);
                let zeros = weights.iter().map(|weight| u8::from(*weight != 0.0));
                assert_eq!(zeros.collect::<Vec<_>>(), kept, "{path}, step {step}");
            }
        }
        assert_eq!(pair.sparsity_report().zeros(), 80);
        let dense = weights(&pair);
        let permanent = pair.make_permanent().unwrap();
        assert_eq!(weights(&permanent), dense);
    }
}

#[test]
fn a_gradient_of_one_id_is_zero_where_all_its_trained_places_are_pruned() {
    let layer = || linear([[1.0, 2.0, 3.0, 4.0]]).train();
    let mask = |kept: [bool; 4]| {
        let mask = Mask::from_kept([1, 4], &kept).unwrap();
        MaskSet::from_iter([("weight".to_string(), mask)])
    };
    let gradient = |layers: &Vec<Linear>| {
        let id = layers[0].weight.id;
        let mut grads = GradientsParams::new();
        grads.register(id, Tensor::<2>::ones([1, 4], &Device::flex()));
        values(layers.zero_pruned_gradients(grads).get::<2>(id).unwrap())
    };
    let first = layer()
        .with_masks(&mask([true, false, false, true]))
        .unwrap();
    let mut second = layer()
        .with_masks(&mask([true, true, false, false]))
        .unwrap();
    second.weight.id = first.weight.id;
    let mut dense = layer();
    dense.weight.id = first.weight.id;
    assert!(first.weight.is_require_grad());

    assert_eq!(gradient(&vec![first.clone()]), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(
        gradient(&vec![first.clone(), first.clone()]),
        [1.0, 0.0, 0.0, 1.0]
    );
    assert_eq!(
        gradient(&vec![first.clone(), second.clone()]),
        [1.0, 1.0, 0.0, 1.0]
    );
    assert_eq!(gradient(&vec![first.clone(), dense.clone()]), [1.0; 4]);
    // What is frozen gets no gradient, so this is the other's.
    assert_eq!(
        gradient(&vec![first.clone(), dense.no_grad()]),
        [1.0, 0.0, 0.0, 1.0]
    );
    assert_eq!(
        gradient(&vec![first.no_grad(), second]),
        [1.0, 1.0, 0.0, 0.0]
    );
}

#[test]
fn records_and_rewinding_keep_the_masks_of_each_place() {
    let device = Device::flex();
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let start = pair(&device);
        let fresh = || Pair {
            teacher: model(&device, 8),
            student: model(&device, 9),
        };
        let record = start.clone().into_record();
        let dense = weights(&start);
        let pruned = start.l1_unstructured(0.5).unwrap();
        let pruned = pruned.with_mask_mode(mode).unwrap();
        let masks = pruned.masks();
        let loaded = fresh().load_masked_record(pruned.masked_record()).unwrap();
        assert_eq!(loaded.masks(), masks);
        assert_eq!(weights(&loaded), weights(&pruned));

        let again = loaded.l1_unstructured(0.5).unwrap();
        let expected = pruned.clone().l1_unstructured(0.5).unwrap();
        assert_eq!(again.masks(), expected.masks());
        let moved = seeded(pruned, 11);
        let rewound = moved.rewind(record).unwrap();
        assert_eq!(rewound.masks(), masks);
        for ((path, dense), found) in PATHS.iter().zip(&dense).zip(weights(&rewound)) {
            let kept = masks.get(path).unwrap().iter();
            let expected = dense.iter().zip(kept);
            let expected: Vec<f32> = expected
                .map(|(weight, kept)| if kept { *weight } else { 0.0 })
                .collect();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn replaced_masks_stay_at_their_places() {
    let device = Device::flex().autodiff();
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let pair = pair(&device).l1_unstructured(0.5).unwrap();
        let pair = pair.with_mask_mode(mode).unwrap();
        let before = pair.masks();
        let mut one = MaskSet::new();
        one.insert(PATHS[2], Mask::all_kept([6, 8]));
        let old = weights(&pair);
        let pair = pair.replace_masks(&one).unwrap();
        let masks = pair.masks();
        assert_eq!(masks.get(PATHS[0]), before.get(PATHS[0]));
        assert_eq!(masks.get(PATHS[2]).unwrap().pruned(), 0);
        // What came back starts at zero, and nothing else has moved.
        assert_eq!(weights(&pair), old);
        let mut optimizer = SgdConfig::new().init();
        let loss = pair.student.hidden.weight.val().sum() + pair.student.output.weight.val().sum();
        let grads = GradientsParams::from_grads(loss.backward(), &pair.student);
        let student = optimizer.step(0.1, pair.student.clone(), grads);
        let _ = reset_moments(&optimizer, &student, &student.masks()).unwrap();
        assert!(
            values(student.hidden.weight.val())
                .iter()
                .all(|w| *w != 0.0)
        );
    }
}

#[test]
fn a_training_that_would_move_another_place_is_refused_and_fresh_ids_cure_it() {
    let device = Device::flex().autodiff();
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: 4,
    };
    let schedule = || {
        let schedule = ScheduleConfig::linear(0.5, Span::steps(0, 4, 2));
        schedule.build(run).unwrap()
    };
    let refused = Pruning::new(pair(&device), l1(), schedule()).unwrap_err();
    let error = PruneError::SharedId {
        path: "teacher.hidden.weight".to_string(),
        other: "student.hidden.weight".to_string(),
    };
    assert_eq!(*refused.error(), error);
    let pair = refused.into_model();
    assert!(!pair.is_pruned());

    // A frozen teacher that comes first would get the gradient all the same.
    let frozen = Pair {
        teacher: pair.teacher.clone().no_grad(),
        student: pair.student.clone(),
    };
    assert!(Pruning::new(frozen, l1(), schedule()).is_err());
    let equal = Pair {
        teacher: pair.student.clone().no_grad(),
        student: pair.student.clone(),
    };
    assert!(Pruning::new(equal, l1(), schedule()).is_err());
    // One that comes last gets none.
    let student = ParamGroup::from_predicate("teacher");
    let last = Pair {
        teacher: pair.student.clone(),
        student: pair.teacher.clone().no_grad(),
    };
    assert!(Pruning::new(last, l1().only(student), schedule()).is_ok());
    // Tied weights are trained as Burn trains them.
    let tied = vec![pair.teacher.hidden.clone(), pair.teacher.hidden.clone()];
    assert!(Pruning::new(tied, l1(), schedule()).is_ok());

    let cured = pair.with_fresh_ids();
    assert_ne!(
        cured.teacher.hidden.weight.id,
        cured.student.hidden.weight.id
    );
    assert!(Pruning::new(cured, l1(), schedule()).is_ok());
}

#[test]
fn fresh_ids_leave_weights_masks_and_shared_places_as_they_are() {
    let device = Device::flex();
    let tied = ParamGroup::from_paths(vec!["embedding.weight", "head.weight"]);
    let masked = language(&device)
        .prune(&l1().include(tied).amount(0.5))
        .unwrap();
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        let model = masked.clone().with_mask_mode(mode).unwrap();
        let (masks, report) = (model.masks(), model.sparsity_report());
        let fresh = model.clone().with_fresh_ids();
        assert_eq!(fresh.masks(), masks);
        assert_eq!(fresh.sparsity_report(), report);
        assert_ne!(fresh.embedding.weight.id, model.embedding.weight.id);
        assert_eq!(fresh.embedding.weight.id, fresh.head.weight.id);
        assert_ne!(fresh.hidden.weight.id, model.hidden.weight.id);
        // One with the old ids beside it is another model, mask for mask.
        let both = vec![model, fresh];
        assert_eq!(both.masks().len(), 2 * masks.len());
        let both = both.l1_unstructured(0.5).unwrap();
        assert_eq!(both[0].masks(), both[1].masks());
    }
    let lazy: Linear = LinearConfig::new(4, 4).init(&device);
    assert!(!lazy.with_fresh_ids().weight.is_initialized());
}
