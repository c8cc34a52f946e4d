use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use examples_shared::Cnn;
use examples_shared::nets::convolutional::Mlp;
use examples_shared::nets::{ConvNormRelu, conv, norm};

/// A network for 28x28 grey images of ten classes.
pub(crate) trait Classifier: Module + 'static {
    /// In tables and file names.
    const NAME: &'static str;

    /// Fresh weights.
    fn fresh(device: &Device) -> Self;

    /// # Shapes
    /// - images: `[batch, 1, 28, 28]`
    /// - output: `[batch, 10]`
    fn classify(&self, images: Tensor<4>) -> Tensor<2>;
}

impl Classifier for Cnn {
    const NAME: &'static str = "cnn";

    fn fresh(device: &Device) -> Self {
        Self::new(device)
    }

    fn classify(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }
}

impl Classifier for Mlp {
    const NAME: &'static str = "mlp";

    fn fresh(device: &Device) -> Self {
        Self::new(&[784, 1_000, 1_000, 10], device)
    }

    fn classify(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images.flatten(1, 3))
    }
}

/// A ResNet (He et al. 2016) with one block in each of its three stages, of 64, 128 and 256
/// channels: 1,225,674 parameters.
#[derive(Module, Debug)]
pub(crate) struct ResNet {
    stem: ConvNormRelu,
    blocks: Vec<Block>,
    average: AdaptiveAvgPool2d,
    fc: Linear,
}

#[derive(Module, Debug)]
struct Block {
    first: ConvNormRelu,
    second: Conv2d,
    norm: BatchNorm,
    /// Where the sizes of input and output differ.
    shortcut: Option<Conv2d>,
}

impl Block {
    fn new(channels: [usize; 2], stride: usize, device: &Device) -> Self {
        let outputs = channels[1];
        Self {
            first: ConvNormRelu::new(channels, 3, stride, device),
            second: conv([outputs; 2], 3, 1, device),
            norm: norm(outputs, device),
            shortcut: (stride > 1).then(|| conv(channels, 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(self.first.forward(x.clone()));
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(self.norm.forward(y) + x)
    }
}

impl Classifier for ResNet {
    const NAME: &'static str = "resnet";

    fn fresh(device: &Device) -> Self {
        Self {
            stem: ConvNormRelu::new([1, 64], 3, 2, device),
            blocks: vec![
                Block::new([64, 64], 1, device),
                Block::new([64, 128], 2, device),
                Block::new([128, 256], 2, device),
            ],
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            fc: LinearConfig::new(256, 10).init(device),
        }
    }

    fn classify(&self, images: Tensor<4>) -> Tensor<2> {
        let blocks = self.blocks.iter();
        let x = blocks.fold(self.stem.forward(images), |x, block| block.forward(x));
        self.fc.forward(self.average.forward(x).flatten(1, 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_documented_number_of_parameters() {
        // Means and variances of norms count as parameters in Burn.
        let statistics = 2 * (3 * 64 + 2 * 128 + 2 * 256);
        let all = ResNet::fresh(&Device::flex()).num_params();
        assert_eq!(all - statistics, 1_225_674);
    }
}
