//! Two forward passes with different batches, operation by operation.

use std::collections::{BTreeMap, HashMap};
use std::mem::discriminant;

use super::sizes::Repeated;
use super::{
    Form, Graph, Operation, OperationId, OperationKind as Kind, Sizes, TensorId, TensorInfo,
    TensorKind,
};

/// A forward pass: what is given to it, what it does, what it returns.
pub(super) struct Pass<'a> {
    pub inputs: &'a [TensorId],
    pub operations: &'a [Operation],
    pub outputs: &'a [TensorId],
    pub batch: usize,
}

impl<'a> Pass<'a> {
    pub(super) fn of(graph: &'a Graph, batch: usize) -> Self {
        Self {
            inputs: &graph.inputs,
            operations: &graph.operations,
            outputs: &graph.outputs,
            batch,
        }
    }
}

/// Which sizes of the first pass follow the batch. Both passes number their tensors together, those
/// of the first one first, and parameters and what else both read have the same numbers.
///
/// # Errors
/// Where the passes differ in more than sizes.
pub(super) fn sizes(
    tensors: &[TensorInfo],
    of_first: usize,
    first: &Pass<'_>,
    second: &Pass<'_>,
) -> Result<Sizes, String> {
    let mut pairs = Pairs {
        tensors,
        there: BTreeMap::new(),
        once: HashMap::new(),
        shapes: HashMap::new(),
        repeated: Vec::new(),
        batches: [first.batch, second.batch],
    };
    for (a, b) in first.inputs.iter().zip(second.inputs) {
        pairs.pair(*a, *b);
    }
    let (mut left, mut right) = (first.operations, second.operations);
    while !left.is_empty() || !right.is_empty() {
        let index = OperationId::new(first.operations.len() - left.len());
        if let Some((skip_left, skip_right)) = pairs.step(index, left, right) {
            (left, right) = (&left[skip_left..], &right[skip_right..]);
        } else if pairs.is_repeated_once(right) {
            right = &right[1..];
        } else {
            let name = |operations: &[Operation]| match operations.first() {
                Some(operation) => format!("`{}`", operation.kind.name()),
                None => "the end".to_string(),
            };
            return Err(format!(
                "operation {index} is {} with a batch of {}, and {} of other tensors or settings \
                 with one of {}",
                name(left),
                first.batch,
                name(right),
                second.batch
            ));
        }
    }
    let mut outputs = first
        .outputs
        .iter()
        .zip(second.outputs)
        .map(|(a, b)| pairs.can_be(*a, *b));
    if first.outputs.len() != second.outputs.len() || !outputs.all(|same| same) {
        return Err(format!(
            "it returns other tensors with a batch of {}",
            second.batch
        ));
    }
    Ok(pairs.sizes(of_first))
}

struct Pairs<'a> {
    tensors: &'a [TensorInfo],
    /// Which tensor of the second pass a tensor of the first is.
    there: BTreeMap<TensorId, TensorId>,
    /// What the second pass repeats and the first, with a batch of 1, does not: which tensor of the
    /// first pass it is as well.
    once: HashMap<TensorId, TensorId>,
    /// Shapes in the second pass, of tensors of the first.
    shapes: HashMap<TensorId, Vec<usize>>,
    repeated: Vec<Repeated>,
    batches: [usize; 2],
}

