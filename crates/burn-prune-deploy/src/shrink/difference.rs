//! Whether a graph is what it should be.

use std::collections::HashMap;

use crate::graph::{Form, Graph, Operation, TensorId};

/// The first difference between a graph and what it should be. Layers may have either of the forms
/// that Burn gives them: which one depends on sizes that were cut.
pub(super) fn difference(expected: &Graph, found: &Graph) -> Option<String> {
    for (expected_parameter, found_parameter) in expected.parameters.iter().zip(&found.parameters) {
        if !expected_parameter.paths().eq(found_parameter.paths()) {
            return Some(format!(
                "parameter `{}` instead of `{}`",
                found_parameter.path, expected_parameter.path
            ));
        }
    }
    let mut pairs = Pairs {
        expected,
        found,
        there: HashMap::new(),
        back: HashMap::new(),
    };
    let (mut left, mut right) = (&expected.operations[..], &found.operations[..]);
    while let ([a, ..], [b, ..]) = (left, right) {
        let index = found.operations.len() - right.len();
        let forms = (
            Form::at(&expected.tensors, left),
            Form::at(&found.tensors, right),
        );
        let (skip_left, skip_right) = match forms {
            (Some(a), Some(b)) if a.is_other_form_of(&b) => {
                let tensors = |form: &Form| [&form.reads[..], &[form.out]].concat();
                let tensors = tensors(&a).into_iter().zip(tensors(&b));
                if let Some(difference) = pairs.tensors(tensors) {
                    return Some(format!("the layer of operation {index} {difference}"));
                }
                (a.operations, b.operations)
            }
            _ => {
                if let Some(difference) = pairs.operation(a, b) {
                    return Some(format!("operation {index}{difference}"));
                }
                (1, 1)
            }
        };
        (left, right) = (&left[skip_left..], &right[skip_right..]);
    }
    let counts = [expected, found].map(|graph| (graph.operations.len(), graph.parameters.len()));
    if !left.is_empty() || !right.is_empty() || counts[0].1 != counts[1].1 {
        return Some(format!(
            "{} operations and {} parameters instead of {} and {}",
            counts[1].0, counts[1].1, counts[0].0, counts[0].1
        ));
    }
    let mut outputs = expected
        .outputs
        .iter()
        .zip(&found.outputs)
        .map(|(a, b)| pairs.is_same(*a, *b));
    let are_same = expected.outputs.len() == found.outputs.len() && outputs.all(|same| same);
    (!are_same).then(|| "it returns other tensors".to_string())
}

/// Which tensor of one graph is which of the other.
struct Pairs<'a> {
    expected: &'a Graph,
    found: &'a Graph,
    there: HashMap<TensorId, TensorId>,
    back: HashMap<TensorId, TensorId>,
}

impl Pairs<'_> {
    fn operation(&mut self, a: &Operation, b: &Operation) -> Option<String> {
        let tensors = a.inputs.iter().chain(&a.outputs);
        let others = b.inputs.iter().chain(&b.outputs);
        let pairs = tensors.zip(others).map(|(a, b)| (*a, *b));
        if let Some(difference) = self.tensors(pairs) {
            return Some(format!(", `{}`, {difference}", b.kind.name()));
        }
        let counts = |operation: &Operation| (operation.inputs.len(), operation.outputs.len());
        let is_same = a.kind == b.kind && counts(a) == counts(b);
        (!is_same).then(|| format!(" is {:?} instead of {:?}", b.kind, a.kind))
    }

    /// The first difference between tensors that an operation reads or makes.
    fn tensors(&mut self, pairs: impl Iterator<Item = (TensorId, TensorId)>) -> Option<String> {
        for (a, b) in pairs {
            let (tensor, other) = (&self.expected[a], &self.found[b]);
            if tensor.shape != other.shape {
                let (shape, other) = (&tensor.shape, &other.shape);
                return Some(format!("has a tensor of {other:?} instead of {shape:?}"));
            }
            if tensor.checksum != other.checksum {
                return Some("reads a constant of other values".to_string());
            }
            if !self.is_same(a, b) {
                return Some("reads another tensor".to_string());
            }
        }
        None
    }

    /// Whether two tensors are the same one; those that were not seen before become so.
    fn is_same(&mut self, a: TensorId, b: TensorId) -> bool {
        let kinds = [self.expected[a].kind, self.found[b].kind];
        let there = *self.there.entry(a).or_insert(b);
        let back = *self.back.entry(b).or_insert(a);
        kinds[0] == kinds[1] && (there, back) == (b, a)
    }
}
