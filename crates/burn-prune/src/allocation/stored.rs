//! A rule of allocation as data: its [`Identity`]. It has to be given again when it is read.
//!
//! For use with `#[serde(with = "crate::allocation::stored")]`.

use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Allocation, AllocationRule, Shares};
use crate::amount::Target;
use crate::error::{PruneError, StoredError};
use crate::identity::{Given, Identity};
use crate::unique_fields::UniqueFields;

/// A rule that was read by its identity and has not been given.
#[derive(Debug)]
struct NotGiven(Identity);

impl AllocationRule for NotGiven {
    fn counts(&self, _: &Shares<'_>, _: Option<Target>) -> Result<Vec<usize>, PruneError> {
        Err(StoredError::NotGiven {
            what: "allocation rule",
            wanted: self.0.to_string(),
            method: "Pruner::give_allocation",
        }
        .into())
    }

    fn identity(&self) -> Option<Identity> {
        Some(self.0.clone())
    }
}

pub(crate) fn serialize<S: Serializer>(
    rule: &Arc<dyn AllocationRule>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match rule.identity() {
        Some(identity) => identity.into_value().serialize(serializer),
        None => Err(S::Error::custom(format!(
            "the allocation rule `{}` does not say what it is: implement \
             `AllocationRule::identity` to store it",
            rule.type_name()
        ))),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<dyn AllocationRule>, D::Error> {
    let UniqueFields(identity) = UniqueFields::deserialize(deserializer)?;
    let identity = Identity::deserialize(identity).map_err(D::Error::custom)?;
    Ok(Arc::new(NotGiven(identity)))
}

/// Refuses an allocation that is not the one that was read.
pub(crate) fn check_given(read: &Allocation, given: &Allocation) -> Result<(), StoredError> {
    of(given).check("allocation rule", &of(read))
}

fn of(allocation: &Allocation) -> Given {
    let (identity, type_name) = match allocation {
        Allocation::Rule(rule) => (rule.identity(), rule.type_name()),
        Allocation::Uniform => (None, "Allocation::Uniform"),
        Allocation::Global => (None, "Allocation::Global"),
        Allocation::Erk => (None, "Allocation::Erk"),
        Allocation::PerLayer(_) => (None, "Allocation::PerLayer"),
    };
    Given {
        identity,
        type_name,
    }
}
