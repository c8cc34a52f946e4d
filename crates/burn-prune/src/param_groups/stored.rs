//! A group of parameters as data: a path, a list of paths, or the form that Burn gives it.

use burn::module::ParamGroup;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::paths;
use crate::amount::Target;
use crate::unique_fields::UniqueFields;

/// A group that can be written and read.
#[derive(Debug, Clone)]
pub(crate) struct StoredGroup(pub ParamGroup);

const IDS: &str = "a group of parameter ids cannot be stored, since every process has ids of its \
                   own: select the parameters by path";

impl Serialize for StoredGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match paths(&self.0).as_deref() {
            Some([path]) => return serializer.serialize_str(path),
            Some(paths) => return paths.serialize(serializer),
            None => {}
        }
        let group = serde_json::to_value(&self.0).map_err(S::Error::custom)?;
        if has_ids(&group) {
            return Err(S::Error::custom(IDS));
        }
        group.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = match UniqueFields::deserialize(deserializer)?.0 {
            Value::String(path) => return Ok(Self(ParamGroup::from_path(path))),
            paths @ Value::Array(_) => {
                let paths: Vec<String> = serde_json::from_value(paths).map_err(|error| {
                    D::Error::custom(format!("a list of paths of parameters: {error}"))
                })?;
                return Ok(Self(ParamGroup::from_paths(paths)));
            }
            given => given,
        };
        let wrong = |error: String| {
            D::Error::custom(format!(
                "a group of parameters is a path, a list of paths, or what Burn writes for a \
                 `ParamGroup`, found {given}: {error}"
            ))
        };
        let group: ParamGroup =
            serde_json::from_value(given.clone()).map_err(|error| wrong(error.to_string()))?;
        let understood = serde_json::to_value(&group).map_err(|error| wrong(error.to_string()))?;
        if has_ids(&understood) {
            return Err(D::Error::custom(IDS));
        }
        // Burn passes over fields that it does not know.
        let missing = |field: &str, value: &Value| given.get(field).is_none() && value.is_null();
        let same = understood.as_object().is_some_and(|fields| {
            let known = |(field, value): (&String, &Value)| {
                given.get(field) == Some(value) || missing(field, value)
            };
            let all = given.as_object().map(|given| given.keys());
            fields.iter().all(known)
                && all.is_some_and(|mut all| all.all(|field| fields.contains_key(field)))
        });
        if same {
            Ok(Self(group))
        } else {
            Err(wrong(format!("it would be read as {understood}")))
        }
    }
}

/// Whether a matcher of ids is anywhere in the data of a group.
fn has_ids(group: &Value) -> bool {
    match group {
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key == "Explicit" || has_ids(value)),
        Value::Array(items) => items.iter().any(has_ids),
        _ => false,
    }
}

/// Groups with their targets, for use with
/// `#[serde(with = "crate::param_groups::stored::targets")]`.
pub(crate) mod targets {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        targets: &[(ParamGroup, Target)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            targets
                .iter()
                .map(|(group, target)| (StoredGroup(group.clone()), target)),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(ParamGroup, Target)>, D::Error> {
        let targets = Vec::<(StoredGroup, Target)>::deserialize(deserializer)?;
        Ok(targets
            .into_iter()
            .map(|(group, target)| (group.0, target))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;

    use super::*;

    fn written(group: &ParamGroup) -> serde_json::Result<String> {
        serde_json::to_string(&StoredGroup(group.clone()))
    }

    fn read(json: &str) -> serde_json::Result<ParamGroup> {
        serde_json::from_str::<StoredGroup>(json).map(|stored| stored.0)
    }

    #[test]
    fn groups_are_paths_or_what_burn_writes() {
        let path = ParamGroup::from_path("a");
        assert_eq!(written(&path).unwrap(), r#""a""#);
        let paths = ParamGroup::from_paths(vec!["a", "b"]);
        assert_eq!(written(&paths).unwrap(), r#"["a","b"]"#);
        let regex = || ParamGroup::from_regex(r"^a\.\d+$").unwrap();
        let groups = [
            path.clone(),
            paths,
            ParamGroup::all(),
            ParamGroup::from_predicate("norm"),
            regex(),
            regex().exclude(path.clone()),
            path.fuse(&regex()),
            ParamGroup::from_paths(Vec::<String>::new()),
        ];
        for group in groups {
            let again = read(&written(&group).unwrap()).unwrap();
            assert_eq!(format!("{again:?}"), format!("{group:?}"));
        }
        let short = read(r#"{"matcher":{"Path":{"Include":["norm"]}}}"#).unwrap();
        let whole = ParamGroup::from_predicate("norm");
        assert_eq!(format!("{short:?}"), format!("{whole:?}"));
    }

    #[test]
    fn ids_are_refused() {
        let ids = ParamGroup::from_ids(vec![ParamId::new()]);
        let path = ParamGroup::from_path("a");
        for group in [
            ids.clone(),
            path.clone().fuse(&ids),
            path.exclude(ids.clone()),
        ] {
            let error = written(&group).unwrap_err().to_string();
            assert!(error.contains("select the parameters by path"), "{error}");
        }
        let json = serde_json::to_string(&ids).unwrap();
        assert!(
            read(&json)
                .unwrap_err()
                .to_string()
                .contains("parameter ids")
        );
    }

    #[test]
    fn a_mistyped_field_is_refused() {
        for json in [
            r#"{"matcher":"All","exludes":{"Path":{"Exact":["a"]}}}"#,
            r#"{"matcher":{"Path":{"Exact":["a"],"Regex":["b"]}}}"#,
            r#"{"matcher":{"Path":{"Regex":["("]}}}"#,
            r#"{"paths":["a"]}"#,
            r#"["a", 1]"#,
            "7",
            "null",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
