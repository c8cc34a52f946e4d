//! From what the capture device recorded to a graph.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use burn::backend::capture::{CapturedGraph, TensorId as CapturedId};
use burn::backend::ir::{OperationIr, TensorIr};
use burn::module::ParamId;
use burn::tensor::TensorData;

use super::captured::Captured;
use super::translate::translate;
use super::{
    Graph, Operation, Parameter, ParameterId, ParameterValues, Role, Sizes, TensorId, TensorInfo,
    TensorKind, pairing,
};
use crate::error::DeployError;

/// A forward pass on the capture device: its inputs and outputs.
pub(super) struct Pass {
    pub inputs: Vec<CapturedId>,
    pub outputs: Vec<CapturedId>,
    pub batch: usize,
    /// What is put on the device next.
    pub next: Option<CapturedId>,
}

/// The graph of the first pass; the second one, if there is one, only tells which sizes follow the
/// batch.
pub(super) fn build(
    captured: &CapturedGraph,
    parameters: Vec<Captured>,
    first: &Pass,
    second: Result<Pass, String>,
) -> Result<Graph, DeployError> {
    let mut builder = Builder {
        values: &captured.values,
        numbers: HashMap::new(),
        shared: HashMap::new(),
        graph: Graph {
            tensors: Vec::new(),
            operations: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            parameters: Vec::new(),
            sizes: Sizes::fixed(""),
            values: None,
        },
        parameters: Vec::new(),
    };
    for parameter in parameters {
        builder.parameter(parameter);
    }
    let operations = &captured.graph.operations;
    let is_next = |operation: &OperationIr| match operation {
        OperationIr::Init(init) => Some(init.out.id) == first.next,
        _ => false,
    };
    let end = operations.iter().position(is_next);
    let (of_first, of_second) = operations.split_at(end.unwrap_or(operations.len()));
    builder.pass(first, of_first)?;
    let sizes = match second {
        Ok(pass) => builder.compare(first.batch, &pass, of_second),
        Err(reason) => Err(reason),
    };
    builder.graph.sizes = sizes.unwrap_or_else(Sizes::fixed);
    let values = ParameterValues::new(builder.parameters);
    builder.graph.values = Some(Arc::new(values));
    Ok(builder.graph)
}

struct Builder<'a> {
    values: &'a BTreeMap<CapturedId, TensorData>,
    numbers: HashMap<CapturedId, TensorId>,
    /// Numbers of parameters by their ids, what holds their values, and which of the shared ones they
    /// are. Those of one id may be others: clones that were trained apart, two models from one file.
    shared: HashMap<ParamId, Vec<(ParameterId, CapturedId, Option<usize>)>>,
    graph: Graph,
    /// The values of its parameters.
    parameters: Vec<Arc<[f32]>>,
}

