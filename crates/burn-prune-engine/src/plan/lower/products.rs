//! Linear layers, in every form that Burn gives them, and convolutions.

use burn::backend::ir::{
    BaseOperationIr as Base, FloatOperationIr as Float, ModuleOperationIr as Module,
    NumericOperationIr as Numeric, OperationIr, PadModeIr, TensorId, TensorIr,
};

use super::pass::Pass;
use super::scalar::number;
use super::sketch::Sketched;
use crate::plan::program::Window;

/// A signal by a constant matrix.
struct Linear {
    x: TensorId,
    /// Weight, and bias if there is one.
    constants: Vec<TensorId>,
}

impl Pass<'_> {
    pub(super) fn linear(&self, at: usize) -> Option<Sketched> {
        let output = self.operations[at].outputs().next()?.id;
        let found = self
            .merged_linear(output)
            .or_else(|| self.biased_product(output))?;
        let Linear { x, constants } = found;
        Some(Sketched::product(self, at, None, constants, x))
    }

    pub(super) fn is_linear(&self, tensor: TensorId) -> bool {
        self.maker_at(tensor)
            .and_then(|at| self.linear(at))
            .is_some()
    }

    /// The leading axes are merged into one for the product.
    fn merged_linear(&self, output: TensorId) -> Option<Linear> {
        let back = self.reshaped(output)?;
        if !self.is_read_once(back) {
            return None;
        }
        let Linear { x: rows, constants } = self.biased_product(back)?;
        let x = self.reshaped(rows)?;
        let (features, before) = self.shape(x).split_last()?;
        let (_, behind) = self.shape(output).split_last()?;
        let is_merged = before == behind && self.shape(rows).last() == Some(features);
        (is_merged && self.is_signal(x)).then_some(Linear { x, constants })
    }

    fn reshaped(&self, tensor: TensorId) -> Option<TensorId> {
        match self.maker(tensor)? {
            OperationIr::BaseFloat(Base::Reshape(op)) => Some(op.input.id),
            _ => None,
        }
    }

    fn biased_product(&self, output: TensorId) -> Option<Linear> {
        let OperationIr::NumericFloat(_, Numeric::Add(op)) = self.maker(output)? else {
            return self.matrix_product(output);
        };
        let with_bias = |product: TensorId, bias: TensorId| {
            if !self.is_read_once(product) || !self.is_weight(bias) {
                return None;
            }
            let mut found = self.matrix_product(product)?;
            let shape = self.shape(product);
            let (size, before) = self.shape(bias).split_last()?;
            let is_bias = found.constants.len() == 1
                && Some(size) == shape.last()
                && before.iter().all(|size| *size == 1)
                && self.shape(output) == shape;
            found.constants.push(bias);
            is_bias.then_some(found)
        };
        with_bias(op.lhs.id, op.rhs.id).or_else(|| with_bias(op.rhs.id, op.lhs.id))
    }

    fn matrix_product(&self, output: TensorId) -> Option<Linear> {
        let (x, constants) = match self.maker(output)? {
            OperationIr::Float(_, Float::Matmul(op)) => (op.lhs.id, vec![op.rhs.id]),
            OperationIr::Module(Module::Linear(op)) => {
                let constants = weighted(&op.weight, &op.bias);
                (op.x.id, constants)
            }
            _ => return None,
        };
        let is_known = self.is_signal(x) && constants.iter().all(|one| self.is_weight(*one));
        let (features, positions) = self.shape(x).split_last()?;
        let (made, made_positions) = self.shape(output).split_last()?;
        let [leading @ .., inputs, outputs] = self.shape(constants[0]) else {
            return None;
        };
        let is_linear = leading.iter().all(|size| *size == 1)
            && !positions.is_empty()
            && (inputs, outputs) == (features, made)
            && positions == made_positions;
        (is_known && is_linear).then_some(Linear { x, constants })
    }

    pub(super) fn convolution(&self, at: usize) -> Option<Sketched> {
        let (x, constants, mut window) = match &self.operations[at] {
            OperationIr::Module(Module::Conv1d(op)) => {
                let (options, size) = (&op.options, self.shape(op.weight.id));
                let window = Window {
                    kernel: [1, *size.get(2)?],
                    stride: [1, options.stride[0]],
                    padding: [(0, 0), options.padding[0]],
                    dilation: [1, options.dilation[0]],
                    groups: options.groups,
                };
                (op.x.id, weighted(&op.weight, &op.bias), window)
            }
            OperationIr::Module(Module::Conv2d(op)) => {
                let (options, size) = (&op.options, self.shape(op.weight.id));
                let window = Window {
                    kernel: [*size.get(2)?, *size.get(3)?],
                    stride: options.stride,
                    padding: options.padding,
                    dilation: options.dilation,
                    groups: options.groups,
                };
                (op.x.id, weighted(&op.weight, &op.bias), window)
            }
            _ => return None,
        };
        let is_known = self.is_signal(x) && constants.iter().all(|one| self.is_weight(*one));
        if !is_known {
            return None;
        }
        let x = self.unpadded(x, 0.0, &mut window.padding);
        Some(Sketched::product(self, at, Some(window), constants, x))
    }

    /// What a tensor is before it is padded with a number, which becomes padding of its reader.
    pub(super) fn unpadded(
        &self,
        tensor: TensorId,
        with: f64,
        padding: &mut [(usize, usize); 2],
    ) -> TensorId {
        let Some(OperationIr::NumericFloat(_, Numeric::Pad(op))) = self.maker(tensor) else {
            return tensor;
        };
        let PadModeIr::Constant(value) = &op.mode else {
            return tensor;
        };
        let spatial = self.shape(tensor).len().saturating_sub(2);
        let count = op.padding.len();
        let (others, axes) = op.padding.split_at(count - spatial.min(count));
        let is_spatial = others.iter().all(|size| *size == (0, 0)) && axes.len() <= 2;
        if !is_spatial || number(value) != with || !self.is_signal(op.input.id) {
            return tensor;
        }
        let behind = padding.len() - axes.len();
        for (size, more) in padding[behind..].iter_mut().zip(axes) {
            *size = (size.0 + more.0, size.1 + more.1);
        }
        op.input.id
    }
}

fn weighted(weight: &TensorIr, bias: &Option<TensorIr>) -> Vec<TensorId> {
    let both = std::iter::once(weight).chain(bias);
    both.map(|tensor| tensor.id).collect()
}
