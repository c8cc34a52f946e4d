use burn::module::Module;
use burn_prune_deploy::Batch;

use crate::engine::SparseEngine;
use crate::engine::compile::Options;
use crate::error::EngineError;
use crate::format::Precision;
use crate::io::EngineTensors;
use crate::run::Threads;

/// How an engine is compiled, made by [`SparseEngine::builder`](crate::SparseEngine::builder).
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_deploy::Batch;
/// use burn_prune_engine::{EngineBuilder, Precision};
///
/// let device = Device::flex();
/// let model = LinearConfig::new(8, 4).init(&device);
/// let example = Tensor::<3>::ones([5, 1, 8], &device);
/// let engine = EngineBuilder::default()
///     .precision(Precision::Bf16)
///     .batch(Batch::axes([1]))
///     .threads(1)
///     .compile(&model, example, |model, x| model.forward(x))?;
/// let three = Tensor::<3>::ones([5, 3, 8], &device);
/// assert_eq!(engine.run(three)?.dims(), [5, 3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct EngineBuilder {
    options: Options,
    threads: Threads,
}

impl EngineBuilder {
    /// How packed weights are kept; as they are by default.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options.precision = precision;
        self
    }

    /// Which axes of the inputs are the batch; the first one of each by default.
    #[must_use]
    pub fn batch(mut self, batch: Batch) -> Self {
        self.options.batch = batch;
        self
    }

    /// So many threads of its own for each run, as [`SparseEngine::with_threads`].
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Threads::new(threads);
        self
    }

    /// Compiles a forward pass, as [`SparseEngine::compile`].
    ///
    /// # Errors
    /// As [`SparseEngine::compile`].
    pub fn compile<M, I, O>(
        &self,
        model: &M,
        example: I,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<SparseEngine<I, O>, EngineError>
    where
        M: Module,
        I: EngineTensors,
        O: EngineTensors,
    {
        SparseEngine::new(
            model,
            example,
            self.options.clone(),
            self.threads.clone(),
            forward,
        )
    }
}
