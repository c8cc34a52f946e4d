//! A captured forward pass, operation by operation, each run by Burn.

use std::collections::HashMap;

use burn::backend::ir::{GraphIr, OperationIr, TensorId, TensorIr};
use burn::tensor::DType;
use burn_flex::FlexTensor;
use burn_prune_deploy::Capture;

use super::batch::follows;
use super::program::{Batches, Node, NodeKind, Program, Size, Value, ValueId};

/// The forward pass as it was captured: nothing is fused, and all nodes are Burn's. It takes the
/// values of the parameters out of the capture.
pub(crate) fn plain(capture: &mut Capture) -> Program {
    let example = capture.batch.unwrap_or(1);
    let other = match &capture.other {
        Ok(other) => {
            pairs(capture, &other.ir, [example, other.batch]).map(|pairs| (pairs, other.batch))
        }
        Err(reason) => Err(reason.clone()),
    };
    let names = capture.operation_names();
    let mut builder = Builder {
        values: Vec::new(),
        numbers: HashMap::new(),
        pairs: other
            .as_ref()
            .ok()
            .map(|(pairs, other)| (pairs, [example, *other])),
    };
    let inputs = capture.ir.inputs.iter().zip(&capture.examples);
    let inputs: Vec<ValueId> = inputs
        .map(|(id, value)| {
            let shape = value.shape().to_vec();
            builder.add(*id, shape, value.dtype(), None)
        })
        .collect();
    for (id, value) in std::mem::take(&mut capture.values) {
        let (shape, dtype) = (value.shape().to_vec(), value.dtype());
        builder.add(id, shape, dtype, Some(FlexTensor::from_data(value)));
    }
    let mut nodes = Vec::new();
    for (at, operation) in capture.ir.operations.iter().enumerate() {
        let inputs = operation.inputs().map(|tensor| builder.numbers[&tensor.id]);
        let inputs = inputs.collect();
        let made: Vec<TensorIr> = operation.outputs().cloned().collect();
        let made = made
            .into_iter()
            .map(|tensor| builder.add(tensor.id, tensor.shape.to_vec(), tensor.dtype, None));
        let outputs = made.collect();
        let other = capture.other.as_ref().ok().filter(|_| other.is_ok());
        nodes.push(Node {
            operation: at,
            name: names[at].clone(),
            kind: NodeKind::Burn {
                operation: Box::new(operation.clone()),
                other: other.map(|other| Box::new(other.ir.operations[at].clone())),
            },
            inputs,
            outputs,
        });
    }
    let outputs = capture.ir.outputs.iter();
    let outputs = outputs.map(|id| builder.numbers[id]).collect();
    Program {
        values: builder.values,
        nodes,
        inputs,
        outputs,
        batches: Batches {
            example,
            other: other.map(|(_, batch)| batch),
        },
    }
}

struct Builder<'a> {
    values: Vec<Value>,
    numbers: HashMap<TensorId, ValueId>,
    pairs: Option<(&'a Pairs, [usize; 2])>,
}

/// Shapes in the other pass, by tensors of the first one.
type Pairs = HashMap<TensorId, Vec<usize>>;

impl Builder<'_> {
    fn add(
        &mut self,
        id: TensorId,
        shape: Vec<usize>,
        dtype: DType,
        constant: Option<FlexTensor>,
    ) -> ValueId {
        let sizes = self.pairs.and_then(|(pairs, batches)| {
            let there = pairs.get(&id)?.iter();
            let sizes = shape.iter().zip(there);
            let sizes = sizes.map(|(a, b)| Size::of(*a, *b, batches));
            sizes.collect::<Option<Vec<Size>>>()
        });
        let fixed = || shape.iter().copied().map(Size::Fixed).collect();
        let number = ValueId(self.values.len());
        self.values.push(Value {
            shape: sizes.unwrap_or_else(fixed),
            dtype,
            constant,
        });
        self.numbers.insert(id, number);
        number
    }
}

/// Which tensors are which in the other pass, when it is the same but for sizes.
fn pairs(capture: &Capture, other: &GraphIr, batches: [usize; 2]) -> Result<Pairs, String> {
    let first = &capture.ir;
    let different = |at: usize| {
        format!(
            "operation {at} is another one with a batch of {}",
            batches[1]
        )
    };
    if first.operations.len() != other.operations.len() {
        return Err(format!(
            "it has {} operations, and {} with a batch of {}",
            first.operations.len(),
            other.operations.len(),
            batches[1]
        ));
    }
    let mut there: HashMap<TensorId, TensorId> = HashMap::new();
    let mut pairs = Pairs::new();
    there.extend(
        first
            .inputs
            .iter()
            .copied()
            .zip(other.inputs.iter().copied()),
    );
    if let Ok(second) = &capture.other {
        for (id, value) in first.inputs.iter().zip(&second.examples) {
            pairs.insert(*id, value.shape().to_vec());
        }
    }
    // Parameters and constants have one number in both passes.
    let is_same =
        |there: &HashMap<TensorId, TensorId>, a: TensorId, b: TensorId| match there.get(&a) {
            Some(known) => *known == b,
            None => a == b && capture.values.contains_key(&a),
        };
    let operations = first.operations.iter().zip(&other.operations);
    for (at, (a, b)) in operations.enumerate() {
        let count =
            |operation: &OperationIr| (operation.inputs().count(), operation.outputs().count());
        let mut reads = a.inputs().zip(b.inputs());
        let is_read = count(a) == count(b) && reads.all(|(a, b)| is_same(&there, a.id, b.id));
        if !is_read || !follows(a, b, batches) {
            return Err(different(at));
        }
        for (a, b) in a.outputs().zip(b.outputs()) {
            there.insert(a.id, b.id);
            pairs.insert(a.id, b.shape.to_vec());
        }
    }
    let mut outputs = first.outputs.iter().zip(&other.outputs);
    let is_returned =
        first.outputs.len() == other.outputs.len() && outputs.all(|(a, b)| is_same(&there, *a, *b));
    if !is_returned {
        return Err(format!(
            "it returns other tensors with a batch of {}",
            batches[1]
        ));
    }
    Ok(pairs)
}
