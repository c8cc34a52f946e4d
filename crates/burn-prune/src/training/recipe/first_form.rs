//! Recipes of the first form: without a version, and with the fields of the pruner beside the
//! schedule.

use serde_json::{Map, Value, json};

/// The same recipe in the present form. What the first form did not have either is left for the
/// present one to refuse.
pub(super) fn converted(mut fields: Map<String, Value>) -> Map<String, Value> {
    let schedule = fields.remove("schedule").map(converted_schedule);
    let mut pruner = fields;
    pruner
        .entry("allocation")
        .or_insert_with(|| json!("Global"));
    // It was a boolean, for the norm or nothing.
    if let Some(normalize) = pruner.get_mut("normalize")
        && let Some(by_norm) = normalize.as_bool()
    {
        *normalize = json!(if by_norm { "Norm" } else { "None" });
    }
    // No paths were the same as no selection.
    if pruner.get("only").is_some_and(|paths| *paths == json!([])) {
        pruner.remove("only");
    }
    let schedule = schedule.map(|schedule| ("schedule".to_string(), schedule));
    let pruner = ("pruner".to_string(), Value::Object(pruner));
    schedule.into_iter().chain([pruner]).collect()
}

/// One shot had a span, of which only the begin counted.
fn converted_schedule(mut schedule: Value) -> Value {
    let Some(one_shot) = schedule.get_mut("OneShot").and_then(Value::as_object_mut) else {
        return schedule;
    };
    let begin = |unit| one_shot.get("span")?.get(unit)?.get("begin").cloned();
    let at = match (begin("Steps"), begin("Epochs")) {
        (Some(step), None) => json!({ "Step": step }),
        (None, Some(epoch)) => json!({ "Epoch": epoch }),
        _ => return schedule,
    };
    one_shot.remove("span");
    one_shot.insert("at".to_string(), at);
    schedule
}
