use burn::backend::Flex;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, assert_shape};

use super::kernels::{Dense, Kernels, Shape, on_flex};
use super::weight::SparseWeight;
use crate::error::EngineError;
use crate::window::Window;

/// A [`Conv2d`] that keeps only the weights that are not 0.
///
/// All strides, paddings, dilations and groups. What is said of
/// [`SparseLinear`](crate::SparseLinear) holds: where the kernels of this crate run, that a weight
/// of 0 may be absent, what a record has, and that a compiled model is faster.
///
/// ```
/// use burn::nn::conv::Conv2dConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_prune::Prunable;
/// use burn_prune_engine::SparseConv2d;
///
/// let device = Device::flex();
/// let config = Conv2dConfig::new([8, 16], [3, 3]).with_stride([2, 2]);
/// let dense = config.init(&device).l1_unstructured(0.9)?;
/// let sparse = SparseConv2d::from_dense(&dense)?;
/// assert_eq!(sparse.nonzeros(), 115);
/// let input = Tensor::<4>::ones([2, 8, 9, 9], &device);
/// let difference = sparse.forward(input.clone()) - dense.forward(input);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct SparseConv2d {
    weight: SparseWeight<4>,
    /// `[channels_out]`
    bias: Option<Param<Tensor<1>>>,
    stride: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    #[module(skip)]
    padding: PaddingConfig2d,
    kernels: Kernels,
}

impl SparseConv2d {
    /// The layer without its zeros. Masks and other reparameterizations are folded in.
    ///
    /// # Errors
    /// When the weight is quantized, when a field does not fit the weight: a number of groups that does
    /// not divide its outputs, a kernel of another size; and when a stride, a dilation or the number
    /// of groups is 0.
    ///
    /// ```
    /// use burn::nn::conv::Conv2dConfig;
    /// use burn::tensor::Device;
    /// use burn_prune_engine::SparseConv2d;
    ///
    /// let mut dense = Conv2dConfig::new([8, 16], [3, 3]).init(&Device::flex());
    /// assert!(SparseConv2d::from_dense(&dense).is_ok());
    /// dense.groups = 3;
    /// let error = SparseConv2d::from_dense(&dense).unwrap_err();
    /// assert!(error.to_string().contains("3 groups"));
    /// ```
    pub fn from_dense(layer: &Conv2d) -> Result<Self, EngineError> {
        let wrong = |message: String| {
            let layer = "SparseConv2d";
            Err(EngineError::Layer { layer, message })
        };
        let [outputs, _, height, width] = layer.weight.dims();
        let groups = layer.groups;
        if groups == 0 || !outputs.is_multiple_of(groups) {
            return wrong(format!(
                "{groups} groups do not divide the {outputs} outputs of the weight; \
                 set `groups` to what the weight was made for"
            ));
        }
        if layer.kernel_size != [height, width] {
            let [high, wide] = layer.kernel_size;
            return wrong(format!(
                "`kernel_size` is {high} x {wide}, and the weight has {height} x {width}; \
                 set the field to the size of the weight"
            ));
        }
        if [layer.stride, layer.dilation].concat().contains(&0) {
            return wrong("strides and dilations are at least 1, found 0".to_string());
        }
        Ok(Self {
            weight: SparseWeight::new("SparseConv2d", &layer.weight)?,
            bias: layer.bias.clone(),
            stride: layer.stride,
            dilation: layer.dilation,
            groups,
            padding: layer.padding.clone(),
            kernels: Kernels::default(),
        })
    }

