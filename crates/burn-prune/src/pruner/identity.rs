//! What a pruner is, for one model.

use burn::module::Module;
use serde_json::{Map, Value, json};

use super::Pruner;
use crate::allocation::{self, Allocation, Floor, PerLayer, Share};
use crate::amount::{Amount, Target};
use crate::criterion::{self, Probed};
use crate::digest::{Digest, Hasher};
use crate::error::PruneError;
use crate::identity::{canonical, compact, float};
use crate::model::Inventory;
use crate::pattern::{CoupledChannels, Pattern, Units, WeightAxes};
use crate::ranking::{Chosen, Importance, Normalize, Selected, SelectedGroup, group_share};

/// What a pruner takes at most, in bytes of JSON.
const LIMIT: usize = 3 << 10;

pub(super) fn of_pruner<M: Module>(pruner: &Pruner, model: &M) -> Result<Value, PruneError> {
    if let Some(contradiction) = pruner.contradiction {
        return Err(contradiction.into());
    }
    let mut inventory = Inventory::of(model);
    if matches!(pruner.pattern, Pattern::Coupled(_)) && !pruner.filter.is_empty() {
        // Groups are named by any place of what is shared.
        inventory.decide_all(model);
    }
    if pruner.criterion.identity().is_none() || matches!(pruner.allocation, Allocation::Rule(_)) {
        // Their shapes are needed.
        let parameters = pruner.chosen(&inventory)?.parameters();
        let places = parameters.iter().map(|known| known.place()).collect();
        inventory.initialize(model, &places);
    }
    let chosen = pruner.chosen(&inventory)?;
    let probed = || probed(&pruner.pattern, &chosen);
    let criterion = criterion::identity_of(pruner.criterion.as_ref(), probed)?;
    let importance = pruner.importance.iter();
    let importance: Map<String, Value> = importance
        .map(|(path, importance)| (path.clone(), of_importance(importance)))
        .collect();
    let mut identity = json!({
        "criterion": criterion.into_value(),
        "pattern": of_pattern(&pruner.pattern),
        "allocation": of_allocation(&pruner.allocation, &pruner.pattern, &chosen)?,
        "amount": pruner.target.map(of_target),
        "normalize": of_normalize(pruner.normalize),
        "min_density": float(pruner.floor.density),
        "min_count": pruner.floor.count,
        "parameters": paths(&chosen),
        "weight_axes": {},
        "importance": importance,
    });
    match &chosen {
        Chosen::Parameters(selected) => {
            identity["weight_axes"] = declared_axes(selected).into();
        }
        Chosen::Groups(groups) => {
            let names = groups.iter().map(|selected| selected.group.name());
            identity["groups"] = names.collect();
        }
    }
    Ok(compact(canonical(&identity), LIMIT))
}

/// All paths: what is shared may not have been found out yet.
fn paths(chosen: &Chosen<'_>) -> Value {
    let parameters = chosen.parameters();
    let paths = parameters.iter().flat_map(|parameter| &parameter.paths);
    paths.map(String::as_str).collect()
}

/// What the criterion is asked to score.
fn probed<'a>(pattern: &Pattern, chosen: &Chosen<'a>) -> Result<Vec<Probed<'a>>, PruneError> {
    match chosen {
        Chosen::Parameters(selected) => {
            let selected = selected.iter().map(|Selected { parameter, axes }| {
                let (path, shape) = (parameter.path(), parameter.shape.as_slice());
                let units = match pattern {
                    Pattern::Blocks(blocks) if blocks.pools().is_some() => Units::single(shape),
                    pattern => pattern.units(path, shape, *axes)?,
                };
                Ok(Probed::Parameter { path, shape, units })
            });
            selected.collect()
        }
        Chosen::Groups(groups) => {
            let groups = groups.iter();
            Ok(groups
                .map(|selected| Probed::Group(selected.group))
                .collect())
        }
    }
}

