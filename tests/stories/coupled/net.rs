//! A small network with every kind of member, and its coupled channels.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use burn_prune::{CoupledChannels, CoupledGroup, CoupledMember, MaskSet, MemberRole, Pattern};

/// `[batch, 1, 4, 4]` images: a convolution with 3 channels, a norm, and two Linear layers, the
/// first of which reads 4 pixels of each channel.
#[derive(Module, Debug)]
pub(super) struct Net {
    pub conv: Conv2d,
    pub norm: BatchNorm,
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Net {
    /// Whole numbers as weights: the same everywhere, and sums of them are exact.
    pub(super) fn new(device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([1, 3], [3, 3]).init(device),
            norm: BatchNormConfig::new(3).init(device),
            fc1: LinearConfig::new(12, 4).init(device),
            fc2: LinearConfig::new(4, 2).init(device),
        }
        .with_weights(device)
    }

    fn with_weights(mut self, device: &Device) -> Self {
        // Magnitudes by channel: 2, 1, 3 in what makes them, 1, 3, 2 in what reads them.
        let conv = [2.0, -1.0, 3.0].map(|w| [w; 9]).concat();
        self.conv.weight = param(conv, [3, 1, 3, 3], device);
        self.conv.bias = Some(param(vec![0.0, 1.0, -1.0], [3], device));
        self.norm.gamma = param(vec![0.5, -2.0, 1.0], [3], device);
        self.norm.beta = param(vec![0.0, 1.0, 0.0], [3], device);
        // Rows: 4 pixels of each channel; columns: 4 features.
        let rows = [1.0, 3.0, -2.0].map(|w| [w; 16]).concat();
        self.fc1.weight = param(rows, [12, 4], device);
        self.fc1.bias = Some(param(vec![0.0, 0.0, 0.0, 8.0], [4], device));
        let fc2 = vec![4.0, 4.0, 1.0, -1.0, 0.0, 9.0, 2.0, 2.0];
        self.fc2.weight = param(fc2, [4, 2], device);
        self.fc2.bias = Some(param(vec![0.0, 0.0], [2], device));
        self
    }

    pub(super) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(images)));
        self.fc2.forward(relu(self.fc1.forward(x.flatten(1, 3))))
    }
}

fn param<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let data = TensorData::new::<f32, _>(values, shape);
    Param::from_tensor(Tensor::from_data(data, device))
}

/// The channels of the convolution, 3 units, and the features of `fc1`, 4 units.
pub(super) fn groups() -> [CoupledGroup; 2] {
    let pixels = |channel: usize| (4 * channel..4 * channel + 4).collect();
    let flattened = CoupledMember {
        path: "fc1.weight".to_string(),
        axis: 0,
        shape: vec![12, 4],
        role: MemberRole::Input,
        indices: (0..3).map(pixels).collect(),
    };
    let whole =
        |path: &str, axis, shape: &[usize], role| CoupledMember::whole(path, axis, shape, role);
    [
        CoupledGroup::new(
            "conv.weight",
            [
                whole("conv.weight", 0, &[3, 1, 3, 3], MemberRole::Output),
                whole("conv.bias", 0, &[3], MemberRole::Shift),
                whole("norm.gamma", 0, &[3], MemberRole::Scale),
                whole("norm.beta", 0, &[3], MemberRole::Shift),
                flattened,
            ],
        ),
        CoupledGroup::new(
            "fc1.weight",
            [
                whole("fc1.weight", 1, &[12, 4], MemberRole::Output),
                whole("fc1.bias", 0, &[4], MemberRole::Shift),
                whole("fc2.weight", 0, &[4, 2], MemberRole::Input),
            ],
        ),
    ]
}

pub(super) fn pattern() -> Pattern {
    CoupledChannels::new(groups()).unwrap().into()
}

/// Which entries of a parameter are kept.
pub(super) fn kept(masks: &MaskSet, path: &str) -> Vec<bool> {
    masks.get(path).unwrap().iter().collect()
}

/// The units of a group that have an entry left.
pub(super) fn units_left(masks: &MaskSet, group: &CoupledGroup) -> Vec<usize> {
    let is_left = |unit: &usize| {
        group.members().iter().any(|member| {
            let Some(mask) = masks.get(&member.path) else {
                return true;
            };
            let inner: usize = member.shape[member.axis + 1..].iter().product();
            let entry = |index: usize| index / inner % member.shape[member.axis];
            (0..mask.len())
                .any(|index| mask.is_kept(index) && member.indices[*unit].contains(&entry(index)))
        })
    };
    (0..group.units()).filter(is_left).collect()
}
