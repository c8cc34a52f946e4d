//! The forward pass of a model as operations on tensors.

mod batch;
mod build;
mod capture;
mod captured;
mod device;
mod display;
mod elementwise;
mod form;
mod ids;
mod kinds;
mod named;
mod operation;
mod pairing;
mod parameter;
mod sizes;
mod source;
mod tensors;
mod translate;
mod values;

pub use batch::Batch;
pub use elementwise::Elementwise;
pub use ids::{OperationId, ParameterId, TensorId};
pub use kinds::{Along, Creation, Padding, Reduction, Spatial};
pub use operation::{Number, Operation, OperationClass, OperationKind, Role};
pub use parameter::Parameter;
pub use sizes::{AxisSize, Sizes};
pub use tensors::GraphTensors;
pub use values::ParameterValues;

pub(crate) use capture::capture_once;
pub(crate) use display::dims;
pub(crate) use form::Form;
pub(crate) use parameter::module;
pub(crate) use sizes::{Reshape, WithoutBatch};

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The forward pass of a model on an example: operations in their order, tensors with their shapes.
///
/// Made by [`Graph::capture`]. Tensors, operations and parameters are numbered, each with a type of
/// its own ([`TensorId`], [`OperationId`], [`ParameterId`]); a graph is indexed by them. Displays as
/// one line an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    pub(crate) tensors: Vec<TensorInfo>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) inputs: Vec<TensorId>,
    pub(crate) outputs: Vec<TensorId>,
    pub(crate) parameters: Vec<Parameter>,
    /// Which sizes follow the batch.
    #[serde(default)]
    pub(crate) sizes: Sizes,
    #[serde(skip)]
    pub(crate) values: Option<Arc<ParameterValues>>,
}

/// A tensor of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Bytes an element.
    pub element_bytes: usize,
    /// Where it comes from.
    pub kind: TensorKind,
    /// CRC-32 of the values of a constant: models that differ in them compute something else.
    pub checksum: Option<u32>,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Where a tensor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TensorKind {
    /// It is given to the model.
    Input,
    /// It is a parameter.
    Parameter(ParameterId),
    /// It is stored in the model or made by its code, and no parameter.
    Constant,
    /// An operation makes it.
    Computed,
}

impl Graph {
    /// All tensors; a [`TensorId`] indexes them.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Operations in the order in which they run; an [`OperationId`] indexes them.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Float parameters in module order, those that no operation reads included; a [`ParameterId`]
    /// indexes them.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The tensors that are given to the model.
    pub fn inputs(&self) -> &[TensorId] {
        &self.inputs
    }

    /// The tensors that the model returns.
    pub fn outputs(&self) -> &[TensorId] {
        &self.outputs
    }

    /// The values of the parameters; `None` for a graph that was loaded from a file or belongs to a
    /// plan.
    pub fn values(&self) -> Option<&ParameterValues> {
        self.values.as_deref()
    }

    /// Numbers of all tensors.
    pub fn tensor_ids(&self) -> impl Iterator<Item = TensorId> + use<> {
        (0..self.tensors.len()).map(TensorId::new)
    }

    /// Numbers of all operations, in the order in which they run.
    pub fn operation_ids(&self) -> impl Iterator<Item = OperationId> + use<> {
        (0..self.operations.len()).map(OperationId::new)
    }

    /// Numbers of all parameters, in module order.
    pub fn parameter_ids(&self) -> impl Iterator<Item = ParameterId> + use<> {
        (0..self.parameters.len()).map(ParameterId::new)
    }

    /// The operations that read a tensor.
    pub fn consumers(&self, tensor: TensorId) -> Vec<OperationId> {
        self.operation_ids()
            .filter(|operation| self[*operation].inputs.contains(&tensor))
            .collect()
    }

    /// The operation that makes a tensor.
    pub(crate) fn maker(&self, tensor: TensorId) -> Option<&Operation> {
        let mut operations = self.operations.iter();
        operations.find(|operation| operation.outputs.contains(&tensor))
    }

    /// The parameter of a dotted path.
    pub fn parameter(&self, path: &str) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.paths().any(|other| other == path))
    }

    /// Dotted paths of the parameters that the forward pass neither reads nor returns.
    ///
    /// They may be read in training alone, as an auxiliary head, or with other inputs. A plan does
    /// not cut them, also where they read channels that it cuts.
    pub fn unseen(&self) -> Vec<&str> {
        let read = self
            .operations
            .iter()
            .flat_map(|operation| &operation.inputs);
        let seen: HashSet<TensorId> = read.chain(&self.outputs).copied().collect();
        self.parameters
            .iter()
            .filter(|parameter| !seen.contains(&parameter.tensor))
            .flat_map(Parameter::paths)
            .collect()
    }

    pub(crate) fn shape(&self, tensor: TensorId) -> &[usize] {
        &self[tensor].shape
    }
}
