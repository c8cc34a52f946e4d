//! Which reduction, which pooling, and so on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Number;
use super::named::named;

named! {
    /// An operation that reduces axes to a size of 1.
    Reduction {
        /// The mean over an axis.
        MeanDim => "mean dim",
        /// The sum over an axis.
        SumDim => "sum dim",
        /// The sum over several axes.
        SumDims => "sum dims",
        /// The product over an axis.
        ProdDim => "prod dim",
        /// The index of the largest along an axis.
        ArgMax => "arg max",
        /// The index of the smallest along an axis.
        ArgMin => "arg min",
        /// The largest along an axis.
        MaxDim => "max dim",
        /// The smallest along an axis.
        MinDim => "min dim",
        /// The largest magnitude along an axis.
        MaxAbsDim => "max abs dim",
        /// The largest along an axis, and its index.
        MaxDimWithIndices => "max dim with indices",
        /// The smallest along an axis, and its index.
        MinDimWithIndices => "min dim with indices",
        /// The mean of all.
        Mean => "mean",
        /// The sum of all.
        Sum => "sum",
        /// The product of all.
        Prod => "prod",
        /// The largest of all.
        Max => "max",
        /// The smallest of all.
        Min => "min",
        /// The largest magnitude of all.
        MaxAbs => "max abs",
        /// Whether all entries along an axis are true.
        AllDim => "all dim",
        /// Whether any entry along an axis is true.
        AnyDim => "any dim",
    }
}

named! {
    /// An operation that mixes the entries along an axis.
    Along {
        /// Exponentials, divided by their sum.
        Softmax => "softmax",
        /// The logarithm of the softmax.
        LogSoftmax => "log softmax",
        /// The softmax of the negative.
        Softmin => "softmin",
        /// Sums up to each entry.
        CumSum => "cum sum",
        /// Products up to each entry.
        CumProd => "cum prod",
        /// The smallest up to each entry.
        CumMin => "cum min",
        /// The largest up to each entry.
        CumMax => "cum max",
    }
}

named! {
    /// An operation that treats each channel of an image separately.
    Spatial {
        /// Means over windows of one axis.
        AvgPool1d => "avg pool1d",
        /// Means over windows of two axes.
        AvgPool2d => "avg pool2d",
        /// Largest in windows of one axis.
        MaxPool1d => "max pool1d",
        /// Largest in windows of two axes.
        MaxPool2d => "max pool2d",
        /// Largest in windows of one axis, and their indices.
        MaxPool1dWithIndices => "max pool1d with indices",
        /// Largest in windows of two axes, and their indices.
        MaxPool2dWithIndices => "max pool2d with indices",
        /// Adaptive average pooling along one axis: the number of windows is given.
        AdaptiveAvgPool1d => "adaptive avg pool1d",
        /// Adaptive average pooling along two axes: the number of windows is given.
        AdaptiveAvgPool2d => "adaptive avg pool2d",
        /// Adaptive average pooling along three axes: the number of windows is given.
        AdaptiveAvgPool3d => "adaptive avg pool3d",
        /// Interpolation to another size.
        Interpolate => "interpolate",
    }
}

/// What a new tensor holds.
///
/// ```
/// use burn_prune_deploy::{Creation, Number};
///
/// assert_eq!(Creation::Zeros.to_string(), "zeros");
/// assert_eq!("full of 3".parse(), Ok(Creation::Full(Number(3.0))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Creation {
    /// Unspecified values, which are overwritten.
    Empty,
    /// Ones.
    Ones,
    /// Zeros.
    Zeros,
    /// A number.
    Full(Number),
    /// Random numbers.
    Random,
    /// Random integers.
    IntRandom,
}

impl Creation {
    /// The names of all of them.
    pub const NAMES: [&'static str; 6] = [
        Self::Empty.name(),
        Self::Ones.name(),
        Self::Zeros.name(),
        Self::Full(Number(0.0)).name(),
        Self::Random.name(),
        Self::IntRandom.name(),
    ];

    /// Its name, in lower case.
    ///
    /// ```
    /// use burn_prune_deploy::{Creation, Number};
    ///
    /// assert_eq!(Creation::Full(Number(3.0)).name(), "full");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Ones => "ones",
            Self::Zeros => "zeros",
            Self::Full(_) => "full",
            Self::Random => "random",
            Self::IntRandom => "int random",
        }
    }
}

impl fmt::Display for Creation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(number) => write!(f, "full of {number}"),
            other => f.write_str(other.name()),
        }
    }
}

impl From<Creation> for String {
    fn from(creation: Creation) -> Self {
        creation.to_string()
    }
}

impl FromStr for Creation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let simple = [
            Self::Empty,
            Self::Ones,
            Self::Zeros,
            Self::Random,
            Self::IntRandom,
        ];
        if let Some(found) = simple.into_iter().find(|other| other.name() == text) {
            return Ok(found);
        }
        let number = text.strip_prefix("full of ").map(str::parse);
        match number {
            Some(Ok(number)) => Ok(Self::Full(Number(number))),
            _ => Err(format!(
                "`{text}` does not name the content of a new tensor"
            )),
        }
    }
}

impl TryFrom<String> for Creation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What a tensor is padded with.
///
/// ```
/// use burn_prune_deploy::{Number, Padding};
///
/// let zeros = Padding::Constant(Number(0.0));
/// let text = serde_json::to_string(&zeros)?;
/// assert_eq!(serde_json::from_str::<Padding>(&text)?, zeros);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Padding {
    /// A number.
    Constant(Number),
    /// The entries within, in reverse.
    Reflect,
    /// The outermost entry.
    Edge,
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(number) => write!(f, "Constant(Float({:?}))", number.0),
            Self::Reflect => f.write_str("Reflect"),
            Self::Edge => f.write_str("Edge"),
        }
    }
}

impl From<Padding> for String {
    fn from(padding: Padding) -> Self {
        padding.to_string()
    }
}

impl TryFrom<String> for Padding {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The form of the first files, which had it from Burn.
        let number = text.strip_prefix("Constant(").and_then(|text| {
            let (_, number) = text.split_once('(')?;
            number.trim_end_matches(')').parse().ok()
        });
        match (text.as_str(), number) {
            (_, Some(number)) => Ok(Self::Constant(Number(number))),
            ("Reflect", _) => Ok(Self::Reflect),
            ("Edge", _) => Ok(Self::Edge),
            _ => Err(format!("`{text}` does not name a kind of padding")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for creation in [Creation::Zeros, Creation::Full(Number(-0.5))] {
            assert_eq!(Creation::try_from(String::from(creation)), Ok(creation));
        }
        for padding in [
            Padding::Edge,
            Padding::Constant(Number(f64::NEG_INFINITY)),
            Padding::Constant(Number(1.5)),
        ] {
            assert_eq!(Padding::try_from(String::from(padding)), Ok(padding));
        }
        assert_eq!("full of 3".parse(), Ok(Creation::Full(Number(3.0))));
        assert!("full of it".parse::<Creation>().is_err());
        assert!(Padding::try_from("Wrap".to_string()).is_err());
    }
}
