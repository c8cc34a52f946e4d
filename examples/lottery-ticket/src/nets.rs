use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, activation::relu};

/// A classifier of images of 28x28, given as rows of pixels.
pub(crate) trait Classifier: Module {
    /// Class scores.
    ///
    /// # Shapes
    /// - pixels: `[batch, 784]`
    /// - output: `[batch, 10]`
    fn scores(&self, pixels: Tensor<2>) -> Tensor<2>;
}

/// LeNet-300-100 (LeCun et al. 1998): 266,200 weights and 410 biases.
#[derive(Module, Debug)]
pub(crate) struct LeNet {
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet {
    /// Gaussian Glorot weights (Glorot and Bengio 2010), and biases of 0.
    pub(crate) fn new(device: &Device) -> Self {
        let linear = |inputs, outputs| {
            let glorot = Initializer::XavierNormal { gain: 1.0 };
            let config = LinearConfig::new(inputs, outputs).with_initializer(glorot);
            let mut layer = config.init(device);
            layer.bias = Some(Param::from_tensor(Tensor::zeros([outputs], device)));
            layer
        };
        Self {
            fc1: linear(28 * 28, 300),
            fc2: linear(300, 100),
            fc3: linear(100, 10),
        }
    }
}

impl Classifier for LeNet {
    fn scores(&self, pixels: Tensor<2>) -> Tensor<2> {
        let x = relu(self.fc1.forward(pixels));
        self.fc3.forward(relu(self.fc2.forward(x)))
    }
}

/// A convolutional network with batch normalisation: 52,210 parameters, running statistics included.
#[derive(Module, Debug)]
pub(crate) struct ConvNet {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    fc1: Linear,
    fc2: Linear,
    pool: MaxPool2d,
}

impl ConvNet {
    pub(crate) fn new(device: &Device) -> Self {
        let conv = |channels, kernel, stride| {
            let config = Conv2dConfig::new(channels, [kernel; 2]).with_stride([stride; 2]);
            config
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device)
        };
        Self {
            conv1: conv([1, 8], 3, 1),
            norm1: BatchNormConfig::new(8).init(device),
            conv2: conv([8, 16], 3, 1),
            norm2: BatchNormConfig::new(16).init(device),
            fc1: LinearConfig::new(16 * 7 * 7, 64).init(device),
            fc2: LinearConfig::new(64, 10).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        }
    }
}

impl Classifier for ConvNet {
    fn scores(&self, pixels: Tensor<2>) -> Tensor<2> {
        let [batch, _] = pixels.dims();
        let x = self.conv1.forward(pixels.reshape([batch, 1, 28, 28]));
        let x = self.pool.forward(relu(self.norm1.forward(x)));
        let x = self.conv2.forward(x);
        let x = self.pool.forward(relu(self.norm2.forward(x)));
        self.fc2.forward(relu(self.fc1.forward(x.flatten(1, 3))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_have_the_documented_sizes() {
        let device = Device::flex();
        assert_eq!(LeNet::new(&device).num_params(), 266_200 + 410);
        assert_eq!(ConvNet::new(&device).num_params(), 52_210);
    }
}
