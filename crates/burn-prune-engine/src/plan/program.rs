//! What a model computes, in the engine's own words: after fusion, before anything is laid out in memory.

use std::sync::Arc;

use burn::backend::ir::OperationIr;
use burn::tensor::DType;
use burn_flex::FlexTensor;

use crate::activation::Activation;
use crate::kernel::ResidualPlace;
pub(crate) use crate::window::{Pool, PoolKind, Window};

/// A size of a tensor: fixed, or so many times the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Size {
    Fixed(usize),
    Batch(usize),
}

/// A forward pass: nodes in their order, on numbered values.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub values: Vec<Value>,
    pub nodes: Vec<Node>,
    pub inputs: Vec<ValueId>,
    pub outputs: Vec<ValueId>,
    pub batches: Batches,
}

/// The batch sizes at which the forward pass was captured.
#[derive(Debug, Clone)]
pub(crate) struct Batches {
    /// That of the example; 1 when its inputs have no batch.
    pub example: usize,
    /// Another one, or why the example's is the only one.
    pub other: Result<usize, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(pub usize);

#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// As in Burn.
    pub shape: Vec<Size>,
    pub dtype: DType,
    /// A value that is the same in each run: read by nodes that Burn runs, or by sums and products.
    pub constant: Option<FlexTensor>,
}

impl Value {
    /// Its shape at a batch size.
    pub(crate) fn at(&self, batch: usize) -> Vec<usize> {
        let sizes = self.shape.iter().map(|size| match *size {
            Size::Fixed(size) => size,
            Size::Batch(factor) => factor * batch,
        });
        sizes.collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Of the captured operations, the last one that is in it.
    pub operation: usize,
    /// The parameter path of its weight, or the name of its operation.
    pub name: String,
    pub kind: NodeKind,
    pub inputs: Vec<ValueId>,
    pub outputs: Vec<ValueId>,
}

/// Images are `[batch, channels, height, width]` (`[batch, channels, length]` has height 1), matrices
/// `[.., features]`: all leading axes are positions.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    /// Image or matrix by a weight. Inputs: what is multiplied, then the residual if there is one.
    Product(Product),
    /// Largest or mean value of windows.
    Pool(Pool),
    /// `[n, c, h, w]` to `[n, c, 1, 1]`.
    GlobalAverage,
    /// Nearest neighbours, by whole factors.
    Upsample { factors: [usize; 2] },
    /// Images along the channels.
    Concatenate,
    /// Some channels of an image.
    Channels { first: usize, count: usize },
    /// An image as a matrix `[n, c * h * w]`, or any view that does not change the order of values.
    Reshape,
    /// Value by value.
    Activation(Activation),
    /// `activation(a + b)` of equal shapes.
    Sum { activation: Activation },
    /// `a · b`: of equal shapes, or `b` one value a channel (`[n, c, 1, 1]`).
    Multiply,
    /// One scale and shift a channel: a norm that could not be folded.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
        activation: Activation,
    },
    /// One operation of Burn at the batch of the example and, when there is one, at the other batch.
    /// The node's inputs and outputs are those of the operation in their order, each as often as it comes.
    Burn {
        operation: Box<OperationIr>,
        other: Option<Box<OperationIr>>,
    },
}

/// A Linear or a convolution, with what is fused into it.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub weight: Arc<Weight>,
    /// One a row.
    pub bias: Vec<f32>,
    /// `None` for a Linear.
    pub window: Option<Window>,
    pub activation: Activation,
    /// Where the second input is added.
    pub residual: Option<ResidualPlace>,
    /// Whether its first input is what a ReLU makes, so that many of its values are 0.
    pub is_behind_relu: bool,
}

/// A dense weight, row by row as [`WeightMatrix`](crate::format::WeightMatrix) wants it; a norm is folded in.
#[derive(Debug, Clone)]
pub(crate) struct Weight {
    pub path: String,
    pub values: Vec<f32>,
    /// Outputs, of all groups.
    pub rows: usize,
    /// Inputs of a row: those of its group.
    pub columns: usize,
}
