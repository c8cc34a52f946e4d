use burn::module::{Module, Param};
use burn::nn::conv::Conv2dConfig;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

/// A convolution of each channel by itself, for as many channels as its weight has.
///
/// Burn's `Conv2d` keeps the number of groups in a field, which has to be changed by hand when a
/// depthwise convolution is shrunk; this layer needs no change.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_deploy::DepthwiseConv2d;
///
/// let device = Device::flex();
/// let layer = DepthwiseConv2d::new(8, 3, 2, 1, &device);
/// let output = layer.forward(Tensor::ones([1, 8, 10, 10], &device));
/// assert_eq!(output.dims(), [1, 8, 5, 5]);
/// ```
#[derive(Module, Debug)]
pub struct DepthwiseConv2d {
    /// `[channels, 1, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[channels]`
    pub bias: Option<Param<Tensor<1>>>,
    /// Step along both axes.
    pub stride: usize,
    /// Zeros before and after each axis.
    pub padding: [(usize, usize); 2],
}

impl DepthwiseConv2d {
    /// A layer with a square kernel, as many zeros on each side and no bias, initialized as Burn's
    /// `Conv2d`.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_prune_deploy::DepthwiseConv2d;
    ///
    /// let layer = DepthwiseConv2d::new(8, 3, 1, 1, &Device::flex());
    /// assert_eq!(layer.weight.dims(), [8, 1, 3, 3]);
    /// ```
    pub fn new(
        channels: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        device: &Device,
    ) -> Self {
        let config = Conv2dConfig::new([channels; 2], [kernel; 2]);
        let conv = config.with_groups(channels).with_bias(false).init(device);
        Self {
            weight: conv.weight,
            bias: None,
            stride,
            padding: [(padding, padding); 2],
        }
    }

    /// The same with other zeros: before and after each axis.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::DepthwiseConv2d;
    ///
    /// let device = Device::flex();
    /// // As TensorFlow's "SAME" has it for an even size.
    /// let layer = DepthwiseConv2d::new(8, 3, 2, 0, &device).with_padding([(0, 1); 2]);
    /// let output = layer.forward(Tensor::ones([1, 8, 10, 10], &device));
    /// assert_eq!(output.dims(), [1, 8, 5, 5]);
    /// ```
    #[must_use]
    pub fn with_padding(mut self, padding: [(usize, usize); 2]) -> Self {
        self.padding = padding;
        self
    }

    /// # Shapes
    /// - input: `[batch, channels, height_in, width_in]`
    /// - output: `[batch, channels, height_out, width_out]`
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::DepthwiseConv2d;
    ///
    /// let device = Device::flex();
    /// let layer = DepthwiseConv2d::new(8, 3, 1, 1, &device);
    /// let output = layer.forward(Tensor::ones([2, 8, 6, 6], &device));
    /// assert_eq!(output.dims(), [2, 8, 6, 6]);
    /// ```
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let [channels, ..] = weight.dims();
        let stride = [self.stride; 2];
        let options = ConvOptions::new_with_padding(stride, self.padding, [1; 2], channels);
        conv2d(input, weight, self.bias.as_ref().map(Param::val), options)
    }
}
