use std::sync::Arc;

use super::ParameterId;

/// The values of all parameters of a graph, as they were when it was captured, with masks folded in.
///
/// They are kept apart from the structure: a graph that was loaded from a file or that a plan
/// predicts has none.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterValues(Vec<Arc<[f32]>>);

impl ParameterValues {
    pub(super) fn new(values: Vec<Arc<[f32]>>) -> Self {
        Self(values)
    }

    /// The values of a parameter in row-major order.
    pub fn of(&self, parameter: ParameterId) -> &[f32] {
        &self.0[parameter.index()]
    }
}
