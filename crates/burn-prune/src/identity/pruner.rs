//! What a pruner is, for one model.

use std::collections::HashSet;

use burn::module::Module;
use serde_json::{Map, Value, json};

use super::canonical::{canonical, compact, float};
use super::probe::{Probed, of_criterion};
use crate::param_groups::ParamGroups;
use crate::{
    Allocation, Amount, Pattern, PruneError, Pruner, Target, Units,
    digest::Hasher,
    model::Inventory,
    pruner::Importance,
    target::{Selected, default_axes},
};

/// What a pruner takes at most, in bytes of JSON.
const LIMIT: usize = 3 << 10;

pub(crate) fn of_pruner<M: Module>(pruner: &Pruner, model: &M) -> Result<Value, PruneError> {
    let mut inventory = Inventory::of(model);
    let criterion = match pruner.criterion.identity() {
        Some(identity) => identity,
        None => {
            let selected = pruner.targets.select(&inventory)?;
            let ids: HashSet<_> = selected.iter().map(|one| one.parameter.place()).collect();
            inventory.initialize(model, &ids);
            of_criterion(
                pruner.criterion.as_ref(),
                probed(&pruner.pattern, &pruner.targets.select(&inventory)?)?,
            )
        }
    };
    let selected = pruner.targets.select(&inventory)?;
    // All paths: what is shared may not have been found out yet.
    let parameters: Vec<&str> = selected
        .iter()
        .flat_map(|one| &one.parameter.paths)
        .map(String::as_str)
        .collect();
    let importance = pruner.importance.iter();
    let importance: Map<String, Value> = importance
        .map(|(path, importance)| (path.clone(), of_importance(importance)))
        .collect();
    let identity = json!({
        "criterion": criterion.into_value(),
        "pattern": json_of(&pruner.pattern),
        "allocation": of_allocation(&pruner.allocation, &selected),
        "amount": pruner.target.map(of_target),
        "normalize": pruner.normalize,
        "min_density": float(pruner.floor.density),
        "min_count": pruner.floor.count,
        "parameters": parameters,
        "weight_axes": declared_axes(&selected),
        "importance": importance,
    });
    Ok(compact(canonical(&identity), LIMIT))
}

/// What the criterion is asked to score.
fn probed<'a>(pattern: &Pattern, selected: &[Selected<'a>]) -> Result<Vec<Probed<'a>>, PruneError> {
    let mut probed = Vec::with_capacity(selected.len());
    for Selected { parameter, axes } in selected {
        let (path, shape) = (parameter.path(), parameter.shape.as_slice());
        let units = match pattern {
            Pattern::Blocks(blocks) if blocks.pools().is_some() => Units::single(shape),
            pattern => pattern.units(path, shape, *axes)?,
        };
        probed.push(Probed { path, shape, units });
    }
    Ok(probed)
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

fn of_allocation(allocation: &Allocation, selected: &[Selected<'_>]) -> Value {
    let targets = match allocation {
        Allocation::Uniform => return json!("uniform"),
        Allocation::Global => return json!("global"),
        Allocation::Erk => return json!("erk"),
        Allocation::PerLayer(targets) => targets,
    };
    let groups = ParamGroups::new(targets.iter().map(|(group, _)| group));
    let own = selected.iter().filter_map(|Selected { parameter, .. }| {
        let (_, target) = &targets[groups.of(parameter)?];
        Some((parameter.path().to_string(), of_target(*target)))
    });
    json!({ "per_layer": own.collect::<Map<_, _>>() })
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
        let axes = axes.filter(|axes| default_axes(parameter) != Some(*axes))?;
        let axes = json!({ "output": axes.output, "input": axes.input });
        Some((parameter.path().to_string(), axes))
    });
    declared.collect()
}

fn json_of(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("names and numbers are JSON")
}
