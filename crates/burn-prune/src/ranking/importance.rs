//! Scores that the caller gives in the place of weights.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::error::PruneError;
use crate::model::{Parameter, Values};

/// Scores that take the place of a weight.
#[derive(Clone)]
pub(crate) struct Importance {
    pub shape: Vec<usize>,
    pub values: Values,
}

impl Importance {
    fn is_equal(&self, other: &Self) -> bool {
        let mut pairs = self.values.iter().zip(other.values.iter());
        self.shape == other.shape && pairs.all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

/// Shape and CRC-32: a recipe tells scores apart by their values, wherever they are stored.
impl fmt::Debug for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut checksum = crc32fast::Hasher::new();
        self.values
            .iter()
            .for_each(|value| checksum.update(&value.to_le_bytes()));
        f.debug_struct("Importance")
            .field("shape", &self.shape)
            .field("crc32", &checksum.finalize())
            .finish()
    }
}

/// What takes the place of this weight, by whichever of its paths.
pub(crate) fn importance_of<'a>(
    importance: &'a BTreeMap<String, Importance>,
    parameter: &Parameter,
) -> Option<&'a Importance> {
    let mut paths = parameter.paths.iter();
    paths.find_map(|path| importance.get(path))
}

/// Refuses scores that are for none of these parameters, or of another shape than it.
pub(super) fn check<'a>(
    given: &BTreeMap<String, Importance>,
    parameters: impl Iterator<Item = &'a Parameter> + Clone,
    is_skipped: impl Fn(&str) -> bool,
) -> Result<(), PruneError> {
    let known: HashMap<&String, &Parameter> = parameters
        .clone()
        .flat_map(|parameter| parameter.paths.iter().map(move |path| (path, parameter)))
        .collect();
    for (path, importance) in given {
        if is_skipped(path) {
            continue;
        }
        let Some(parameter) = known.get(path) else {
            let selected: Vec<&str> = parameters.map(Parameter::path).collect();
            return Err(PruneError::ImportanceUnused {
                path: path.clone(),
                selected: selected.join(", "),
            });
        };
        if importance.shape != parameter.shape {
            return Err(PruneError::ImportanceShape {
                path: path.clone(),
                expected: parameter.shape.clone(),
                found: importance.shape.clone(),
            });
        }
        let others = parameter.paths.iter().filter(|other| *other != path);
        for other in others {
            let differs = |theirs: &Importance| !theirs.is_equal(importance);
            if given.get(other).is_some_and(differs) {
                return Err(PruneError::PlacesDiffer {
                    what: "importance scores",
                    path: path.clone(),
                    other: other.clone(),
                });
            }
        }
    }
    Ok(())
}
