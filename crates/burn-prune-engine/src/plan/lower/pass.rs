use std::collections::{BTreeMap, HashMap, HashSet};

use burn::backend::ir::{
    BaseOperationIr as Base, FloatOperationIr as Float, GraphIr, ModuleOperationIr as Module,
    NumericOperationIr as Numeric, OperationIr, TensorId,
};
use burn::tensor::{DType, TensorData};

use crate::plan::unknown::is_known;

/// One captured forward pass, and what is known of its tensors.
pub(super) struct Pass<'a> {
    pub operations: &'a [OperationIr],
    pub inputs: &'a [TensorId],
    pub outputs: &'a [TensorId],
    tensors: HashMap<TensorId, Known>,
    /// How often a tensor is read; to be returned counts.
    readers: HashMap<TensorId, usize>,
    /// What is the same in every run.
    constants: HashSet<TensorId>,
}

struct Known {
    shape: Vec<usize>,
    dtype: DType,
    /// The operation that makes it.
    maker: Option<usize>,
}

impl<'a> Pass<'a> {
    /// A pass on inputs of these examples, with these parameters and constants.
    pub(super) fn new<'v>(
        ir: &'a GraphIr,
        examples: &[TensorData],
        values: impl IntoIterator<Item = &'v BTreeMap<TensorId, TensorData>>,
    ) -> Self {
        let mut pass = Self {
            operations: &ir.operations,
            inputs: &ir.inputs,
            outputs: &ir.outputs,
            tensors: HashMap::new(),
            readers: HashMap::new(),
            constants: HashSet::new(),
        };
        for (id, value) in values.into_iter().flatten() {
            pass.constants.insert(*id);
            pass.know(*id, value);
        }
        for (id, value) in ir.inputs.iter().zip(examples) {
            pass.constants.remove(id);
            pass.know(*id, value);
        }
        for (at, operation) in ir.operations.iter().enumerate() {
            for tensor in operation.inputs() {
                *pass.readers.entry(tensor.id).or_default() += 1;
            }
            let is_constant = is_function(operation)
                && operation.inputs().next().is_some()
                && operation
                    .inputs()
                    .all(|tensor| pass.constants.contains(&tensor.id));
            for tensor in operation.outputs() {
                if is_constant {
                    pass.constants.insert(tensor.id);
                }
                pass.tensors.insert(
                    tensor.id,
                    Known {
                        shape: tensor.shape.to_vec(),
                        dtype: tensor.dtype,
                        maker: Some(at),
                    },
                );
            }
        }
        for output in &ir.outputs {
            *pass.readers.entry(*output).or_default() += 1;
        }
        pass
    }

    fn know(&mut self, id: TensorId, value: &TensorData) {
        let known = Known {
            shape: value.shape().to_vec(),
            dtype: value.dtype(),
            maker: None,
        };
        self.tensors.insert(id, known);
    }

    /// Which operation makes a tensor; inputs, parameters and constants have none.
    pub(super) fn maker_at(&self, tensor: TensorId) -> Option<usize> {
        self.tensors.get(&tensor)?.maker
    }

    pub(super) fn maker(&self, tensor: TensorId) -> Option<&'a OperationIr> {
        Some(&self.operations[self.maker_at(tensor)?])
    }

    /// What a tensor is before it is reshaped.
    pub(super) fn unreshaped(&self, mut tensor: TensorId) -> TensorId {
        while let Some(OperationIr::BaseFloat(Base::Reshape(op))) = self.maker(tensor) {
            tensor = op.input.id;
        }
        tensor
    }

    pub(super) fn shape(&self, tensor: TensorId) -> &[usize] {
        self.tensors
            .get(&tensor)
            .map_or(&[], |known| known.shape.as_slice())
    }

    pub(super) fn dtype(&self, tensor: TensorId) -> DType {
        self.tensors
            .get(&tensor)
            .map_or(DType::F32, |known| known.dtype)
    }

    pub(super) fn is_constant(&self, tensor: TensorId) -> bool {
        self.constants.contains(&tensor)
    }

    /// A tensor of `f32` that changes from run to run, and is not empty.
    pub(super) fn is_signal(&self, tensor: TensorId) -> bool {
        !self.is_constant(tensor) && self.is_filled(tensor)
    }

    /// A constant of `f32` that is not empty.
    pub(super) fn is_weight(&self, tensor: TensorId) -> bool {
        self.is_constant(tensor) && self.is_filled(tensor)
    }

    fn is_filled(&self, tensor: TensorId) -> bool {
        self.dtype(tensor) == DType::F32 && !self.shape(tensor).contains(&0)
    }

    pub(super) fn is_read_once(&self, tensor: TensorId) -> bool {
        self.readers.get(&tensor) == Some(&1)
    }

    /// Whether axis 1 is channels: of four axes always, of three when a layer for signals makes it.
    pub(super) fn is_image(&self, tensor: TensorId) -> bool {
        match self.shape(tensor).len() {
            4 => return true,
            3 => {}
            _ => return false,
        }
        match self.maker(tensor) {
            Some(OperationIr::Module(operation)) => !matches!(
                operation,
                Module::Linear(_)
                    | Module::LayerNorm(_)
                    | Module::Embedding(_)
                    | Module::Attention(_)
            ),
            Some(OperationIr::Activation(_) | OperationIr::NumericFloat(..)) => {
                let maker = self.maker(tensor);
                let first = maker.and_then(|operation| operation.inputs().next());
                first.is_some_and(|first| self.is_image(first.id))
            }
            _ => false,
        }
    }
}

/// Whether Burn can run it, it gives the same for the same inputs, and does nothing else.
pub(super) fn is_function(operation: &OperationIr) -> bool {
    let is_random = matches!(
        operation,
        OperationIr::Float(_, Float::Random(_))
            | OperationIr::NumericInt(_, Numeric::IntRandom(_))
            | OperationIr::BaseFloat(Base::Empty(_))
            | OperationIr::BaseInt(Base::Empty(_))
            | OperationIr::BaseBool(Base::Empty(_))
    );
    !is_random && is_known(operation)
}
