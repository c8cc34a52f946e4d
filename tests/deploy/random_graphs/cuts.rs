//! Random masks on random nets: what they allow to be cut computes what the masked net does.

use burn::module::Module;
use burn::tensor::{DType, Device};
use burn_prune::Prunable;
use burn_prune_deploy::{DeployError, Graph, Selection};

use super::net::{Generator, Net, doubled, edit, largest};
use super::{SCALE, Seed, doubles, is_rounding};
use crate::from_masks::Masker;
use crate::random::{example, randomised};

/// How many units were found to be what.
#[derive(Debug, Default)]
struct Counts {
    nets: usize,
    cut: usize,
    folded: usize,
    checked: usize,
    constants: usize,
    disagreements: usize,
    last: usize,
    rounding: usize,
    undefined: usize,
    refused: usize,
    /// Plans for nets that were trained further.
    trained: usize,
    /// Of these, those that had to be made again.
    stale: usize,
}

fn check(seed: u64, counts: &mut Counts) {
    let _seed = Seed(seed);
    let device = Device::flex();
    let mut random = Generator::new(seed);
    let shape = [
        1 + random.below(5),
        2,
        2 + random.below(6),
        1 + random.below(5),
    ];
    let input = example(shape, &device);
    let net = random.net(&example([3, shape[1], shape[2], shape[3]], &device));
    // In double precision, so that nothing but the cuts makes a difference.
    let net = doubled(&net);
    let input = input.cast(DType::F64);
    let graph = Graph::capture(&net, input.clone(), Net::forward).unwrap();
    let groups = match graph.groups() {
        Ok(groups) => groups,
        Err(DeployError::UnknownOperation { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let masks = Masker::new(seed).masks(&groups);
    if masks.is_empty() {
        return;
    }
    let masked = net
        .clone()
        .with_masks(&masks)
        .unwrap()
        .valid()
        .materialize();
    let selection = Selection::from_masks(&groups, &masks).unwrap();
    let selection = if seed.is_multiple_of(3) {
        selection.extend()
    } else {
        selection
    };
    let removed = selection.masks();
    if removed.is_empty() {
        return;
    }
    // Where the selection was extended, the rest is masked too.
    let masked = masked.with_masks(&removed).unwrap().valid().materialize();
    let plan = selection.plan();
    let small = match plan.shrink_with(&masked, edit, input, Net::forward) {
        Ok(small) => small,
        Err(DeployError::GraphMismatch { .. }) => {
            counts.refused += 1;
            return;
        }
        Err(error) => panic!("{error}"),
    };
    counts.nets += 1;
    let kept = selection.kept().concat();
    counts.cut += kept.iter().filter(|kept| !**kept).count();
    for fold in &plan.folds {
        match fold.into {
            Some(_) => counts.folded += fold.terms.len(),
            None => counts.checked += fold.terms.len(),
        }
    }
    counts.constants += selection.constants().len();
    counts.disagreements += selection.disagreements().len();
    counts.last += selection.last_units().len();
    let again = Selection::from_masks(&groups, &removed).unwrap();
    if !seed.is_multiple_of(3) {
        assert_eq!(
            again.kept(),
            selection.kept(),
            "seed {seed}\n{groups}\n{graph}"
        );
    }
    let what = format!("seed {seed}\n{plan}\n{groups}\n{graph}\n{:?}", net.steps());
    let [rounding, undefined] = check_outputs(&what, [&net, &masked, &small], shape);
    counts.rounding += rounding;
    counts.undefined += undefined;

    if !seed.is_multiple_of(2) {
        return;
    }
    // Training goes on under the masks: the plan is right, or refused.
    let trained = doubled(&randomised(net.valid(), seed + 1));
    let all = [masks, removed].map(|masks| trained.clone().with_masks(&masks).unwrap());
    let [trained, removed] = all;
    let trained = trained.with_masks(&removed.masks()).unwrap();
    let trained = trained.valid().materialize();
    let input = example(shape, &device).cast(DType::F64);
    match plan.shrink_with(&trained, edit, input, Net::forward) {
        Ok(small) => {
            counts.trained += 1;
            let what = format!("trained further, {what}");
            check_outputs(&what, [&trained, &trained, &small], shape);
        }
        Err(DeployError::ConstantChanged { .. }) => counts.stale += 1,
        Err(error) => panic!("{error}"),
    }
}

/// The small net computes what the masked one does, where the dense one computes something. How often
/// rounding decided what that is, and how often it was nothing.
fn check_outputs(what: &str, nets: [&Net; 3], shape: [usize; 4]) -> [usize; 2] {
    let [dense, masked, small] = nets;
    let (mut rounding, mut undefined) = (0, 0);
    for batch in [shape[0], 3] {
        let input = example([batch, shape[1], shape[2], shape[3]], &Device::flex());
        let double = input.clone().cast(DType::F64);
        let expected = masked.forward(double.clone());
        let is_defined = largest(&dense.forward(double.clone())).is_finite();
        if !is_defined || !largest(&expected).is_finite() {
            undefined += 1;
            continue;
        }
        let found = doubles(&small.forward(double));
        let expected = doubles(&expected);
        let scale = expected.iter().fold(1e-30, |max: f64, x| max.max(x.abs()));
        let pairs = found.iter().zip(&expected);
        let off = pairs.fold(0.0, |max: f64, (a, b)| max.max((a - b).abs())) / scale;
        if off.is_nan() || off >= 1e-7 {
            if is_rounding(masked, &input, &expected, scale) {
                rounding += 1;
                continue;
            }
            panic!("off by {off}: {what}");
        }
    }
    [rounding, undefined]
}

#[test]
fn cut_is_masked_whatever_the_masks() {
    let scale: u64 = std::env::var(SCALE).map_or(1, |scale| scale.parse().expect(SCALE));
    let mut counts = Counts::default();
    for seed in 0..800 * scale {
        check(seed, &mut counts);
    }
    println!("{counts:?}");
    let scale = scale as usize;
    assert!(
        counts.nets > 300 * scale && counts.cut > 1_000 * scale,
        "{counts:?}"
    );
    assert!(
        counts.folded > 50 * scale && counts.checked > 0,
        "{counts:?}"
    );
    assert!(
        counts.rounding + counts.undefined < 40 * scale && counts.trained > 150 * scale,
        "{counts:?}"
    );
}
