//! From what the capture device recorded to a [`Capture`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use burn::backend::capture::CapturedGraph;
use burn::backend::ir::{GraphIr, IrVisitorMut, OperationIr, TensorId, TensorIr};
use burn::module::ParamId;
use burn::tensor::TensorData;

use super::capture::{Capture, CapturedParameter, OtherPass};
use super::captured::Captured;
use crate::error::DeployError;

/// A forward pass on the capture device: its inputs and outputs.
pub(super) struct Pass {
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
    pub batch: usize,
    /// What is put on the device next.
    pub next: Option<TensorId>,
}

type Values = BTreeMap<TensorId, TensorData>;

/// The capture of the first pass, with the second one beside it. It has no batch yet.
pub(super) fn capture(
    captured: CapturedGraph,
    parameters: Vec<Captured>,
    first: Pass,
    second: Result<Pass, String>,
) -> Result<Capture, DeployError> {
    let mut values = captured.values;
    let (parameters, mut renamed) = once_each(parameters, &mut values);
    let mut of_first = captured.graph.operations;
    let is_next = |operation: &OperationIr| match operation {
        OperationIr::Init(init) => Some(init.out.id) == first.next,
        _ => false,
    };
    let end = of_first.iter().position(is_next).unwrap_or(of_first.len());
    let of_second = of_first.split_off(end);

    let of_parameters: BTreeSet<TensorId> = parameters.iter().map(|one| one.tensor).collect();
    let first = Recorded::new(of_first, first, &renamed, &values);
    let first = first.map_err(|message| DeployError::Capture { message })?;
    let second = second.and_then(|second| {
        let batch = second.batch;
        let second = Recorded::new(of_second, second, &renamed, &values)?;
        Ok((second, batch))
    });

    let mut taken = |read: &BTreeSet<TensorId>| -> Values {
        let read = read.iter();
        read.filter_map(|id| Some((*id, values.remove(id)?)))
            .collect()
    };
    let mut of_first: BTreeSet<TensorId> = of_parameters.union(&first.read).copied().collect();
    for input in &first.ir.inputs {
        of_first.remove(input);
    }
    let values_of_first = taken(&of_first);
    let other = second.map(|(mut second, batch)| {
        let mut of_second = taken(&second.read);
        let constants = values_of_first.iter();
        let constants: Vec<_> = constants
            .filter(|(id, _)| !of_parameters.contains(id))
            .collect();
        renamed.clear();
        of_second.retain(|id, value| {
            let mut constants = constants.iter();
            let same = constants.find(|(_, known)| is_same(known, value));
            if let Some((same, _)) = same {
                renamed.insert(*id, **same);
            }
            same.is_none()
        });
        rename(&mut second.ir, &renamed);
        OtherPass {
            ir: second.ir,
            values: of_second,
            examples: second.examples,
            batch,
        }
    });
    Ok(Capture {
        axes: vec![None; first.ir.inputs.len()],
        ir: first.ir,
        values: values_of_first,
        parameters,
        examples: first.examples,
        batch: None,
        other,
    })
}

/// A pass with its inputs.
struct Recorded {
    ir: GraphIr,
    examples: Vec<TensorData>,
    /// What it reads or returns and does not make, without its inputs.
    read: BTreeSet<TensorId>,
}

impl Recorded {
    fn new(
        mut operations: Vec<OperationIr>,
        pass: Pass,
        renamed: &HashMap<TensorId, TensorId>,
        values: &Values,
    ) -> Result<Self, String> {
        // Puts a constant there; its value is known.
        operations.retain(|operation| !matches!(operation, OperationIr::Init(_)));
        let mut ir = GraphIr {
            operations,
            inputs: pass.inputs,
            outputs: pass.outputs,
        };
        rename(&mut ir, renamed);
        let examples = ir.inputs.iter().filter_map(|id| values.get(id).cloned());
        let examples: Vec<TensorData> = examples.collect();
        let mut known: BTreeSet<TensorId> = ir.inputs.iter().copied().collect();
        let mut read = BTreeSet::new();
        for operation in &ir.operations {
            let inputs = operation.inputs().map(|tensor| tensor.id);
            read.extend(inputs.filter(|id| !known.contains(id)));
            known.extend(operation.outputs().map(|tensor| tensor.id));
        }
        for id in &ir.outputs {
            if known.contains(id) {
                continue;
            }
            if !values.contains_key(id) {
                return Err(format!("nothing makes its output {id}"));
            }
            read.insert(*id);
        }
        Ok(Self { ir, examples, read })
    }
}

/// The parameters, shared ones once, and new numbers for tensors of the further places.
fn once_each(
    parameters: Vec<Captured>,
    values: &mut Values,
) -> (Vec<CapturedParameter>, HashMap<TensorId, TensorId>) {
    let mut once: Vec<CapturedParameter> = Vec::new();
    let mut renamed = HashMap::new();
    // Positions of parameters by their ids, and which of the shared ones they are. Those of one id
    // may be others: clones that were trained apart, two models from one file.
    let mut shared: HashMap<ParamId, Vec<(usize, Option<usize>)>> = HashMap::new();
    for parameter in parameters {
        let Some(value) = values.get(&parameter.id) else {
            continue;
        };
        // On this device, each place of a shared parameter has a tensor of its own.
        let known = shared.entry(parameter.parameter).or_default();
        let first = known.iter().find(|(position, shared)| {
            let first = &values[&once[*position].tensor];
            let is_known = shared.is_some() && *shared == parameter.shared;
            // Statistics need not be among the shared ones.
            let is_equal = || parameter.is_statistic && is_same(first, value);
            first.shape() == value.shape() && (is_known || is_equal())
        });
        if let Some((first, _)) = first {
            let first = &mut once[*first];
            first.shared_as.push(parameter.path);
            if parameter.id != first.tensor {
                renamed.insert(parameter.id, first.tensor);
                values.remove(&parameter.id);
            }
            continue;
        }
        debug_assert_eq!(value.shape().to_vec(), parameter.shape);
        known.push((once.len(), parameter.shared));
        once.push(CapturedParameter {
            path: parameter.path,
            shared_as: Vec::new(),
            tensor: parameter.id,
            structs: parameter.structs,
            is_statistic: parameter.is_statistic,
        });
    }
    (once, renamed)
}

fn is_same(a: &TensorData, b: &TensorData) -> bool {
    a.dtype() == b.dtype() && a.shape() == b.shape() && a.as_bytes() == b.as_bytes()
}

fn rename(ir: &mut GraphIr, renamed: &HashMap<TensorId, TensorId>) {
    let mut visitor = Rename(renamed);
    for operation in &mut ir.operations {
        operation.visit_mut(&mut visitor);
    }
    for id in ir.inputs.iter_mut().chain(&mut ir.outputs) {
        visitor.rename(id);
    }
}

struct Rename<'a>(&'a HashMap<TensorId, TensorId>);

impl Rename<'_> {
    fn rename(&self, id: &mut TensorId) {
        if let Some(other) = self.0.get(id) {
            *id = *other;
        }
    }
}

impl IrVisitorMut for Rename<'_> {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        self.rename(&mut tensor.id);
    }
}
