//! Small networks that move the batch around: into other axes and out of them.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, silu, softmax};
use burn::tensor::{Device, Tensor};

pub(crate) fn linear(sizes: [usize; 2], device: &Device) -> Linear {
    LinearConfig::new(sizes[0], sizes[1]).init(device)
}

fn layer_norm(size: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(size).init(device)
}

/// Self-attention whose heads have their size in a field, with the heads beside the batch, as axes
/// of their own or merged into it.
#[derive(Module, Debug)]
pub(crate) struct Heads {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    pub head_size: usize,
    pub is_merged: bool,
    /// Whether positions are turned into angles (Su et al. 2021).
    pub is_rotary: bool,
}

impl Heads {
    pub(crate) fn new(heads: usize, head_size: usize, kind: [bool; 2], device: &Device) -> Self {
        let size = heads * head_size;
        Self {
            query: linear([size, size], device),
            key: linear([size, size], device),
            value: linear([size, size], device),
            output: linear([size, size], device),
            head_size,
            is_merged: kind[0],
            is_rotary: kind[1],
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.attend(x.clone(), x)
    }

    /// What `x` asks of `y`.
    pub(crate) fn attend(&self, x: Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        let [batch, length, _] = x.dims();
        let query = self.turned(self.heads(self.query.forward(x)));
        let key = self.turned(self.heads(self.key.forward(y.clone())));
        let value = self.heads(self.value.forward(y));
        let heads = query.dims()[1];
        let scale = (self.head_size as f64).sqrt();
        let mixed = if self.is_merged {
            let merged = |x: Tensor<4>| {
                let [batch, heads, length, size] = x.dims();
                x.reshape([batch * heads, length, size])
            };
            let scores = merged(query).matmul(merged(key).transpose()) / scale;
            let mixed = softmax(scores, 2).matmul(merged(value));
            mixed.reshape([batch, heads, length, self.head_size])
        } else {
            let scores = query.matmul(key.transpose()) / scale;
            softmax(scores, 3).matmul(value)
        };
        let mixed = mixed.swap_dims(1, 2);
        self.output
            .forward(mixed.reshape([batch as i32, length as i32, -1]))
    }

    fn heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, length, _] = x.dims();
        let x = x.reshape([batch as i32, length as i32, -1, self.head_size as i32]);
        x.swap_dims(1, 2)
    }

    fn turned(&self, x: Tensor<4>) -> Tensor<4> {
        if !self.is_rotary {
            return x;
        }
        let [_, _, length, size] = x.dims();
        let device = x.device();
        let angles = (0..length * size).map(|index| {
            let (position, place) = (index / size, index % (size / 2));
            position as f32 / 10f32.powf(2.0 * place as f32 / size as f32)
        });
        let angles: Vec<f32> = angles.collect();
        let angles = Tensor::<1>::from_floats(angles.as_slice(), &device);
        let angles = angles.reshape([1, 1, length, size]);
        let halves: Vec<Tensor<4>> = x.clone().chunk(2, 3);
        let [a, b]: [Tensor<4>; 2] = halves.try_into().expect("two halves");
        let swapped = Tensor::cat(vec![-b, a], 3);
        x * angles.clone().cos() + swapped * angles.sin()
    }
}

/// A feed-forward part that a sigmoid gates.
#[derive(Module, Debug)]
pub(crate) struct Gated {
    pub up: Linear,
    pub gate: Linear,
    pub down: Linear,
}

impl Gated {
    pub(crate) fn new(size: usize, inner: usize, device: &Device) -> Self {
        Self {
            up: linear([size, inner], device),
            gate: linear([size, inner], device),
            down: linear([inner, size], device),
        }
    }

    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let gate = silu(self.gate.forward(x.clone()));
        self.down.forward(gate * self.up.forward(x))
    }
}

/// A layer of a language model: rotary heads, a gated feed-forward part.
#[derive(Module, Debug)]
pub(crate) struct Rotary {
    pub heads: Heads,
    pub inner: Gated,
}

impl Rotary {
    pub(crate) fn new(heads: Heads, inner: usize, device: &Device) -> Self {
        let size = heads.query.weight.dims()[0];
        Self {
            inner: Gated::new(size, inner, device),
            heads,
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.heads.forward(x);
        x.clone() + self.inner.forward(x)
    }
}

/// A ConvNeXt (Liu et al. 2022) of one block: channels are last in its linear layers.
#[derive(Module, Debug)]
pub(crate) struct ConvNext {
    pub stem: Conv2d,
    pub depthwise: Conv2d,
    pub norm: LayerNorm,
    pub up: Linear,
    pub down: Linear,
    pub scale: Param<Tensor<1>>,
    pub head: Linear,
}

impl ConvNext {
    pub(crate) fn new(width: usize, inner: usize, device: &Device) -> Self {
        let depthwise = Conv2dConfig::new([width, width], [3, 3])
            .with_groups(width)
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Self {
            stem: Conv2dConfig::new([3, width], [2, 2])
                .with_stride([2, 2])
                .init(device),
            depthwise: depthwise.init(device),
            norm: layer_norm(width, device),
            up: linear([width, inner], device),
            down: linear([inner, width], device),
            scale: Param::from_tensor(Tensor::ones([width], device)),
            head: linear([width, 3], device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.stem.forward(x);
        let y = self.depthwise.forward(x.clone()).permute([0, 2, 3, 1]);
        let y = self
            .down
            .forward(gelu(self.up.forward(self.norm.forward(y))));
        let y = y * self.scale.val().unsqueeze();
        let x = x + y.permute([0, 3, 1, 2]);
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten(1, 3))
    }
}

/// A pair of Swin layers (Liu et al. 2021): attention in windows, the second ones shifted.
#[derive(Module, Debug)]
pub(crate) struct Swin {
    pub stem: Linear,
    pub layers: Vec<Rotary>,
    /// `[heads, window^2, window^2]`
    pub bias: Param<Tensor<3>>,
    pub head: Linear,
    pub window: usize,
}

impl Swin {
    pub(crate) fn new(sizes: [usize; 3], window: usize, device: &Device) -> Self {
        let [heads, head_size, inner] = sizes;
        let layer = |_| {
            Rotary::new(
                Heads::new(heads, head_size, [false; 2], device),
                inner,
                device,
            )
        };
        let places = window * window;
        Self {
            stem: linear([3, heads * head_size], device),
            layers: (0..2).map(layer).collect(),
            bias: Param::from_tensor(Tensor::ones([heads, places, places], device) * 0.1),
            head: linear([heads * head_size, 4], device),
            window,
        }
    }

