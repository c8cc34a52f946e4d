use burn_flex::FlexTensor;

use crate::error::EngineError;
use crate::plan::program::{Node, ValueId};

/// One operation that Burn runs.
#[derive(Debug)]
pub(crate) struct BurnStep {
    name: String,
}

impl BurnStep {
    pub(crate) fn new(node: &Node, _batch: usize) -> Result<Self, EngineError> {
        Ok(Self {
            name: node.name.clone(),
        })
    }

    pub(crate) fn run(
        &self,
        _tensors: &mut [Option<FlexTensor>],
        _last_uses: &[ValueId],
    ) -> Result<(), EngineError> {
        Err(EngineError::Unsupported {
            operations: vec![self.name.clone()],
        })
    }
}
