//! The rules of pruners on groups, against a naive reference: it shares nothing with the library but
//! the units and the weights, and computes everything by its definition.

use std::collections::HashMap;

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Int, Tensor};
use burn_prune::{
    Allocation, Criterion, Lamp, Magnitude, MaskSet, Normalize, Prunable, PruneError, Pruner,
    Scores, Units, Weight,
};
use burn_prune_deploy::{Graph, GraphTensors, Group, Groups, Selection};

use examples_shared::nets::others::Transformer;
use examples_shared::nets::residual::ResNet18;

use crate::random::{example, randomised};

/// The criterion of the documentation of `Criterion`.
#[derive(Debug, Clone)]
struct MovedFarthest {
    start: HashMap<String, Vec<f64>>,
}

impl Criterion for MovedFarthest {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        let start = (self.start.get(weight.path())).ok_or_else(|| PruneError::Criterion {
            path: weight.path().to_string(),
            message: "no initial weights".to_string(),
        })?;
        let moved = weight.iter().zip(start);
        Ok(units
            .sum(moved.map(|(now, start)| (now - start).abs()))
            .into())
    }
}

/// The weights of a unit in one member, with their places in the parameter of this path.
type Part = (String, Vec<(usize, f64)>);

/// Every weight of each unit, from all that masks can make 0.
fn weights(graph: &Graph, group: &Group) -> Vec<Vec<Part>> {
    let values = graph.values().unwrap();
    let mut found = vec![Vec::new(); group.units.len()];
    for (number, member) in group.units[0].members.iter().enumerate() {
        let parameter = &graph[member.parameter];
        if !parameter.can_be_masked() {
            continue;
        }
        let shape = &graph[parameter.tensor].shape;
        let mut owners = vec![None; shape[member.axis]];
        for (unit, parts) in group.units.iter().enumerate() {
            for index in &parts.members[number].indices {
                owners[*index] = Some(unit);
            }
        }
        let mut parts = vec![(parameter.path.clone(), Vec::new()); group.units.len()];
        // The index along the axis, from the place in row-major order.
        let inner: usize = shape[member.axis + 1..].iter().product();
        for (place, value) in values.of(member.parameter).iter().enumerate() {
            if let Some(unit) = owners[place / inner % shape[member.axis]] {
                parts[unit].1.push((place, f64::from(*value)));
            }
        }
        for (unit, part) in found.iter_mut().zip(parts) {
            unit.push(part);
        }
    }
    found
}

/// What a unit scores, by group and unit.
type NaiveScores = fn(&Naive<'_>, &Group) -> Vec<f64>;

struct Naive<'a> {
    graph: &'a Graph,
    groups: &'a Groups,
    start: &'a HashMap<String, Vec<f64>>,
}

