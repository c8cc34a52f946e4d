//! A criterion as data.
//!
//! The criteria of this crate are known by their names, with their fields. Any other is known by
//! its [`Identity`], and has to be given again when it is read.

use std::any::Any;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Criterion, GroupWeights, Lamp, Magnitude, NormScale, Random, Weight};
use crate::error::{PruneError, StoredError};
use crate::identity::{Given, Identity};
use crate::pattern::Units;
use crate::scores::Scores;
use crate::unique_fields::UniqueFields;

/// The criteria of this crate, a line each.
const KNOWN: &[Known] = &[
    Known::of::<Lamp>("Lamp"),
    Known::of::<Magnitude>("Magnitude"),
    Known::of::<NormScale>("NormScale"),
    Known::of::<Random>("Random"),
];

/// The name of a criterion that is not of this crate.
const OWN: &str = "Own";

/// How a criterion of this crate is written and read.
struct Known {
    name: &'static str,
    /// Its fields, of a criterion of this type.
    write: fn(&dyn Criterion) -> Option<serde_json::Result<Value>>,
    read: fn(Value) -> serde_json::Result<Arc<dyn Criterion>>,
}

impl Known {
    const fn of<C: Criterion + Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name,
            write: |criterion| {
                let criterion: &dyn Any = criterion;
                Some(serde_json::to_value(criterion.downcast_ref::<C>()?))
            },
            read: |fields| Ok(Arc::new(serde_json::from_value::<C>(fields)?)),
        }
    }
}

/// A criterion that was read by its identity and has not been given.
#[derive(Debug)]
struct NotGiven(Identity);

impl NotGiven {
    fn error(&self) -> PruneError {
        StoredError::NotGiven {
            what: "criterion",
            wanted: self.0.to_string(),
            method: "Pruner::give_criterion",
        }
        .into()
    }
}

impl Criterion for NotGiven {
    fn scores(&self, _: &Weight<'_>, _: &Units) -> Result<Scores, PruneError> {
        Err(self.error())
    }

    fn group_scores(&self, _: &GroupWeights<'_>) -> Result<Scores, PruneError> {
        Err(self.error())
    }

    fn identity(&self) -> Option<Identity> {
        Some(self.0.clone())
    }
}

/// For use with `#[serde(with = "crate::criterion::stored")]`.
pub(crate) fn serialize<S: Serializer>(
    criterion: &Arc<dyn Criterion>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    for known in KNOWN {
        let Some(fields) = (known.write)(criterion.as_ref()) else {
            continue;
        };
        let fields = fields.map_err(S::Error::custom)?;
        return match fields {
            Value::Null => serializer.serialize_str(known.name),
            fields => Map::from_iter([(known.name.to_string(), fields)]).serialize(serializer),
        };
    }
    let Some(identity) = criterion.identity() else {
        return Err(S::Error::custom(format!(
            "the criterion `{}` does not say what it is: implement `Criterion::identity` to store it",
            criterion.type_name()
        )));
    };
    Map::from_iter([(OWN.to_string(), identity.into_value())]).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<dyn Criterion>, D::Error> {
    let (name, fields) = match UniqueFields::deserialize(deserializer)?.0 {
        Value::String(name) => (name, None),
        Value::Object(fields) if fields.len() == 1 => {
            let (name, fields) = fields.into_iter().next().unwrap_or_default();
            (name, Some(fields))
        }
        other => {
            return Err(D::Error::custom(format!(
                "a criterion is its name, or an object of its name and fields, found {other}"
            )));
        }
    };
    if let (OWN, Some(identity)) = (name.as_str(), &fields) {
        let identity = Identity::deserialize(identity).map_err(D::Error::custom)?;
        return Ok(Arc::new(NotGiven(identity)));
    }
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        let names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
        return Err(D::Error::custom(format!(
            "unknown criterion `{name}`, expected one of {}, or {OWN}",
            names.join(", ")
        )));
    };
    let read = match fields {
        Some(fields) => (known.read)(fields),
        // A name alone is a criterion without fields, or with the usual ones.
        None => (known.read)(Value::Null).or_else(|_| (known.read)(Value::Object(Map::new()))),
    };
    read.map_err(|error| D::Error::custom(format!("the criterion {name}: {error}")))
}

