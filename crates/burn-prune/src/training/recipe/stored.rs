//! A recipe as data: its version, its schedule and its pruner.

use std::io;
use std::path::Path;

use burn::config::Config;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Recipe, first_form};
use crate::files;
use crate::pruner::Pruner;
use crate::schedule::ScheduleConfig;
use crate::unique_fields::UniqueFields;

/// The version that is written.
const VERSION: u64 = 2;

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    schedule: &'a ScheduleConfig,
    pruner: &'a Pruner,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    schedule: ScheduleConfig,
    #[serde(default = "usual")]
    pruner: Pruner,
}

fn usual() -> Pruner {
    Pruner::new(crate::criterion::Magnitude::l1())
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Written {
            version: VERSION,
            schedule: &self.schedule,
            pruner: &self.pruner,
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let UniqueFields(read) = UniqueFields::deserialize(deserializer)?;
        let Value::Object(mut fields) = read else {
            return Err(D::Error::custom(format!(
                "a recipe is an object of fields, found {read}"
            )));
        };
        match fields.remove("version") {
            None if fields.contains_key("pruner") => {
                return Err(D::Error::custom(format!(
                    "a recipe with the field `pruner` also needs \"version\": {VERSION}"
                )));
            }
            None => fields = first_form::converted(fields).map_err(D::Error::custom)?,
            Some(version) if version == VERSION => {}
            Some(version) => {
                return Err(D::Error::custom(format!(
                    "a recipe of version {version}, but this library reads version {VERSION}, and \
                     the first form, which has no version"
                )));
            }
        }
        let Read { schedule, pruner } =
            serde_json::from_value(Value::Object(fields)).map_err(D::Error::custom)?;
        Ok(Self { pruner, schedule })
    }
}

impl Config for Recipe {
    /// Saves the recipe to a file, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written, or the pruner has what cannot be stored; see [`Recipe`].
    fn save<P: AsRef<Path>>(&self, file: P) -> io::Result<()> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let json = serde_json::to_string_pretty(self).map_err(invalid)?;
        files::write(file.as_ref(), json.as_bytes())
    }
}
