use burn::module::Module;

use super::{Batch, Capture, Graph, GraphTensors};
use crate::error::DeployError;

impl Graph {
    /// Runs the forward pass of a model on an example, without computing anything, and records its
    /// operations.
    ///
    /// The model is taken as it computes: with its masks folded in, and in evaluation mode, so that
    /// BatchNorm uses its running statistics. Neither the model nor its statistics are touched.
    /// `inputs` and what `forward` returns are tensors of any kind, or tuples or `Vec`s of them.
    ///
    /// `forward` runs a second time with another batch, so that sizes which follow the batch are
    /// told from others that happen to be equal; the batch is taken to be the first axis of every
    /// input. Where that pass fails or does something else, the batch is fixed, and
    /// [`sizes`](Self::sizes) says why; a panic message that is printed comes from that pass.
    ///
    /// # Errors
    /// When the forward pass fails on the example or depends on the values of tensors.
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
    /// assert_eq!(graph.parameters().len(), 4);
    /// println!("{graph}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture<M, I, O>(
        model: &M,
        inputs: I,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<Self, DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        Self::capture_with(model, inputs, Batch::First, forward)
    }

    /// The same with the batch in other axes of the inputs: after the sequence, or not in all of
    /// them.
    ///
    /// # Errors
    /// As [`capture`](Self::capture), and when an input has no such axis or the sizes along them
    /// differ.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// use burn_prune_deploy::Batch;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// // The sizes of the example are the only ones.
    /// let example = Tensor::<2>::ones([1, 8], &device);
    /// let fixed = Graph::capture_with(&model, example, Batch::Fixed, forward)?;
    /// assert_eq!(graph.sizes().batch(), Some(1));
    /// assert_eq!(fixed.sizes().batch(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_with<M, I, O>(
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
        Capture::with(model, inputs, batch, forward)?.graph()
    }
}
