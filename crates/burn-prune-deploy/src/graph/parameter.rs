use serde::{Deserialize, Serialize};

use super::TensorId;

/// A parameter of the model, running statistics included.
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
/// let weight = graph.parameter("0.weight").unwrap();
/// assert_eq!((weight.layer(), weight.module()), ("Linear", "0"));
/// assert_eq!(graph[weight.tensor].shape, [8, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parameter {
    /// Dotted path; the first one when it is shared.
    pub path: String,
    /// Further paths of a shared one.
    pub shared_as: Vec<String>,
    /// Its tensor.
    pub tensor: TensorId,
    /// Type names of the structs that it is in, from the model to the layer that holds it.
    pub structs: Vec<String>,
    /// Whether it is a running statistic, which cannot be masked.
    pub is_statistic: bool,
    /// Whether something is divided by it, so that it must not be masked.
    pub is_divisor: bool,
}

impl Parameter {
    /// Whether a mask may make it 0. Where it may not, what reads the channel hides it.
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
    /// assert!(graph.parameter("0.bias").unwrap().can_be_masked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn can_be_masked(&self) -> bool {
        !self.is_statistic && !self.is_divisor
    }

    /// Type name of the struct that holds it, `Conv2d` for instance.
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
    /// assert_eq!(graph.parameter("0.bias").unwrap().layer(), "Linear");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn layer(&self) -> &str {
        self.structs.last().map_or("", String::as_str)
    }

    /// All its paths.
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
    /// let paths: Vec<&str> = graph.parameter("0.bias").unwrap().paths().collect();
    /// assert_eq!(paths, ["0.bias"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.path)
            .chain(&self.shared_as)
            .map(String::as_str)
    }

    /// Dotted path of the module that it is in.
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
    /// assert_eq!(graph.parameter("0.bias").unwrap().module(), "0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn module(&self) -> &str {
        module(&self.path)
    }
}

/// The path of the module that a parameter is in.
pub(crate) fn module(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(module, _)| module)
}
