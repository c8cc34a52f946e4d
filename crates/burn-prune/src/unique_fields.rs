//! JSON data in which no field is there twice.
//!
//! `serde_json::Value` takes the last of fields with one name. A recipe that is written by hand
//! would lose the first one without a word.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Any JSON data; a field that is there twice is refused.
pub(crate) struct UniqueFields(pub Value);

impl<'de> Deserialize<'de> for UniqueFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON data")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        let number = number.ok_or_else(|| E::custom(format!("{value} is no number of JSON")))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(UniqueFields(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((field, UniqueFields(value))) = fields.next_entry::<String, _>()? {
            if values.contains_key(&field) {
                return Err(A::Error::custom(format!("duplicate field `{field}`")));
            }
            values.insert(field, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_as_serde_json_reads_it_but_for_fields_that_are_there_twice() {
        let json = r#"{ "a": [1, -2, 0.1, 1e300, 18446744073709551615, "x", null, true], "b": { "a": {} } }"#;
        let read = serde_json::from_str::<UniqueFields>(json).unwrap().0;
        assert_eq!(read, serde_json::from_str::<Value>(json).unwrap());
        for twice in [
            r#"{ "a": 1, "a": 1 }"#,
            r#"[{ "b": { "a": 1, "c": 2, "a": 3 } }]"#,
        ] {
            let error = serde_json::from_str::<UniqueFields>(twice).map(|data| data.0);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("duplicate field `a`"), "{error}");
        }
    }
}
