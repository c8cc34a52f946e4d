use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::gru::{Gru, GruConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, Lstm, LstmConfig,
    LstmState, PaddingConfig1d, RmsNorm, RmsNormConfig,
};
use burn::tensor::activation::{gelu, hard_swish, relu, sigmoid, silu, softmax, tanh};
use burn::tensor::{Device, Tensor};

/// Linear layers with norms and activations of all kinds between them.
#[derive(Module, Debug)]
pub(crate) struct Layers {
    layers: Vec<Linear>,
    norm: LayerNorm,
    batch_norm: BatchNorm,
    rms: RmsNorm,
}

impl Layers {
    pub(crate) fn new(device: &Device) -> Self {
        let layer = |sizes: [usize; 2]| LinearConfig::new(sizes[0], sizes[1]).init(device);
        let sizes = [[24, 40], [40, 33], [33, 17], [17, 64], [64, 16], [16, 9]];
        Self {
            layers: sizes.map(layer).into(),
            norm: LayerNormConfig::new(40).init(device),
            batch_norm: BatchNormConfig::new(33).init(device),
            rms: RmsNormConfig::new(17).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = gelu(self.norm.forward(self.layers[0].forward(x)));
        let x = silu(self.batch_norm.forward(self.layers[1].forward(x)));
        let x = tanh(self.rms.forward(self.layers[2].forward(x)));
        let x = hard_swish(self.layers[3].forward(x));
        let x = sigmoid(self.layers[4].forward(x));
        softmax(self.layers[5].forward(x), 1)
    }
}

/// Convolutions in one axis, as for sound.
#[derive(Module, Debug)]
pub(crate) struct Signal {
    first: Conv1d,
    norm: BatchNorm,
    second: Conv1d,
    third: Conv1d,
    head: Linear,
}

impl Signal {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            first: Conv1dConfig::new(4, 12, 5)
                .with_padding(PaddingConfig1d::Explicit(2, 2))
                .init(device),
            norm: BatchNormConfig::new(12).init(device),
            second: Conv1dConfig::new(12, 16, 3)
                .with_stride(2)
                .with_padding(PaddingConfig1d::Explicit(1, 1))
                .init(device),
            third: Conv1dConfig::new(16, 8, 3)
                .with_groups(2)
                .with_dilation(2)
                .init(device),
            head: LinearConfig::new(8, 5).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.first.forward(x)));
        let x = self.third.forward(gelu(self.second.forward(x)));
        self.head.forward(x.mean_dim(2).flatten(1, 2))
    }
}

/// An LSTM, a GRU and a Linear on each step.
#[derive(Module, Debug)]
pub(crate) struct Recurrent {
    lstm: Lstm,
    gru: Gru,
    head: Linear,
}

impl Recurrent {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            lstm: LstmConfig::new(6, 8, true).init(device),
            gru: GruConfig::new(8, 7, true).init(device),
            head: LinearConfig::new(7, 3).init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let state = |size| Tensor::zeros([x.dims()[0], size], (&x.device(), x.dtype()));
        let first = LstmState::new(state(8), state(8));
        let second = state(7);
        let (x, _) = self.lstm.forward(x, Some(first));
        self.head.forward(self.gru.forward(x, Some(second)))
    }
}
