use std::fmt;

use burn::tensor::DType;
use burn_flex::FlexTensor;

use crate::error::EngineError;
use crate::plan::program::{Batches, Program, Size};

/// The inputs that a program takes.
#[derive(Debug)]
pub(crate) struct Signature {
    inputs: Vec<Expected>,
    batches: Batches,
}

#[derive(Debug)]
struct Expected {
    dtype: DType,
    shape: Vec<Size>,
}

impl Signature {
    pub(crate) fn of(program: &Program) -> Self {
        let inputs = program.inputs.iter().map(|value| {
            let value = &program.values[value.0];
            Expected {
                dtype: value.dtype,
                shape: value.shape.clone(),
            }
        });
        Self {
            inputs: inputs.collect(),
            batches: program.batches.clone(),
        }
    }

    /// The batch size of inputs.
    ///
    /// # Errors
    ///
    /// When they are not what it takes.
    pub(crate) fn batch(&self, given: &[FlexTensor]) -> Result<usize, EngineError> {
        if given.len() != self.inputs.len() {
            return Err(EngineError::Input {
                input: given.len().min(self.inputs.len()),
                expected: format!("{} tensors in all", self.inputs.len()),
                found: given.len().to_string(),
            });
        }
        let mut batch = None;
        for (input, (expected, tensor)) in self.inputs.iter().zip(given).enumerate() {
            let shape = tensor.layout().shape();
            let is_of_type = tensor.dtype() == expected.dtype;
            let sizes = expected.shape.iter().zip(shape.iter());
            let mut sizes = sizes.map(|(expected, size)| match *expected {
                Size::Fixed(fixed) => fixed == *size,
                Size::Batch(factor) => {
                    let found = size / factor.max(1);
                    let batch = *batch.get_or_insert(found);
                    found > 0 && batch * factor == *size
                }
            });
            let has_rank = expected.shape.len() == shape.num_dims();
            if !(is_of_type && has_rank && sizes.all(|is_right| is_right)) {
                return Err(EngineError::Input {
                    input,
                    expected: self.expected(input),
                    found: format!("{} {:?}", name(tensor.dtype()), shape.to_vec()),
                });
            }
        }
        Ok(batch.unwrap_or(self.batches.example))
    }

    /// What an input should be, in words.
    pub(crate) fn expected(&self, input: usize) -> String {
        let Some(expected) = self.inputs.get(input) else {
            return "nothing".to_string();
        };
        let sizes: Vec<String> = expected.shape.iter().map(Size::to_string).collect();
        let text = format!("{} [{}]", name(expected.dtype), sizes.join(", "));
        match &self.batches.other {
            Ok(_) => text,
            Err(reason) => format!(
                "{text} (the sizes of the example are the only ones, because {reason}; \
                 `SparseEngine::compile_for` adds others)"
            ),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Batch(1) => f.write_str("batch"),
            Self::Batch(factor) => write!(f, "{factor} * batch"),
        }
    }
}

/// As Rust's types.
fn name(dtype: DType) -> String {
    format!("{dtype:?}").to_lowercase()
}
