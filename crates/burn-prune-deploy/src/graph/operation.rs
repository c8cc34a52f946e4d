use serde::{Deserialize, Serialize};

use super::{
    Along, Creation, Elementwise, Number, OperationClass, Padding, Reduction, Spatial, TensorId,
};

/// One step of a forward pass.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let mut operations = graph.operations().iter();
/// let relu = operations.find(|operation| operation.kind.name() == "relu").unwrap();
/// assert_eq!(graph[relu.outputs[0]].shape, [1, 32]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Numbers of the tensors it reads, in the order that [`OperationKind`] gives.
    pub inputs: Vec<TensorId>,
    /// Numbers of the tensors it makes.
    pub outputs: Vec<TensorId>,
}

/// What an operation does.
///
/// ```
/// use burn_prune_deploy::{Elementwise, OperationKind};
///
/// let negative = OperationKind::Elementwise { operation: Elementwise::Neg, scalars: Vec::new() };
/// assert_eq!(negative.name(), "neg");
/// assert_eq!(OperationKind::MatMul.name(), "matmul");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum OperationKind {
    /// A convolution over 1 to 3 spatial axes. Inputs: signal `[batch, channels_in, ..]`, weight
    /// `[channels_out, channels_in / groups, ..]`, or `[channels_in, channels_out / groups, ..]`
    /// when transposed, and perhaps a bias `[channels_out]`.
    Convolution {
        /// Whether it is a transposed convolution.
        transposed: bool,
        /// Steps along each spatial axis.
        stride: Vec<usize>,
        /// Zeros before and after each spatial axis; for a transposed one, how much is cut off.
        padding: Vec<(usize, usize)>,
        /// Added to the end of each spatial axis of a transposed convolution.
        padding_out: Vec<usize>,
        /// Distance between the entries of the kernel.
        dilation: Vec<usize>,
        /// Number of groups that the channels are convolved in.
        groups: usize,
    },
    /// A matrix product. Inputs: `[.., n, k]` and `[.., k, m]`.
    MatMul,
    /// Inputs: `[.., d_input]`, weight `[d_input, d_output]`, and perhaps a bias `[d_output]`.
    Linear,
    /// Inputs: signal `[batch, channels, ..]`, gamma, beta, mean and variance `[channels]`.
    BatchNorm {
        /// Added to the variance.
        epsilon: Number,
    },
    /// Inputs: `[.., d_model]`, gamma `[d_model]`, and perhaps beta `[d_model]`.
    LayerNorm {
        /// Added to the variance.
        epsilon: Number,
    },
    /// Inputs: weights `[words, d_model]`, indices.
    Embedding,
    /// Scaled dot-product attention. Inputs: query `[batch, heads, n, d]`, key `[.., m, d]`, value
    /// `[.., m, e]`, and perhaps a mask and a bias `[.., n, m]`.
    Attention {
        /// Its settings, as text.
        options: String,
    },
    /// Whatever treats every channel by itself and keeps batch and channels: pooling, up-sampling.
    /// Input: `[batch, channels, ..]`.
    Spatial {
        /// Which one.
        #[serde(rename = "name")]
        operation: Spatial,
        /// Its settings, as text.
        options: String,
    },
    /// Element by element, where sizes of 1 are repeated.
    Elementwise {
        /// Which one.
        #[serde(rename = "name")]
        operation: Elementwise,
        /// Numbers in it.
        scalars: Vec<Number>,
    },
    /// Reduces several axes to a size of 1, or all of them to `[1]`.
    Reduce {
        /// Which one.
        #[serde(rename = "name")]
        operation: Reduction,
        /// The axes; all when empty.
        axes: Vec<usize>,
    },
    /// Mixes the entries along an axis and keeps its size: softmax, cumulative sums, sorting.
    Along {
        /// Which one.
        #[serde(rename = "name")]
        operation: Along,
        /// The axis.
        axis: usize,
    },
    /// The same elements in their order, in another shape.
    Reshape,
    /// Output axis `i` is input axis `axes[i]`.
    Permute {
        /// The input axes.
        axes: Vec<usize>,
    },
    /// A part of each axis.
    Slice {
        /// Start, end and step for each axis.
        ranges: Vec<(usize, usize, isize)>,
    },
    /// Tensors one after another along an axis.
    Concatenate {
        /// The axis.
        axis: usize,
    },
    /// Axes of size 1 repeated, and new ones in front.
    Expand,
    /// The whole axis several times.
    Repeat {
        /// The axis.
        axis: usize,
        /// How often.
        times: usize,
    },
    /// Axes reversed.
    Flip {
        /// The axes.
        axes: Vec<usize>,
    },
    /// Padding.
    Pad {
        /// How many before and after each axis.
        padding: Vec<(usize, usize)>,
        /// What is added.
        mode: Padding,
    },
    /// Entries of an axis, selected by index. Inputs: tensor, indices.
    Select {
        /// The axis.
        axis: usize,
    },
    /// A new tensor: zeros, ones, a number, random numbers.
    Create {
        /// What it holds.
        #[serde(rename = "name")]
        operation: Creation,
    },
    /// Anything else.
    Other {
        /// Its name.
        name: String,
    },
}

