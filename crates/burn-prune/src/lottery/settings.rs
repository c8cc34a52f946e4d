//! What has to be the same for a cell to count, and how two of them differ.

use std::collections::{BTreeSet, HashSet};

use burn::module::Module;
use serde_json::{Map, Value, json};

use crate::model::Inventory;

/// Float parameters and their shapes, in module order.
pub(super) fn shapes<M: Module>(model: &M) -> Value {
    let mut inventory = Inventory::of(model);
    let all = inventory.parameters.iter();
    let all = all.map(|known| known.place()).collect();
    inventory.initialize(model, &all);
    // One of each id, as studies have been kept from the beginning.
    let mut ids = HashSet::new();
    let shapes = inventory.parameters.iter();
    let shapes = shapes.filter(|known| ids.insert(known.id));
    let shapes = shapes.map(|known| (known.path().to_string(), json!(known.shape)));
    Value::Object(shapes.collect::<Map<_, _>>())
}

/// The leaves in which two values differ, one a line.
pub(super) fn differences(there: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(there), Some(here), &mut found);
    found
}

fn compare(path: &str, there: Option<&Value>, here: Option<&Value>, found: &mut Vec<String>) {
    if there == here || same_number(there, here) {
        return;
    }
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (there, here) {
        let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            compare(&path, a.get(key), b.get(key), found);
        }
        return;
    }
    if let (Some(Value::Array(a)), Some(Value::Array(b))) = (there, here) {
        for place in 0..a.len().max(b.len()) {
            compare(
                &format!("{path}[{place}]"),
                a.get(place),
                b.get(place),
                found,
            );
        }
        return;
    }
    let text = |value: Option<&Value>| value.map_or("nothing".to_string(), Value::to_string);
    found.push(format!(
        "{path}: there {}, here {}",
        text(there),
        text(here)
    ));
}

/// Numbers that were read from a file may be off by their last bit.
fn same_number(there: Option<&Value>, here: Option<&Value>) -> bool {
    let is_float = |value: &&Value| value.is_f64();
    let number = |value: Option<&Value>| value.filter(is_float).and_then(Value::as_f64);
    match (number(there), number(here)) {
        (Some(there), Some(here)) => (there - here).abs() <= 4.0 * f64::EPSILON * here.abs(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_field_and_both_values() {
        let there = json!({ "steps": 10, "training": { "rate": 0.1, "batch": 60 }, "old": 1 });
        let here = json!({ "steps": 10, "training": { "rate": 0.2, "batch": 60 } });
        assert_eq!(
            differences(&there, &here),
            [
                "old: there 1, here nothing",
                "training.rate: there 0.1, here 0.2"
            ]
        );
        assert!(differences(&here, &here).is_empty());
        let rates = |last: f64| json!({ "rates": [[0, 0.1], [5, last]] });
        assert_eq!(
            differences(&rates(0.3), &rates(0.4)),
            ["rates[1][1]: there 0.3, here 0.4"]
        );
        assert!(differences(&rates(0.3), &rates(0.1 + 0.2)).is_empty());
    }
}
