//! Whether what is given for a stored part of a pruner is that part.

use super::Identity;
use crate::error::PruneError;

/// A criterion or a rule, by what it says of itself.
pub(crate) struct Given {
    pub identity: Option<Identity>,
    pub type_name: &'static str,
}

impl Given {
    /// Refuses this one in the place of another.
    pub(crate) fn check(&self, what: &'static str, wanted: &Self) -> Result<(), PruneError> {
        if self.identity.is_some() && self.identity == wanted.identity {
            return Ok(());
        }
        Err(PruneError::GivenMismatch {
            what,
            wanted: wanted.name(),
            found: self.name(),
        })
    }

    fn name(&self) -> String {
        match &self.identity {
            Some(identity) => identity.to_string(),
            None => format!("{}, which has no identity", self.type_name),
        }
    }
}
