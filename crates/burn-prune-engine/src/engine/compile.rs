use std::sync::Arc;

use burn::module::Module;
use burn_flex::FlexTensor;
use burn_prune_deploy::{Batch, Capture};

use crate::engine::variant::Variant;
use crate::error::EngineError;
use crate::format::Precision;
use crate::io::EngineTensors;
use crate::plan::choice::{self, Choosing};
use crate::plan::lower::lower;
use crate::plan::program::{NodeKind, Program};
use crate::plan::unknown::is_known;
use crate::run::Threads;

/// How models are compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub batch: Batch,
    pub precision: Precision,
    pub choosing: Choosing,
}

/// Compiles a forward pass; also the form of what it returns. It shares packed weights with what is known of the
/// same model.
pub(crate) fn compile<M, I, O>(
    model: &M,
    example: I,
    options: &Options,
    threads: &Threads,
    known: &[Arc<Variant>],
    mut forward: impl FnMut(&M, I) -> O,
) -> Result<(Variant, O::Form), EngineError>
where
    M: Module,
    I: EngineTensors,
    O: EngineTensors,
{
    let mut form = None;
    let forward = |model: &M, inputs: I| {
        let outputs = forward(model, inputs);
        form.get_or_insert_with(|| outputs.form());
        outputs
    };
    let mut capture = Capture::with(model, example, options.batch.clone(), forward)?;
    let mut program = lower(&mut capture)?;
    let examples = std::mem::take(&mut capture.examples);
    drop(capture);
    check(&program)?;
    let mut weights = choice::pack(
        &mut program,
        &options.choosing,
        options.precision,
        examples.into_iter().map(FlexTensor::from_data).collect(),
        threads,
    )?;
    for variant in known {
        weights.share(&variant.weights);
    }
    let variant = Variant::new(program, weights);
    // What cannot be planned is found here and not by the first run.
    variant.plan(variant.program.batches.example)?;
    let form = form.expect("a capture has run the forward pass");
    Ok((variant, form))
}

/// Finds all that no plan can run.
fn check(program: &Program) -> Result<(), EngineError> {
    let mut operations = Vec::new();
    for node in &program.nodes {
        if let NodeKind::Burn { operation, .. } = &node.kind
            && !is_known(operation)
        {
            operations.push(format!("operation {}, `{}`", node.operation, node.name));
        }
    }
    if operations.is_empty() {
        return Ok(());
    }
    Err(EngineError::Unsupported { operations })
}
