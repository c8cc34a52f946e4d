//! Random coupled groups over random parameters, against the plain reference.

use std::collections::BTreeMap;

use burn::module::{Module, Param, ParamGroup};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{
    Allocation, Amount, CoupledChannels, CoupledGroup, CoupledMember, Lamp, Magnitude, Mask,
    MaskSet, MemberRole, NormScale, Normalize, Prunable, PruneError, Pruner, Random, Scores,
    Target, Units, Weight,
};

use super::reference::{Criterion, Place, Settings, Share, prune};
use crate::chance::{Chance, for_seeds};

/// Parameters of any shape.
#[derive(Module, Debug)]
struct Net {
    one: Vec<Param<Tensor<1>>>,
    two: Vec<Param<Tensor<2>>>,
    four: Vec<Param<Tensor<4>>>,
}

/// A criterion of a user, who knows nothing of groups.
#[derive(Debug)]
struct From(f64);

impl burn_prune::Criterion for From {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        Ok(units.sum(weight.iter().map(|w| (w - self.0).abs())).into())
    }
}

/// Multiples of a quarter, of which sums and squares are exact in any order.
fn value(chance: &mut Chance) -> f64 {
    (chance.below(33) as f64 - 16.0) / 4.0
}

fn values(chance: &mut Chance, count: usize) -> Vec<f64> {
    (0..count).map(|_| value(chance)).collect()
}

fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    let values = values.iter().map(|value| *value as f32).collect();
    Tensor::from_data(TensorData::new::<f32, _>(values, shape), &Device::flex())
}

fn net(chance: &mut Chance) -> (Net, Vec<Place>) {
    let mut places = Vec::new();
    let mut add = |chance: &mut Chance, path: String, shape: Vec<usize>| {
        let values = values(chance, shape.iter().product());
        places.push(Place {
            path,
            kept: vec![true; values.len()],
            values: values.clone(),
            shape,
        });
        values
    };
    let mut net = Net {
        one: Vec::new(),
        two: Vec::new(),
        four: Vec::new(),
    };
    for number in 0..chance.between(1, 3) {
        let shape = [chance.between(1, 7)];
        let values = add(chance, format!("one.{number}"), shape.to_vec());
        net.one.push(Param::from_tensor(tensor(&values, shape)));
    }
    for number in 0..chance.between(1, 4) {
        let shape = [chance.between(1, 9), chance.between(1, 9)];
        let values = add(chance, format!("two.{number}"), shape.to_vec());
        net.two.push(Param::from_tensor(tensor(&values, shape)));
    }
    for number in 0..chance.between(0, 2) {
        let shape = [0, 1, 2, 3].map(|_| chance.between(1, 5));
        let values = add(chance, format!("four.{number}"), shape.to_vec());
        net.four.push(Param::from_tensor(tensor(&values, shape)));
    }
    (net, places)
}

/// A group of members that are drawn anywhere; the first has entries for each unit.
fn group(chance: &mut Chance, number: usize, places: &[Place]) -> CoupledGroup {
    let mut axes: Vec<(&Place, usize)> = places
        .iter()
        .flat_map(|place| (0..place.shape.len()).map(move |axis| (place, axis)))
        .collect();
    let mut members: Vec<CoupledMember> = Vec::new();
    let mut units = 0;
    for _ in 0..chance.between(1, 5).min(axes.len()) {
        let (place, axis) = axes.swap_remove(chance.below(axes.len()));
        let length = place.shape[axis];
        if members.is_empty() {
            units = chance.between(1, length);
        }
        // Shuffled entries, so many for each unit; the rest is in none.
        let mut entries: Vec<usize> = (0..length).collect();
        for index in (1..length).rev() {
            entries.swap(index, chance.below(index + 1));
        }
        let each = chance.between(0, length / units);
        let each = if members.is_empty() {
            each.max(1)
        } else {
            each
        };
        let indices = (0..units).map(|unit| entries[unit * each..(unit + 1) * each].to_vec());
        let roles = [
            MemberRole::Output,
            MemberRole::Output,
            MemberRole::Input,
            MemberRole::Scale,
            MemberRole::Shift,
            MemberRole::Other,
        ];
        members.push(CoupledMember {
            path: place.path.clone(),
            axis,
            shape: place.shape.clone(),
            role: *chance.pick(&roles),
            indices: indices.collect(),
        });
    }
    CoupledGroup::new(format!("group {number}"), members)
}

fn target(chance: &mut Chance) -> Target {
    match chance.below(3) {
        0 => Target::Amount(Amount::Fraction(chance.fraction())),
        1 => Target::Amount(Amount::Count(chance.below(5))),
        _ => Target::Sparsity(chance.fraction()),
    }
}

