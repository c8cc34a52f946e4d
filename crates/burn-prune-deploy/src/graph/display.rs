use std::fmt;

use super::{Creation, Graph, OperationKind, TensorId, TensorKind};

/// A shape as `2x3x4`.
pub(crate) fn dims(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_string();
    }
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    sizes.join("x")
}

impl fmt::Display for Graph {
    /// One line per operation: outputs, name, inputs, settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs: Vec<String> = self
            .inputs
            .iter()
            .map(|input| self.tensor(*input))
            .collect();
        writeln!(f, "inputs: {}", inputs.join(", "))?;
        for operation in &self.operations {
            let outputs: Vec<String> = operation
                .outputs
                .iter()
                .map(|output| self.tensor(*output))
                .collect();
            let inputs: Vec<String> = operation
                .inputs
                .iter()
                .map(|input| self.reference(*input))
                .collect();
            write!(
                f,
                "{} = {}({})",
                outputs.join(", "),
                operation.kind.name(),
                inputs.join(", ")
            )?;
            match settings(&operation.kind) {
                settings if settings.is_empty() => writeln!(f)?,
                settings => writeln!(f, " {settings}")?,
            }
        }
        let outputs: Vec<String> = self
            .outputs
            .iter()
            .map(|output| self.tensor(*output))
            .collect();
        write!(f, "outputs: {}", outputs.join(", "))
    }
}

impl Graph {
    fn tensor(&self, number: TensorId) -> String {
        format!("{} [{}]", self.reference(number), dims(self.shape(number)))
    }

    fn reference(&self, number: TensorId) -> String {
        match self[number].kind {
            TensorKind::Parameter(index) => self[index].path.clone(),
            TensorKind::Constant => format!("constant{number} [{}]", dims(self.shape(number))),
            TensorKind::Input | TensorKind::Computed => format!("%{number}"),
        }
    }
}

fn settings(kind: &OperationKind) -> String {
    match kind {
        OperationKind::Convolution {
            stride,
            padding,
            dilation,
            groups,
            ..
        } => {
            let padding: Vec<String> = padding
                .iter()
                .map(|(before, after)| {
                    if before == after {
                        before.to_string()
                    } else {
                        format!("{before}+{after}")
                    }
                })
                .collect();
            format!(
                "stride {}, padding {}, dilation {}, groups {groups}",
                dims(stride),
                padding.join("x"),
                dims(dilation)
            )
        }
        OperationKind::Spatial { options, .. } | OperationKind::Attention { options } => {
            options.clone()
        }
        OperationKind::Elementwise { scalars, .. } => {
            let scalars: Vec<String> = scalars.iter().map(ToString::to_string).collect();
            scalars.join(", ")
        }
        OperationKind::Reduce { axes, .. } | OperationKind::Flip { axes } => {
            format!("axes {axes:?}")
        }
        OperationKind::Permute { axes } => format!("{axes:?}"),
        OperationKind::Along { axis, .. }
        | OperationKind::Concatenate { axis }
        | OperationKind::Select { axis } => format!("axis {axis}"),
        OperationKind::Repeat { axis, times } => format!("axis {axis}, {times} times"),
        OperationKind::Slice { ranges } => {
            let ranges: Vec<String> = ranges
                .iter()
                .map(|(start, end, step)| match step {
                    1 => format!("{start}..{end}"),
                    step => format!("{start}..{end};{step}"),
                })
                .collect();
            format!("[{}]", ranges.join(", "))
        }
        OperationKind::Pad { padding, mode } => format!("{padding:?} {mode:?}"),
        OperationKind::Create {
            operation: Creation::Full(number),
        } => format!("of {number}"),
        OperationKind::BatchNorm { epsilon } | OperationKind::LayerNorm { epsilon } => {
            format!("epsilon {epsilon}")
        }
        OperationKind::MatMul
        | OperationKind::Linear
        | OperationKind::Embedding
        | OperationKind::Reshape
        | OperationKind::Expand
        | OperationKind::Create { .. }
        | OperationKind::Other { .. } => String::new(),
    }
}
