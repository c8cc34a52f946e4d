use std::collections::BTreeMap;

use burn::backend::ir::{GraphIr, TensorId};
use burn::module::Module;
use burn::tensor::TensorData;

use super::build::build;
use super::record::record_with;
use super::translate::translate;
use super::{Batch, Graph, GraphTensors};
use crate::error::DeployError;

/// A forward pass as Burn's capture device recorded it, with everything that [`Graph`] leaves out:
/// types, constants, and the settings of each operation.
///
/// [`Graph`] is made of it. Take this one to run the operations or to write them down elsewhere.
///
/// Only the operations that compute are in it: none that puts a parameter or a constant on the
/// device. Tensors are numbered as the capture device did; every place of a shared parameter has
/// the number of the first one. [`TensorStatus`](burn::backend::ir::TensorStatus) is that of the
/// recording run, where `ReadWrite` is no reliable sign of a last use: what runs the operations finds out anew
/// how long each tensor is needed.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{DType, Device, Tensor, activation::relu};
/// use burn_prune_deploy::Capture;
///
/// let device = Device::flex();
/// let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let capture = Capture::of(&model, Tensor::<2>::ones([3, 8], &device), forward)?;
///
/// let weight = &capture.parameters[0];
/// let values = &capture.values[&weight.tensor];
/// assert_eq!((weight.path.as_str(), values.dtype()), ("0.weight", DType::F32));
/// assert_eq!(values.shape().to_vec(), [8, 32]);
/// assert_eq!(capture.examples[0].shape().to_vec(), [3, 8]);
///
/// // The same operations with more rows.
/// let other = capture.other.as_ref().unwrap();
/// assert_eq!(capture.batch, Some(3));
/// assert!(other.batch > 3 && other.ir.len() == capture.ir.len());
///
/// assert_eq!(capture.graph()?.cost().multiply_adds(), 3 * (8 * 32 + 32 * 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Capture {
    /// The operations in their order. Inputs and outputs are in the order of the caller's; an output may come
    /// twice, and may be an input, a parameter or a constant.
    pub ir: GraphIr,
    /// The values of all parameters, with masks folded in, and of the constants that are read or returned.
    pub values: BTreeMap<TensorId, TensorData>,
    /// The float parameters in module order, running statistics included, each once.
    pub parameters: Vec<CapturedParameter>,
    /// The inputs, in the order of `ir.inputs`.
    pub examples: Vec<TensorData>,
    /// The batch axis of each input; none where an input is the same for every batch.
    pub axes: Vec<Option<usize>>,
    /// The size of the inputs along these axes; none when no input has one, or their sizes differ.
    pub batch: Option<usize>,
    /// The forward pass with another batch, or why there is none. It may consist of other operations:
    /// Burn chooses some by their sizes, and so may the model. [`Graph::sizes`] tells whether it
    /// is the same but for sizes.
    pub other: Result<OtherPass, String>,
}

/// A parameter of a [`Capture`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturedParameter {
    /// Dotted path; the first one when it is shared.
    pub path: String,
    /// Further paths of a shared one.
    pub shared_as: Vec<String>,
    /// Its tensor, in both passes.
    pub tensor: TensorId,
    /// Type names of the structs that it is in, from the model to the layer that holds it.
    pub structs: Vec<String>,
    /// Whether it is a running statistic.
    pub is_statistic: bool,
}

/// The forward pass of a [`Capture`] with another batch.
///
/// Parameters, and constants with the same values, have the same numbers in both passes. The other
/// tensors have numbers of their own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OtherPass {
    /// As that of the [`Capture`].
    pub ir: GraphIr,
    /// The constants that only this pass has.
    pub values: BTreeMap<TensorId, TensorData>,
    /// The inputs: entries of the example, repeated.
    pub examples: Vec<TensorData>,
    /// The size of its batch.
    pub batch: usize,
}

impl Capture {
    /// Runs the forward pass of a model on an example, without computing anything, and records its
    /// operations; and a second time with another batch. The batch is the first axis of every
    /// input.
    ///
    /// The model is taken as [`Graph::capture`] takes it: masks folded in, in evaluation mode, and
    /// left as it is.
    ///
    /// # Errors
    /// As [`Graph::capture`].
    ///
    /// ```
    /// use burn::tensor::{Device, Int, Tensor};
    /// use burn_prune_deploy::Capture;
    ///
    /// // Outputs of every kind; one of them is the input.
    /// let forward = |_: &Vec<burn::nn::Linear>, x: Tensor<2>| (x.clone().argmax(1), x);
    /// let capture = Capture::of(&vec![], Tensor::<2>::ones([2, 5], &Device::flex()), forward)?;
    /// assert_eq!(capture.ir.outputs[1], capture.ir.inputs[0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of<M, I, O>(
        model: &M,
        inputs: I,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<Self, DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        Self::with(model, inputs, Batch::First, forward)
    }

    /// The same with the batch in other axes of the inputs, or fixed.
    ///
    /// # Errors
    /// As [`Graph::capture_with`].
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::{Batch, Capture};
    ///
    /// let device = Device::flex();
    /// let model = LinearConfig::new(4, 6).init(&device);
    /// let example = Tensor::<3>::ones([7, 2, 4], &device);
    /// let capture = Capture::with(&model, example, Batch::axes([1]), |model, x| model.forward(x))?;
    /// assert_eq!((capture.batch, capture.axes), (Some(2), vec![Some(1)]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with<M, I, O>(
        model: &M,
        inputs: I,
        batch: Batch,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<Self, DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        record_with(model, inputs, batch, forward)
    }

    /// The graph of this forward pass.
    ///
    /// # Errors
    /// When an output is made by nothing, as in a capture that was changed by hand.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::{Capture, Graph};
    ///
    /// let device = Device::flex();
    /// let model = LinearConfig::new(4, 6).init(&device);
    /// let example = Tensor::<2>::ones([1, 4], &device);
    /// let capture = Capture::of(&model, example.clone(), |model, x| model.forward(x))?;
    /// let graph = Graph::capture(&model, example, |model, x| model.forward(x))?;
    /// assert_eq!(capture.graph()?, graph);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn graph(&self) -> Result<Graph, DeployError> {
        build(self)
    }

    /// The names of the operations, in their order: `"conv2d"`, `"relu"`.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::Capture;
    ///
    /// let device = Device::flex();
    /// let model = LinearConfig::new(4, 6).init(&device);
    /// let example = Tensor::<2>::ones([1, 4], &device);
    /// let capture = Capture::of(&model, example, |model, x| model.forward(x))?;
    /// assert_eq!(capture.operation_names().len(), capture.ir.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn operation_names(&self) -> Vec<String> {
        let operations = self.ir.operations.iter();
        let names = operations.map(|operation| translate(operation).0.name().to_string());
        names.collect()
    }
}
