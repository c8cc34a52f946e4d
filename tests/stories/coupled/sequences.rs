//! Coupled channels pruned again and again, with shared parameters and every type of float, against
//! what the documentation of the pattern says, counted naively.

use std::collections::{BTreeMap, BTreeSet};

use burn::config::Config;
use burn::module::{Module, Param, ParamGroup};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_prune::{
    Allocation, Amount, CoupledChannels, CoupledGroup, CoupledMember, Criterion, Magnitude, Mask,
    MaskSet, MemberRole, NormScale, Normalize, Prunable, PruneError, Pruner, Recipe,
    ScheduleConfig, Scores, Target, Units, Weight,
};

use super::naive::{Verdict, reference};
use crate::chance::{Chance, for_seeds};

#[derive(Module, Debug)]
struct Net {
    lines: Vec<Param<Tensor<1>>>,
    mats: Vec<Param<Tensor<2>>>,
    cubes: Vec<Param<Tensor<3>>>,
}

/// The plain sum, which may be negative.
#[derive(Debug)]
struct Total;

impl Criterion for Total {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        Ok(units.sum(weight.iter()).into())
    }

    fn identity(&self) -> Option<burn_prune::Identity> {
        Some(burn_prune::Identity::new("total"))
    }
}

/// A parameter, at all its paths.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) paths: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
    pub(super) kept: Vec<bool>,
}

struct Model {
    net: Net,
    known: Vec<Known>,
}

fn quarter(chance: &mut Chance) -> f64 {
    (chance.below(17) as f64 - 8.0) / 4.0
}

fn param<const D: usize>(
    chance: &mut Chance,
    shape: [usize; D],
    dtype: DType,
    device: &Device,
    path: String,
    known: &mut Vec<Known>,
) -> Param<Tensor<D>> {
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| quarter(chance))
        .collect();
    let data = TensorData::new(values.clone(), shape).convert_dtype(dtype);
    known.push(Known {
        paths: vec![path],
        shape: shape.to_vec(),
        kept: vec![true; values.len()],
        values,
    });
    Param::from_tensor(Tensor::from_data(data, (device, dtype)))
}

fn model(chance: &mut Chance) -> Model {
    let dtype = *chance.pick(&[DType::F32, DType::F64, DType::F16, DType::BF16]);
    let device = if chance.once_in(3) {
        Device::flex().autodiff()
    } else {
        Device::flex()
    };
    let mut known = Vec::new();
    let size = |chance: &mut Chance| chance.between(1, 6);
    let mut net = Net {
        lines: Vec::new(),
        mats: Vec::new(),
        cubes: Vec::new(),
    };
    for index in 0..2 {
        let shape = [size(chance)];
        let path = format!("lines.{index}");
        net.lines
            .push(param(chance, shape, dtype, &device, path, &mut known));
    }
    for index in 0..3 {
        let path = format!("mats.{index}");
        if index > 0 && chance.once_in(3) {
            // The one before, at this place too.
            net.mats.push(net.mats[index - 1].clone());
            known.last_mut().unwrap().paths.push(path);
            continue;
        }
        let shape = [size(chance), size(chance)];
        net.mats
            .push(param(chance, shape, dtype, &device, path, &mut known));
    }
    let shape = [size(chance), size(chance), size(chance)];
    let path = "cubes.0".to_string();
    net.cubes
        .push(param(chance, shape, dtype, &device, path, &mut known));
    Model { net, known }
}

fn known_at<'a>(known: &'a [Known], path: &str) -> &'a Known {
    known
        .iter()
        .find(|known| known.paths.iter().any(|other| other == path))
        .unwrap()
}

