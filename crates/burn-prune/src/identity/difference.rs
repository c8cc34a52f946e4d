//! Telling two identities apart, field by field.

use serde_json::Value;

/// Longer values are cut in a message.
const SHOWN: usize = 160;

/// The fields in which two identities differ, one line per field: the value there (in a file), and
/// the value here. Empty when they are the same; floats count as the same when they differ by what
/// reading JSON may change.
///
/// ```
/// use burn_prune::differences;
/// use serde_json::json;
///
/// let there = json!({ "criterion": { "name": "magnitude" }, "normalize": false });
/// let here = json!({ "criterion": { "name": "lamp" }, "normalize": false });
/// assert_eq!(
///     differences(&there, &here),
///     [r#"`criterion.name` is "magnitude" there and "lamp" here"#],
/// );
/// assert!(differences(&here, &here).is_empty());
/// ```
pub fn differences(there: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(there), Some(here), &mut found);
    found
}

fn compare(path: &str, there: Option<&Value>, here: Option<&Value>, found: &mut Vec<String>) {
    if there == here || same_number(there, here) {
        return;
    }
    if let (Some(Value::Object(there)), Some(Value::Object(here))) = (there, here) {
        let mut keys: Vec<&String> = there.keys().chain(here.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let inner = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            compare(&inner, there.get(key), here.get(key), found);
        }
        return;
    }
    if let (Some(Value::Array(there)), Some(Value::Array(here))) = (there, here)
        && there.len() == here.len()
        // Of names, such as paths, the whole list says more.
        && !there.iter().chain(here).all(Value::is_string)
    {
        for (place, (there, here)) in there.iter().zip(here).enumerate() {
            compare(&format!("{path}[{place}]"), Some(there), Some(here), found);
        }
        return;
    }
    let path = match path {
        "" => "it",
        path => &format!("`{path}`"),
    };
    let (there, here) = (shown(there), shown(here));
    found.push(format!("{path} is {there} there and {here} here"));
}

/// A number that is read from JSON may be off by its last bit.
fn same_number(there: Option<&Value>, here: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| value.filter(|value| value.is_f64())?.as_f64();
    match (number(there), number(here)) {
        (Some(there), Some(here)) => (there - here).abs() <= 4.0 * f64::EPSILON * here.abs(),
        _ => false,
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or("missing".to_string(), Value::to_string);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_that_differs_is_named() {
        let there = json!({ "a": { "b": 1, "c": [1, 2] }, "d": "x", "same": null });
        let here = json!({ "a": { "b": 2, "c": [1, 3] }, "e": true, "same": null });
        let expected = [
            "`a.b` is 1 there and 2 here",
            "`a.c[1]` is 2 there and 3 here",
            "`d` is \"x\" there and missing here",
            "`e` is missing there and true here",
        ];
        assert_eq!(differences(&there, &here), expected);
        assert_eq!(
            differences(&json!(1), &json!(2)),
            ["it is 1 there and 2 here"]
        );
    }

    #[test]
    fn lists_are_told_apart_by_place_and_numbers_beyond_their_last_bit() {
        let rates = |last: f64| json!({ "rates": [[0, 0.1], [5, last]] });
        assert_eq!(
            differences(&rates(0.3), &rates(0.4)),
            ["`rates[1][1]` is 0.3 there and 0.4 here"]
        );
        assert!(differences(&rates(0.3), &rates(0.1 + 0.2)).is_empty());
        assert_eq!(
            differences(&json!([1]), &json!([1, 2])),
            ["it is [1] there and [1,2] here"]
        );
    }

    #[test]
    fn long_values_are_cut_between_letters() {
        let long = json!("ü".repeat(400));
        let found = differences(&long, &json!(0));
        assert!(
            found[0].len() < 400 && found[0].contains(".. there"),
            "{found:?}"
        );
    }
}
