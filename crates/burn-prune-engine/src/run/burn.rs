use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::Flex;
use burn::backend::ir::{HandleKind, IrVisitorMut, OperationIr, TensorId, TensorIr, TensorStatus};
use burn::tensor::DType;
use burn_flex::{FlexDevice, FlexTensor};
use burn_router::TensorInterpreter;

use crate::error::EngineError;
use crate::plan::batch;
use crate::plan::program::{Batches, Node, NodeKind, ValueId};

/// One operation that Burn runs, at one batch size.
#[derive(Debug)]
pub(crate) struct BurnStep {
    name: String,
    operation: OperationIr,
    /// The tensors that it reads, each once.
    inputs: Vec<(ValueId, TensorIr)>,
    outputs: Vec<(ValueId, TensorIr)>,
}

impl BurnStep {
    /// The operation of a node at this batch size.
    ///
    /// # Errors
    ///
    /// When its sizes are not known there.
    pub(crate) fn new(node: &Node, batches: &Batches, batch: usize) -> Result<Self, EngineError> {
        let NodeKind::Burn { operation, other } = &node.kind else {
            unreachable!("`{}` is not run by Burn", node.name)
        };
        let other = other.as_deref().zip(batches.pair());
        let mut operation = if batch == batches.example {
            (**operation).clone()
        } else {
            let found =
                other.and_then(|(other, batches)| batch::at(operation, other, batches, batch));
            found.ok_or_else(|| EngineError::Batch {
                batch,
                message: format!("the sizes of `{}` are not known", node.name),
            })?
        };
        only_reads_consume(&mut operation);
        let mut inputs: Vec<(ValueId, TensorIr)> = Vec::new();
        for (value, tensor) in node.inputs.iter().zip(operation.inputs()) {
            if inputs.iter().all(|(_, known)| known.id != tensor.id) {
                inputs.push((*value, tensor.clone()));
            }
        }
        let outputs = operation.outputs().map(|tensor| TensorIr {
            status: TensorStatus::ReadWrite,
            ..tensor.clone()
        });
        let outputs = node.outputs.iter().copied().zip(outputs).collect();
        Ok(Self {
            name: node.name.clone(),
            operation,
            inputs,
            outputs,
        })
    }

    /// What Burn runs.
    pub(crate) fn operation(&self) -> &OperationIr {
        &self.operation
    }

    /// Runs it on the tensors that it reads, and puts there what it makes. Those of `last_uses` are handed over, so
    /// that it may write to them.
    ///
    /// # Errors
    ///
    /// When Burn panics.
    pub(crate) fn run(
        &self,
        tensors: &mut [Option<FlexTensor>],
        last_uses: &[ValueId],
    ) -> Result<(), EngineError> {
        let mut interpreter = TensorInterpreter::<Flex>::new(FlexDevice);
        for (at, (value, ir)) in self.inputs.iter().enumerate() {
            // Two tensors of an operation may be the same value here.
            let is_last = self.inputs[at + 1..]
                .iter()
                .all(|(later, _)| later != value);
            let tensor = if is_last && last_uses.contains(value) {
                tensors[value.0].take()
            } else {
                tensors[value.0].clone()
            };
            let tensor = tensor.expect("what an operation reads is made before it");
            interpreter.register_tensor_to_device(ir.id, handle(tensor, ir.dtype));
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            interpreter.register_op(self.operation.clone());
            let outputs = self.outputs.iter();
            let outputs = outputs.map(|(_, ir)| primitive(interpreter.get_tensor(ir)));
            outputs.collect::<Vec<FlexTensor>>()
        }));
        let made = made.map_err(|panic| EngineError::Burn {
            operation: self.name.clone(),
            message: first_line(&*panic),
        })?;
        for ((value, _), tensor) in self.outputs.iter().zip(made) {
            tensors[value.0] = Some(tensor);
        }
        Ok(())
    }
}

fn handle(tensor: FlexTensor, dtype: DType) -> HandleKind<Flex> {
    if dtype.is_bool() {
        HandleKind::Bool(tensor)
    } else if dtype.is_int() || dtype.is_uint() {
        HandleKind::Int(tensor)
    } else {
        HandleKind::Float(tensor)
    }
}

fn primitive(handle: HandleKind<Flex>) -> FlexTensor {
    match handle {
        HandleKind::Float(tensor) | HandleKind::Int(tensor) | HandleKind::Bool(tensor) => tensor,
        HandleKind::Quantized(_) => unreachable!("no operation of a plan makes quantized tensors"),
    }
}

/// Sets the status of each tensor: the interpreter hands on what it reads once, and keeps the others.
fn only_reads_consume(operation: &mut OperationIr) {
    struct Statuses(Vec<TensorId>);
    impl IrVisitorMut for Statuses {
        fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
            let reads = self.0.iter().filter(|id| **id == tensor.id);
            tensor.status = match reads.count() {
                0 => TensorStatus::NotInit,
                1 => TensorStatus::ReadWrite,
                _ => TensorStatus::ReadOnly,
            };
        }
    }
    let reads = operation.inputs().map(|tensor| tensor.id).collect();
    operation.visit_mut(&mut Statuses(reads));
}

/// What a panic says.
pub(crate) fn first_line(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let line = message.and_then(|message| message.lines().next());
    line.unwrap_or("no message").to_string()
}
