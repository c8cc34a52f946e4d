//! The forward pass of a model as operations on tensors.

mod batch;
mod build;
mod capture;
mod device;
mod display;
mod elementwise;
mod form;
mod kinds;
mod named;
mod operation;
mod pairing;
mod parameters;
mod sizes;
mod tensors;
mod translate;

pub use batch::Batch;
pub use elementwise::Elementwise;
pub use kinds::{Along, Creation, Padding, Reduction, Spatial};
pub use operation::{Number, Operation, OperationClass, OperationKind, Role};
pub use sizes::{AxisSize, Sizes};
pub use tensors::GraphTensors;

pub(crate) use capture::capture_once;
pub(crate) use display::dims;
pub(crate) use form::Form;
pub(crate) use sizes::{Reshape, WithoutBatch};

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The forward pass of a model on an example: operations in their order, tensors with their shapes.
///
/// Made by [`Graph::capture`]. Tensors are numbered; [`Operation`]s name them by number. Displays
/// as one line an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// All tensors.
    pub tensors: Vec<TensorInfo>,
    /// Operations in the order in which they run.
    pub operations: Vec<Operation>,
    /// Numbers of the tensors that are given to the model.
    pub inputs: Vec<usize>,
    /// Numbers of the tensors that the model returns.
    pub outputs: Vec<usize>,
    /// Float parameters in module order, those that no operation reads included.
    pub parameters: Vec<Parameter>,
    /// Which sizes follow the batch.
    #[serde(default)]
    pub(crate) sizes: Sizes,
}

/// A tensor of a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A parameter, by its number in [`Graph::parameters`].
    Parameter(usize),
    /// It is stored in the model or made by its code, and no parameter.
    Constant,
    /// An operation makes it.
    Computed,
}

/// A parameter of the model, running statistics included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Dotted path; the first one when it is shared.
    pub path: String,
    /// Further paths of a shared one.
    pub shared_as: Vec<String>,
    /// Number of its tensor.
    pub tensor: usize,
    /// Type names of the structs that it is in, from the model to the layer that holds it.
    pub structs: Vec<String>,
    /// Whether it is a running statistic, which cannot be masked.
    pub is_statistic: bool,
    /// Whether something is divided by it, so that it must not be masked.
    pub is_divisor: bool,
    /// Its values in row-major order. Not serialized; empty in a graph that was loaded or belongs to a plan.
    #[serde(skip)]
    pub values: Arc<[f32]>,
}

impl Graph {
    /// The numbers of the operations that read a tensor.
    pub fn consumers(&self, tensor: usize) -> Vec<usize> {
        let operations = self.operations.iter().enumerate();
        let reads = operations.filter(|(_, operation)| operation.inputs.contains(&tensor));
        reads.map(|(index, _)| index).collect()
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
        let read = self.operations.iter();
        let read = read.flat_map(|operation| &operation.inputs);
        let seen: HashSet<usize> = read.chain(&self.outputs).copied().collect();
        let parameters = self.parameters.iter();
        let unseen = parameters.filter(|parameter| !seen.contains(&parameter.tensor));
        unseen.flat_map(Parameter::paths).collect()
    }

    pub(crate) fn shape(&self, tensor: usize) -> &[usize] {
        &self.tensors[tensor].shape
    }
}

impl Parameter {
    /// Whether a mask may make it 0. Where it may not, what goes through it is hidden by what reads it.
    pub fn can_be_masked(&self) -> bool {
        !self.is_statistic && !self.is_divisor
    }

    /// Type name of the struct that holds it, `Conv2d` for instance.
    pub fn layer(&self) -> &str {
        self.structs.last().map_or("", String::as_str)
    }

    /// Its values, if they are known.
    pub(crate) fn known_values(&self, elements: usize) -> Option<&[f32]> {
        (self.values.len() == elements).then_some(&self.values)
    }

    /// All its paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.path)
            .chain(&self.shared_as)
            .map(String::as_str)
    }

    /// Dotted path of the module that it is in.
    pub fn module(&self) -> &str {
        module(&self.path)
    }
}

/// The path of the module that a parameter is in.
pub(crate) fn module(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(module, _)| module)
}
