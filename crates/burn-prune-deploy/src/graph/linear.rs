//! The two forms that Burn gives to a linear layer.

use super::{Elementwise, Operation, OperationKind as Kind, TensorInfo};

/// A linear layer as operations: Burn merges the axes of the signal before the product, or gives the
/// weight as many axes as the signal, whichever is faster for the sizes at hand. A layer may so have
/// other operations when it is cut, or for another batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LinearForm {
    pub x: usize,
    pub weight: usize,
    pub bias: Option<usize>,
    pub out: usize,
    /// What it makes between, in the order in which they are made.
    pub between: Vec<Between>,
    pub is_merged: bool,
    /// How many operations it is.
    pub operations: usize,
}

/// A tensor inside of a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// The weight or the bias with other axes.
    Parameter(usize),
    /// The signal or the result, with its leading axes as they are.
    Signal(usize),
    /// The signal or the result, with its leading axes merged into one.
    Merged(usize),
}

impl LinearForm {
    /// The linear layer that these operations begin with, if they do, for a signal of at least
    /// three axes; with two there is one form only.
    pub(crate) fn at(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let first = operations.first()?;
        let shape = |tensor: usize| tensors[tensor].shape.as_slice();
        if first.kind != Kind::Reshape {
            return None;
        }
        let (before, after) = (first.inputs[0], first.outputs[0]);
        match shape(after) {
            [leading @ .., a, b] if shape(before) == [*a, *b] && !leading.is_empty() => leading
                .iter()
                .all(|size| *size == 1)
                .then(|| Self::kept(tensors, operations))?,
            [_, last] if shape(before).len() > 2 && shape(before).last() == Some(last) => {
                Self::merged(tensors, operations)
            }
            _ => None,
        }
    }

    /// The weight gets the axes of the signal.
    fn kept(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let (weight, wide) = (operations[0].inputs[0], operations[0].outputs[0]);
        let product = operations.get(1)?;
        let is_product = product.kind == Kind::MatMul && product.inputs[1] == wide;
        let x = product.inputs[0];
        if !is_product || tensors[x].shape.len() != tensors[wide].shape.len() {
            return None;
        }
        let mut form = Self {
            x,
            weight,
            bias: None,
            out: product.outputs[0],
            between: vec![
                Between::Parameter(wide),
                Between::Signal(product.outputs[0]),
            ],
            is_merged: false,
            operations: 2,
        };
        if let Some((bias, with_axes, sum)) = bias(tensors, &operations[2..], form.out) {
            form.bias = Some(bias);
            form.between.push(Between::Parameter(with_axes));
            form.out = sum;
            form.operations += 2;
        }
        // What it makes last is the result.
        form.between
            .retain(|between| *between != Between::Signal(form.out));
        Some(form)
    }

    /// The leading axes of the signal become one.
    fn merged(tensors: &[TensorInfo], operations: &[Operation]) -> Option<Self> {
        let (x, rows) = (operations[0].inputs[0], operations[0].outputs[0]);
        let product = operations.get(1)?;
        let weight = *product.inputs.get(1)?;
        let is_product = product.kind == Kind::MatMul && product.inputs[0] == rows;
        if !is_product || tensors[weight].shape.len() != 2 {
            return None;
        }
        let mut last = product.outputs[0];
        let mut between = vec![Between::Merged(rows), Between::Merged(last)];
        let mut count = 2;
        let bias = bias(tensors, &operations[2..], last);
        if let Some((_, with_axes, sum)) = bias {
            between.extend([Between::Parameter(with_axes), Between::Merged(sum)]);
            last = sum;
            count += 2;
        }
        let back = operations.get(count)?;
        let leading = |shape: &[usize]| shape[..shape.len() - 1].to_vec();
        let out = *back.outputs.first()?;
        let is_back = back.kind == Kind::Reshape
            && back.inputs[0] == last
            && leading(&tensors[out].shape) == leading(&tensors[x].shape);
        is_back.then_some(Self {
            x,
            weight,
            bias: bias.map(|(bias, ..)| bias),
            out,
            between,
            is_merged: true,
            operations: count + 1,
        })
    }

    /// What it reads and makes, whatever its form.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = usize> {
        let read = [self.x, self.weight].into_iter().chain(self.bias);
        read.chain([self.out])
    }
}

/// A bias that is added to a product: itself, with the axes of the product, and the sum.
fn bias(
    tensors: &[TensorInfo],
    operations: &[Operation],
    product: usize,
) -> Option<(usize, usize, usize)> {
    let [reshape, sum, ..] = operations else {
        return None;
    };
    let is_reshape = reshape.kind == Kind::Reshape && tensors[reshape.inputs[0]].shape.len() == 1;
    let with_axes = *reshape.outputs.first()?;
    let is_sum = matches!(
        &sum.kind,
        Kind::Elementwise {
            operation: Elementwise::Add,
            ..
        }
    ) && sum.inputs == [product, with_axes];
    (is_reshape && is_sum).then(|| (reshape.inputs[0], with_axes, sum.outputs[0]))
}
