//! Numbers that a channel sends whatever the input is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::scalar;
use crate::graph::{Elementwise, Number};

/// A number that a channel sends whatever the input is, as a formula of parameters: the bias of a
/// layer whose weights are masked, for instance, and what an activation makes of it.
///
/// It is a formula rather than a number, so that it can be computed from the model that is cut.
///
/// ```
/// use burn_prune_deploy::{Constant, Elementwise};
///
/// let bias = Constant::Entry { path: "fc1.bias".to_string(), index: 2 };
/// let sent = Constant::Elementwise {
///     operation: Elementwise::Relu,
///     scalars: Vec::new(),
///     of: vec![bias],
/// };
/// assert_eq!(sent.to_string(), "relu(fc1.bias[2])");
/// assert_eq!(sent.value(&|_, _| Some(0.25)), Some(0.25));
/// assert_eq!(sent.value(&|_, _| Some(-0.25)), Some(0.0));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Constant {
    /// A number.
    Number(Number),
    /// An entry of a parameter.
    Entry {
        /// Dotted path of the parameter.
        path: String,
        /// Which entry, in row-major order.
        index: usize,
    },
    /// An operation on numbers.
    Elementwise {
        /// Which one.
        operation: Elementwise,
        /// Numbers in it.
        scalars: Vec<Number>,
        /// What it is of.
        of: Vec<Constant>,
    },
    /// A batch norm of a number.
    BatchNorm {
        /// Added to the variance.
        epsilon: Number,
        /// Signal, gamma, beta, mean and variance.
        of: Vec<Constant>,
    },
    /// A number that a channel sends only as long as others are 0.
    Provided {
        /// The others.
        zeros: Vec<Constant>,
        /// The number.
        then: Box<Constant>,
    },
}

/// Formulas of more parts are not followed: those that a network repeats can double at each layer.
const LONGEST: usize = 256;

impl Constant {
    pub(crate) const ZERO: Self = Self::Number(Number(0.0));

    /// Whether it is 0 whatever the parameters are.
    pub(crate) fn is_zero(&self) -> bool {
        matches!(self, Self::Number(number) if number.0 == 0.0)
    }

    /// The value, from the entries of parameters; `None` where one is not known, or where what should
    /// be 0 is not.
    pub fn value(&self, entry: &impl Fn(&str, usize) -> Option<f64>) -> Option<f64> {
        let values = |of: &[Self]| -> Option<Vec<f64>> {
            of.iter().map(|constant| constant.value(entry)).collect()
        };
        match self {
            Self::Number(number) => Some(number.0),
            Self::Entry { path, index } => entry(path, *index),
            Self::Elementwise {
                operation,
                scalars,
                of,
            } => scalar::elementwise(*operation, scalars, &values(of)?),
            Self::BatchNorm { epsilon, of } => {
                let [signal, gamma, beta, mean, variance] = values(of)?[..] else {
                    return None;
                };
                let value = (signal - mean) / (variance + epsilon.0).sqrt() * gamma + beta;
                value.is_finite().then_some(value)
            }
            Self::Provided { zeros, then } => {
                let mut zeros = zeros.iter().map(|zero| zero.value(entry));
                zeros.all(|zero| zero == Some(0.0)).then_some(())?;
                then.value(entry)
            }
        }
    }

    /// An operation on constants, if it can be computed.
    pub(crate) fn elementwise(
        operation: Elementwise,
        scalars: &[Number],
        of: Vec<Self>,
    ) -> Option<Self> {
        use Elementwise::{Add, Mul, Sub};
        if !scalar::is_known(operation) {
            return None;
        }
        match (operation, &of[..]) {
            (Mul, [zero, _] | [_, zero]) if zero.is_zero() => return Some(Self::ZERO),
            (Add, [zero, other] | [other, zero]) | (Sub, [other, zero]) if zero.is_zero() => {
                return Some(other.clone());
            }
            _ => {}
        }
        let numbers: Option<Vec<f64>> = of.iter().map(Self::number).collect();
        if let Some(numbers) = numbers {
            let value = scalar::elementwise(operation, scalars, &numbers)?;
            return Some(Self::Number(Number(value)));
        }
        let scalars = scalars.to_vec();
        Self::Elementwise {
            operation,
            scalars,
            of,
        }
        .if_short()
    }

    /// A batch norm of signal, gamma, beta, mean and variance.
    pub(crate) fn batch_norm(epsilon: Number, of: Vec<Self>) -> Option<Self> {
        Self::BatchNorm { epsilon, of }.if_short()
    }

    /// The same, as long as others are 0.
    pub(crate) fn provided(self, zeros: Vec<Self>) -> Option<Self> {
        if zeros.is_empty() {
            return Some(self);
        }
        let then = Box::new(self);
        Self::Provided { zeros, then }.if_short()
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.0),
            _ => None,
        }
    }

    fn if_short(self) -> Option<Self> {
        (self.parts() <= LONGEST).then_some(self)
    }

    /// How many parts it has.
    fn parts(&self) -> usize {
        let of = |of: &[Self]| of.iter().map(Self::parts).sum::<usize>();
        1 + match self {
            Self::Number(_) | Self::Entry { .. } => 0,
            Self::Elementwise { of: parts, .. } | Self::BatchNorm { of: parts, .. } => of(parts),
            Self::Provided { zeros, then } => of(zeros) + then.parts(),
        }
    }

    /// Calls with the path of each entry that it is made of.
    pub(crate) fn entries(&self, found: &mut impl FnMut(&str)) {
        match self {
            Self::Number(_) => {}
            Self::Entry { path, .. } => found(path),
            Self::Elementwise { of, .. } | Self::BatchNorm { of, .. } => {
                of.iter().for_each(|constant| constant.entries(found));
            }
            Self::Provided { zeros, then } => {
                zeros.iter().for_each(|constant| constant.entries(found));
                then.entries(found);
            }
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, of: &[Self], scalars: &[Number]| {
            let of = of.iter().map(ToString::to_string);
            let all: Vec<String> = of.chain(scalars.iter().map(ToString::to_string)).collect();
            write!(f, "({})", all.join(", "))
        };
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Entry { path, index } => write!(f, "{path}[{index}]"),
            Self::Elementwise {
                operation,
                scalars,
                of,
            } => {
                write!(f, "{operation}")?;
                list(f, of, scalars)
            }
            Self::BatchNorm { epsilon, of } => {
                write!(f, "batch norm")?;
                list(f, of, &[*epsilon])
            }
            Self::Provided { then, .. } => then.fmt(f),
        }
    }
}