/// What a parameter is to an operation.
///
/// ```
/// use burn_prune_deploy::{OperationKind, Role};
///
/// assert_eq!(OperationKind::Linear.role(0), Role::Signal);
/// assert_eq!(OperationKind::Linear.role(1), Role::Weight);
/// assert_eq!(OperationKind::Linear.role(2), Role::Bias);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Role {
    /// The signal that goes through.
    Signal,
    /// What the signal is multiplied with.
    Weight,
    /// What is added.
    Bias,
    /// The scale of a norm.
    Scale,
    /// A running mean or variance.
    Statistic,
    /// What must not be 0: a divisor, or the argument of a logarithm or of `acosh`.
    Divisor,
}

impl OperationKind {
    /// Which variant it is.
    ///
    /// ```
    /// use burn_prune_deploy::{OperationClass, OperationKind};
    ///
    /// assert_eq!(OperationKind::Flip { axes: vec![0] }.class(), OperationClass::Flip);
    /// ```
    pub fn class(&self) -> OperationClass {
        match self {
            Self::Convolution {
                transposed: true, ..
            } => OperationClass::TransposedConvolution,
            Self::Convolution { .. } => OperationClass::Convolution,
            Self::MatMul => OperationClass::MatMul,
            Self::Linear => OperationClass::Linear,
            Self::BatchNorm { .. } => OperationClass::BatchNorm,
            Self::LayerNorm { .. } => OperationClass::LayerNorm,
            Self::Embedding => OperationClass::Embedding,
            Self::Attention { .. } => OperationClass::Attention,
            Self::Spatial { .. } => OperationClass::Spatial,
            Self::Elementwise { .. } => OperationClass::Elementwise,
            Self::Reduce { .. } => OperationClass::Reduce,
            Self::Along { .. } => OperationClass::Along,
            Self::Reshape => OperationClass::Reshape,
            Self::Permute { .. } => OperationClass::Permute,
            Self::Slice { .. } => OperationClass::Slice,
            Self::Concatenate { .. } => OperationClass::Concatenate,
            Self::Expand => OperationClass::Expand,
            Self::Repeat { .. } => OperationClass::Repeat,
            Self::Flip { .. } => OperationClass::Flip,
            Self::Pad { .. } => OperationClass::Pad,
            Self::Select { .. } => OperationClass::Select,
            Self::Create { .. } => OperationClass::Create,
            Self::Other { .. } => OperationClass::Other,
        }
    }

    /// Its name, in lower case.
    ///
    /// ```
    /// use burn_prune_deploy::{Elementwise, OperationKind};
    ///
    /// let relu = OperationKind::Elementwise { operation: Elementwise::Relu, scalars: Vec::new() };
    /// assert_eq!(relu.name(), "relu");
    /// ```
    pub fn name(&self) -> &str {
        match self {
            Self::Spatial { operation, .. } => operation.name(),
            Self::Elementwise { operation, .. } => operation.name(),
            Self::Reduce { operation, .. } => operation.name(),
            Self::Along { operation, .. } => operation.name(),
            Self::Create { operation } => operation.name(),
            Self::Other { name } => name,
            simple => simple.class().name(),
        }
    }

    /// What input number `place` is to it.
    ///
    /// ```
    /// use burn_prune_deploy::{OperationKind, Role};
    ///
    /// assert_eq!(OperationKind::MatMul.role(1), Role::Weight);
    /// ```
    pub fn role(&self, place: usize) -> Role {
        match self {
            Self::Convolution { .. } | Self::Linear => match place {
                1 => Role::Weight,
                2 => Role::Bias,
                _ => Role::Signal,
            },
            Self::MatMul if place == 1 => Role::Weight,
            Self::Embedding if place == 0 => Role::Weight,
            Self::BatchNorm { .. } => match place {
                0 => Role::Signal,
                1 => Role::Scale,
                2 => Role::Bias,
                _ => Role::Statistic,
            },
            Self::LayerNorm { .. } => match place {
                1 => Role::Scale,
                2 => Role::Bias,
                _ => Role::Signal,
            },
            Self::Elementwise { operation, scalars } => operation.role(scalars, place),
            Self::MatMul
            | Self::Embedding
            | Self::Attention { .. }
            | Self::Spatial { .. }
            | Self::Reduce { .. }
            | Self::Along { .. }
            | Self::Reshape
            | Self::Permute { .. }
            | Self::Slice { .. }
            | Self::Concatenate { .. }
            | Self::Expand
            | Self::Repeat { .. }
            | Self::Flip { .. }
            | Self::Pad { .. }
            | Self::Select { .. }
            | Self::Create { .. }
            | Self::Other { .. } => Role::Signal,
        }
    }
}
