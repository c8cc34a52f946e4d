//! Random models: layers of every kind and shape, in every kind of container.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{
    Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, Conv3d, Conv3dConfig, ConvTranspose1d,
    ConvTranspose1dConfig, ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose3d,
    ConvTranspose3dConfig, DeformConv2d, DeformConv2dConfig,
};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, LinearLayout,
};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::chance::Chance;

#[derive(Module, Debug)]
pub(super) enum Layer {
    Linear(Linear),
    Conv1d(Conv1d),
    Conv2d(Conv2d),
    Conv3d(Conv3d),
    Transposed1d(ConvTranspose1d),
    Transposed2d(ConvTranspose2d),
    Transposed3d(ConvTranspose3d),
    Deformed(DeformConv2d),
    Embedding(Embedding),
    BatchNorm(BatchNorm),
    LayerNorm(LayerNorm),
}

#[derive(Module, Debug)]
pub(super) struct Block {
    layers: Vec<Layer>,
    maybe: Option<Layer>,
    pair: (Linear, Layer),
    free: Param<Tensor<3>>,
}

#[derive(Module, Debug)]
pub(super) struct Model {
    stem: Layer,
    blocks: Vec<Block>,
    /// The same parameter as that of the head, or none.
    tied: Option<Linear>,
    head: Linear,
    /// Equal ids with the head, and weights of its own.
    copied: Option<Linear>,
}

/// A model of which some parameters are not initialized yet.
pub(super) fn model(chance: &mut Chance, device: &Device) -> Model {
    let (inputs, outputs) = (chance.between(1, 5), chance.between(1, 5));
    let head = LinearConfig::new(inputs, outputs).init(device);
    let tied = chance.once_in(2);
    let copied = chance.once_in(3);
    if tied || copied {
        // A clone of a parameter that is not initialized yet gets values of its own.
        drop(head.weight.val());
    }
    let model = Model {
        stem: layer(chance, device),
        blocks: (0..chance.below(3))
            .map(|_| block(chance, device))
            .collect(),
        tied: tied.then(|| head.clone()),
        copied: copied.then(|| head.clone()),
        head,
    };
    let own = model.copied.map(|copy| copy.map(&mut Values::new(chance)));
    let tied = model.tied.is_some();
    let model = Model {
        copied: None,
        ..model
    };
    // Tied weights stay as they are, so that they stay equal.
    let mut values = Values::new(chance);
    let stem = model.stem.map(&mut values);
    let blocks = model.blocks.map(&mut values);
    let head = if tied {
        model.head
    } else {
        model.head.map(&mut values)
    };
    Model {
        stem,
        blocks,
        head,
        copied: own,
        ..model
    }
}

fn block(chance: &mut Chance, device: &Device) -> Block {
    let free = Tensor::<3>::zeros([chance.between(1, 3), 2, chance.between(1, 3)], device);
    Block {
        layers: (0..chance.below(4))
            .map(|_| layer(chance, device))
            .collect(),
        maybe: chance.once_in(2).then(|| layer(chance, device)),
        pair: (
            LinearConfig::new(chance.between(1, 6), chance.between(1, 6)).init(device),
            layer(chance, device),
        ),
        free: Param::from_tensor(free),
    }
}

fn layer(chance: &mut Chance, device: &Device) -> Layer {
    let groups = chance.between(1, 3);
    let channels = [groups * chance.between(1, 4), groups * chance.between(1, 4)];
    let [inputs, outputs] = channels;
    let mut kernel = || chance.between(1, 3);
    let [a, b, c] = [kernel(), kernel(), kernel()];
    match chance.below(12) {
        0 => Layer::Linear(LinearConfig::new(inputs, outputs).init(device)),
        1 => {
            let config = LinearConfig::new(inputs, outputs).with_bias(false);
            Layer::Linear(config.with_layout(LinearLayout::Col).init(device))
        }
        2 => Layer::Conv1d(
            Conv1dConfig::new(inputs, outputs, a)
                .with_groups(groups)
                .init(device),
        ),
        3 => Layer::Conv2d(
            Conv2dConfig::new(channels, [a, b])
                .with_groups(groups)
                .init(device),
        ),
        4 => Layer::Conv3d(
            Conv3dConfig::new(channels, [a, b, c])
                .with_groups(groups)
                .init(device),
        ),
        5 => Layer::Transposed1d(
            ConvTranspose1dConfig::new(channels, a)
                .with_groups(groups)
                .init(device),
        ),
        6 => Layer::Transposed2d(
            ConvTranspose2dConfig::new(channels, [a, b])
                .with_groups(groups)
                .init(device),
        ),
        7 => Layer::Transposed3d(
            ConvTranspose3dConfig::new(channels, [a, b, c])
                .with_groups(groups)
                .init(device),
        ),
        8 => Layer::Deformed(DeformConv2dConfig::new(channels, [a, b]).init(device)),
        9 => Layer::Embedding(EmbeddingConfig::new(inputs, outputs).init(device)),
        10 => Layer::BatchNorm(BatchNormConfig::new(inputs).init(device)),
        _ => Layer::LayerNorm(LayerNormConfig::new(inputs).init(device)),
    }
}

/// Gives most parameters values with many ties, in types of their own, and leaves the others as
/// they are, initialized or not.
struct Values<'a> {
    chance: &'a mut Chance,
}

impl<'a> Values<'a> {
    fn new(chance: &'a mut Chance) -> Self {
        Self { chance }
    }

    fn value(&mut self, few: bool) -> f32 {
        let size = if few {
            *self.chance.pick(&[0.0, -0.0, 0.5, 1.0, 1.0, 2.0])
        } else {
            self.chance.between(1, 64) as f32 / 16.0
        };
        if self.chance.once_in(2) { size } else { -size }
    }
}

impl ModuleMapper for Values<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.chance.once_in(4) {
            return param;
        }
        let dtype = *self.chance.pick(&[
            DType::F32,
            DType::F32,
            DType::F32,
            DType::F16,
            DType::BF16,
            DType::F64,
        ]);
        let few = self.chance.once_in(2);
        param.map(|weight| {
            let values = (0..weight.shape().num_elements()).map(|_| self.value(few));
            let data = TensorData::new(values.collect::<Vec<_>>(), weight.shape());
            Tensor::from_data(data, (&weight.device(), dtype))
        })
    }
}