fn groups(chance: &mut Chance, known: &[Known]) -> Vec<CoupledGroup> {
    let roles = [
        MemberRole::Output,
        MemberRole::Output,
        MemberRole::Input,
        MemberRole::Scale,
        MemberRole::Shift,
        MemberRole::Other,
    ];
    let mut groups = Vec::new();
    while groups.len() < chance.between(1, 4) {
        let units = chance.between(1, 5);
        let mut used = BTreeSet::new();
        let mut members = Vec::new();
        for _ in 0..chance.between(1, 4) {
            let of = chance.pick(known);
            let path = chance.pick(&of.paths).clone();
            let axis = chance.below(of.shape.len());
            if !used.insert((path.clone(), axis)) {
                continue;
            }
            let mut indices = vec![Vec::new(); units];
            for entry in 0..of.shape[axis] {
                let unit = match chance.below(4) {
                    0 => chance.below(units + 1),
                    _ => entry % units,
                };
                if unit < units {
                    indices[unit].push(entry);
                }
            }
            members.push(CoupledMember {
                path,
                axis,
                shape: of.shape.clone(),
                role: *chance.pick(&roles),
                indices,
            });
        }
        let group = CoupledGroup::new(format!("group {}", groups.len()), members);
        if CoupledChannels::new([group.clone()]).is_ok() {
            groups.push(group);
        }
    }
    groups
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) criterion: usize,
    pub(super) normalize: Normalize,
    pub(super) allocation: usize,
    pub(super) own: Vec<(String, Target)>,
    pub(super) target: Option<Target>,
    pub(super) density: f64,
    pub(super) count: usize,
    pub(super) only: Option<String>,
    pub(super) include: Option<String>,
    pub(super) exclude: Option<String>,
    pub(super) importance: Option<(String, Vec<f64>)>,
}

fn target(chance: &mut Chance) -> Target {
    let share = match chance.below(4) {
        0 => chance.below(9) as f64 / 8.0,
        1 => 0.9,
        _ => chance.fraction(),
    };
    match chance.below(5) {
        0 => Target::Amount(Amount::Count(chance.below(5))),
        1 | 2 => Target::Amount(Amount::Fraction(share)),
        _ => Target::Sparsity(share),
    }
}

fn settings(chance: &mut Chance, known: &[Known], groups: &[CoupledGroup]) -> Settings {
    let member = |chance: &mut Chance| {
        let group = chance.pick(groups);
        chance.pick(group.members()).path.clone()
    };
    let maybe = |chance: &mut Chance, times| chance.once_in(times).then(|| member(chance));
    let importance = maybe(chance, 6).map(|path| {
        let count = known_at(known, &path).values.len();
        (path, (0..count).map(|_| quarter(chance)).collect())
    });
    let allocation = chance.below(4);
    let own: Vec<_> = (0..chance.below(3))
        .map(|_| (member(chance), target(chance)))
        .collect();
    Settings {
        criterion: chance.below(6),
        normalize: *chance.pick(&[Normalize::None, Normalize::Norm, Normalize::Mean]),
        allocation,
        own,
        target: (allocation != 3 || chance.once_in(2)).then(|| target(chance)),
        density: *chance.pick(&[0.0, 0.0, 0.0, 0.25, 0.5]),
        count: *chance.pick(&[0, 0, 0, 1, 2]),
        only: maybe(chance, 6),
        include: maybe(chance, 6),
        exclude: maybe(chance, 6),
        importance,
    }
}

fn pruner(settings: &Settings, known: &[Known], groups: &[CoupledGroup]) -> Pruner {
    let mut pruner = match settings.criterion {
        0 => Pruner::new(Magnitude::l1()),
        1 => Pruner::new(Magnitude::l2()),
        2 => Pruner::new(Magnitude::ln(f64::INFINITY)),
        3 => Pruner::new(Magnitude::ln(f64::NEG_INFINITY)),
        4 => Pruner::new(NormScale),
        _ => Pruner::new(Total),
    }
    .pattern(CoupledChannels::new(groups.to_vec()).unwrap())
    .normalize(settings.normalize)
    .min_density(settings.density)
    .min_count(settings.count)
    .allocation(match settings.allocation {
        0 => Allocation::Uniform,
        1 => Allocation::Global,
        2 => Allocation::Erk,
        _ => Allocation::per_layer(
            settings
                .own
                .iter()
                .map(|(path, target)| (ParamGroup::from_path(path.clone()), *target)),
        ),
    });
    pruner = match settings.target {
        Some(Target::Amount(amount)) => pruner.amount(amount),
        Some(Target::Sparsity(sparsity)) => pruner.to_sparsity(sparsity),
        _ => pruner,
    };
    let of = |path: &String| ParamGroup::from_path(path.clone());
    if let Some(path) = &settings.only {
        pruner = pruner.only(of(path));
    }
    if let Some(path) = &settings.include {
        pruner = pruner.include(of(path));
    }
    if let Some(path) = &settings.exclude {
        pruner = pruner.exclude(of(path));
    }
    if let Some((path, values)) = &settings.importance {
        let shape = &known_at(known, path).shape;
        let data = |values: &[f64]| TensorData::new(values.to_vec(), shape.clone());
        let on = (&Device::flex(), DType::F64);
        pruner = match shape.len() {
            1 => pruner.importance(path, Tensor::<1>::from_data(data(values), on)),
            2 => pruner.importance(path, Tensor::<2>::from_data(data(values), on)),
            _ => pruner.importance(path, Tensor::<3>::from_data(data(values), on)),
        };
    }
    pruner
}

