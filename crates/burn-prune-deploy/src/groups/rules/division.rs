//! Division: what masks make 0 must not be divided by.
//!
//! A channel that is masked is 0 where it is made, and then a number that depends on what follows:
//! `sqrt(0 + epsilon)` behind a norm, `exp(0)` in a gate. Where that number is 0 or not known, the
//! masked model would compute infinities, and so the channel stays.

use super::Rules;
use crate::graph::{Graph, Operation, OperationKind as Kind, Role, TensorKind};
use crate::groups::entries::Axis;

/// What a tensor is in the places that masks make 0, where they are made or read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Masked {
    /// No mask has a say in it.
    Untouched,
    /// This number.
    Is(f64),
    /// Some number.
    Unknown,
}

impl Rules<'_> {
    /// Keeps all of what an operation divides by, if masks could make it 0. A parameter itself is not
    /// masked in such a place.
    pub(super) fn division(&mut self, operation: &Operation) {
        for (place, input) in operation.inputs.iter().enumerate() {
            if operation.kind.role(place) != Role::Divisor {
                continue;
            }
            if matches!(self.masked[*input], Masked::Unknown | Masked::Is(0.0)) {
                for axis in 0..self.entries.rank(*input) {
                    let tensor = *input;
                    self.needs_all(Axis { tensor, axis }, "division");
                }
            }
        }
    }
}

/// What masks make of each tensor of a graph.
pub(super) fn masked(graph: &Graph) -> Vec<Masked> {
    let tensors = graph.tensors.iter().map(|tensor| match tensor.kind {
        TensorKind::Parameter(parameter) if graph.parameters[parameter].can_be_masked() => {
            Masked::Is(0.0)
        }
        _ => Masked::Untouched,
    });
    let mut masked: Vec<Masked> = tensors.collect();
    for operation in &graph.operations {
        let inputs: Vec<Masked> = operation
            .inputs
            .iter()
            .map(|input| masked[*input])
            .collect();
        let result = match &operation.kind {
            Kind::Convolution { .. }
            | Kind::Linear
            | Kind::MatMul
            | Kind::BatchNorm { .. }
            | Kind::LayerNorm { .. }
            | Kind::Embedding
            | Kind::Attention { .. } => Masked::Is(0.0),
            Kind::Reshape
            | Kind::Permute { .. }
            | Kind::Slice { .. }
            | Kind::Expand
            | Kind::Repeat { .. }
            | Kind::Flip { .. }
            | Kind::Pad { .. }
            | Kind::Select { .. }
            | Kind::Spatial { .. } => inputs[0],
            Kind::Concatenate { .. } => match inputs.iter().all(|input| *input == inputs[0]) {
                true => inputs[0],
                false => Masked::Unknown,
            },
            // Sums of a number that is not 0 depend on how many there are, but are not 0 either.
            Kind::Reduce { .. } => inputs[0],
            Kind::Elementwise { name, scalars } => {
                elementwise(name, scalars.first().map(|s| s.0), &inputs)
            }
            Kind::Create { .. } => Masked::Untouched,
            Kind::Along { .. } | Kind::Other { .. } => Masked::Unknown,
        };
        for output in &operation.outputs {
            masked[*output] = result;
        }
    }
    masked
}

fn elementwise(name: &str, scalar: Option<f64>, inputs: &[Masked]) -> Masked {
    use Masked::{Is, Unknown, Untouched};
    let scalar = scalar.unwrap_or(f64::NAN);
    let result = match (name, inputs) {
        (_, inputs) if inputs.iter().all(|input| *input == Untouched) => return Untouched,
        ("add", [Is(a), Is(b)]) => a + b,
        ("sub", [Is(a), Is(b)]) => a - b,
        ("mul", [Is(0.0), _] | [_, Is(0.0)]) => 0.0,
        ("mul", [Is(a), Is(b)]) => a * b,
        ("div", [Is(0.0), Untouched]) => 0.0,
        ("div", [Is(a), Is(b)]) => a / b,
        ("add scalar", [Is(a)]) => a + scalar,
        ("sub scalar", [Is(a)]) => a - scalar,
        ("mul scalar", [Is(a)]) => a * scalar,
        ("div scalar", [Is(a)]) => a / scalar,
        ("powi scalar" | "powf scalar", [Is(a)]) => a.powf(scalar),
        ("clamp min", [Is(a)]) => a.max(scalar),
        ("abs", [Is(a)]) => a.abs(),
        ("neg", [Is(a)]) => -a,
        ("sqrt", [Is(a)]) => a.sqrt(),
        ("exp", [Is(a)]) => a.exp(),
        ("relu", [Is(a)]) => a.max(0.0),
        ("tanh", [Is(a)]) => a.tanh(),
        ("sigmoid", [Is(a)]) => 1.0 / (1.0 + (-a).exp()),
        ("cast", [Is(a)]) => *a,
        _ => return Unknown,
    };
    match result.is_finite() {
        true => Is(result),
        false => Unknown,
    }
}