impl Builder<'_> {
    fn pass(&mut self, pass: &Pass, operations: &[OperationIr]) -> Result<(), DeployError> {
        for id in &pass.inputs {
            let Some(value) = self.values.get(id) else {
                continue;
            };
            let number = self.add(*id, value_info(value, TensorKind::Input));
            self.graph.inputs.push(number);
        }
        for operation in operations {
            self.operation(operation);
        }
        for id in &pass.outputs {
            let number = self.output(*id)?;
            self.graph.outputs.push(number);
        }
        Ok(())
    }

    /// Which sizes follow the batch.
    fn compare(
        &self,
        batch: usize,
        second: &Pass,
        operations: &[OperationIr],
    ) -> Result<Sizes, String> {
        let graph = &self.graph;
        let mut other = Builder {
            values: self.values,
            numbers: self.numbers.clone(),
            shared: HashMap::new(),
            graph: Graph {
                tensors: graph.tensors.clone(),
                operations: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                parameters: graph.parameters.clone(),
                sizes: Sizes::fixed(""),
                values: None,
            },
            parameters: Vec::new(),
        };
        let passed = other.pass(second, operations);
        passed.map_err(|error| error.to_string())?;

        pairing::sizes(
            &other.graph.tensors,
            graph.tensors.len(),
            &pairing::Pass::of(graph, batch),
            &pairing::Pass::of(&other.graph, second.batch),
        )
    }

    fn add(&mut self, id: CapturedId, info: TensorInfo) -> TensorId {
        let number = TensorId::new(self.graph.tensors.len());
        self.graph.tensors.push(info);
        self.numbers.insert(id, number);
        number
    }

    fn parameter(&mut self, parameter: Captured) {
        let Some(value) = self.values.get(&parameter.id) else {
            return;
        };
        // On this device, each place of a shared parameter has a tensor of its own.
        let known = self.shared.entry(parameter.parameter).or_default();
        let first = known.iter().find(|(_, id, shared)| {
            let first = &self.values[id];
            let is_equal =
                || first.dtype() == value.dtype() && first.as_bytes() == value.as_bytes();
            let is_known = shared.is_some() && *shared == parameter.shared;
            // Statistics need not be among the shared ones.
            let is_same = is_known || (parameter.is_statistic && is_equal());
            first.shape() == value.shape() && is_same
        });
        if let Some((first, ..)) = first {
            let first = &mut self.graph.parameters[first.index()];
            first.shared_as.push(parameter.path);
            self.numbers.insert(parameter.id, first.tensor);
            return;
        }
        debug_assert_eq!(value.shape().to_vec(), parameter.shape);
        let number = ParameterId::new(self.graph.parameters.len());
        known.push((number, parameter.id, parameter.shared));
        let kind = TensorKind::Parameter(number);
        let tensor = self.add(parameter.id, value_info(value, kind));
        self.graph.parameters.push(Parameter {
            path: parameter.path,
            shared_as: Vec::new(),
            tensor,
            structs: parameter.structs,
            is_statistic: parameter.is_statistic,
            is_divisor: false,
        });
        self.parameters.push(value.iter::<f32>().collect());
    }

    fn number(&mut self, tensor: &TensorIr, kind: TensorKind) -> TensorId {
        match self.numbers.get(&tensor.id) {
            Some(number) => *number,
            None => self.add(
                tensor.id,
                TensorInfo {
                    shape: tensor.shape.to_vec(),
                    element_bytes: tensor.dtype.size(),
                    kind,
                    checksum: match kind {
                        TensorKind::Constant => {
                            let value = self.values.get(&tensor.id);
                            value.map(|value| crc32fast::hash(value.as_bytes()))
                        }
                        _ => None,
                    },
                },
            ),
        }
    }

    /// The number of a tensor that is returned, perhaps without an operation that makes or reads it.
    fn output(&mut self, id: CapturedId) -> Result<TensorId, DeployError> {
        if let Some(number) = self.numbers.get(&id) {
            return Ok(*number);
        }
        let value = self.values.get(&id).ok_or_else(|| DeployError::Capture {
            message: format!("nothing makes its output {id}"),
        })?;
        let mut info = value_info(value, TensorKind::Constant);
        info.checksum = Some(crc32fast::hash(value.as_bytes()));
        Ok(self.add(id, info))
    }

    fn operation(&mut self, operation: &OperationIr) {
        // Puts a constant there; its value is known.
        if matches!(operation, OperationIr::Init(_)) {
            return;
        }
        let (kind, inputs) = translate(operation);
        let inputs: Vec<TensorId> = inputs
            .into_iter()
            .map(|tensor| self.number(tensor, TensorKind::Constant))
            .collect();
        let made: Vec<&TensorIr> = operation.outputs().collect();
        let outputs = made
            .into_iter()
            .map(|tensor| self.number(tensor, TensorKind::Computed))
            .collect();
        for (place, tensor) in inputs.iter().enumerate() {
            if kind.role(place) == Role::Divisor
                && let Some(parameter) = self.graph.source(*tensor)
            {
                self.graph.parameters[parameter.index()].is_divisor = true;
            }
        }
        self.graph.operations.push(Operation {
            kind,
            inputs,
            outputs,
        });
    }
}

fn value_info(value: &TensorData, kind: TensorKind) -> TensorInfo {
    TensorInfo {
        shape: value.shape().to_vec(),
        element_bytes: value.dtype().size(),
        kind,
        checksum: None,
    }
}
