//! Runs a forward pass on a capture device.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::backend::capture::{CapturedGraph, TensorId as CapturedId};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn_prune::{running_statistics, shared_parameters};

use super::batch::{NoBatch, other_size};
use super::captured::{Captured, captured};
use super::device::CaptureDevice;
use super::passes::{Pass, capture};
use super::{Batch, Capture, GraphTensors};
use crate::error::DeployError;

/// Records a forward pass, and a second one with another batch.
pub(super) fn record_with<M, I, O>(
    model: &M,
    inputs: I,
    batch: Batch,
    mut forward: impl FnMut(&M, I) -> O,
) -> Result<Capture, DeployError>
where
    M: Module,
    I: GraphTensors,
    O: GraphTensors,
{
    let shapes = inputs.shapes();
    let shared = shared_parameters(model);
    let found = match batch.of(&shapes) {
        Ok(found) => found,
        Err(NoBatch::Wrong(message)) => return Err(DeployError::Batch { message }),
        Err(NoBatch::Fixed(reason)) => {
            return record_once(model, inputs, shared, reason, forward);
        }
    };
    let mut sizes = Sizes::default();
    model.visit(&mut sizes);
    let sizes = sizes.0.iter().chain(shapes.iter().flatten()).copied();
    let other = other_size(sizes);
    let others = inputs
        .clone()
        .with_batch(&mut found.axes.iter().copied(), other);
    let both = record(model, &shared, &shapes, |model, device| {
        let inputs = inputs.clone().on_device(device);
        // What it returns stays there: the second pass may read it, as a cache, and the device
        // takes no output that its last reader has consumed.
        let (mut first, _returned) = pass(model, inputs, found.size, &mut forward);
        let others = others.on_device(device);
        first.next = others.captured_ids().and_then(|ids| ids.first().copied());
        let second = catch_unwind(AssertUnwindSafe(|| {
            pass(model, others, other, &mut forward).0
        }));
        let second = second.map_err(|panic| {
            let message = message(panic);
            let line = message.lines().next().unwrap_or_default();
            format!("the forward pass fails with a batch of {other} ({line})")
        });
        (first, second)
    });
    let recorded = match both {
        // It may be due to the second pass, as when that changes what the first one returned.
        Err(DeployError::Capture { message }) => {
            let reason = format!("two passes cannot be captured together ({message})");
            record_once(model, inputs, shared, reason, forward)
        }
        other => other,
    };
    recorded.map(|capture| Capture {
        axes: found.axes,
        batch: Some(found.size),
        ..capture
    })
}

/// Records a forward pass with the sizes of the example only, of a model in which these paths are
/// one parameter each.
pub(crate) fn record_once<M, I, O>(
    model: &M,
    inputs: I,
    shared: Vec<Vec<String>>,
    reason: String,
    forward: impl FnOnce(&M, I) -> O,
) -> Result<Capture, DeployError>
where
    M: Module,
    I: GraphTensors,
    O: GraphTensors,
{
    let shapes = inputs.shapes();
    record(model, &shared, &shapes, |model, device| {
        let (first, _) = pass(model, inputs.on_device(device), 1, forward);
        (first, Err(reason))
    })
}

/// Records passes of a model on a capture device; of the second one, or why there is none.
fn record<M: Module>(
    model: &M,
    shared: &[Vec<String>],
    shapes: &[Vec<usize>],
    passes: impl FnOnce(&M, &Device) -> (Pass, Result<Pass, String>),
) -> Result<Capture, DeployError> {
    // `valid` makes running statistics of its own; a clone would share the caller's.
    let model = model.valid().materialize();
    let statistics = running_statistics(&model);
    // Where the model's code makes tensors, they get the same types as on its own device.
    let device = CaptureDevice::take(model.devices().first());
    let mut recorded: Option<(Vec<Captured>, Pass, Result<Pass, String>)> = None;
    let captured: Result<Result<CapturedGraph, _>, _> = catch_unwind(AssertUnwindSafe(|| {
        device.capture_scope(|scope| {
            let model = model.to_device(&device);
            let parameters = captured(&model, &statistics, shared);
            let (first, second) = passes(&model, &device);
            // The device takes each tensor once.
            let once: BTreeSet<CapturedId> = first.outputs.iter().copied().collect();
            let inputs = first.inputs.clone();
            recorded = Some((parameters, first, second));
            scope.complete(inputs, once)
        })
    }));
    match (captured, recorded) {
        (Ok(Ok(captured)), Some((parameters, first, second))) => {
            capture(captured, parameters, first, second)
        }
        (Ok(Ok(_)), None) => unreachable!("a scope that completes has recorded"),
        (Ok(Err(error)), _) => Err(DeployError::Capture {
            message: error.to_string(),
        }),
        (Err(panic), _) => Err(failure(message(panic), shapes)),
    }
}

fn pass<M, I: GraphTensors, O: GraphTensors>(
    model: &M,
    inputs: I,
    batch: usize,
    forward: impl FnOnce(&M, I) -> O,
) -> (Pass, O) {
    let input_ids = inputs.captured_ids().expect("they are on this device");
    let returned = forward(model, inputs);
    let outputs = returned.captured_ids().unwrap_or_default();
    if outputs.is_empty() {
        panic!("it returns nothing, or a tensor of another device than its inputs");
    }
    let pass = Pass {
        inputs: input_ids,
        outputs,
        batch,
        next: None,
    };
    (pass, returned)
}

/// The sizes of all parameters.
#[derive(Default)]
struct Sizes(BTreeSet<usize>);

impl ModuleVisitor for Sizes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.lazy_shape().iter());
    }
}

fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => match panic.downcast::<&str>() {
            Ok(message) => message.to_string(),
            Err(_) => "no message".to_string(),
        },
    }
}

fn failure(message: String, shapes: &[Vec<usize>]) -> DeployError {
    let line = message.lines().next().unwrap_or_default().to_string();
    let reads = ["no concrete value", "no initialized value"];
    if reads.iter().any(|part| message.contains(part)) {
        DeployError::DependsOnValues { message: line }
    } else {
        DeployError::Forward {
            message: line,
            shapes: shapes.to_vec(),
        }
    }
}
