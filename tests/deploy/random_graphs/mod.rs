//! The law on random nets of all operations: what is shrunk computes what is masked, or it is
//! refused.
//!
//! Batch, height, width and running statistics vary. Nets are made so that they work without masks;
//! what masks make of them is not looked at beforehand. `BURN_PRUNE_TEST_SCALE=10` makes ten times as
//! many.

mod convolutional;
mod cuts;
mod elementwise;
mod layers;
mod mixing;
mod net;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use burn_prune::{Prunable, Pruner, Random};
use burn_prune_deploy::{DeployError, Graph, Groups, OperationClass, OperationKind, Selection};

use crate::common::values;
use crate::random::example;
use net::{Generator, Net, doubled, edit, largest, nearly};

/// More of them, for a longer look: a factor.
const SCALE: &str = "BURN_PRUNE_TEST_SCALE";

/// Operations that Burn's tensors do not lead to on the capture device, and why.
const UNRECORDED: &[(&str, &str)] = &[
    ("linear", "it is a matrix product, reshapes and a sum"),
    ("is nan", "it is whether a number differs from itself"),
    ("is inf", "it is whether the magnitude is infinity"),
];

#[derive(Debug, PartialEq)]
enum Outcome {
    /// By the law.
    Cut,
    /// Nothing can be cut.
    Frozen,
    /// With an error.
    Refused,
    /// The outputs of the masked net do not depend on its input.
    Constant,
    /// It takes the index of the largest of numbers that differ by rounding alone, or the like.
    Rounding,
    /// By the law, and there is a logarithm of a negative number or the like in what is left.
    Undefined,
}

fn label(kind: &OperationKind) -> &str {
    match kind.class() {
        OperationClass::Other => "other",
        _ => kind.name(),
    }
}

/// Says which seed it was when something panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

fn check(seed: u64, counts: &mut BTreeMap<String, [usize; 2]>) -> Outcome {
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
    let graph = Graph::capture(&net, input.clone(), Net::forward).unwrap();
    let outcome = outcome(seed, &net, &graph, &input, &mut random);
    for operation in graph.operations() {
        let count = counts
            .entry(label(&operation.kind).to_string())
            .or_default();
        count[0] += 1;
        count[1] += usize::from(outcome == Outcome::Cut);
    }
    outcome
}

