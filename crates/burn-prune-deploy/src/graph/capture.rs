use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::capture::{CapturedGraph, TensorId};
use burn::backend::ir::{OperationIr, TensorIr};
use burn::module::{Module, ParamId};
use burn::tensor::TensorData;
use burn_prune::running_statistics;

use super::device::CaptureDevice;
use super::parameters::{Captured, captured};
use super::translate::translate;
use super::{Graph, GraphTensors, Operation, Parameter, Role, TensorInfo, TensorKind};
use crate::DeployError;

impl Graph {
    /// Runs the forward pass of a model once on an example, without computing anything, and writes
    /// down what it does.
    ///
    /// The model is taken as it computes: with its masks folded in, and in evaluation mode, so that
    /// BatchNorm uses its running statistics. Neither the model nor its statistics are touched.
    /// `inputs` and what `forward` returns are tensors of any kind, or tuples or `Vec`s of them.
    ///
    /// # Errors
    /// When the forward pass fails on the example or depends on the values of tensors.
    pub fn capture<M, I, O>(
        model: &M,
        inputs: I,
        forward: impl FnOnce(&M, I) -> O,
    ) -> Result<Self, DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        // `valid` makes running statistics of its own; a clone would share the caller's.
        let model = model.valid().materialize();
        let statistics = running_statistics(&model);
        let device = CaptureDevice::take();
        let mut parameters = Vec::new();
        let mut outputs = Vec::new();
        let captured = catch_unwind(AssertUnwindSafe(|| {
            device.capture_scope(|scope| {
                let model = model.to_device(&device);
                parameters = captured(&model, &statistics);
                let inputs = inputs.on_device(&device);
                let input_ids = inputs.captured_ids().expect("they are on this device");
                let returned = forward(&model, inputs);
                outputs = returned.captured_ids().unwrap_or_default();
                if outputs.is_empty() {
                    panic!("it returns nothing, or a tensor of another device than its inputs");
                }
                // The device takes each tensor once.
                let once: BTreeSet<TensorId> = outputs.iter().copied().collect();
                scope.complete(input_ids, once.into_iter().collect::<Vec<_>>())
            })
        }));
        match captured {
            Ok(Ok(captured)) => build(captured, parameters, &outputs),
            Ok(Err(error)) => Err(DeployError::Capture {
                message: error.to_string(),
            }),
            Err(panic) => Err(failure(panic)),
        }
    }
}

fn failure(panic: Box<dyn Any + Send>) -> DeployError {
    let message = match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => match panic.downcast::<&str>() {
            Ok(message) => message.to_string(),
            Err(_) => "no message".to_string(),
        },
    };
    let line = message.lines().next().unwrap_or_default().to_string();
    let reads = ["no concrete value", "no initialized value"];
    match reads.iter().any(|part| message.contains(part)) {
        true => DeployError::DependsOnValues { message: line },
        false => DeployError::Forward { message: line },
    }
}

fn build(
    captured: CapturedGraph,
    parameters: Vec<Captured>,
    outputs: &[TensorId],
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
        },
    };
    for parameter in parameters {
        builder.parameter(parameter);
    }
    for id in &captured.graph.inputs {
        let Some(value) = captured.values.get(id) else {
            continue;
        };
        let number = builder.add(*id, value_info(value, TensorKind::Input));
        builder.graph.inputs.push(number);
    }
    for operation in &captured.graph.operations {
        builder.operation(operation);
    }
    for id in outputs {
        let number = builder.output(*id)?;
        builder.graph.outputs.push(number);
    }
    Ok(builder.graph)
}

struct Builder<'a> {
    values: &'a std::collections::BTreeMap<TensorId, TensorData>,
    numbers: HashMap<TensorId, usize>,
    /// Numbers of parameters by their ids, and what holds their values. Those of one id that have
    /// other values are others: clones that were trained apart, two models from one file.
    shared: HashMap<ParamId, Vec<(usize, TensorId)>>,
    graph: Graph,
}

impl Builder<'_> {
    fn add(&mut self, id: TensorId, info: TensorInfo) -> usize {
        let number = self.graph.tensors.len();
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
        let first = known.iter().find(|(_, id)| {
            let first = &self.values[id];
            first.shape() == value.shape()
                && first.dtype() == value.dtype()
                && first.as_bytes() == value.as_bytes()
        });
        if let Some((first, _)) = first {
            let first = &mut self.graph.parameters[*first];
            first.shared_as.push(parameter.path);
            self.numbers.insert(parameter.id, first.tensor);
            return;
        }
        debug_assert_eq!(value.shape().to_vec(), parameter.shape);
        let number = self.graph.parameters.len();
        known.push((number, parameter.id));
        let kind = TensorKind::Parameter(number);
        let tensor = self.add(parameter.id, value_info(value, kind));
        self.graph.parameters.push(Parameter {
            path: parameter.path,
            shared_as: Vec::new(),
            tensor,
            structs: parameter.structs,
            is_statistic: parameter.is_statistic,
            is_divisor: false,
            values: value.iter::<f32>().collect(),
        });
    }

    fn number(&mut self, tensor: &TensorIr, kind: TensorKind) -> usize {
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
    fn output(&mut self, id: TensorId) -> Result<usize, DeployError> {
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
        let inputs: Vec<usize> = inputs
            .into_iter()
            .map(|tensor| self.number(tensor, TensorKind::Constant))
            .collect();
        let outputs = operation.outputs();
        let outputs: Vec<&TensorIr> = outputs.collect();
        let outputs = outputs
            .into_iter()
            .map(|tensor| self.number(tensor, TensorKind::Computed))
            .collect();
        for (place, tensor) in inputs.iter().enumerate() {
            if kind.role(place) == Role::Divisor
                && let Some(parameter) = self.graph.source(*tensor)
            {
                self.graph.parameters[parameter].is_divisor = true;
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