    /// The same layer with its zeros.
    ///
    /// ```
    /// use burn::nn::conv::Conv2dConfig;
    /// use burn::tensor::Device;
    /// use burn_prune_engine::SparseConv2d;
    ///
    /// let dense = Conv2dConfig::new([8, 16], [3, 3]).init(&Device::flex());
    /// let again = SparseConv2d::from_dense(&dense)?.to_dense();
    /// assert_eq!(again.weight.to_data(), dense.weight.to_data());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_dense(&self) -> Conv2d {
        let [_, _, height, width] = self.weight.shape();
        Conv2d {
            weight: self.weight.to_param(),
            bias: self.bias.clone(),
            stride: self.stride,
            kernel_size: [height, width],
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        }
    }

    /// Weights that are kept.
    ///
    /// ```
    /// # use burn::nn::conv::Conv2dConfig;
    /// # use burn::tensor::Device;
    /// # use burn_prune_engine::SparseConv2d;
    /// let dense = Conv2dConfig::new([8, 16], [3, 3]).init(&Device::flex());
    /// assert_eq!(SparseConv2d::from_dense(&dense)?.nonzeros(), 8 * 16 * 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nonzeros(&self) -> usize {
        self.weight.nonzeros()
    }

    /// The fraction of weights that are gone.
    ///
    /// ```
    /// # use burn::nn::conv::Conv2dConfig;
    /// # use burn::tensor::Device;
    /// # use burn_prune::Prunable;
    /// # use burn_prune_engine::SparseConv2d;
    /// let dense = Conv2dConfig::new([8, 16], [3, 3]).init(&Device::flex());
    /// let sparse = SparseConv2d::from_dense(&dense.l1_unstructured(0.75)?)?;
    /// assert_eq!(sparse.sparsity(), 0.75);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sparsity(&self) -> f64 {
        self.weight.sparsity()
    }

    /// The convolution of an input, as [`Conv2d::forward`] computes it.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height_in, width_in]`
    /// - output: `[batch, channels_out, height_out, width_out]`
    ///
    /// # Panics
    /// When the input has another number of channels, or is smaller than the kernel, as
    /// [`Conv2d::forward`].
    ///
    /// ```
    /// # use burn::nn::conv::Conv2dConfig;
    /// # use burn_prune_engine::SparseConv2d;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex();
    /// let dense = Conv2dConfig::new([8, 16], [3, 3]).init(&device);
    /// let output = SparseConv2d::from_dense(&dense)?.forward(Tensor::ones([2, 8, 6, 6], &device));
    /// assert_eq!(output.dims(), [2, 16, 4, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [_, channels, height, width] = self.weight.shape();
        let channels = channels * self.groups;
        assert_shape!(input, [_, channels, _, _]);
        let [_, _, lines, columns] = input.dims();
        let window = Window {
            kernel: [height, width],
            stride: self.stride,
            padding: [self.zeros(lines, height, 0), self.zeros(columns, width, 1)],
            dilation: self.dilation,
            groups: self.groups,
        };
        let bias = self.bias.as_ref().map(Param::val);
        match self.run(&input, bias.as_ref(), window) {
            Some(output) => output,
            None => {
                let padding = window.padding;
                let (stride, dilation) = (self.stride, self.dilation);
                let options = ConvOptions::new_with_padding(stride, padding, dilation, self.groups);
                conv2d(input, self.weight.dense(), bias, options)
            }
        }
    }

    /// The output, if our kernels can make it.
    fn run(
        &self,
        input: &Tensor<4>,
        bias: Option<&Tensor<1>>,
        window: Window,
    ) -> Option<Tensor<4>> {
        let [outputs, each, height, width] = self.weight.shape();
        let [batch, channels, lines, columns] = input.dims();
        let size = |axis: usize, size: usize| {
            let (before, after) = window.padding[axis];
            let read = window.dilation[axis] * (window.kernel[axis] - 1) + 1;
            let steps = (size + before + after).checked_sub(read)?;
            Some(steps / window.stride[axis] + 1)
        };
        // Burn says what is wrong with an image that is smaller than the kernel.
        let (high, wide) = (size(0, lines)?, size(1, columns)?);
        if batch * channels * lines * columns * outputs == 0 || !self.weight.is_on_flex() {
            return None;
        }
        if let Some(bias) = bias {
            on_flex(bias)?;
        }
        let image = on_flex(input)?;
        let shape = Shape {
            rows: outputs,
            columns: each * height * width,
            window: Some(window),
            input: vec![batch, channels, lines, columns],
            output: vec![batch, outputs, high, wide],
        };
        let dense = || Dense::new(self.weight.dense(), bias, outputs);
        let output = self.kernels.run(image, &shape, dense)?;
        Some(Tensor::from_primitive::<Flex>(output))
    }

    /// Zeros before and after an axis of so many values, as Burn counts them.
    fn zeros(&self, size: usize, kernel: usize, axis: usize) -> (usize, usize) {
        match (&self.padding, axis) {
            (PaddingConfig2d::Valid, _) => (0, 0),
            (PaddingConfig2d::Explicit(top, _, bottom, _), 0) => (*top, *bottom),
            (PaddingConfig2d::Explicit(_, left, _, right), _) => (*left, *right),
            (PaddingConfig2d::Same, _) => {
                let stride = self.stride[axis];
                let read = (size.div_ceil(stride).max(1) - 1) * stride + kernel;
                let zeros = read.saturating_sub(size);
                (zeros / 2, zeros - zeros / 2)
            }
        }
    }
}