fn settings(chance: &mut Chance, places: &[Place]) -> Settings {
    let path = |chance: &mut Chance| chance.pick(places).path.clone();
    let sometimes = |chance: &mut Chance| chance.once_in(6).then(|| path(chance));
    let norms = [1.0, 2.0, 3.0, f64::INFINITY, f64::NEG_INFINITY];
    let mut importance = BTreeMap::new();
    if chance.once_in(4) {
        let place = chance.pick(places);
        importance.insert(place.path.clone(), values(chance, place.values.len()));
    }
    Settings {
        criterion: match chance.below(8) {
            0..4 => Criterion::Norm(*chance.pick(&norms)),
            4 => Criterion::Lamp,
            5 => Criterion::Random(chance.bits()),
            6 => Criterion::NormScale,
            _ => Criterion::From(value(chance)),
        },
        normalize: *chance.pick(&[Normalize::None, Normalize::Norm, Normalize::Mean]),
        share: match chance.below(4) {
            0 => Share::Uniform,
            1 => Share::Global,
            2 => Share::Erk,
            _ => {
                let paths = (0..chance.between(0, 2)).map(|_| path(chance));
                let paths: Vec<String> = paths.collect();
                Share::PerLayer(
                    paths
                        .into_iter()
                        .map(|path| (path, target(chance)))
                        .collect(),
                )
            }
        },
        target: (!chance.once_in(20)).then(|| target(chance)),
        min_density: *chance.pick(&[0.0, 0.0, 0.0, 0.3]),
        min_count: *chance.pick(&[0, 0, 0, 1, 2]),
        only: sometimes(chance),
        include: sometimes(chance),
        exclude: sometimes(chance),
        importance,
    }
}

fn pruner(settings: &Settings, places: &[Place], groups: Vec<CoupledGroup>) -> Pruner {
    let pruner = match settings.criterion {
        Criterion::Norm(n) => Pruner::new(Magnitude::ln(n)),
        Criterion::Lamp => Pruner::new(Lamp),
        Criterion::Random(seed) => Pruner::new(Random::new(seed)),
        Criterion::NormScale => Pruner::new(NormScale),
        Criterion::From(from) => Pruner::new(From(from)),
    };
    let of = |path: &String| ParamGroup::from_path(path.clone());
    let mut pruner = pruner
        .pattern(CoupledChannels::new(groups).unwrap())
        .normalize(settings.normalize)
        .min_density(settings.min_density)
        .min_count(settings.min_count)
        .allocation(match &settings.share {
            Share::Uniform => Allocation::Uniform,
            Share::Global => Allocation::Global,
            Share::Erk => Allocation::Erk,
            Share::PerLayer(targets) => {
                let targets = targets.iter().map(|(path, target)| (of(path), *target));
                Allocation::PerLayer(targets.collect())
            }
        });
    pruner = match settings.target {
        Some(Target::Amount(amount)) => pruner.amount(amount),
        Some(Target::Sparsity(sparsity)) => pruner.to_sparsity(sparsity),
        _ => pruner,
    };
    if let Some(only) = &settings.only {
        pruner = pruner.only(of(only));
    }
    if let Some(include) = &settings.include {
        pruner = pruner.include(of(include));
    }
    if let Some(exclude) = &settings.exclude {
        pruner = pruner.exclude(of(exclude));
    }
    for (path, values) in &settings.importance {
        let place = places.iter().find(|place| place.path == *path).unwrap();
        pruner = match *place.shape {
            [a] => pruner.importance(path, tensor(values, [a])),
            [a, b] => pruner.importance(path, tensor(values, [a, b])),
            [a, b, c, d] => pruner.importance(path, tensor(values, [a, b, c, d])),
            _ => unreachable!("there are no others"),
        };
    }
    pruner
}

/// Masks of single entries, of some of the places.
fn random_masks(chance: &mut Chance, places: &mut [Place]) -> MaskSet {
    let mut masks = MaskSet::new();
    for place in places {
        if chance.once_in(2) {
            continue;
        }
        let dense = *chance.pick(&[2, 4, 100]);
        place
            .kept
            .iter_mut()
            .for_each(|kept| *kept = !chance.once_in(dense));
        let mask = Mask::from_kept(place.shape.clone(), &place.kept).unwrap();
        masks.insert(place.path.clone(), mask);
    }
    masks
}

#[test]
fn masks_are_those_of_the_plain_reference() {
    let (mut accepted, mut refused) = (0, 0);
    for_seeds(3000, |_, chance| {
        let (mut net, mut places) = net(chance);
        let groups = (0..chance.between(1, 4)).map(|number| group(chance, number, &places));
        let groups: Vec<CoupledGroup> = groups.collect();
        if chance.once_in(2) {
            let masks = random_masks(chance, &mut places);
            if masks.iter().next().is_some() {
                net = net.with_masks(&masks).unwrap();
            }
        }
        // What one leaves the next begins with.
        for _ in 0..3 {
            let settings = settings(chance, &places);
            let pruner = pruner(&settings, &places, groups.clone());
            let expected = prune(&places, &groups, &settings);
            let found = pruner.masks(&net);
            match (&expected, &found) {
                (None, Err(_)) => refused += 1,
                (Some(expected), Ok(found)) => {
                    accepted += 1;
                    let paths: Vec<&str> = found.iter().map(|(path, _)| path).collect();
                    let chosen: Vec<&str> =
                        expected.iter().map(|place| place.path.as_str()).collect();
                    assert_eq!(paths, chosen);
                    for place in expected {
                        let mask: Vec<bool> = found.get(&place.path).unwrap().iter().collect();
                        assert_eq!(mask, place.kept, "{} {settings:?}", place.path);
                    }
                }
                _ => panic!("{settings:?}\n{groups:?}\nexpected {expected:?}\nfound {found:?}"),
            }
            if let (Some(expected), Ok(found)) = (expected, found) {
                net = net.with_masks(&found).unwrap();
                for pruned in expected {
                    let place = places.iter_mut().find(|place| place.path == pruned.path);
                    *place.unwrap() = pruned;
                }
            }
        }
    });
    println!("{accepted} masks, {refused} refusals");
    assert!(accepted > 3000 && refused > 500, "{accepted}, {refused}");
}
