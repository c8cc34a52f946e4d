//! Constants of channels that are cut, taken over by what read them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Constant;
use crate::error::DeployError;
use crate::graph::dims;

/// What channels that are cut send to a layer, whatever the input is, and what takes it over.
///
/// It is added when a model is cut, computed from that model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fold {
    /// Dotted path of the weight that reads the channels.
    pub weight: String,
    /// Its shape before it is cut.
    pub shape: Vec<usize>,
    /// The axis of it that has the channels: 0 or 1. The other of these has the outputs.
    pub axis: usize,
    /// What takes it over; `None` where nothing can, so that what is sent has to be 0.
    pub into: Option<FoldInto>,
    /// The constants.
    pub terms: Vec<FoldTerm>,
}

/// The parameter that takes over what channels sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoldInto {
    /// Dotted paths of the parameter, several of a shared one.
    pub paths: Vec<String>,
    /// Number of its entries, one for each output.
    pub entries: usize,
    /// How.
    pub how: FoldKind,
}

/// How a parameter takes over what channels sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FoldKind {
    /// It is a bias: the sum is added.
    Bias,
    /// It is the running mean of a norm: the sum is subtracted.
    RunningMean,
}

/// A channel that sends a constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoldTerm {
    /// Its entry along the axis of the weight.
    pub entry: usize,
    /// The outputs that read it, which differ from group to group of a convolution.
    pub outputs: Range<usize>,
    /// What it sends.
    pub constant: Constant,
}

/// Parameters of a model by dotted path, as far as folds read them: shape and values.
pub(super) type Values = HashMap<String, (Vec<usize>, Vec<f64>)>;

/// What is added to parameters, by dotted path.
pub(super) type Shifts = BTreeMap<String, Vec<f64>>;

/// Whether a constant that was 0 has to be so still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Of a model that is used as it is cut.
    Zeros,
    /// Of one whose weights are loaded afterwards.
    Nothing,
}

impl Fold {
    /// The paths of the parameters that it reads.
    pub(super) fn reads(&self, found: &mut BTreeSet<String>) {
        found.insert(self.weight.clone());
        for term in &self.terms {
            term.constant.entries(&mut |path| {
                found.insert(path.to_string());
            });
        }
    }

    /// What each output gets from the channels.
    fn sums(&self, values: &Values, check: Check) -> Result<Vec<f64>, DeployError> {
        let (shape, weight) = self.weight(values)?;
        let entry = |path: &str, index: usize| values.get(path)?.1.get(index).copied();
        let kernel: usize = shape[2..].iter().product();
        let along = shape[1 - self.axis];
        let outputs = self.into.as_ref().map_or_else(
            || self.terms.iter().map(|term| term.outputs.end).max(),
            |into| Some(into.entries),
        );
        let mut sums = vec![0.0; outputs.unwrap_or(0)];
        for term in &self.terms {
            let constant = term.constant.value(&entry);
            for output in term.outputs.clone() {
                // The groups of a transposed convolution share the axis of the outputs.
                let other = output % along;
                let place = match self.axis {
                    0 => term.entry * shape[1] + other,
                    _ => other * shape[1] + term.entry,
                };
                let kernel = &weight[place * kernel..(place + 1) * kernel];
                // What nobody reads need not be known.
                if kernel.iter().all(|weight| *weight == 0.0) {
                    continue;
                }
                match constant {
                    Some(constant) if self.into.is_some() || constant == 0.0 => {
                        sums[output] += constant * kernel.iter().sum::<f64>();
                    }
                    _ if check == Check::Nothing => {}
                    _ => {
                        return Err(DeployError::ConstantChanged {
                            weight: self.weight.clone(),
                            constant: term.constant.to_string(),
                        });
                    }
                }
            }
        }
        Ok(sums)
    }

    fn weight<'a>(&self, values: &'a Values) -> Result<(&'a [usize], &'a [f64]), DeployError> {
        match values.get(&self.weight) {
            Some((shape, weight)) if *shape == self.shape => Ok((shape, weight)),
            found => Err(DeployError::ModelMismatch {
                path: self.weight.clone(),
                expected: dims(&self.shape),
                found: found.map_or("nothing".to_string(), |(shape, _)| dims(shape)),
            }),
        }
    }
}

/// What folds add to the parameters of a model.
pub(super) fn shifts(folds: &[Fold], values: &Values, check: Check) -> Result<Shifts, DeployError> {
    let mut shifts = Shifts::new();
    for fold in folds {
        let sums = fold.sums(values, check)?;
        let Some(into) = &fold.into else {
            continue;
        };
        let sign = match into.how {
            FoldKind::Bias => 1.0,
            FoldKind::RunningMean => -1.0,
        };
        for path in &into.paths {
            let shift = shifts
                .entry(path.clone())
                .or_insert_with(|| vec![0.0; sums.len()]);
            for (shift, sum) in shift.iter_mut().zip(&sums) {
                *shift += sign * sum;
            }
        }
    }
    Ok(shifts)
}
