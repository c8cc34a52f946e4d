//! The form in which identities are kept: sorted, exact, and short.

use serde_json::{Map, Value, json};

use crate::digest::Digest;

/// Deeper than this an identity is kept as a digest.
const DEPTH: usize = 16;
/// What is shorter than this, in bytes of JSON, is not worth a digest.
const SHORT: usize = 256;

/// The same with sorted keys, and with floats as their shortest decimal text.
///
/// A JSON number need not be read back as the float that was written; its text is.
pub(crate) fn canonical(value: &Value) -> Value {
    at_depth(value, 0)
}

fn at_depth(value: &Value, depth: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if depth == DEPTH => digest_of(value),
        Value::Number(number) if number.is_i64() || number.is_u64() => value.clone(),
        Value::Number(number) => float(number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(items) => items.iter().map(|item| at_depth(item, depth + 1)).collect(),
        Value::Object(fields) => sorted(fields)
            .into_iter()
            .map(|(key, value)| (key.clone(), at_depth(value, depth + 1)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// A float as its shortest decimal text, which also has NaN and infinities.
pub(crate) fn float(value: f64) -> Value {
    Value::String(format!("{value:?}"))
}

/// Whatever order this build of `serde_json` keeps.
fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    fields
}

/// The JSON text of a canonical value, without blanks.
pub(crate) fn text(value: &Value) -> String {
    value.to_string()
}

/// A canonical value in at most `limit` bytes of JSON: its largest parts as digests.
///
/// `limit` must leave room for a digest of each field, about 110 bytes.
pub(crate) fn compact(mut value: Value, limit: usize) -> Value {
    while text(&value).len() > limit {
        let Value::Object(fields) = &mut value else {
            return digest_of(&value);
        };
        let Some(part) = largest(fields) else {
            return digest_of(&value);
        };
        *part = digest_of(part);
    }
    value
}

/// The innermost part that has at least half of the largest field.
fn largest(fields: &mut Map<String, Value>) -> Option<&mut Value> {
    let field = fields.values_mut().max_by_key(|field| text(field).len())?;
    let length = text(field).len();
    if length < SHORT {
        return None;
    }
    let inner = match &*field {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key, text(value).len()))
            .max_by_key(|(_, length)| *length)
            .filter(|(_, inner)| *inner >= SHORT && 2 * inner >= length)
            .map(|(key, _)| key.clone()),
        _ => None,
    };
    match (inner, field) {
        (Some(_), Value::Object(fields)) => largest(fields),
        (_, field) => Some(field),
    }
}

/// What stands for a part that is too large.
fn digest_of(value: &Value) -> Value {
    let digest = Digest::of(text(value));
    match value {
        Value::Array(items) => json!({ "count": items.len(), "sha256": digest.as_str() }),
        Value::Object(fields) => json!({ "count": fields.len(), "sha256": digest.as_str() }),
        _ => json!({ "sha256": digest.as_str() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_floats_are_text() {
        let value = json!({ "b": 1, "a": [0.1, -3, u64::MAX, 1e300], "c": null });
        let expected = format!(r#"{{"a":["0.1",-3,{},"1e300"],"b":1,"c":null}}"#, u64::MAX);
        assert_eq!(text(&canonical(&value)), expected);
        assert_eq!(canonical(&canonical(&value)), canonical(&value));
        assert_eq!([f64::NAN, -0.0].map(float), [json!("NaN"), json!("-0.0")]);
    }

    #[test]
    fn the_largest_parts_become_digests_until_it_fits() {
        let long = |letter: &str, length| letter.repeat(length);
        let value = json!({
            "criterion": { "name": "mine", "data": { "table": long("t", 3000), "n": 1 } },
            "parameters": vec![long("p", 20); 100],
            "short": long("s", 200),
        });
        let compacted = compact(value.clone(), 2000);
        assert!(text(&compacted).len() <= 2000);
        assert_eq!(compacted["criterion"]["name"], "mine");
        assert_eq!(compacted["criterion"]["data"]["n"], 1);
        assert!(compacted["criterion"]["data"]["table"]["sha256"].is_string());
        assert_eq!(compacted["parameters"]["count"], 100);
        assert_eq!(compacted["short"], value["short"]);
        assert_eq!(compact(value.clone(), 10_000), value);
        // Another part, another digest.
        let mut other = value.clone();
        other["parameters"][99] = json!("q");
        assert_ne!(compact(other, 2000), compact(value, 2000));
    }

    #[test]
    fn whatever_it_is_it_fits() {
        let mut deep = json!("x".repeat(500));
        for _ in 0..100 {
            deep = json!({ "k": deep });
        }
        let many: Map<String, Value> = (0..500)
            .map(|index| (format!("field {index}"), json!(index)))
            .collect();
        let keys = json!({ "k".repeat(5000): 1 });
        for value in [
            deep,
            many.into(),
            keys,
            json!("x".repeat(5000)),
            json!(vec![0; 5000]),
        ] {
            let nested = json!({ "a": value, "b": [1, 2] });
            for value in [value, nested] {
                assert!(text(&compact(canonical(&value), 1000)).len() <= 1000);
            }
        }
    }
}
