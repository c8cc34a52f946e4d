//! Which captured tensor is which parameter.

use std::collections::BTreeSet;

use burn::backend::capture::{CaptureBackend, TensorId as CapturedId};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// A parameter of a model on the capture device.
pub(super) struct Captured {
    pub path: String,
    /// Type names of the structs that it is in.
    pub structs: Vec<String>,
    /// The same for all places of a shared one, and perhaps for others.
    pub parameter: ParamId,
    /// Which of the shared ones it is.
    pub shared: Option<usize>,
    pub id: CapturedId,
    pub shape: Vec<usize>,
    pub is_statistic: bool,
}

/// The float parameters in module order. One that is used in several places comes several times.
pub(super) fn captured<M: Module>(
    model: &M,
    statistics: &BTreeSet<String>,
    shared: &[Vec<String>],
) -> Vec<Captured> {
    let mut visitor = Visitor::default();
    model.visit(&mut visitor);
    for parameter in &mut visitor.found {
        parameter.is_statistic = statistics.contains(&parameter.path);
        let mut shared = shared.iter();
        parameter.shared = shared.position(|paths| paths.contains(&parameter.path));
    }
    visitor.found
}

#[derive(Default)]
struct Visitor {
    path: Vec<String>,
    /// The struct on each level that is one, with its depth.
    structs: Vec<(usize, String)>,
    found: Vec<Captured>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_string());
        if let Some(name) = container.strip_prefix("Struct:") {
            self.structs.push((self.path.len(), name.to_string()));
        }
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.structs.pop_if(|(depth, _)| *depth == self.path.len());
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let Ok(tensor) = tensor.try_into_primitive::<CaptureBackend>() else {
            return;
        };
        let structs = self.structs.iter().map(|(_, name)| name.clone());
        self.found.push(Captured {
            path: self.path.join("."),
            structs: structs.collect(),
            parameter: param.id,
            shared: None,
            id: tensor.id(),
            shape,
            is_statistic: false,
        });
    }
}
