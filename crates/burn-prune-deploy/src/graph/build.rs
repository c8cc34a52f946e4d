//! From a [`Capture`] to its graph.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use burn::backend::capture::TensorId as CapturedId;
use burn::backend::ir::{GraphIr, OperationIr, TensorIr};
use burn::tensor::TensorData;

use super::capture::{Capture, CapturedParameter, OtherPass};
use super::translate::translate;
use super::{
    Graph, Operation, Parameter, ParameterId, ParameterValues, Role, Sizes, TensorId, TensorInfo,
    TensorKind, pairing,
};
use crate::error::DeployError;

/// The graph of the first pass; the second one, if there is one, only tells which sizes follow the
/// batch.
pub(super) fn build(capture: &Capture) -> Result<Graph, DeployError> {
    let mut builder = Builder {
        values: vec![&capture.values],
        numbers: HashMap::new(),
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
    for parameter in &capture.parameters {
        builder.parameter(parameter);
    }
    builder.pass(&capture.ir, &capture.examples)?;
    let sizes = match &capture.other {
        Ok(other) => builder.compare(capture.batch.unwrap_or(1), other),
        Err(reason) => Err(reason.clone()),
    };
    builder.graph.sizes = sizes.unwrap_or_else(Sizes::fixed);
    let values = ParameterValues::new(builder.parameters);
    builder.graph.values = Some(Arc::new(values));
    Ok(builder.graph)
}

struct Builder<'a> {
    values: Vec<&'a BTreeMap<CapturedId, TensorData>>,
    numbers: HashMap<CapturedId, TensorId>,
    graph: Graph,
    /// The values of its parameters.
    parameters: Vec<Arc<[f32]>>,
}

impl<'a> Builder<'a> {
    fn value(&self, id: &CapturedId) -> Option<&'a TensorData> {
        self.values.iter().find_map(|values| values.get(id))
    }

    fn pass(&mut self, ir: &GraphIr, examples: &[TensorData]) -> Result<(), DeployError> {
        for (id, value) in ir.inputs.iter().zip(examples) {
            let number = self.add(*id, value_info(value, TensorKind::Input));
            self.graph.inputs.push(number);
        }
        for operation in &ir.operations {
            self.operation(operation);
        }
        for id in &ir.outputs {
            let number = self.output(*id)?;
            self.graph.outputs.push(number);
        }
        Ok(())
    }

    /// Which sizes follow the batch.
    fn compare(&self, batch: usize, second: &OtherPass) -> Result<Sizes, String> {
        let graph = &self.graph;
        let mut other = Builder {
            values: self
                .values
                .iter()
                .copied()
                .chain([&second.values])
                .collect(),
            numbers: self.numbers.clone(),
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
        let passed = other.pass(&second.ir, &second.examples);
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

    fn parameter(&mut self, parameter: &CapturedParameter) {
        let Some(value) = self.value(&parameter.tensor) else {
            return;
        };
        let number = ParameterId::new(self.graph.parameters.len());
        let kind = TensorKind::Parameter(number);
        let tensor = self.add(parameter.tensor, value_info(value, kind));
        self.graph.parameters.push(Parameter {
            path: parameter.path.clone(),
            shared_as: parameter.shared_as.clone(),
            tensor,
            structs: parameter.structs.clone(),
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
                            let value = self.value(&tensor.id);
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
        let value = self.value(&id).ok_or_else(|| DeployError::Capture {
            message: format!("nothing makes its output {id}"),
        })?;
        let mut info = value_info(value, TensorKind::Constant);
        info.checksum = Some(crc32fast::hash(value.as_bytes()));
        Ok(self.add(id, info))
    }

    fn operation(&mut self, operation: &OperationIr) {
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