fn random_masks(chance: &mut Chance, known: &mut [Known]) -> MaskSet {
    let mut masks = Vec::new();
    for known in known {
        if chance.once_in(2) {
            continue;
        }
        let keep = chance.between(1, 4);
        for kept in &mut known.kept {
            *kept = chance.below(5) < keep;
        }
        let mask = Mask::from_kept(known.shape.clone(), &known.kept).unwrap();
        masks.push((known.paths[0].clone(), mask));
    }
    masks.into_iter().collect()
}

#[test]
fn rounds_of_coupled_pruning_are_those_of_a_naive_count() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for_seeds(500, |_, chance| {
        let Model { mut net, mut known } = model(chance);
        if chance.once_in(2) {
            let masks = random_masks(chance, &mut known);
            if !masks.is_empty() {
                net = net.with_masks(&masks).unwrap();
            }
        }
        let same_groups = groups(chance, &known);
        for round in 0..3 {
            let groups = if chance.once_in(3) {
                groups(chance, &known)
            } else {
                same_groups.clone()
            };
            let settings = settings(chance, &known, &groups);
            let pruner = pruner(&settings, &known, &groups);
            let found = pruner.masks(&net);
            let expected = reference(&known, &groups, &settings, found.as_ref().ok());
            let case = format!("round {round}, {settings:?}, {groups:?}, {known:?}");
            stored_is_the_same(&pruner, &settings, &net, &found);
            match (found, expected) {
                (Ok(masks), Ok(after)) => {
                    for (path, mask) in masks.iter() {
                        let kept: Vec<bool> = mask.iter().collect();
                        assert_eq!(kept, known_at(&after, path).kept, "{path}, {case}");
                    }
                    *seen
                        .entry(format!("pruned {}", settings.allocation))
                        .or_default() += 1;
                    net = net.prune(&pruner).unwrap();
                    known = after;
                }
                (Err(error), Err(Verdict::Refused)) => {
                    let kind = format!("{error:?}");
                    let end = kind.find([' ', '{']).unwrap_or(kind.len());
                    *seen.entry(format!("refused {}", &kind[..end])).or_default() += 1;
                }
                (_, Err(Verdict::Unclear)) => break,
                (Ok(_), Err(_)) => panic!("not refused: {case}"),
                (Err(error), Ok(_)) => panic!("{error}: {case}"),
            }
        }
    });
    println!("{seen:#?}");
    assert!(seen.len() >= 8, "{seen:?}");
}

/// A pruner that was written to a recipe and read is the same.
fn stored_is_the_same(
    pruner: &Pruner,
    settings: &Settings,
    net: &Net,
    found: &Result<MaskSet, PruneError>,
) {
    let recipe = Recipe::new(pruner.clone(), ScheduleConfig::one_shot(0.5));
    let json = serde_json::to_string(&recipe);
    if settings.importance.is_some() {
        assert!(json.unwrap_err().to_string().contains("importance"));
        return;
    }
    let read = Recipe::load_binary(json.unwrap().as_bytes())
        .unwrap()
        .pruner;
    let read = if settings.criterion == 5 {
        let refused = read.masks(net).unwrap_err();
        assert!(
            found.is_err() || refused.to_string().contains("total"),
            "{refused}"
        );
        read.give_criterion(Total).unwrap()
    } else {
        read
    };
    let again = read.masks(net);
    match (&again, found) {
        (Ok(again), Ok(found)) => assert_eq!(again, found),
        (Err(again), Err(found)) => assert_eq!(again.to_string(), found.to_string()),
        _ => panic!("{again:?} after reading, {found:?} before"),
    }
    let identities = [pruner, &read].map(|pruner| format!("{:?}", pruner.identity(net)));
    assert_eq!(identities[0], identities[1]);
}
