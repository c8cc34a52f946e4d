//! What a criterion, a schedule or a pruner is, as data that it gives itself.
//!
//! Checkpoints and studies keep it, so that what would be continued in another way is refused, with
//! the fields that differ. [`Identity`] is what one part says of itself; [`canonical`] and
//! [`compact`] are the form in which it is kept.

mod canonical;
mod difference;
mod given;
mod probe;
#[cfg(feature = "optim")]
mod stored;

pub use difference::differences;

pub(crate) use canonical::{canonical, compact, float};
pub(crate) use given::Given;
pub(crate) use probe::{rounded, short_name};
#[cfg(feature = "optim")]
pub(crate) use stored::{Unreadable, VERSION, fit, pack, unpack};

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Digest;

/// The identity of a [`Criterion`](crate::Criterion) or a [`Schedule`](crate::Schedule): a name, and
/// the data that decide what it does.
///
/// Two identities are the same when their names and data are equal. Floats are kept as their
/// shortest decimal text, so every finite one comes back as it was; NaN and infinities have no
/// place in JSON and become `null`; write them as text. Large data belong in a
/// [digest](Self::with_digest).
///
/// ```
/// use burn_prune::Identity;
///
/// let start: Vec<f32> = vec![0.5, -1.0];
/// let bytes: Vec<u8> = start.iter().flat_map(|weight| weight.to_le_bytes()).collect();
/// let identity = Identity::new("moved_farthest").with("power", 2.0).with_digest("start", &bytes);
/// assert_eq!(identity.name(), "moved_farthest");
/// assert_eq!(identity.data()["power"], "2.0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    name: String,
    data: Value,
}

impl Identity {
    /// An identity with this name and no data.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data: Value::Object(Map::new()),
        }
    }

    /// Adds a field to the data: a number, a string, a list, or any other JSON.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        let value = canonical::canonical(&value.into());
        if let Value::Object(fields) = &mut self.data {
            fields.insert(field.into(), value);
        }
        self
    }

    /// Adds a field that holds the SHA-256 of these bytes.
    #[must_use]
    pub fn with_digest(self, field: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        self.with(field, Digest::of(bytes).as_str())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data, a JSON object.
    pub fn data(&self) -> &Value {
        &self.data
    }

    pub(crate) fn into_value(self) -> Value {
        let fields = [
            ("name".to_string(), Value::String(self.name)),
            ("data".to_string(), canonical::canonical(&self.data)),
        ];
        Value::Object(fields.into_iter().collect())
    }
}

/// The name, and the data as JSON if there are any.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.data.as_object() {
            Some(fields) if fields.is_empty() => Ok(()),
            _ => write!(f, " {}", self.data),
        }
    }
}
