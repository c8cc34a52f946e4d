//! A net of random steps.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{
    BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, InstanceNorm, InstanceNormConfig,
    LayerNorm, LayerNormConfig, Linear, LinearConfig,
};
use burn::tensor::{DType, Device, Tensor};
use burn_prune_deploy::FieldEdit;
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{elementwise, layers, mixing};
use crate::random::randomised;

/// What a step does with a signal `[batch, channels, height, width]`.
pub(super) struct Step {
    pub name: &'static str,
    pub needs: Needs,
    pub apply: fn(&Piece, Tensor<4>) -> Tensor<4>,
}

/// The parameters of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Needs {
    Nothing,
    /// An even number of channels, and no parameters.
    Even,
    /// A number for each channel.
    Vector,
    /// A kernel from all channels to as many new ones as the piece is wide; so many axes, and in so
    /// many groups.
    Kernel {
        axes: usize,
        groups: usize,
    },
    /// The same from outputs to inputs.
    Transposed {
        axes: usize,
    },
    /// A kernel for each channel.
    Depthwise,
    /// A kernel of one pixel between the same channels.
    Gate,
    /// From channels to channels.
    Linear,
    Matrix,
    BatchNorm,
    LayerNorm,
    GroupNorm,
    InstanceNorm,
    /// So many rows with a number for each channel.
    Table(usize),
}

/// All steps.
pub(super) fn steps() -> Vec<&'static Step> {
    let all = [elementwise::STEPS, mixing::STEPS, layers::STEPS];
    all.into_iter().flatten().collect()
}

#[derive(Module, Debug)]
pub(super) struct Piece {
    /// Place of its step in the list.
    pub step: usize,
    pub guard: usize,
    pub partner: usize,
    pub axis: usize,
    pub number: f64,
    /// Whether it also takes its step from half of the signal, and adds that.
    pub is_twice: bool,
    /// What its result is multiplied with.
    pub rescale: f64,
    pub groups: usize,
    pub vector: Option<Param<Tensor<1>>>,
    pub matrix: Option<Param<Tensor<2>>>,
    pub kernel1: Option<Param<Tensor<3>>>,
    pub kernel2: Option<Param<Tensor<4>>>,
    pub kernel3: Option<Param<Tensor<5>>>,
    pub linear: Option<Linear>,
    pub batch_norm: Option<BatchNorm>,
    pub layer_norm: Option<LayerNorm>,
    pub group_norm: Option<GroupNorm>,
    pub instance_norm: Option<InstanceNorm>,
}

#[derive(Module, Debug)]
pub(super) struct Net {
    pub pieces: Vec<Piece>,
    pub head: Linear,
}

fn zeros<const D: usize>(shape: [usize; D], device: &Device) -> Option<Param<Tensor<D>>> {
    Some(Param::from_tensor(Tensor::zeros(shape, device)))
}

