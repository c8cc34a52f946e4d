//! Which parameter an error is about.

use super::PruneError;

impl PruneError {
    /// Names the parameter in an error about masks that did not know it.
    pub(crate) fn at(self, at: &str) -> Self {
        match self {
            Self::MaskShape {
                path,
                expected,
                found,
            } if path.is_empty() => Self::MaskShape {
                path: at.to_string(),
                expected,
                found,
            },
            other => other,
        }
    }
}