impl Naive<'_> {
    fn magnitude(&self, group: &Group) -> Vec<f64> {
        let norm = |members: &Vec<Part>| {
            let all = members.iter().flat_map(|(_, weights)| weights);
            all.map(|(_, weight)| weight * weight).sum::<f64>().sqrt()
        };
        weights(self.graph, group).iter().map(norm).collect()
    }

    /// The share of a unit's squares in those of all units that are at least as large, in each
    /// member, summed over the members.
    fn lamp(&self, group: &Group) -> Vec<f64> {
        let sum = |(_, weights): &Part| weights.iter().map(|(_, weight)| weight * weight).sum();
        let squares: Vec<Vec<f64>> = weights(self.graph, group)
            .iter()
            .map(|members| members.iter().map(sum).collect())
            .collect();
        let of_member = |unit: usize, member: usize| {
            let own: f64 = squares[unit][member];
            let larger = squares.iter().map(|squares| squares[member]);
            own / larger.filter(|other| *other >= own).sum::<f64>()
        };
        let members = squares[0].len();
        (0..squares.len())
            .map(|unit| (0..members).map(|member| of_member(unit, member)).sum())
            .collect()
    }

    fn moved_farthest(&self, group: &Group) -> Vec<f64> {
        let moved = |members: &Vec<Part>| {
            let all = members.iter().flat_map(|(path, weights)| {
                let start = &self.start[path];
                weights
                    .iter()
                    .map(|(place, now)| (now - start[*place]).abs())
            });
            all.sum()
        };
        weights(self.graph, group).iter().map(moved).collect()
    }

    /// The units that are left when these are gone already and the rule takes more of them.
    fn kept(&self, scores: NaiveScores, rule: &Rule, before: &[Vec<bool>]) -> Vec<Vec<bool>> {
        let groups = self.groups.groups();
        let scores: Vec<Vec<f64>> = groups.iter().map(|group| scores(self, group)).collect();
        let remaining: Vec<usize> = before.iter().map(|kept| count(kept)).collect();
        let counts = match rule {
            Rule::Global { fraction, .. } => {
                return self.globally(&scores, rule, *fraction, before);
            }
            Rule::Uniform(fraction) => {
                let counts = remaining.iter().map(|units| rounded(*units, *fraction));
                counts.collect()
            }
            Rule::PerLayer(targets) => (groups.iter().zip(&remaining))
                .map(|(group, units)| {
                    let target = targets.iter().find(|(path, _)| *path == group.name);
                    target.map_or(0, |(_, fraction)| rounded(*units, *fraction))
                })
                .collect(),
            Rule::Erk(fraction) => self.erk(*fraction, &remaining),
        };
        let mut kept = before.to_vec();
        for ((kept, scores), count) in kept.iter_mut().zip(&scores).zip(counts) {
            for _ in 0..count {
                let lowest = lowest(scores, kept).unwrap();
                kept[lowest] = false;
            }
        }
        kept
    }

    /// One after another the lowest of all, unless its group is at its floor.
    fn globally(
        &self,
        scores: &[Vec<f64>],
        rule: &Rule,
        fraction: f64,
        before: &[Vec<bool>],
    ) -> Vec<Vec<bool>> {
        let Rule::Global { floor, by_mean, .. } = rule else {
            unreachable!()
        };
        let divisor = |group: usize| {
            if !by_mean {
                return 1.0;
            }
            let left = (0..scores[group].len()).filter(|unit| before[group][*unit]);
            let left: Vec<f64> = left.map(|unit| scores[group][unit].abs()).collect();
            left.iter().sum::<f64>() / left.len() as f64
        };
        let divisors: Vec<f64> = (0..scores.len()).map(divisor).collect();
        let mut kept = before.to_vec();
        let all: usize = before.iter().map(|kept| count(kept)).sum();
        for _ in 0..rounded(all, fraction) {
            let candidates = kept.iter().enumerate().filter_map(|(group, kept)| {
                let least = (floor * kept.len() as f64).ceil() as usize;
                let is_free = count(kept) > least.max(1);
                let unit = lowest(&scores[group], kept).filter(|_| is_free)?;
                Some((scores[group][unit] / divisors[group], group, unit))
            });
            let (_, group, unit) = candidates.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            kept[group][unit] = false;
        }
        kept
    }

    /// Densities proportional to Σs/Πs of what first makes the channels, by bisection.
    fn erk(&self, fraction: f64, remaining: &[usize]) -> Vec<usize> {
        let all: usize = remaining.iter().sum();
        let to_keep = all - rounded(all, fraction);
        let raw: Vec<f64> = self
            .groups
            .groups()
            .iter()
            .map(|group| {
                // The first weight of the group: the order of the model is that of its layers.
                let first = &self.graph[group.units[0].members[0].parameter];
                let shape = &self.graph[first.tensor].shape;
                let size: usize = shape.iter().product();
                group.units.len() as f64 * shape.iter().sum::<usize>() as f64 / size as f64
            })
            .collect();
        let shares = |factor: f64| -> Vec<f64> {
            let shares = raw.iter().zip(remaining);
            shares
                .map(|(raw, remaining)| (factor * raw).min(*remaining as f64))
                .collect()
        };
        let (mut low, mut high) = (0.0, 1e9);
        for _ in 0..200 {
            let middle = (low + high) / 2.0;
            if shares(middle).iter().sum::<f64>() < to_keep as f64 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let shares = shares(high);
        let mut kept: Vec<i64> = shares
            .iter()
            .map(|share| (share.round_ties_even() as i64).max(1))
            .collect();
        // What rounding has added or taken too much goes to where it was furthest off.
        loop {
            let off = to_keep as i64 - kept.iter().sum::<i64>();
            if off == 0 {
                break;
            }
            let step = off.signum();
            let error = |group: usize| (shares[group] - kept[group] as f64) * step as f64;
            let movable = (0..kept.len()).filter(|group| {
                let moved = kept[*group] + step;
                moved >= 1 && moved <= remaining[*group] as i64
            });
            let furthest = movable.max_by(|a, b| error(*a).total_cmp(&error(*b)).then(b.cmp(a)));
            kept[furthest.unwrap()] += step;
        }
        let pairs = kept.iter().zip(remaining);
        pairs.map(|(kept, units)| units - *kept as usize).collect()
    }
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|kept| **kept).count()
}

fn rounded(units: usize, fraction: f64) -> usize {
    (units as f64 * fraction).round_ties_even() as usize
}

/// The unit with the lowest score of those that are left; the last of equals.
fn lowest(scores: &[f64], kept: &[bool]) -> Option<usize> {
    let left = (0..scores.len()).filter(|unit| kept[*unit]);
    left.rev().min_by(|a, b| scores[*a].total_cmp(&scores[*b]))
}