    /// Takes `[batch, height, width, 3]`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = self.stem.forward(x);
        let shift = self.window as i64 / 2;
        for (number, layer) in self.layers.iter().enumerate() {
            let is_shifted = number % 2 == 1;
            let shifted = if is_shifted {
                x.clone().roll(&[-shift, -shift], &[1, 2])
            } else {
                x.clone()
            };
            let y = self.attend(&layer.heads, shifted, is_shifted);
            let y = if is_shifted {
                y.roll(&[shift, shift], &[1, 2])
            } else {
                y
            };
            x = x + y;
            x = x.clone() + layer.inner.forward(x);
        }
        self.head.forward(x)
    }

    fn attend(&self, heads: &Heads, x: Tensor<4>, is_masked: bool) -> Tensor<4> {
        let [batch, height, width, size] = x.dims();
        let (window, places) = (self.window, self.window * self.window);
        let [rows, columns] = [height / window, width / window];
        let windows = x
            .reshape([batch, rows, window, columns, window, size])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch * rows * columns, places, size]);
        let query = heads.heads(heads.query.forward(windows.clone()));
        let key = heads.heads(heads.key.forward(windows.clone()));
        let value = heads.heads(heads.value.forward(windows));
        let mut scores = query.matmul(key.transpose()) + self.bias.val().unsqueeze();
        if is_masked {
            let device = scores.device();
            let count = scores.dims()[1];
            let mask = Tensor::<3>::zeros([rows * columns, places, places], &device) - 1.0;
            let mask = mask.reshape([1, rows * columns, 1, places, places]);
            let by_window = scores.reshape([batch, rows * columns, count, places, places]) + mask;
            scores = by_window.reshape([batch * rows * columns, count, places, places]);
        }
        let mixed = softmax(scores, 3).matmul(value).swap_dims(1, 2);
        let windows = [(batch * rows * columns) as i32, places as i32, -1];
        let mixed = heads.output.forward(mixed.reshape(windows));
        mixed
            .reshape([batch, rows, columns, window, window, size])
            .permute([0, 1, 3, 2, 4, 5])
            .reshape([batch, height, width, size])
    }
}

/// A Perceiver (Jaegle et al. 2021): a few latents ask a long input. Latents are repeated for each of
/// the batch, by `repeat` or by `expand`.
#[derive(Module, Debug)]
pub(crate) struct Perceiver {
    pub latents: Param<Tensor<3>>,
    pub stem: Linear,
    pub ask: Heads,
    pub inner: Gated,
    pub head: Linear,
    pub is_repeated: bool,
}

impl Perceiver {
    pub(crate) fn new(sizes: [usize; 4], kind: [bool; 2], device: &Device) -> Self {
        let [latents, heads, head_size, inner] = sizes;
        let size = heads * head_size;
        Self {
            latents: Param::from_tensor(Tensor::ones([1, latents, size], device)),
            stem: linear([5, size], device),
            ask: Heads::new(heads, head_size, [kind[0], false], device),
            inner: Gated::new(size, inner, device),
            head: linear([size, 2], device),
            is_repeated: kind[1],
        }
    }

    /// Takes `[batch, length, 5]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let [batch, ..] = x.dims();
        let latents = self.latents.val();
        let [_, count, size] = latents.dims();
        let latents = if self.is_repeated {
            latents.repeat(&[batch, 1, 1])
        } else {
            latents.expand([batch, count, size])
        };
        let y = self.ask.attend(latents, self.stem.forward(x));
        let y = y.clone() + self.inner.forward(y);
        self.head.forward(y.mean_dim(1).flatten(1, 2))
    }
}

/// A vision transformer with a class token in front, a layer deep.
#[derive(Module, Debug)]
pub(crate) struct WithClass {
    pub stem: Linear,
    pub class: Param<Tensor<3>>,
    pub layer: Rotary,
    pub head: Linear,
}

impl WithClass {
    pub(crate) fn new(heads: usize, head_size: usize, inner: usize, device: &Device) -> Self {
        let size = heads * head_size;
        let kind = [heads.is_multiple_of(2), false];
        Self {
            stem: linear([5, size], device),
            class: Param::from_tensor(Tensor::ones([1, 1, size], device)),
            layer: Rotary::new(Heads::new(heads, head_size, kind, device), inner, device),
            head: linear([size, 2], device),
        }
    }

    /// Takes `[batch, length, 5]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let [batch, ..] = x.dims();
        let class = self.class.val().repeat(&[batch, 1, 1]);
        let x = self
            .layer
            .forward(Tensor::cat(vec![class, self.stem.forward(x)], 1));
        self.head.forward(x.narrow(1, 0, 1).squeeze_dim(1))
    }
}
