use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::Flex;
use burn::backend::ir::{
    BaseOperationIr as Base, HandleKind, IrVisitorMut, OperationIr, TensorId, TensorIr,
    TensorStatus,
};
use burn::tensor::TensorData;
use burn_router::TensorInterpreter;

use super::pass::Pass;
use crate::error::EngineError;

/// The values of a capture. Each is given away with its last use, so that there is no second copy of it.
pub(super) struct Constants<'a> {
    pass: &'a Pass<'a>,
    values: BTreeMap<TensorId, TensorData>,
    uses: HashMap<TensorId, usize>,
    paths: HashMap<TensorId, String>,
}

impl<'a> Constants<'a> {
    pub(super) fn new(
        pass: &'a Pass<'a>,
        values: BTreeMap<TensorId, TensorData>,
        paths: HashMap<TensorId, String>,
    ) -> Self {
        Self {
            pass,
            values,
            uses: HashMap::new(),
            paths,
        }
    }

    /// Announces a use of a tensor. What is not announced is dropped by [`Self::forget`].
    pub(super) fn announce(&mut self, tensor: TensorId) {
        if self.values.contains_key(&tensor) {
            *self.uses.entry(tensor).or_default() += 1;
        } else if let Some(operation) = self.pass.maker(tensor) {
            for input in operation.inputs() {
                self.announce(input.id);
            }
        }
    }

    /// Drops what nobody has announced.
    pub(super) fn forget(&mut self) {
        let uses = &self.uses;
        self.values.retain(|tensor, _| uses.contains_key(tensor));
    }

    /// The value of a constant, worked out if it is computed from others.
    pub(super) fn take(&mut self, tensor: TensorId) -> Result<TensorData, EngineError> {
        if let Some(uses) = self.uses.get_mut(&tensor) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&tensor);
                return Ok(self.values.remove(&tensor).expect("it has a use"));
            }
            return Ok(self.values[&tensor].clone());
        }
        let operation = self.pass.maker(tensor).expect("constants have a source");
        let mut inputs = Vec::new();
        for input in operation.inputs() {
            inputs.push((input.id, self.take(input.id)?));
        }
        if let OperationIr::BaseFloat(Base::Reshape(op)) = operation {
            let (_, value) = inputs.swap_remove(0);
            let (bytes, _, dtype) = value.into_parts();
            return Ok(TensorData::from_bytes(bytes, op.out.shape.clone(), dtype));
        }
        let output = operation.outputs().find(|output| output.id == tensor);
        let output = output.expect("it makes it").clone();
        let mut results = evaluate(operation, &self.path(tensor), inputs)?;
        Ok(results.remove(&output.id).expect("it is among the results"))
    }

    /// As `f32`, where it is known to be.
    pub(super) fn floats(&mut self, tensor: TensorId) -> Result<Vec<f32>, EngineError> {
        let value = self.take(tensor)?;
        let values: Vec<f32> = value.try_into_vec().expect("it is f32");
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(EngineError::NotFinite {
            path: self.path(tensor),
        })
    }

    /// The parameter that a constant is, or is computed from.
    pub(super) fn path(&self, tensor: TensorId) -> String {
        if let Some(path) = self.paths.get(&tensor) {
            return path.clone();
        }
        let Some(operation) = self.pass.maker(tensor) else {
            return "a constant".to_string();
        };
        let mut paths = operation.inputs().map(|input| self.path(input.id));
        let first = paths.next().unwrap_or_default();
        let known = std::iter::once(first.clone()).chain(paths);
        let mut known = known.filter(|path| path != "a constant");
        known.next().unwrap_or(first)
    }
}

/// Runs one operation on flex.
pub(super) fn evaluate(
    operation: &OperationIr,
    name: &str,
    inputs: Vec<(TensorId, TensorData)>,
) -> Result<HashMap<TensorId, TensorData>, EngineError> {
    let mut kept = operation.clone();
    kept.visit_mut(&mut Keep);
    let outputs: Vec<TensorIr> = kept.outputs().cloned().collect();
    let run = || {
        let mut interpreter = TensorInterpreter::<Flex>::new(Default::default());
        for (id, value) in inputs {
            interpreter.register_tensor_data_id(id, value);
        }
        interpreter.register_op(kept);
        let value = |tensor: TensorIr| {
            let value = match interpreter.get_tensor(&tensor) {
                HandleKind::Float(value) | HandleKind::Int(value) | HandleKind::Bool(value) => {
                    value.into_data()
                }
                HandleKind::Quantized(_) => unreachable!("it is asked for as a plain tensor"),
            };
            (tensor.id, value)
        };
        outputs.into_iter().map(value).collect()
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let message = message.unwrap_or_default();
        EngineError::Burn {
            operation: name.to_string(),
            message: message.lines().next().unwrap_or_default().to_string(),
        }
    })
}

/// Tensors stay after they are read.
struct Keep;

impl IrVisitorMut for Keep {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        tensor.status = TensorStatus::ReadOnly;
    }
}
