//! What can go wrong.

use std::path::PathBuf;

use burn_prune::PruneError;

/// Why an operation was refused. Nothing has been changed when one of these is returned.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// use burn_prune_deploy::DeployError;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let example = Tensor::<2>::ones([1, 7], &device);
/// let error = Graph::capture(&model, example, forward).unwrap_err();
/// assert!(matches!(error, DeployError::Forward { .. }));
/// assert!(error.to_string().contains("an example of shape [1, 7]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// The forward pass panicked on the example, usually because the example has the wrong shape.
    #[error(
        "the forward pass fails on an example of shape {}: {message}; give an example of the shape \
         and type that the model takes",
        listed(shapes)
    )]
    Forward {
        /// What it said.
        message: String,
        /// The shapes of the inputs of the example, as far as they are known.
        shapes: Vec<Vec<usize>>,
    },
    /// The forward pass reads a tensor to decide what to do.
    #[error(
        "the forward pass depends on the values of its tensors ({message}); a graph can only be \
         taken of one that does the same for every input"
    )]
    DependsOnValues {
        /// What the capture device said.
        message: String,
    },
    /// The capture device refused the result.
    #[error(
        "the forward pass cannot be captured: {message}; return tensors that it computes of its \
         inputs and parameters"
    )]
    Capture {
        /// What the capture device said.
        message: String,
    },
    /// Channels cannot be followed through an operation.
    #[error(
        "channels cannot be followed through operation {index}, `{operation}`, which these \
         parameters lead to: {}", parameters.join(", ")
    )]
    UnknownOperation {
        /// Number of the operation in the graph.
        index: usize,
        /// Its name.
        operation: String,
        /// Dotted paths of the parameters whose channels it sees.
        parameters: Vec<String>,
    },
    /// No group of that name.
    #[error("there is no group `{name}`; there are: {}", known.join(", "))]
    UnknownGroup {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A unit that the group does not have.
    #[error("group `{group}` has {units} units, numbered from 0, and none with number {found}")]
    UnknownUnit {
        /// Name of the group.
        group: String,
        /// How many it has.
        units: usize,
        /// The number asked for.
        found: usize,
    },
    /// A group would lose all its units.
    #[error("group `{group}` would become empty: all of its {units} units were chosen; keep one")]
    EmptyGroup {
        /// Name of the group.
        group: String,
        /// How many units it has.
        units: usize,
    },
    /// A plan was used with another model.
    #[error("this plan is of another model: `{path}` should be {expected}, found {found}")]
    ModelMismatch {
        /// Dotted path of the parameter.
        path: String,
        /// Its shape in the plan.
        expected: String,
        /// Its shape in the model.
        found: String,
    },
    /// Masks were used with the graph of another model.
    #[error("these masks are of another model: `{path}` should be {expected}, found {found}")]
    MaskMismatch {
        /// Dotted path of the parameter.
        path: String,
        /// The shape of its mask.
        expected: String,
        /// Its shape in the graph.
        found: String,
    },
    /// A channel that was to be cut because it sent 0 now sends something else.
    #[error(
        "a channel that is cut sends {constant} to `{weight}`; it was 0 when the selection was made, it \
         is not 0 now, and no bias can take it over: make the selection again from the model as it is \
         now"
    )]
    ConstantChanged {
        /// Dotted path of the weight that reads the channel.
        weight: String,
        /// What it sends, as a formula.
        constant: String,
    },
    /// A shared parameter that a folded constant depends on has copies with different values: Burn's
    /// optimizers move the first copy alone.
    #[error(
        "`{path}` and `{other}` were one parameter when the graph was captured, and their values \
         differ by now: constants cannot be folded with them; make them equal, or remove their masks, \
         capture the model, and prune it again"
    )]
    CopiesDiffer {
        /// Dotted path of the first copy.
        path: String,
        /// Dotted path of the other.
        other: String,
    },
    /// The smaller model does not compute what was planned.
    #[error(
        "the shrunk model does not have the planned graph: {difference}{}",
        hint(edits)
    )]
    GraphMismatch {
        /// The first difference.
        difference: String,
        /// Fields that should have been changed.
        edits: Vec<String>,
    },
    /// The model cannot be written as ONNX.
    #[error(
        "this model cannot be written as ONNX: {message}; write the forward pass with operations \
         that burn-onnx can export"
    )]
    Onnx {
        /// What the exporter said.
        message: String,
    },
    /// A file cannot be written.
    #[error(
        "cannot write `{}`: {message}; make sure that its folder exists and can be written to",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
    /// A checkpoint that cannot be cut.
    #[error("the checkpoint cannot be cut: {}: {message}", path.display())]
    Checkpoint {
        /// The file, or the folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// From the masks.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// The batch axes do not fit the inputs.
    #[error("the batch axes do not fit the inputs: {message}")]
    Batch {
        /// What does not fit.
        message: String,
    },
    /// The graph lacks the values that units are ranked by.
    #[error(
        "the graph has no values of `{path}` to rank units by: it was loaded from a file, or \
         belongs to a plan; capture the model"
    )]
    NoValues {
        /// Dotted path of the parameter.
        path: String,
    },
    /// Parameters of one id that are cut differently.
    #[error(
        "`{path}` and `{other}` have one parameter id and are cut differently; an optimizer keeps \
         one state for both: give them ids of their own before they are trained"
    )]
    SharedId {
        /// Dotted path of one parameter.
        path: String,
        /// Dotted path of the other.
        other: String,
    },
}

fn listed(shapes: &[Vec<usize>]) -> String {
    let shapes: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
    match shapes.as_slice() {
        [] => "that is not known".to_string(),
        shapes => shapes.join(" and "),
    }
}

fn hint(edits: &[String]) -> String {
    match edits {
        [] => {
            "; does its forward pass use sizes that are stored in fields or constants? Fields can \
               be changed in `ShrinkPlan::shrink_with`"
                .into()
        }
        edits => format!(
            "; these fields must change too, see `ShrinkPlan::shrink_with`: {}; if they did, \
             does its forward pass use other sizes that are stored in fields or constants?",
            edits.join(", ")
        ),
    }
}
