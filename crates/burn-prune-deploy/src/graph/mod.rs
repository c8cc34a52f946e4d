//! The forward pass of a model as operations on tensors.

mod batch;
mod build;
mod capture;
mod captured;
mod class;
mod device;
mod display;
mod elementwise;
mod form;
mod ids;
mod kinds;
mod named;
mod number;
mod of_model;
mod operation;
mod pairing;
mod parameter;
mod passes;
mod record;
mod sizes;
mod source;
mod tensor;
mod tensors;
mod translate;
mod values;

pub use batch::Batch;
pub use capture::{Capture, CapturedParameter, OtherPass};
pub use class::OperationClass;
pub use elementwise::Elementwise;
pub use ids::{OperationId, ParameterId, TensorId};
pub use kinds::{Along, Creation, Padding, Reduction, Spatial};
pub use number::Number;
pub use operation::{Operation, OperationKind, Role};
pub use parameter::Parameter;
pub use sizes::{AxisSize, Sizes};
pub use tensor::{TensorInfo, TensorKind};
pub use tensors::GraphTensors;
pub use values::ParameterValues;

pub(crate) use display::dims;
pub(crate) use form::Form;
pub(crate) use parameter::module;
pub(crate) use record::record_once;
pub(crate) use sizes::{Reshape, WithoutBatch};

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The forward pass of a model on an example: operations in their order, tensors with their shapes.
///
/// Made by [`Graph::capture`]. Tensors, operations and parameters are numbered, each with a type of
/// its own ([`TensorId`], [`OperationId`], [`ParameterId`]); a graph is indexed by them. Displays
/// as one line per operation.
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
/// let input = graph.inputs()[0];
/// assert_eq!(graph[input].shape, [1, 8]);
/// let first = graph.consumers(input)[0];
/// assert!(graph[first].inputs.contains(&input));
/// let weight = graph.parameter("0.weight").unwrap();
/// assert_eq!(graph[weight.tensor].shape, [8, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) inputs: Vec<TensorId>,
    pub(crate) outputs: Vec<TensorId>,
    pub(crate) parameters: Vec<Parameter>,
    /// Which sizes follow the batch.
    #[serde(default)]
    pub(crate) sizes: Sizes,
    #[serde(skip)]
    pub(crate) values: Option<Arc<ParameterValues>>,
}

impl Graph {
    /// All tensors; a [`TensorId`] indexes them.
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
    /// let input = graph.inputs()[0];
    /// assert_eq!(graph.tensors()[input].shape, [1, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Operations in the order in which they run; an [`OperationId`] indexes them.
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
    /// let names: Vec<&str> = graph.operations().iter().map(|operation| operation.kind.name()).collect();
    /// assert!(names.contains(&"relu"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Float parameters in module order, those that no operation reads included; a [`ParameterId`]
    /// indexes them.
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
    /// let paths: Vec<&str> = graph.parameters().iter().map(|parameter| parameter.path.as_str()).collect();
    /// assert_eq!(paths, ["0.weight", "0.bias", "1.weight", "1.bias"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The tensors that are given to the model.
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
    /// assert_eq!(graph[graph.inputs()[0]].shape, [1, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inputs(&self) -> &[TensorId] {
        &self.inputs
    }

    /// The tensors that the model returns.
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
    /// assert_eq!(graph[graph.outputs()[0]].shape, [1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outputs(&self) -> &[TensorId] {
        &self.outputs
    }

    /// The values of the parameters; `None` for a graph that was loaded from a file or belongs to a
    /// plan.
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
    /// let loaded: Graph = serde_json::from_str(&serde_json::to_string(&graph)?)?;
    /// assert!(loaded.values().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self) -> Option<&ParameterValues> {
        self.values.as_deref()
    }

    /// Numbers of all tensors.
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
    /// assert_eq!(graph.tensor_ids().count(), graph.tensors().len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tensor_ids(&self) -> impl Iterator<Item = TensorId> + use<> {
        (0..self.tensors.len()).map(TensorId::new)
    }

    /// Numbers of all operations, in the order in which they run.
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
    /// let relu = graph.operation_ids().find(|id| graph[*id].kind.name() == "relu");
    /// assert!(relu.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn operation_ids(&self) -> impl Iterator<Item = OperationId> + use<> {
        (0..self.operations.len()).map(OperationId::new)
    }

    /// Numbers of all parameters, in module order.
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
    /// let first = graph.parameter_ids().next().unwrap();
    /// assert_eq!(graph[first].path, "0.weight");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameter_ids(&self) -> impl Iterator<Item = ParameterId> + use<> {
        (0..self.parameters.len()).map(ParameterId::new)
    }

    /// The operations that read a tensor.
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
    /// assert_eq!(graph.consumers(graph.inputs()[0]).len(), 1);
    /// assert!(graph.consumers(graph.outputs()[0]).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn consumers(&self, tensor: TensorId) -> Vec<OperationId> {
        self.operation_ids()
            .filter(|operation| self[*operation].inputs.contains(&tensor))
            .collect()
    }

    /// The operation that makes a tensor.
    pub(crate) fn maker(&self, tensor: TensorId) -> Option<&Operation> {
        let mut operations = self.operations.iter();
        operations.find(|operation| operation.outputs.contains(&tensor))
    }

    /// The parameter of a dotted path.
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
    /// assert_eq!(graph.parameter("1.bias").unwrap().module(), "1");
    /// assert!(graph.parameter("2.bias").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameter(&self, path: &str) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.paths().any(|other| other == path))
    }

    /// Dotted paths of the parameters that the forward pass neither reads nor returns.
    ///
    /// They may be read only in training (an auxiliary head) or with other inputs. A plan does not
    /// cut them, even where they read channels that it cuts.
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
    /// let body = |model: &Vec<Linear>, x| model[0].forward(x);
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), body)?;
    /// assert_eq!(graph.unseen(), ["1.weight", "1.bias"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unseen(&self) -> Vec<&str> {
        let read = self
            .operations
            .iter()
            .flat_map(|operation| &operation.inputs);
        let seen: HashSet<TensorId> = read.chain(&self.outputs).copied().collect();
        self.parameters
            .iter()
            .filter(|parameter| !seen.contains(&parameter.tensor))
            .flat_map(Parameter::paths)
            .collect()
    }

    pub(crate) fn shape(&self, tensor: TensorId) -> &[usize] {
        &self[tensor].shape
    }
}
