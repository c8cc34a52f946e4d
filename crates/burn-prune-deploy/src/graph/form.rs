//! Layers to which Burn gives one of two forms, whichever is faster for the sizes at hand. They have
//! other operations when a layer is cut, or for another batch.

use super::{Elementwise, Operation, OperationKind as Kind, TensorId, TensorInfo};

/// A linear layer or a product, in either of its forms.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub layer: Layer,
    /// Whether the axes of the signal are moved for the product.
    pub is_moved: bool,
    /// The signal, what it is multiplied with, and perhaps a bias.
    pub reads: Vec<TensorId>,
    pub out: TensorId,
    /// What it makes on the way to `out`.
    pub between: Vec<(TensorId, Between)>,
    /// How many operations it is.
    pub operations: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// The leading axes of the signal are merged into one, or the weight gets as many axes.
    Linear,
    /// A vector for each of a batch, which all are multiplied with one matrix, is made a matrix.
    Product,
}

/// A tensor inside of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// The weight or the bias with other axes.
    Parameter,
    /// As the result.
    Out,
    /// As the signal, with its leading axes merged.
    MergedSignal,
    /// As the result, with its leading axes merged.
    MergedOut,
    /// As the signal, with two axes before the last one swapped.
    SwappedSignal,
    /// As the result, with two axes before the last one swapped.
    SwappedOut,
}

impl Between {
    /// Its shape when the signal and the result have these; none for one that is always the same.
    pub(crate) fn shape(self, signal: &[usize], out: &[usize]) -> Option<Vec<usize>> {
        Some(match self {
            Self::Parameter => return None,
            Self::Out => out.to_vec(),
            Self::MergedSignal => merged(signal),
            Self::MergedOut => merged(out),
            Self::SwappedSignal => swapped(signal),
            Self::SwappedOut => swapped(out),
        })
    }
}

fn merged(shape: &[usize]) -> Vec<usize> {
    match shape {
        [leading @ .., last] => vec![leading.iter().product(), *last],
        [] => Vec::new(),
    }
}

fn swapped(shape: &[usize]) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let [.., a, b, _] = shape.as_mut_slice() {
        std::mem::swap(a, b);
    }
    shape
}

impl Form {
    /// The layer that these operations begin with, if it may have another form as well.
    pub(crate) fn at(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let first = operations.first()?;
        let shape = |tensor: TensorId| tensors[tensor].shape.as_slice();
        match &first.kind {
            Kind::MatMul => Self::product(tensors, operations),
            Kind::Permute { .. } => Self::swapped_product(tensors, operations),
            Kind::Reshape => match (shape(first.inputs[0]), shape(first.outputs[0])) {
                ([a, b], [leading @ .., c, d]) if (a, b) == (c, d) && !leading.is_empty() => {
                    let are_ones = leading.iter().all(|size| *size == 1);
                    are_ones.then(|| Self::linear(tensors, operations))?
                }
                ([_, _, .., last], [_, same]) if last == same => {
                    Self::merged_linear(tensors, operations)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The weight gets the axes of the signal.
    fn linear(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let (weight, wide) = (operations[0].inputs[0], operations[0].outputs[0]);
        let product = operations.get(1)?;
        let x = *product.inputs.first()?;
        let is_product = product.kind == Kind::MatMul && product.inputs[1] == wide;
        if !is_product || tensors[x].shape.len() != tensors[wide].shape.len() {
            return None;
        }
        let mut form = Self {
            layer: Layer::Linear,
            is_moved: false,
            reads: vec![x, weight],
            out: product.outputs[0],
            between: vec![(wide, Between::Parameter)],
            operations: 2,
        };
        if let Some((bias, with_axes, sum)) = bias(tensors, &operations[2..], form.out) {
            let between = [(form.out, Between::Out), (with_axes, Between::Parameter)];
            form.between.extend(between);
            form.reads.push(bias);
            form.out = sum;
            form.operations += 2;
        }
        Some(form)
    }

    /// The leading axes of the signal become one.
    fn merged_linear(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let (x, rows) = (operations[0].inputs[0], operations[0].outputs[0]);
        let product = operations.get(1)?;
        let weight = *product.inputs.get(1)?;
        let is_product = product.kind == Kind::MatMul && product.inputs[0] == rows;
        if !is_product || tensors[weight].shape.len() != 2 {
            return None;
        }
        let mut last = product.outputs[0];
        let mut form = Self {
            layer: Layer::Linear,
            is_moved: true,
            reads: vec![x, weight],
            out: last,
            between: vec![(rows, Between::MergedSignal), (last, Between::MergedOut)],
            operations: 3,
        };
        if let Some((bias, with_axes, sum)) = bias(tensors, &operations[2..], last) {
            let between = [(with_axes, Between::Parameter), (sum, Between::MergedOut)];
            form.between.extend(between);
            form.reads.push(bias);
            form.operations += 2;
            last = sum;
        }
        let back = operations.get(form.operations - 1)?;
        form.out = *back.outputs.first()?;
        let leading = |tensor: TensorId| tensors[tensor].shape.split_last().map(|(_, axes)| axes);
        let is_back =
            back.kind == Kind::Reshape && back.inputs[0] == last && leading(form.out) == leading(x);
        is_back.then_some(form)
    }

    fn product(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let product = &operations[0];
        let out = *product.outputs.first()?;
        (tensors[out].shape.len() > 2).then(|| Self {
            layer: Layer::Product,
            is_moved: false,
            reads: product.inputs.clone(),
            out,
            between: Vec::new(),
            operations: 1,
        })
    }

    /// Vectors become the rows of a matrix.
    fn swapped_product(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let [there, product, back, ..] = operations else {
            return None;
        };
        let rank = tensors[there.inputs[0]].shape.len();
        let axes: Vec<usize> = swapped(&(0..rank).collect::<Vec<_>>());
        let swaps = |operation: &Operation| match &operation.kind {
            Kind::Permute { axes: found } => rank > 2 && *found == axes,
            _ => false,
        };
        let (rows, made) = (there.outputs[0], *product.outputs.first()?);
        let is_product = product.kind == Kind::MatMul
            && product.inputs[0] == rows
            && swaps(there)
            && swaps(back)
            && back.inputs[0] == made;
        is_product.then(|| Self {
            layer: Layer::Product,
            is_moved: true,
            reads: vec![there.inputs[0], product.inputs[1]],
            out: back.outputs[0],
            between: vec![(rows, Between::SwappedSignal), (made, Between::SwappedOut)],
            operations: 3,
        })
    }

    /// Whether it is the same layer as another one in the other form.
    pub(crate) fn is_other_form_of(&self, other: &Self) -> bool {
        self.layer == other.layer
            && self.is_moved != other.is_moved
            && self.reads.len() == other.reads.len()
    }
}

/// A bias that is added to a product: itself, with the axes of the product, and the sum.
fn bias(
    tensors: &[TensorInfo],
    operations: &[Operation],
    product: TensorId,
) -> Option<(TensorId, TensorId, TensorId)> {
    let [reshape, sum, ..] = operations else {
        return None;
    };
    let is_reshape = reshape.kind == Kind::Reshape && tensors[reshape.inputs[0]].shape.len() == 1;
    let with_axes = *reshape.outputs.first()?;
    let is_addition = matches!(
        sum.kind,
        Kind::Elementwise {
            operation: Elementwise::Add,
            ..
        }
    );
    let is_sum = is_addition && sum.inputs == [product, with_axes];
    (is_reshape && is_sum).then(|| (reshape.inputs[0], with_axes, sum.outputs[0]))
}
