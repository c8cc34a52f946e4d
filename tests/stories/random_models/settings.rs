//! Random settings of a pruner, as plain data that the reference reads too.

use burn::module::ParamGroup;
use burn_prune::{
    Allocation, Amount, Axis, Blocks, Lamp, Magnitude, NM, Normalize, Pattern, Pooling, Pruner,
    Random, Target,
};

use super::reference::Place;
use crate::chance::Chance;

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub criterion: Criterion,
    pub pattern: Shape,
    pub allocation: Share,
    pub target: Option<Target>,
    pub normalize: bool,
    pub min_density: f64,
    pub min_count: usize,
    pub only: Option<String>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Criterion {
    Norm(f64),
    Random(u64),
    Lamp,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Single,
    Channels(Axis),
    Blocks([usize; 2], Pooling),
    NM(usize, usize),
}

#[derive(Debug, Clone)]
pub(super) enum Share {
    Uniform,
    Global,
    Erk,
    PerLayer(Vec<(String, Target)>),
}

impl Settings {
    /// Settings that fit most models, and some that fit none.
    pub(super) fn random(chance: &mut Chance, places: &[Place]) -> Self {
        let path = |chance: &mut Chance| chance.pick(places).path.clone();
        let pattern = match chance.below(7) {
            0..3 => Shape::Single,
            3 => Shape::Channels(Axis::Output),
            4 => Shape::Channels(*chance.pick(&[Axis::Input, Axis::Dim(0), Axis::Dim(1)])),
            5 => {
                let pooling = [
                    Pooling::Criterion,
                    Pooling::Sum,
                    Pooling::Mean,
                    Pooling::Max,
                ];
                let size = [chance.between(1, 3), chance.between(1, 3)];
                let size = if chance.once_in(2) { [1, 1] } else { size };
                Shape::Blocks(size, *chance.pick(&pooling))
            }
            _ => Shape::NM(chance.between(1, 2), chance.between(2, 4)),
        };
        let is_nm = matches!(pattern, Shape::NM(..));
        let allocation = match chance.below(5) {
            _ if is_nm => Share::Uniform,
            0 => Share::Uniform,
            1..3 => Share::Global,
            3 => Share::Erk,
            _ => Share::PerLayer(
                (0..chance.between(1, 2))
                    .map(|_| (path(chance), target(chance)))
                    .collect(),
            ),
        };
        let some = |chance: &mut Chance, times| -> Vec<String> {
            let chosen = chance.once_in(times);
            chosen.then(|| path(chance)).into_iter().collect()
        };
        Self {
            criterion: match chance.below(4) {
                0 | 1 => Criterion::Norm(*chance.pick(&[
                    1.0,
                    2.0,
                    3.0,
                    0.5,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                ])),
                2 => Criterion::Random(chance.bits()),
                _ => Criterion::Lamp,
            },
            pattern,
            target: (!is_nm && !chance.once_in(20)).then(|| target(chance)),
            normalize: chance.once_in(4),
            min_density: match chance.below(5) {
                0 if !is_nm => chance.fraction() * 0.4,
                _ => 0.0,
            },
            min_count: match chance.below(5) {
                0 if !is_nm => chance.between(1, 2),
                _ => 0,
            },
            only: some(chance, 10).pop(),
            include: some(chance, 5),
            exclude: some(chance, 4),
            allocation,
        }
    }

    pub(super) fn pruner(&self) -> Pruner {
        let group = |path: &String| ParamGroup::from_path(path.clone());
        let mut pruner = match self.criterion {
            Criterion::Norm(n) => Pruner::new(Magnitude::ln(n)),
            Criterion::Random(seed) => Pruner::new(Random::new(seed)),
            Criterion::Lamp => Pruner::new(Lamp),
        };
        pruner = pruner.pattern(match self.pattern {
            Shape::Single => Pattern::Unstructured,
            Shape::Channels(axis) => Pattern::Channels(axis),
            Shape::Blocks(size, pooling) => Blocks::new(size).pooling(pooling).into(),
            Shape::NM(n, m) => NM::new(n, m).skip_indivisible().into(),
        });
        pruner = pruner.allocation(match &self.allocation {
            Share::Uniform => Allocation::Uniform,
            Share::Global => Allocation::Global,
            Share::Erk => Allocation::Erk,
            Share::PerLayer(targets) => {
                Allocation::per_layer(targets.iter().map(|(path, target)| (group(path), *target)))
            }
        });
        pruner = match self.target {
            Some(Target::Amount(amount)) => pruner.amount(amount),
            Some(Target::Sparsity(sparsity)) => pruner.to_sparsity(sparsity),
            _ => pruner,
        };
        if self.normalize {
            pruner = pruner.normalize(Normalize::Norm);
        }
        if let Some(path) = &self.only {
            pruner = pruner.only(group(path));
        }
        pruner = self.include.iter().map(group).fold(pruner, Pruner::include);
        pruner = self.exclude.iter().map(group).fold(pruner, Pruner::exclude);
        pruner
            .min_density(self.min_density)
            .min_count(self.min_count)
    }
}

fn target(chance: &mut Chance) -> Target {
    let fractions = [0.0, 0.25, 0.5, 0.5, 0.75, 1.0];
    let fraction = if chance.once_in(2) {
        *chance.pick(&fractions)
    } else {
        chance.fraction()
    };
    match chance.below(5) {
        0 | 1 => Target::Amount(Amount::Fraction(fraction)),
        2 => Target::Amount(Amount::Count(chance.below(8))),
        _ => Target::Sparsity(fraction),
    }
}
