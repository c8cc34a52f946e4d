use serde::{Deserialize, Serialize};

use super::ParameterId;

/// A tensor of a graph.
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
/// let input = &graph[graph.inputs()[0]];
/// assert_eq!((input.shape.as_slice(), input.element_bytes), (&[1, 8][..], 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Bytes per element.
    pub element_bytes: usize,
    /// Where it comes from.
    pub kind: TensorKind,
    /// CRC-32 of the values of a constant: models that differ in them compute something else.
    pub checksum: Option<u32>,
}

impl TensorInfo {
    /// Number of elements.
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
    /// assert_eq!(graph[graph.inputs()[0]].elements(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Where a tensor comes from.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// use burn_prune_deploy::TensorKind;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// assert_eq!(graph[graph.inputs()[0]].kind, TensorKind::Input);
/// assert_eq!(graph[graph.outputs()[0]].kind, TensorKind::Computed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TensorKind {
    /// It is given to the model.
    Input,
    /// It is a parameter.
    Parameter(ParameterId),
    /// It is stored in the model or made by its code, and is not a parameter.
    Constant,
    /// An operation makes it.
    Computed,
}
