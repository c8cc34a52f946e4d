use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};

/// Linear layers with ReLU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Layers from each of these widths to the next.
    pub fn new(widths: &[usize], device: &Device) -> Self {
        let linear = |widths: &[usize]| LinearConfig::new(widths[0], widths[1]).init(device);
        Self {
            layers: widths.windows(2).map(linear).collect(),
        }
    }

    /// # Shapes
    /// - input: `[batch, first width]`
    /// - output: `[batch, last width]`
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().expect("it has layers");
        let hidden = hidden.iter();
        last.forward(hidden.fold(input, |x, layer| relu(layer.forward(x))))
    }
}
