//! Recipes of the first form: without a version, and with the fields of the pruner beside the
//! schedule.

use serde_json::{Map, Value, json};

use crate::schedule::{At, Span};

/// The same recipe in the present form. What the first form did not have either is left for the
/// present one to refuse.
///
/// # Errors
/// When the span of a one-shot schedule is none.
pub(super) fn converted(mut fields: Map<String, Value>) -> serde_json::Result<Map<String, Value>> {
    let schedule = fields.remove("schedule");
    let schedule = schedule.map(converted_schedule).transpose()?;
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
    Ok(schedule.into_iter().chain([pruner]).collect())
}

/// One shot had a span, of which only the begin counted.
fn converted_schedule(mut schedule: Value) -> serde_json::Result<Value> {
    let Some(one_shot) = schedule.get_mut("OneShot").and_then(Value::as_object_mut) else {
        return Ok(schedule);
    };
    // With a point beside it, it is refused for what is new.
    let span = match one_shot.get("span") {
        Some(span) if !one_shot.contains_key("at") => serde_json::from_value(span.clone())?,
        _ => return Ok(schedule),
    };
    let at = match span {
        Span::Steps { begin, .. } => At::Step(begin),
        Span::Epochs { begin, .. } => At::Epoch(begin),
    };
    one_shot.remove("span");
    one_shot.insert("at".to_string(), json!(at));
    Ok(schedule)
}
