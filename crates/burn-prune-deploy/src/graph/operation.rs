use std::fmt;

use serde::{Deserialize, Serialize};

use super::named::named;
use super::{Along, Creation, Elementwise, Padding, Reduction, Spatial, TensorId};

/// One step of a forward pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Numbers of the tensors it reads, in the order that [`OperationKind`] gives.
    pub inputs: Vec<TensorId>,
    /// Numbers of the tensors it makes.
    pub outputs: Vec<TensorId>,
}

/// What an operation does.
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
        /// In how many parts the channels are convolved.
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
    /// Puts several axes down to a size of 1, or all of them into `[1]`.
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
    /// Entries of an axis by their numbers. Inputs: tensor, indices.
    Select {
        /// The axis.
        axis: usize,
    },
    /// A tensor from nothing: zeros, ones, a number, random numbers.
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

named! {
    /// The variants of [`OperationKind`].
    OperationClass {
        /// A convolution.
        Convolution => "convolution",
        /// A transposed convolution.
        TransposedConvolution => "transposed convolution",
        /// A matrix product.
        MatMul => "matmul",
        /// A linear layer that Burn has as one operation.
        Linear => "linear",
        /// A batch norm with running statistics.
        BatchNorm => "batch norm",
        /// A layer norm.
        LayerNorm => "layer norm",
        /// An embedding.
        Embedding => "embedding",
        /// Scaled dot-product attention.
        Attention => "attention",
        /// Pooling and up-sampling.
        Spatial => "spatial",
        /// Element by element.
        Elementwise => "elementwise",
        /// Along axes, to a size of 1.
        Reduce => "reduce",
        /// Along an axis, to the same size.
        Along => "along",
        /// Another shape.
        Reshape => "reshape",
        /// Axes in another order.
        Permute => "permute",
        /// A part of each axis.
        Slice => "slice",
        /// Concatenation.
        Concatenate => "concatenate",
        /// Axes of size 1 repeated.
        Expand => "expand",
        /// An axis several times.
        Repeat => "repeat",
        /// Axes reversed.
        Flip => "flip",
        /// Padding.
        Pad => "pad",
        /// Entries selected by index.
        Select => "select",
        /// A new tensor.
        Create => "create",
        /// One that this library does not understand.
        Other => "other",
    }
}

impl OperationClass {
    /// The names of all operations that a graph can have, but for those that are not understood.
    ///
    /// ```
    /// let names = burn_prune_deploy::OperationClass::operations();
    /// assert!(names.contains(&"convolution") && names.contains(&"sqrt"));
    /// ```
    pub fn operations() -> Vec<&'static str> {
        let mut names = Vec::new();
        for class in Self::ALL {
            match class {
                Self::Spatial => names.extend(Spatial::ALL.iter().map(|one| one.name())),
                Self::Elementwise => names.extend(Elementwise::ALL.iter().map(|one| one.name())),
                Self::Reduce => names.extend(Reduction::ALL.iter().map(|one| one.name())),
                Self::Along => names.extend(Along::ALL.iter().map(|one| one.name())),
                Self::Create => names.extend(Creation::NAMES),
                Self::Other => {}
                simple => names.push(simple.name()),
            }
        }
        names
    }
}

/// A number in an operation. It is serialized as text, exactly, infinities included; numbers are
/// equal when their bits are, and all that are NaN are equal.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || (self.0.is_nan() && other.0.is_nan())
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

impl TryFrom<String> for Number {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// What a parameter is to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The signal that goes through.
    Signal,
    /// What it is multiplied with.
    Weight,
    /// What is added.
    Bias,
    /// The scale of a norm.
    Scale,
    /// A running mean or variance.
    Statistic,
    /// What must not be 0: what is divided by, or of which a logarithm or `acosh` is taken.
    Divisor,
}

impl OperationKind {
    /// Which variant it is.
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
