//! Layers, activations, norms and pooling of constants.

use std::rc::Rc;

use super::{Constants, Sent};
use crate::graph::{Elementwise, Number, Operation, Reduction, Spatial, TensorId};
use crate::selection::product::Product;
use crate::shrink::Constant;

impl Constants<'_> {
    /// A product sends its bias where nothing reaches an output.
    pub(super) fn product(&mut self, product: &Product) {
        let sent = (0..product.inputs).map(|input| {
            let sent = self.sent(product, input)?;
            self.is_zero(&sent).then_some(sent)
        });
        let zeros: Vec<Sent> = sent.collect();
        let entries = (0..product.outputs).map(|output| self.product_of(product, output, &zeros));
        let entries: Vec<Sent> = entries.collect();
        self.table[product.out.tensor.index()][product.out.axis] = entries;
    }

    /// `sent` is what goes in, where it is 0.
    fn product_of(&self, product: &Product, output: usize, sent: &[Sent]) -> Sent {
        let mut zeros: Vec<Constant> = Vec::new();
        for input in product.read_by(output) {
            if product.is_masked(input, output) {
                continue;
            }
            let sent = sent[input].as_deref()?;
            if !sent.is_zero() && !zeros.contains(sent) {
                zeros.push(sent.clone());
            }
        }
        let bias = match product.bias {
            Some(bias) => Constant::clone(&*self.at(bias, 0, output)?),
            None => Constant::ZERO,
        };
        bias.provided(zeros).map(Rc::new)
    }

    /// What goes into a product at an input: 0 where the weights that read it are 0.
    pub(in crate::selection) fn sent(&self, product: &Product, input: usize) -> Sent {
        let (signal, weight) = (product.signal, product.weight);
        let read = self.at(weight.tensor, weight.axis, product.weight_entry(input));
        let read = read.filter(|read| read.is_zero());
        read.or_else(|| self.at(signal.tensor, signal.axis, input))
    }

    pub(super) fn elementwise(
        &self,
        operation: &Operation,
        which: Elementwise,
        scalars: &[Number],
        axis: usize,
        entry: usize,
    ) -> Sent {
        let axes = self.graph.shape(operation.outputs[0]).len();
        let mut inputs = operation
            .inputs
            .iter()
            .map(|input| self.broadcast(*input, axes, axis, entry));
        let is_zero = |sent: &Sent| sent.as_ref().is_some_and(|sent| sent.is_zero());
        match which {
            // A working network has no infinite number on the other side.
            Elementwise::Mul if inputs.clone().any(|input| is_zero(&input)) => {
                Some(Rc::new(Constant::ZERO))
            }
            Elementwise::MaskFill if scalars.iter().all(|number| number.0 == 0.0) => {
                inputs.next()?.filter(|sent| sent.is_zero())
            }
            _ => {
                let of = inputs.map(|input| Some(Constant::clone(&*input?)));
                let of: Option<Vec<Constant>> = of.collect();
                Constant::elementwise(which, scalars, of?).map(Rc::new)
            }
        }
    }

    /// The inputs are signal, gamma, beta, mean and variance.
    pub(super) fn batch_norm(
        &self,
        inputs: &[TensorId],
        epsilon: Number,
        axis: usize,
        entry: usize,
    ) -> Sent {
        if axis != 1 {
            return None;
        }
        let number = |place: usize| self.at(inputs[place], 0, entry);
        if number(1).is_some_and(|gamma| gamma.is_zero()) {
            return number(2);
        }
        let signal = self.at(inputs[0], 1, entry)?;
        let mut of = vec![Constant::clone(&signal)];
        for place in 1..5 {
            of.push(Constant::clone(&*number(place)?));
        }
        Constant::batch_norm(epsilon, of).map(Rc::new)
    }

    pub(super) fn spatial(
        &self,
        input: TensorId,
        which: Spatial,
        options: &str,
        place: usize,
        axis: usize,
        entry: usize,
    ) -> Sent {
        if axis > 1 || place > 0 {
            return None;
        }
        let sent = self.at(input, axis, entry)?;
        let keeps = match which {
            // What is around counts for nothing.
            Spatial::MaxPool1d
            | Spatial::MaxPool2d
            | Spatial::MaxPool1dWithIndices
            | Spatial::MaxPool2dWithIndices
            | Spatial::AdaptiveAvgPool1d
            | Spatial::AdaptiveAvgPool2d
            | Spatial::AdaptiveAvgPool3d => true,
            // Zeros around may count.
            Spatial::AvgPool1d => options.contains("padding 0, ceil mode false"),
            Spatial::AvgPool2d => options.contains("padding [0, 0], ceil mode false"),
            // Weights add up to 1 but for rounding; those of curves beyond the edge need not.
            Spatial::Interpolate => false,
        };
        (keeps || sent.is_zero()).then_some(sent)
    }

    pub(super) fn reduce(
        &self,
        operation: &Operation,
        which: Reduction,
        axes: &[usize],
        place: usize,
        axis: usize,
        entry: usize,
    ) -> Sent {
        let input = operation.inputs[0];
        let is_kept = self.graph.shape(input).len() == self.graph.shape(operation.outputs[0]).len();
        if axes.is_empty() || axes.contains(&axis) || !is_kept || place > 0 {
            return None;
        }
        let sent = self.at(input, axis, entry)?;
        let keeps = match which {
            Reduction::MeanDim
            | Reduction::MaxDim
            | Reduction::MinDim
            | Reduction::MaxDimWithIndices
            | Reduction::MinDimWithIndices => true,
            // So many times it: how many depends on the size of the input.
            Reduction::SumDim | Reduction::SumDims | Reduction::ProdDim | Reduction::MaxAbsDim => {
                sent.is_zero()
            }
            Reduction::ArgMax
            | Reduction::ArgMin
            | Reduction::Mean
            | Reduction::Sum
            | Reduction::Prod
            | Reduction::Max
            | Reduction::Min
            | Reduction::MaxAbs
            | Reduction::AllDim
            | Reduction::AnyDim => false,
        };
        keeps.then_some(sent)
    }
}