impl Piece {
    fn new(
        step: usize,
        needs: Needs,
        [channels, width]: [usize; 2],
        columns: usize,
        device: &Device,
    ) -> Option<Self> {
        let mut piece = Self {
            step,
            guard: 0,
            partner: 0,
            axis: 0,
            number: 0.0,
            is_twice: false,
            rescale: 1.0,
            groups: 1,
            vector: zeros([channels], device),
            matrix: None,
            kernel1: None,
            kernel2: None,
            kernel3: None,
            linear: None,
            batch_norm: None,
            layer_norm: None,
            group_norm: None,
            instance_norm: None,
        };
        let is_even = channels.is_multiple_of(2);
        match needs {
            Needs::Nothing => piece.vector = None,
            Needs::Even if is_even => piece.vector = None,
            Needs::Vector => {}
            Needs::Kernel { axes, groups } => {
                if !channels.is_multiple_of(groups) {
                    return None;
                }
                let (out, each) = (groups * width, channels / groups);
                piece.groups = groups;
                piece.vector = zeros([out], device);
                match axes {
                    1 => piece.kernel1 = zeros([out, each, 3], device),
                    2 => piece.kernel2 = zeros([out, each, 3, 3], device),
                    _ => piece.kernel3 = zeros([out, each, 3, 3, 1], device),
                }
            }
            Needs::Transposed { axes } => {
                piece.vector = zeros([width], device);
                match axes {
                    1 => piece.kernel1 = zeros([channels, width, 2], device),
                    2 => piece.kernel2 = zeros([channels, width, 2, 2], device),
                    _ => piece.kernel3 = zeros([channels, width, 2, 2, 1], device),
                }
            }
            Needs::Depthwise => piece.kernel2 = zeros([channels, 1, 3, 3], device),
            Needs::Gate => piece.kernel2 = zeros([channels, channels, 1, 1], device),
            Needs::Linear => piece.linear = Some(LinearConfig::new(channels, width).init(device)),
            Needs::Matrix => piece.matrix = zeros([channels, width], device),
            Needs::BatchNorm => {
                piece.batch_norm = Some(BatchNormConfig::new(channels).init(device));
            }
            Needs::LayerNorm => piece.layer_norm = Some(LayerNormConfig::new(columns).init(device)),
            Needs::GroupNorm if is_even => {
                piece.group_norm = Some(GroupNormConfig::new(channels / 2, channels).init(device));
            }
            Needs::InstanceNorm => {
                piece.instance_norm = Some(InstanceNormConfig::new(channels).init(device));
            }
            Needs::Table(rows) => piece.matrix = zeros([rows, channels], device),
            Needs::Even | Needs::GroupNorm => return None,
        }
        Some(piece)
    }

    pub(super) fn vector(&self) -> Tensor<4> {
        let vector = self.vector.as_ref().expect("it is there").val();
        let channels = vector.dims()[0];
        vector.reshape([1, channels, 1, 1])
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let step = steps()[self.step];
        let x = elementwise::guard(self.guard, x, self.number);
        let x = if self.is_twice {
            (step.apply)(self, x.clone()) + (step.apply)(self, x * 0.5)
        } else {
            (step.apply)(self, x)
        };
        if self.rescale == 1.0 {
            x
        } else {
            x * self.rescale
        }
    }
}

impl Net {
    /// The names of its steps.
    pub(super) fn steps(&self) -> Vec<&'static str> {
        let steps = steps();
        self.pieces
            .iter()
            .map(|piece| steps[piece.step].name)
            .collect()
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pieces.iter().fold(x, |x, piece| piece.forward(x));
        self.head.forward(x.mean_dims(&[2, 3]).flatten(1, 3))
    }
}

/// Changes the fields that have to change.
pub(super) fn edit(mut net: Net, edits: &[FieldEdit]) -> Net {
    for edit in edits {
        let mut path = edit.path.split('.');
        let index: usize = path.nth(1).unwrap().parse().unwrap();
        let piece = &mut net.pieces[index];
        match edit.field.as_str() {
            "num_groups" => piece.group_norm.as_mut().unwrap().num_groups = edit.to,
            "num_channels" => {
                if let Some(norm) = &mut piece.group_norm {
                    norm.num_channels = edit.to;
                }
                if let Some(norm) = &mut piece.instance_norm {
                    norm.num_channels = edit.to;
                }
            }
            "groups" => piece.groups = edit.to,
            field => panic!("{field}"),
        }
    }
    net
}

/// The same net in double precision.
pub(super) fn doubled(net: &Net) -> Net {
    struct Double;
    impl ModuleMapper for Double {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor.cast(DType::F64))
        }
    }
    net.valid().map(&mut Double)
}

/// Each parameter by another factor near 1.
pub(super) fn nearly(net: &Net, error: f64) -> Net {
    struct Nearly(f64, f64);
    impl ModuleMapper for Nearly {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.1 *= -1.3;
            let factor = 1.0 + self.0 * self.1.clamp(-9.0, 9.0);
            param.map(|tensor| tensor * factor)
        }
    }
    net.valid().map(&mut Nearly(error, 1.0))
}

