//! Places with one parameter id: shared ones, and models that only have the same ids.

use burn::module::{Module, ModuleMapper, Param, ParamGroup, ParamId};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Axis, Magnitude, Mask, MaskMode, MaskSet, Pattern, Prunable, PruneError, Pruner,
    Pruning, Run, ScheduleConfig, Span, reset_moments,
};

use crate::nets::{kept, linear, seeded, values};

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
struct Pair {
    teacher: Model,
    student: Model,
}

fn model(device: &Device, seed: u64) -> Model {
    let model = Model {
        hidden: LinearConfig::new(6, 8).init(device),
        output: LinearConfig::new(8, 4).init(device),
    };
    seeded(model, seed)
}

/// As if it had been trained: every parameter has moved.
fn moved<M: Module>(model: M, seed: u64) -> M {
    struct Shift;

    impl ModuleMapper for Shift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let is_trained = value.is_require_grad();
                (value.detach() + 0.125)
                    .detach()
                    .set_require_grad(is_trained)
            })
        }
    }

    seeded(model.map(&mut Shift), seed)
}

/// Teacher and student from one file; the student has been trained on since.
fn pair(device: &Device) -> Pair {
    let record = || model(device, 1).into_record().into_bytes().unwrap();
    // Ids are random: one record, read twice.
    let bytes = record();
    let load = || {
        let record = burn::store::ModuleRecord::from_bytes(bytes.clone()).unwrap();
        model(device, 2).load_record(record)
    };
    let pair = Pair {
        teacher: load(),
        student: moved(load(), 3),
    };
    assert_eq!(pair.teacher.hidden.weight.id, pair.student.hidden.weight.id);
    pair
}

fn weights(pair: &Pair) -> [Vec<f32>; 4] {
    let Pair { teacher, student } = pair;
    let layers = [
        &teacher.hidden,
        &teacher.output,
        &student.hidden,
        &student.output,
    ];
    layers.map(|layer| values(layer.weight.val()))
}

const PATHS: [&str; 4] = [
    "teacher.hidden.weight",
    "teacher.output.weight",
    "student.hidden.weight",
    "student.output.weight",
];

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

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

#[derive(Module, Debug)]
struct Head {
    weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Language {
    embedding: Embedding,
    hidden: Linear,
    head: Head,
}

fn language(device: &Device) -> Language {
    let embedding: Embedding = EmbeddingConfig::new(10, 4).init(device);
    let hidden = LinearConfig::new(4, 4).init(device);
    let head = Head {
        weight: embedding.weight.clone(),
    };
    let model = Language {
        embedding,
        hidden,
        head,
    };
    let mut model = seeded(model, 7);
    model.head.weight = model.embedding.weight.clone();
    model
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
    let run = Run {
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

/// Gives the weights at some places other values.
struct Move<'a, F> {
    places: &'a [bool],
    next: usize,
    value: F,
}

impl<F: FnMut() -> f32> ModuleMapper for Move<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.next += 1;
        if !self.places[self.next - 1] {
            return param;
        }
        param.map(|weight| {
            let (shape, device) = (weight.shape(), weight.device());
            let values: Vec<f32> = (0..shape.num_elements()).map(|_| (self.value)()).collect();
            Tensor::from_data(burn::tensor::TensorData::new(values, shape), &device)
        })
    }
}

/// A place as the reference knows it.
#[derive(Clone)]
struct Known {
    id: usize,
    /// Places that got their mask together have one number.
    mask: Option<usize>,
    weights: Vec<f32>,
    kept: Vec<bool>,
}

