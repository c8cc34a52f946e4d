use serde::{Deserialize, Serialize};

use super::TensorId;

/// A parameter of the model, running statistics included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parameter {
    /// Dotted path; the first one when it is shared.
    pub path: String,
    /// Further paths of a shared one.
    pub shared_as: Vec<String>,
    /// Its tensor.
    pub tensor: TensorId,
    /// Type names of the structs that it is in, from the model to the layer that holds it.
    pub structs: Vec<String>,
    /// Whether it is a running statistic, which cannot be masked.
    pub is_statistic: bool,
    /// Whether something is divided by it, so that it must not be masked.
    pub is_divisor: bool,
}

impl Parameter {
    /// Whether a mask may make it 0. Where it may not, what reads the channel hides it.
    pub fn can_be_masked(&self) -> bool {
        !self.is_statistic && !self.is_divisor
    }

    /// Type name of the struct that holds it, `Conv2d` for instance.
    pub fn layer(&self) -> &str {
        self.structs.last().map_or("", String::as_str)
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