/// Makes nets, each step in turn.
pub(super) struct Generator {
    random: ChaCha8Rng,
    next: usize,
    steps: Vec<&'static Step>,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            next: 9 * seed as usize,
            steps: steps(),
        }
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.random.next_u64() % end as u64) as usize
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.random.next_u32()) / f64::from(u32::MAX)
    }

    /// A net that makes finite numbers of the example, of several rows, with the steps that come
    /// next and fit.
    pub(super) fn net(&mut self, example: &Tensor<4>) -> Net {
        let device = example.device();
        let mut pieces = Vec::new();
        let mut x = example.clone();
        let wanted = 9 + self.below(8);
        let layers = self.first_layers();
        let mut tries = 0;
        while pieces.len() < wanted && tries < 60 {
            tries += 1;
            // Channels that can be cut have to be made, and read.
            let is_layer = pieces.len().is_multiple_of(4);
            let step = if is_layer {
                layers[self.below(layers.len())]
            } else {
                self.next += 1;
                (self.next - 1) % self.steps.len()
            };
            if let Some((piece, y)) = self.piece(step, &x) {
                pieces.push(piece);
                x = y;
            }
        }
        let last = layers[self.below(layers.len())];
        if let Some((piece, y)) = self.piece(last, &x) {
            pieces.push(piece);
            x = y;
        }
        let head = LinearConfig::new(x.dims()[1], 3).init(&device);
        let seed = self.random.next_u64();
        Net {
            pieces,
            head: randomised(head, seed),
        }
    }

    /// Steps that make new channels.
    fn first_layers(&self) -> Vec<usize> {
        let steps = self.steps.iter().enumerate();
        let layers = steps.filter(|(_, step)| {
            matches!(step.needs, Needs::Kernel { groups: 1, .. } | Needs::Linear)
        });
        layers.map(|(index, _)| index).collect()
    }

    /// A piece that makes finite numbers of the signal, if one is found.
    fn piece(&mut self, step: usize, x: &Tensor<4>) -> Option<(Piece, Tensor<4>)> {
        for _ in 0..12 {
            let [_, channels, _, columns] = x.dims();
            let width = 2 + self.below(5);
            let needs = self.steps[step].needs;
            let piece = Piece::new(step, needs, [channels, width], columns, &x.device())?;
            let seed = self.random.next_u64();
            let mut piece = randomised(piece, seed);
            piece.guard = self.below(elementwise::GUARDS);
            piece.partner = self.below(elementwise::PARTNERS);
            piece.axis = self.below(4);
            piece.number = self.between(0.2, 1.8);
            let is_layer = matches!(needs, Needs::Kernel { .. } | Needs::Linear | Needs::Matrix);
            piece.is_twice = !is_layer && self.below(5) > 0;
            // Far from 0, so that operations are defined there that are not at 0.
            if matches!(needs, Needs::Kernel { .. }) && self.below(2) == 0 {
                let shift = self.between(-3.0, 3.0);
                piece.vector = piece
                    .vector
                    .map(|vector| vector.map(|vector| vector * 0.3 + shift));
            }
            let y = piece.forward(x.clone());
            let [batch, channels, height, width] = y.dims();
            if batch != x.dims()[0] || channels * height * width > 1_500 || channels < 2 {
                continue;
            }
            let size = largest(&y);
            if !size.is_finite() || !(1e-3..1e4).contains(&size) {
                continue;
            }
            // It has to depend on the input.
            let rows = y.clone().narrow(0, 0, 1) - y.clone().narrow(0, 1, 1);
            if largest(&rows) < 1e-2 * size {
                continue;
            }
            let y = if (0.3..4.0).contains(&size) {
                y
            } else {
                piece.rescale = 1.0 / size;
                piece.forward(x.clone())
            };
            return Some((piece, y));
        }
        None
    }
}

/// The largest magnitude; not a number when there is one that is not.
pub(super) fn largest<const D: usize>(x: &Tensor<D>) -> f64 {
    let values = x.to_data().convert::<f64>().try_to_vec::<f64>().unwrap();
    let is_finite = values.iter().all(|value| value.is_finite());
    let largest = values
        .iter()
        .fold(0.0f64, |max, value| max.max(value.abs()));
    if is_finite { largest } else { f64::NAN }
}