/// How much goes where.
enum Rule {
    Uniform(f64),
    Global {
        fraction: f64,
        floor: f64,
        by_mean: bool,
    },
    Erk(f64),
    PerLayer(Vec<(String, f64)>),
}

impl Rule {
    fn give(&self, pruner: Pruner) -> Pruner {
        match self {
            Self::Uniform(fraction) => pruner.amount(*fraction),
            Self::Erk(fraction) => pruner.amount(*fraction).allocation(Allocation::Erk),
            Self::Global {
                fraction,
                floor,
                by_mean,
            } => {
                let normalize = if *by_mean {
                    Normalize::Mean
                } else {
                    Normalize::None
                };
                let pruner = pruner.amount(*fraction).allocation(Allocation::Global);
                pruner.min_density(*floor).normalize(normalize)
            }
            Self::PerLayer(targets) => {
                let targets = targets.iter();
                pruner
                    .allocation(Allocation::per_layer(targets.map(|(path, fraction)| {
                        (ParamGroup::from_path(path.clone()), *fraction)
                    })))
            }
        }
    }
}

/// Prunes twice by each criterion and each rule, the second time under the masks of the first.
fn agrees_with_the_reference<M: Module, I: GraphTensors, O: GraphTensors>(
    model: M,
    input: I,
    forward: impl Fn(&M, I) -> O + Copy,
    layers: [&str; 2],
) {
    let capture = |model: &M| Graph::capture(model, input.clone(), forward).unwrap();
    let start = capture(&randomised(model.clone(), 12));
    let start: HashMap<String, Vec<f64>> = start
        .parameter_ids()
        .map(|parameter| {
            let values = start.values().unwrap().of(parameter);
            let values = values.iter().copied().map(f64::from);
            (start[parameter].path.clone(), values.collect())
        })
        .collect();
    let model = randomised(model, 11);
    let graph = capture(&model);
    let groups = graph.groups().unwrap();
    let global = |fraction, floor, by_mean| Rule::Global {
        fraction,
        floor,
        by_mean,
    };
    let rules = [
        Rule::Uniform(0.45),
        global(0.4, 0.0, false),
        global(0.4, 0.3, false),
        global(0.5, 0.2, true),
        Rule::Erk(0.4),
        Rule::PerLayer(vec![(layers[0].into(), 0.5), (layers[1].into(), 0.25)]),
    ];
    let criteria: [(Pruner, NaiveScores); 3] = [
        (Pruner::new(Magnitude::l2()), |naive, group| {
            naive.magnitude(group)
        }),
        (Pruner::new(Lamp), |naive, group| naive.lamp(group)),
        (
            Pruner::new(MovedFarthest {
                start: start.clone(),
            }),
            |naive, group| naive.moved_farthest(group),
        ),
    ];
    for (pruner, scores) in criteria {
        for rule in &rules {
            let pruner = rule.give(pruner.clone().pattern(groups.pattern()));
            let mut masked = model.clone();
            let mut expected: Vec<Vec<bool>> = (groups.groups().iter())
                .map(|group| vec![true; group.units.len()])
                .collect();
            for round in 0..2 {
                let naive = Naive {
                    graph: &capture(&masked),
                    groups: &groups,
                    start: &start,
                };
                expected = naive.kept(scores, rule, &expected);
                let masks = pruner.masks(&masked).unwrap();
                let selection = Selection::from_masks(&groups, &masks).unwrap();
                assert_eq!(selection.kept(), expected, "round {round}: {pruner:?}");
                let pruned = masks.iter().filter(|(_, mask)| mask.pruned() > 0);
                let pruned = pruned.map(|(path, mask)| (path.to_string(), mask.clone()));
                assert_eq!(selection.masks(), pruned.collect::<MaskSet>());
                masked = masked.with_masks(&masks).unwrap();
            }
            assert!(expected.iter().flatten().any(|kept| !kept));
        }
    }
}

#[test]
fn criteria_and_allocations_on_the_groups_of_a_resnet_are_those_of_the_reference() {
    let device = Device::flex();
    agrees_with_the_reference(
        ResNet18::new(8, 10, &device),
        example([1, 3, 32, 32], &device),
        ResNet18::forward,
        ["stem.conv.weight", "blocks.1.first.conv.weight"],
    );
}

#[test]
fn criteria_and_allocations_on_the_groups_of_a_transformer_are_those_of_the_reference() {
    let device = Device::flex();
    let words = Tensor::<2, Int>::from_data([[1, 2, 3]], &device);
    agrees_with_the_reference(
        Transformer::new(&device),
        words,
        Transformer::forward,
        [
            "encoder.layers.0.pwff.linear_inner.weight",
            "encoder.layers.1.pwff.linear_inner.weight",
        ],
    );
}
