use std::fmt;

use serde::{Deserialize, Serialize};

/// A number in an operation. It is serialized as text, exactly, infinities included; numbers are
/// equal when their bits are, and all that are NaN are equal.
///
/// ```
/// use burn_prune_deploy::Number;
///
/// assert_eq!(Number(f64::NAN), Number(f64::NAN));
/// let text = serde_json::to_string(&Number(f64::INFINITY))?;
/// assert_eq!(serde_json::from_str::<Number>(&text)?, Number(f64::INFINITY));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || (self.0.is_nan() && other.0.is_nan())
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

impl TryFrom<String> for Number {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}
