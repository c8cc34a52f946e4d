use burn_prune_deploy::DeployError;

/// Why a model cannot be compiled, or not run on these inputs.
///
/// ```
/// # use burn::nn::LinearConfig;
/// # use burn::tensor::{Device, Tensor};
/// use burn_prune_engine::{EngineError, SparseEngine};
/// # let device = Device::flex();
/// # let model = LinearConfig::new(8, 4).init(&device);
/// # let x = Tensor::<2>::ones([3, 8], &device);
/// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
/// let error = engine.run(Tensor::ones([3, 9], &device)).unwrap_err();
/// assert!(matches!(error, EngineError::Input { input: 0, .. }));
/// assert_eq!(error.to_string(), "input 0: expected f32 [batch, 8], found f32 [3, 9]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The forward pass could not be captured.
    #[error(transparent)]
    Capture(#[from] DeployError),
    /// Operations that neither the engine nor Burn's interpreter knows.
    #[error("the engine cannot run {}", .operations.join(", "))]
    Unsupported {
        /// All of them, with their positions.
        operations: Vec<String>,
    },
    /// A weight that is not finite.
    #[error(
        "`{path}` has a value that is not finite; the engine leaves out zeros, so 0 times it would be lost"
    )]
    NotFinite {
        /// The parameter.
        path: String,
    },
    /// An input of another rank, size, type or device than the engine was compiled for.
    #[error("input {input}: expected {expected}, found {found}")]
    Input {
        /// Its number.
        input: usize,
        /// What the engine was compiled for.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A layer that cannot be made sparse.
    #[error("{layer}: {message}")]
    Layer {
        /// The sparse layer.
        layer: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The forward pass is not known at a batch size.
    #[error(
        "the engine has no plan for a batch of {batch}: {message}; add one with \
         `SparseEngine::compile_for`"
    )]
    Batch {
        /// The size asked for.
        batch: usize,
        /// Why it could not be worked out.
        message: String,
    },
    /// A format was chosen for a weight that there is not.
    #[error("no Linear or convolution has a weight `{path}`; `engine.plan()` shows their names")]
    NoWeight {
        /// The path.
        path: String,
    },
    /// A forward pass that returns lists of other lengths than for the first example.
    #[error(
        "for this example the forward pass returns tensors in the form {found}, and {expected} for the \
         first one; compile another engine"
    )]
    Outputs {
        /// What the engine was compiled for.
        expected: String,
        /// What this example gives.
        found: String,
    },
    /// Burn failed while it ran an operation.
    #[error("Burn failed in {operation}: {message}")]
    Burn {
        /// The operation.
        operation: String,
        /// The first line of its panic.
        message: String,
    },
}
