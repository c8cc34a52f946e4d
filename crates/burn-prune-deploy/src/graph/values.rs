use std::sync::Arc;

use super::ParameterId;

/// The values of all parameters of a graph, as they were when it was captured, with masks folded in.
///
/// They are kept apart from the structure: a graph that was loaded from a file or that a plan
/// predicts has none.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let weight = graph.parameter_ids().next().unwrap();
/// let values = graph.values().unwrap().of(weight);
/// assert_eq!(values, model[0].weight.val().into_data().try_to_vec::<f32>().unwrap());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterValues(Vec<Arc<[f32]>>);

impl ParameterValues {
    pub(super) fn new(values: Vec<Arc<[f32]>>) -> Self {
        Self(values)
    }

    /// The values of a parameter in row-major order.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let bias = graph.parameter_ids().nth(1).unwrap();
    /// assert_eq!(graph.values().unwrap().of(bias).len(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(&self, parameter: ParameterId) -> &[f32] {
        &self.0[parameter.index()]
    }
}
