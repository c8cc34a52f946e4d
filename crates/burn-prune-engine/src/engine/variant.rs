use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use burn_flex::FlexTensor;

use crate::error::EngineError;
use crate::io::Signature;
use crate::plan::program::Program;
use crate::run::{Plan, WeightSet};

/// Plans that are kept at once. More batch sizes than that are planned again.
const KEPT: usize = 64;

/// A program, its weights, and its plans for the batch sizes that were asked for.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) program: Program,
    pub(crate) weights: WeightSet,
    signature: Signature,
    plans: RwLock<HashMap<usize, Arc<Plan>>>,
}

impl Variant {
    pub(crate) fn new(program: Program, weights: WeightSet) -> Self {
        Self {
            signature: Signature::of(&program),
            program,
            weights,
            plans: RwLock::default(),
        }
    }

    /// The batch size of inputs that it takes.
    pub(crate) fn batch(&self, inputs: &[FlexTensor]) -> Result<usize, EngineError> {
        self.signature.batch(inputs)
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The plan for a batch size.
    pub(crate) fn plan(&self, batch: usize) -> Result<Arc<Plan>, EngineError> {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&batch) {
            return Ok(Arc::clone(plan));
        }
        drop(plans);
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&batch) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(Plan::new(&self.program, &self.weights, batch)?);
        if plans.len() >= KEPT {
            plans.clear();
        }
        plans.insert(batch, Arc::clone(&plan));
        Ok(plan)
    }
}