/// The pattern as it is read from a file; of coupled channels, which may be long, the number of
/// units by group and a SHA-256 of the rest.
fn of_pattern(pattern: &Pattern) -> Value {
    match pattern {
        Pattern::Coupled(channels) => json!({ "Coupled": of_channels(channels) }),
        pattern => json_of(pattern),
    }
}

fn of_channels(channels: &CoupledChannels) -> Value {
    let units = channels.groups().iter();
    let units = units.map(|group| (group.name().to_string(), json!(group.units())));
    json!({
        "units": units.collect::<Map<_, _>>(),
        "sha256": Digest::of(json_of(channels).to_string()).as_str(),
    })
}

/// As it was when there was one way of it.
fn of_normalize(normalize: Normalize) -> Value {
    match normalize {
        Normalize::None => json!(false),
        Normalize::Norm => json!(true),
        Normalize::Mean => json!("mean"),
    }
}

/// Shape and SHA-256: scores are told apart by their values, wherever they are stored.
fn of_importance(importance: &Importance) -> Value {
    let mut values = Hasher::default();
    let mut block = Vec::new();
    const BLOCK: usize = 1 << 12;
    let length = importance.values.len();
    for start in (0..length).step_by(BLOCK) {
        importance
            .values
            .read_into(start..length.min(start + BLOCK), &mut block);
        let bytes: Vec<u8> = block.iter().flat_map(|value| value.to_le_bytes()).collect();
        values.update(bytes);
    }
    json!({ "shape": importance.shape, "sha256": values.finish().as_str() })
}

fn of_allocation(
    allocation: &Allocation,
    pattern: &Pattern,
    chosen: &Chosen<'_>,
) -> Result<Value, PruneError> {
    Ok(match allocation {
        Allocation::Uniform => json!("uniform"),
        Allocation::Global => json!("global"),
        Allocation::Erk => json!("erk"),
        Allocation::PerLayer(targets) => {
            let targets = PerLayer::new(targets);
            let shares = shares(pattern, chosen)?;
            let own = shares.iter().filter_map(|share| {
                let target = targets.target(share)?;
                Some((share.name().to_string(), of_target(target)))
            });
            json!({ "per_layer": own.collect::<Map<_, _>>() })
        }
        Allocation::Rule(rule) => {
            let shares = shares(pattern, chosen)?;
            let rule = allocation::identity_of(rule.as_ref(), &shares);
            json!({ "rule": rule.into_value() })
        }
    })
}

/// What is shared out to, as if nothing were pruned yet.
fn shares<'a>(pattern: &Pattern, chosen: &Chosen<'a>) -> Result<Vec<Share<'a>>, PruneError> {
    let floor = Floor::default();
    match chosen {
        Chosen::Parameters(selected) => {
            let selected = selected.iter().map(|Selected { parameter, axes }| {
                let units = pattern.units(parameter.path(), &parameter.shape, *axes)?;
                Ok(Share::of_parameter(
                    parameter,
                    units.count(),
                    units.count(),
                    floor,
                ))
            });
            selected.collect()
        }
        Chosen::Groups(groups) => {
            let groups = groups.iter().map(|SelectedGroup { group, parameters }| {
                let members = group.members().iter().zip(parameters.iter().copied());
                group_share(group, &members.collect::<Vec<_>>(), group.units(), floor)
            });
            Ok(groups.collect())
        }
    }
}

fn of_target(target: Target) -> Value {
    match target {
        Target::Amount(Amount::Fraction(fraction)) => json!({ "fraction": float(fraction) }),
        Target::Amount(Amount::Count(count)) => json!({ "count": count }),
        Target::Sparsity(sparsity) => json!({ "sparsity": float(sparsity) }),
    }
}

/// The axes that the caller has declared and that are not known anyway.
fn declared_axes(selected: &[Selected<'_>]) -> Map<String, Value> {
    let declared = selected.iter().filter_map(|Selected { parameter, axes }| {
        let axes = axes.filter(|axes| WeightAxes::of(parameter) != Some(*axes))?;
        let axes = json!({ "output": axes.output, "input": axes.input });
        Some((parameter.path().to_string(), axes))
    });
    declared.collect()
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("names and numbers are JSON")
}
