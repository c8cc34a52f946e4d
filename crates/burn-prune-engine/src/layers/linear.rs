use burn::backend::Flex;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::module::linear;
use burn::tensor::{Tensor, assert_shape};

use super::kernels::{Dense, Kernels, Shape, on_flex};
use super::weight::SparseWeight;
use crate::error::EngineError;

/// A [`Linear`] that keeps only the weights that are not 0: `output = input · weight + bias`.
///
/// It computes what the dense layer computes, but that a weight of 0 may be absent: whether `0 · inf`
/// occurs depends on how many zeros there are. On flex, without automatic differentiation and in
/// `f32`, the kernels of this crate run it. On other backends, in other types and under automatic
/// differentiation it makes the dense weight for each call, and gradients reach the values that are
/// kept.
///
/// Its parameters are one bit a weight and the values, so records are as small as it is. A record
/// loads into any layer of the same size, whatever its zeros.
///
/// A whole model is compiled by [`SparseEngine`](crate::SparseEngine), which fuses layers and is
/// faster; this is for a model that is built by hand.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_prune::Prunable;
/// use burn_prune_engine::SparseLinear;
///
/// let device = Device::flex();
/// let dense = LinearConfig::new(64, 32).init(&device).l1_unstructured(0.9)?;
/// let sparse = SparseLinear::from_dense(&dense)?;
/// assert_eq!(sparse.nonzeros(), 205);
/// let input = Tensor::<3>::ones([2, 5, 64], &device);
/// let difference = sparse.forward(input.clone()) - dense.forward(input);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct SparseLinear {
    weight: SparseWeight<2>,
    /// `[d_output]`
    bias: Option<Param<Tensor<1>>>,
    kernels: Kernels,
}

impl SparseLinear {
    /// The layer without its zeros. Masks and other reparameterizations are folded in.
    ///
    /// # Errors
    /// When the weight is quantized.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::Device;
    /// use burn_prune::Prunable;
    /// use burn_prune_engine::SparseLinear;
    ///
    /// let dense = LinearConfig::new(8, 4).init(&Device::flex()).l1_unstructured(0.5)?;
    /// assert_eq!(SparseLinear::from_dense(&dense)?.nonzeros(), 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_dense(layer: &Linear) -> Result<Self, EngineError> {
        Ok(Self {
            weight: SparseWeight::new("SparseLinear", &layer.weight)?,
            bias: layer.bias.clone(),
            kernels: Kernels::default(),
        })
    }

    /// The same layer with its zeros.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::Device;
    /// use burn_prune::Prunable;
    /// use burn_prune_engine::SparseLinear;
    ///
    /// let dense = LinearConfig::new(8, 4).init(&Device::flex()).l1_unstructured(0.5)?;
    /// let again = SparseLinear::from_dense(&dense)?.to_dense();
    /// assert_eq!(again.weight.to_data(), dense.weight.val().to_data());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_dense(&self) -> Linear {
        Linear {
            weight: self.weight.to_param(),
            bias: self.bias.clone(),
        }
    }

    /// Weights that are kept.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::Device;
    /// # use burn_prune_engine::SparseLinear;
    /// let dense = LinearConfig::new(8, 4).init(&Device::flex());
    /// assert_eq!(SparseLinear::from_dense(&dense)?.nonzeros(), 32);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nonzeros(&self) -> usize {
        self.weight.nonzeros()
    }

    /// The fraction of weights that are gone.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::Device;
    /// # use burn_prune::Prunable;
    /// # use burn_prune_engine::SparseLinear;
    /// let dense = LinearConfig::new(8, 4).init(&Device::flex()).l1_unstructured(0.75)?;
    /// assert_eq!(SparseLinear::from_dense(&dense)?.sparsity(), 0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sparsity(&self) -> f64 {
        self.weight.sparsity()
    }

    /// The output of the layer: `input · weight + bias`.
    ///
    /// # Shapes
    /// - input: `[.., d_input]`
    /// - output: `[.., d_output]`
    ///
    /// # Panics
    /// As [`Linear::forward`], when the last axis of the input is not `d_input`.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn_prune_engine::SparseLinear;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex();
    /// let layer = SparseLinear::from_dense(&LinearConfig::new(8, 4).init(&device))?;
    /// assert_eq!(layer.forward(Tensor::<1>::ones([8], &device)).dims(), [4]);
    /// assert_eq!(layer.forward(Tensor::<3>::ones([2, 3, 8], &device)).dims(), [2, 3, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let [d_input, _] = self.weight.shape();
        assert_shape!(input, [.., d_input]);
        let bias = self.bias.as_ref().map(Param::val);
        match self.run(&input, bias.as_ref()) {
            Some(output) => output,
            None => linear(input, self.weight.dense(), bias),
        }
    }

    /// The output, if our kernels can make it.
    fn run<const D: usize>(
        &self,
        input: &Tensor<D>,
        bias: Option<&Tensor<1>>,
    ) -> Option<Tensor<D>> {
        let [d_input, d_output] = self.weight.shape();
        let mut sizes = input.dims();
        let positions: usize = sizes[..D - 1].iter().product();
        if positions * d_input * d_output == 0 || !self.weight.is_on_flex() {
            return None;
        }
        if let Some(bias) = bias {
            on_flex(bias)?;
        }
        on_flex(input)?;
        let matrix = on_flex(&input.clone().reshape([positions, d_input]))?;
        let shape = Shape {
            rows: d_output,
            columns: d_input,
            window: None,
            input: vec![positions, d_input],
            output: vec![positions, d_output],
        };
        let dense = || Dense::new(self.weight.dense().transpose(), bias, d_output);
        let output = self.kernels.run(matrix, &shape, dense)?;
        sizes[D - 1] = d_output;
        let output = Tensor::<2>::from_primitive::<Flex>(output);
        Some(output.reshape(sizes))
    }
}