/// Refuses a criterion that is not the one that was read.
pub(crate) fn check_given(read: &dyn Criterion, given: &dyn Criterion) -> Result<(), StoredError> {
    let of = |criterion: &dyn Criterion| Given {
        identity: criterion.identity(),
        type_name: criterion.type_name(),
    };
    of(given).check("criterion", &of(read))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Stored(#[serde(with = "super")] Arc<dyn Criterion>);

    #[derive(Debug)]
    struct Around(Option<f64>);

    impl Criterion for Around {
        fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
            let value = self.0.unwrap_or_default();
            Ok(units.sum(weight.iter().map(|w| (w - value).abs())).into())
        }

        fn identity(&self) -> Option<Identity> {
            Some(Identity::new("around").with("value", self.0?))
        }
    }

    fn written(criterion: impl Criterion) -> serde_json::Result<String> {
        serde_json::to_string(&Stored(Arc::new(criterion)))
    }

    fn read(json: &str) -> serde_json::Result<Arc<dyn Criterion>> {
        serde_json::from_str::<Stored>(json).map(|stored| stored.0)
    }

    #[test]
    fn criteria_are_their_names_and_fields() {
        let norms = [
            (Magnitude::l1(), r#"{"Magnitude":{"n":1.0}}"#),
            (
                Magnitude::ln(f64::NEG_INFINITY),
                r#"{"Magnitude":{"n":"-inf"}}"#,
            ),
            (
                Magnitude::ln(2f64.sqrt().next_up()),
                r#"{"Magnitude":{"n":1.4142135623730954}}"#,
            ),
        ];
        for (norm, json) in norms {
            assert_eq!(written(norm).unwrap(), json);
            assert_eq!(read(json).unwrap().identity(), norm.identity());
        }
        assert_eq!(written(Lamp).unwrap(), r#""Lamp""#);
        assert_eq!(written(NormScale).unwrap(), r#""NormScale""#);
        let seed = Random::new(u64::MAX);
        let json = format!(r#"{{"Random":{{"seed":{}}}}}"#, u64::MAX);
        assert_eq!(written(seed).unwrap(), json);
        assert_eq!(read(&json).unwrap().identity(), seed.identity());
    }

    #[test]
    fn a_name_alone_is_the_usual_form() {
        let magnitude = read(r#""Magnitude""#).unwrap();
        assert_eq!(magnitude.identity(), Magnitude::l1().identity());
        assert_eq!(read(r#""Lamp""#).unwrap().identity(), Lamp.identity());
        let error = read(r#""Random""#).unwrap_err().to_string();
        assert!(error.contains("missing field `seed`"), "{error}");
    }

    #[test]
    fn what_is_mistyped_is_named() {
        for (json, part) in [
            (r#""Lmap""#, "unknown criterion `Lmap`, expected one of"),
            (r#"{"Magnitude":{"p":2}}"#, "unknown field `p`"),
            (r#"{"Random":{"seed":1,"sed":2}}"#, "unknown field `sed`"),
            (r#"{"Lamp":{"n":2}}"#, "the criterion Lamp"),
            (r#"{"Lamp":null,"Random":{"seed":1}}"#, "a criterion is"),
            ("7", "a criterion is"),
            (r#"{"Own":{"nam":"x"}}"#, "unknown field `nam`"),
            (r#""Own""#, "unknown criterion `Own`"),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn a_criterion_of_ones_own_is_its_identity_and_is_given_again() {
        let own = Around(Some(0.1));
        let json = written(Around(Some(0.1))).unwrap();
        let data: Value = serde_json::from_str(&json).unwrap();
        let expected = json!({ "Own": { "name": "around", "data": { "value": "0.1" } } });
        assert_eq!(data, expected);
        let stored = read(&json).unwrap();
        assert_eq!(stored.identity(), own.identity());
        // It can be written again without having been given.
        assert_eq!(
            serde_json::to_string(&Stored(stored.clone())).unwrap(),
            json
        );

        let values = crate::model::Values::from_vec(vec![1.0]);
        let weight = Weight::new("w", &[1], &values);
        let error = stored.scores(&weight, &Units::single(&[1])).unwrap_err();
        let is_not_given = matches!(error, PruneError::Stored(StoredError::NotGiven { .. }));
        assert!(is_not_given, "{error}");
        assert!(error.to_string().contains("`around"), "{error}");

        check_given(stored.as_ref(), &own).unwrap();
        for (other, name) in [
            (Around(Some(0.2)), "0.2"),
            (Around(None), "has no identity"),
        ] {
            let error = check_given(stored.as_ref(), &other).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("0.1") && text.contains(name), "{text}");
        }
        let error = written(Around(None)).unwrap_err().to_string();
        assert!(error.contains("Criterion::identity"), "{error}");
    }
}