fn outcome(
    seed: u64,
    net: &Net,
    graph: &Graph,
    input: &Tensor<4>,
    random: &mut Generator,
) -> Outcome {
    let groups = match graph.groups() {
        Ok(groups) => groups,
        Err(DeployError::UnknownOperation { .. }) => return Outcome::Refused,
        Err(error) => panic!("seed {seed}: {error}"),
    };
    let selection = select(seed, net, &groups, random);
    let masks = selection.masks();
    if masks.is_empty() {
        return Outcome::Frozen;
    }
    let masked = net.clone().with_masks(&masks).unwrap();
    let plan = selection.plan();
    let small = match plan.shrink_with(&masked, edit, input.clone(), Net::forward) {
        Ok(small) => small,
        Err(DeployError::GraphMismatch { .. }) => return Outcome::Refused,
        Err(error) => panic!("seed {seed}: {error}"),
    };
    let masked = masked.valid().materialize();
    let exact = [doubled(&masked), doubled(&small)];
    let steps = net.steps();
    let (mut is_constant, mut is_defined) = (true, false);
    for batch in [input.dims()[0], 3] {
        let [_, channels, height, width] = input.dims();
        let input = example([batch, channels, height, width], &input.device());
        if !largest(&net.forward(input.clone())).is_finite() {
            continue;
        }
        is_defined = true;
        let found = values(small.forward(input.clone()));
        let expected = values(masked.forward(input.clone()));
        let [exactly_found, exactly_expected] =
            [&exact[1], &exact[0]].map(|net| doubles(&net.forward(input.clone().cast(DType::F64))));
        let size = |values: &[f64]| values.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        let finite = |values: &[f32]| values.iter().map(|x| x.is_finite()).collect::<Vec<_>>();
        assert_eq!(
            finite(&found),
            finite(&expected),
            "seed {seed}, {steps:?}: {expected:?} under masks, {found:?} without\n{groups}\n{graph}"
        );
        if found
            .iter()
            .chain(&expected)
            .any(|value| !value.is_finite())
        {
            return Outcome::Undefined;
        }
        let scale = size(&exactly_expected);
        let difference = |a: &[f64], b: &[f64]| {
            let pairs = a.iter().zip(b);
            size(&pairs.map(|(a, b)| a - b).collect::<Vec<_>>()) / scale.max(1e-30)
        };
        let law = difference(&exactly_found, &exactly_expected);
        if law >= 1e-7 && is_rounding(&exact[0], &input, &exactly_expected, scale) {
            return Outcome::Rounding;
        }
        assert!(law < 1e-7, "seed {seed}: off by {law}\n{groups}\n{graph}");
        // In single precision, no more than that rounds.
        let [found, expected] = [found, expected]
            .map(|values| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        let rounding = difference(&expected, &exactly_expected);
        let off = difference(&found, &expected);
        assert!(
            off < 1e-5 + 20.0 * rounding,
            "seed {seed}: off by {off}, where rounding makes {rounding}\n{groups}\n{graph}"
        );
        let first = exactly_expected[0];
        is_constant &= exactly_expected[3.min(exactly_expected.len() - 1)..]
            .iter()
            .step_by(3)
            .all(|value| (value - first).abs() <= 1e-6 * scale);
    }
    if seed.is_multiple_of(4) {
        check_gradients(seed, [net, &masked, &small], input, &selection);
    }
    if !is_defined {
        Outcome::Undefined
    } else if is_constant {
        Outcome::Constant
    } else {
        Outcome::Cut
    }
}

/// Gradients that are finite without masks and for the small net are so under masks, or it is said
/// that they may not be.
fn check_gradients(seed: u64, nets: [&Net; 3], input: &Tensor<4>, selection: &Selection) {
    let device = Device::flex().autodiff();
    let is_finite = |net: &Net| {
        let input = Tensor::<4>::from_data(input.to_data(), &device).require_grad();
        let output = net.clone().train().forward(input.clone());
        let gradients = output.square().sum().backward();
        let gradient = input.grad(&gradients);
        gradient.is_none_or(|gradient| values(gradient).iter().all(|value| value.is_finite()))
    };
    let [dense, masked, small] = nets.map(is_finite);
    if dense && small && !masked {
        assert!(
            selection.gradient_hazards().next().is_some(),
            "seed {seed}: gradients under masks are not finite\n{}\n{}",
            selection.groups(),
            selection.groups().graph()
        );
    }
}

/// Whether weights that differ in their last digits give other outputs.
fn is_rounding(net: &Net, input: &Tensor<4>, expected: &[f64], scale: f64) -> bool {
    let input = input.clone().cast(DType::F64);
    (1..=8).any(|times| {
        let found = doubles(&nearly(net, 1e-14 * f64::from(times)).forward(input.clone()));
        let mut pairs = found.iter().zip(expected);
        pairs.any(|(a, b)| (a - b).abs() > 1e-9 * scale)
    })
}

fn doubles(x: &Tensor<2>) -> Vec<f64> {
    x.to_data().try_to_vec().unwrap()
}

fn select(seed: u64, net: &Net, groups: &Groups, random: &mut Generator) -> Selection {
    let fraction = random.between(0.2, 0.8);
    crate::common::select(Pruner::new(Random::new(seed)).amount(fraction), net, groups)
}

#[test]
fn shrunk_is_masked_whatever_the_operations() {
    let scale: usize = std::env::var(SCALE).map_or(1, |scale| scale.parse().expect(SCALE));
    let mut counts = BTreeMap::new();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..800 * scale as u64 {
        let outcome = check(seed, &mut counts);
        *outcomes.entry(format!("{outcome:?}")).or_default() += 1;
    }
    println!("{outcomes:?}");
    let few = |name: &&str| {
        let found = counts.get(*name).copied().unwrap_or_default();
        let is_known = UNRECORDED.iter().any(|(unrecorded, _)| unrecorded == name);
        if is_known {
            found[0] > 0
        } else {
            found[0] < 50
        }
    };
    let few: Vec<&str> = OperationClass::operations()
        .into_iter()
        .filter(few)
        .collect();
    assert!(few.is_empty(), "too few, or recorded after all: {few:?}");
    let count = |outcome: &str| outcomes.get(outcome).copied().unwrap_or_default();
    assert!(count("Cut") > 400 * scale, "{outcomes:?}");
    assert!(
        count("Rounding") + count("Undefined") < 20 * scale,
        "{outcomes:?}"
    );
}