/// Prunes lists of numbers by what the rules say, knowing nothing of tensors.
fn prune_reference(places: &mut [Known], global: bool, fraction: f64, next_mask: &mut usize) {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in 0..places.len() {
        let one = |group: &&mut Vec<usize>| {
            let (a, b) = (&places[group[0]], &places[at]);
            let equal = a.weights.iter().zip(&b.weights);
            let equal = equal.clone().all(|(a, b)| a.to_bits() == b.to_bits());
            let undecided = a.mask.is_none() && b.mask.is_none() && equal;
            a.id == b.id && (undecided || (a.mask.is_some() && a.mask == b.mask))
        };
        match groups.iter_mut().find(one) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    let rank = |places: &[Known], at: usize| -> Vec<(f32, usize, usize)> {
        let known = &places[at];
        let kept = (0..known.kept.len()).filter(|index| known.kept[*index]);
        kept.map(|index| (known.weights[index].abs(), at, index))
            .collect()
    };
    let cut = |places: &mut [Known], mut units: Vec<(f32, usize, usize)>| {
        units.sort_by(|a, b| a.0.total_cmp(&b.0).then((b.1, b.2).cmp(&(a.1, a.2))));
        let count = (fraction * units.len() as f64).round_ties_even() as usize;
        for (_, at, index) in &units[..count] {
            places[*at].kept[*index] = false;
        }
    };
    if global {
        let units = groups.iter().flat_map(|group| rank(places, group[0]));
        let units = units.collect();
        cut(places, units);
    } else {
        for group in &groups {
            let units = rank(places, group[0]);
            cut(places, units);
        }
    }
    for group in groups {
        *next_mask += 1;
        let kept = places[group[0]].kept.clone();
        for at in &group {
            places[*at].kept.clone_from(&kept);
            // A mask that was given to one place does not tie its clones to it.
            places[*at].mask = (group.len() > 1).then_some(*next_mask);
        }
        if group.len() == 1 {
            places[group[0]].mask = Some(*next_mask);
        }
    }
}

#[test]
fn random_models_of_shared_and_other_places_are_pruned_as_lists_of_numbers_are() {
    let device = Device::flex();
    for seed in 0..60u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut random = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        // Few values, so that there are ties.
        let new = |random: &mut dyn FnMut(usize) -> usize, size: usize| -> Vec<f32> {
            (0..size).map(|_| random(13) as f32 - 6.5).collect()
        };
        let size = 1 + random(9);
        let mut known: Vec<Known> = Vec::new();
        let mut ids: Vec<ParamId> = Vec::new();
        for _ in 0..2 + random(6) {
            let copied = random(ids.len() + 1);
            let like = known.iter().find(|known| known.id == copied).cloned();
            let weights = match (like, random(2)) {
                (Some(like), 0) => like.weights,
                _ => new(&mut random, size),
            };
            if copied == ids.len() {
                ids.push(ParamId::new());
            }
            known.push(Known {
                id: copied,
                mask: None,
                kept: vec![true; size],
                weights,
            });
        }
        let layer = |known: &Known| {
            let mut layer: Linear = LinearConfig::new(size, 1).with_bias(false).init(&device);
            let weights = Tensor::<1>::from_floats(known.weights.as_slice(), &device);
            layer.weight = Param::initialized(ids[known.id], weights.reshape([size, 1]));
            layer
        };
        let mut model: Vec<Linear> = known.iter().map(layer).collect();
        let mut masks = 0;
        let mode = [MaskMode::OnRead, MaskMode::AfterStep][random(2)];
        for round in 0..3 {
            let global = random(2) == 0;
            let fraction = [0.0, 0.3, 0.5, 1.0][random(4)];
            prune_reference(&mut known, global, fraction, &mut masks);
            let pruner = match global {
                true => l1().allocation(Allocation::Global),
                false => l1(),
            };
            let pruner = pruner.amount(fraction);
            model = match random(2) {
                0 => model.prune(&pruner).unwrap(),
                _ => {
                    let masks = pruner.masks(&model).unwrap();
                    model.with_masks(&masks).unwrap()
                }
            };
            model = model.with_mask_mode(mode).unwrap();
            let context = format!("seed {seed}, round {round}");
            for (layer, known) in model.iter().zip(&known) {
                let expected = known.weights.iter().zip(&known.kept);
                let expected: Vec<f32> = expected
                    .map(|(weight, kept)| if *kept { *weight } else { 0.0 })
                    .collect();
                assert_eq!(values(layer.weight.val()), expected, "{context}");
            }
            let mut distinct: Vec<_> = known.iter().map(|known| known.mask).collect();
            distinct.dedup();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(model.masks().len(), distinct.len(), "{context}");

            // Some places move, as an optimizer moves the first of shared ones.
            let moved: Vec<bool> = known.iter().map(|_| random(3) == 0).collect();
            let mut news = Vec::new();
            for (known, moved) in known.iter_mut().zip(&moved) {
                if *moved {
                    known.weights = new(&mut random, size);
                    news.extend(known.weights.clone());
                }
                for (weight, kept) in known.weights.iter_mut().zip(&known.kept) {
                    if !kept && mode == MaskMode::AfterStep {
                        *weight = 0.0;
                    }
                }
            }
            let mut news = news.into_iter();
            model = model.map(&mut Move {
                places: &moved,
                next: 0,
                value: move || news.next().unwrap(),
            });
            model = match random(3) {
                0 => model.zero_pruned(),
                1 => model
                    .clone()
                    .load_masked_record(model.masked_record())
                    .unwrap(),
                _ => model,
            };
        }
    }
}