impl Pairs<'_> {
    /// Takes the operations that both passes go on with, if they are the same: how many of each.
    fn step(
        &mut self,
        index: OperationId,
        left: &[Operation],
        right: &[Operation],
    ) -> Option<(usize, usize)> {
        let forms = (Form::at(self.tensors, left), Form::at(self.tensors, right));
        if let (Some(a), Some(b)) = forms
            && a.is_other_form_of(&b)
            && self.layer(index, &a, &b)
        {
            return Some((a.operations, b.operations));
        }
        let (a, b) = (left.first()?, right.first()?);
        self.operation(index, a, b).then_some((1, 1))
    }

    fn operation(&mut self, index: OperationId, a: &Operation, b: &Operation) -> bool {
        let counts = |operation: &Operation| (operation.inputs.len(), operation.outputs.len());
        let mut reads = a.inputs.iter().zip(&b.inputs);
        let mut makes = a.outputs.iter().zip(&b.outputs);
        let is_same = is_same_kind(&a.kind, &b.kind)
            && counts(a) == counts(b)
            && reads.all(|(a, b)| self.can_be(*a, *b))
            && makes.all(|(a, b)| self.rank(*a) == self.rank(*b));
        if is_same {
            for (place, (a, b)) in a.inputs.iter().zip(&b.inputs).enumerate() {
                self.read(index, place, *a, *b);
            }
            for (a, b) in a.outputs.iter().zip(&b.outputs) {
                self.pair(*a, *b);
            }
        }
        is_same
    }

    /// A layer that has another form in either pass.
    fn layer(&mut self, index: OperationId, a: &Form, b: &Form) -> bool {
        let mut reads = a.reads.iter().zip(&b.reads);
        let is_same =
            reads.all(|(a, b)| self.can_be(*a, *b)) && self.rank(a.out) == self.rank(b.out);
        if !is_same {
            return false;
        }
        for (place, (x, y)) in a.reads.iter().zip(&b.reads).enumerate() {
            if self.once.get(y) != Some(x) {
                self.pair(*x, *y);
            } else if a.is_moved && place == 0 {
                // Its first operation reads the signal.
                self.read(index, 0, *x, *y);
            }
        }
        self.pair(a.out, b.out);
        let (signal, out) = (&self.tensors[b.reads[0]].shape, &self.tensors[b.out].shape);
        for (tensor, between) in &a.between {
            if let Some(shape) = between.shape(signal, out) {
                self.shapes.insert(*tensor, shape);
            }
        }
        true
    }

    /// Whether the second pass begins with a repetition that the first, with a batch of 1, left out.
    fn is_repeated_once(&mut self, right: &[Operation]) -> bool {
        let Some(operation) = right.first() else {
            return false;
        };
        if self.batches[0] != 1 || !matches!(operation.kind, Kind::Repeat { .. }) {
            return false;
        }
        let (input, output) = (operation.inputs[0], operation.outputs[0]);
        let origin = match self.once.get(&input) {
            Some(origin) => Some(*origin),
            None => {
                let mut there = self.there.iter();
                let found = there.find(|(_, there)| **there == input);
                // What is the same in both passes may not have been read yet.
                found.map(|(first, _)| *first).or(Some(input))
            }
        };
        let origin = origin.filter(|origin| self.rank(*origin) == self.rank(output));
        if let Some(origin) = origin {
            self.once.insert(output, origin);
        }
        origin.is_some()
    }

    fn rank(&self, tensor: TensorId) -> usize {
        self.tensors[tensor].shape.len()
    }

    /// Whether a tensor of the first pass can be this one of the second.
    fn can_be(&self, a: TensorId, b: TensorId) -> bool {
        if self.once.get(&b) == Some(&a) {
            return true;
        }
        match self.there.get(&a) {
            Some(there) => *there == b,
            None if a == b => true,
            None => {
                let is_constant =
                    |tensor: TensorId| self.tensors[tensor].kind == TensorKind::Constant;
                is_constant(a) && is_constant(b) && self.rank(a) == self.rank(b)
            }
        }
    }

    fn read(&mut self, operation: OperationId, place: usize, a: TensorId, b: TensorId) {
        if self.once.get(&b) == Some(&a) {
            let powers = powers(self.batches, &self.tensors[a].shape, &self.tensors[b].shape);
            self.repeated.push(Repeated {
                operation,
                place,
                powers,
            });
        } else {
            self.pair(a, b);
        }
    }

    fn pair(&mut self, a: TensorId, b: TensorId) {
        self.there.insert(a, b);
        self.shapes.insert(a, self.tensors[b].shape.clone());
    }

    fn sizes(self, of_first: usize) -> Sizes {
        let tensors = self.tensors[..of_first].iter().enumerate();
        let all = tensors.map(
            |(tensor, info)| match self.shapes.get(&TensorId::new(tensor)) {
                Some(shape) => powers(self.batches, &info.shape, shape),
                None => vec![Some(0); info.shape.len()],
            },
        );
        Sizes::followed(self.batches, all.collect(), self.repeated)
    }
}

/// Whether operations are the same but for sizes.
fn is_same_kind(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Slice { .. }, Kind::Slice { .. }) | (Kind::Create { .. }, Kind::Create { .. }) => {
            true
        }
        // Numbers may follow the batch, as that of a mean.
        (Kind::Elementwise { .. }, Kind::Elementwise { .. }) => a.name() == b.name(),
        (Kind::Repeat { axis: a, .. }, Kind::Repeat { axis: b, .. }) => a == b,
        _ => discriminant(a) == discriminant(b) && a == b,
    }
}

/// The highest power of the batch that a size is looked for as a multiple of.
const HIGHEST: u32 = 3;

/// Which power of the batch each size is a multiple of.
fn powers([batch, other]: [usize; 2], shape: &[usize], there: &[usize]) -> Vec<Option<u32>> {
    if shape.len() != there.len() {
        return vec![None; shape.len()];
    }
    let power = |(size, there): (&usize, &usize)| {
        let is_power = |power: &u32| {
            let grown = |size: usize, factor: usize| size as u128 * (factor as u128).pow(*power);
            grown(*size, other) == grown(*there, batch)
        };
        (0..=HIGHEST).find(is_power)
    };
    shape.iter().zip(there).map(power).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_multiples_of_powers_of_the_batch() {
        let found = powers([4, 5], &[4, 4, 8, 16, 5, 1], &[5, 4, 10, 25, 6, 1]);
        let expected = [Some(1), Some(0), Some(1), Some(2), None, Some(0)];
        assert_eq!(found, expected);
        assert_eq!(
            powers([1, 5], &[1, 1, 3, 1], &[5, 1, 15, 25]),
            [Some(1), Some(0), Some(1), Some(2)]
        );
    }
}
