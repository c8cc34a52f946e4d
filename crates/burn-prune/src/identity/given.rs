//! Whether what is given for a stored part of a pruner is that part.

use super::Identity;
use crate::error::StoredError;

/// A criterion or a rule, by what it says of itself.
pub(crate) struct Given {
    pub identity: Option<Identity>,
    pub type_name: &'static str,
}

impl Given {
    /// Refuses this one where another is wanted.
    pub(crate) fn check(&self, what: &'static str, wanted: &Self) -> Result<(), StoredError> {
        if self.identity.is_some() && self.identity == wanted.identity {
            return Ok(());
        }
        Err(StoredError::Mismatch {
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
