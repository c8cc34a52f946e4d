//! How a refused operation gives the model back.

use std::fmt;

use crate::error::PruneError;

/// A refused operation: the reason, and the model as it was.
///
/// Methods that take a model by value return this as their error, so that a mistyped amount does
/// not lose a trained model. `?` converts it into a [`PruneError`] where that is the error type.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{Prunable, PruneError};
///
/// let layer = LinearConfig::new(4, 2).init(&Device::flex());
/// let weights = layer.weight.val().into_data();
///
/// let rejected = layer.l1_unstructured(1.5).unwrap_err();
/// assert_eq!(*rejected.error(), PruneError::InvalidFraction { found: 1.5 });
///
/// let layer = rejected.into_model();
/// assert_eq!(layer.weight.val().into_data(), weights);
/// assert!(!layer.is_pruned());
/// ```
pub struct Rejected<M> {
    // Boxed, so that a `Result` of a model is not twice the size of the model.
    model: Box<M>,
    error: PruneError,
}

impl<M> Rejected<M> {
    pub(crate) fn new(model: M, error: PruneError) -> Self {
        Self {
            model: Box::new(model),
            error,
        }
    }

    /// Why it was refused.
    #[must_use]
    pub fn error(&self) -> &PruneError {
        &self.error
    }

    /// The model, as it was before the call.
    #[must_use]
    pub fn into_model(self) -> M {
        *self.model
    }

    /// The model and the reason.
    #[must_use]
    pub fn into_parts(self) -> (M, PruneError) {
        (*self.model, self.error)
    }
}

/// The outcome of a check together with the model, which a failed one gives back.
pub(crate) fn accept<T, M>(
    checked: Result<T, PruneError>,
    model: M,
) -> Result<(T, M), Rejected<M>> {
    match checked {
        Ok(checked) => Ok((checked, model)),
        Err(error) => Err(Rejected::new(model, error)),
    }
}

impl<M> fmt::Debug for Rejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<M> fmt::Display for Rejected<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<M> std::error::Error for Rejected<M> {}

impl<M> From<Rejected<M>> for PruneError {
    fn from(rejected: Rejected<M>) -> Self {
        rejected.error
    }
}
