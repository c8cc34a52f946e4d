use burn::module::Module;
use burn_prune_deploy::Batch;

use crate::engine::SparseEngine;
use crate::engine::compile::Options;
use crate::error::EngineError;
use crate::format::{FormatKind, Precision};
use crate::io::EngineTensors;
use crate::plan::choice::FormatChoice;
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

    /// How the format of each weight is chosen; by measurement by default.
    #[must_use]
    pub fn choose_formats(mut self, choice: FormatChoice) -> Self {
        self.options.choosing.choice = choice;
        self
    }

    /// Packs the weight at this parameter path in this format.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::{EngineBuilder, FormatKind};
    ///
    /// let device = Device::flex();
    /// let model = LinearConfig::new(8, 4).init(&device);
    /// let x = Tensor::<2>::ones([5, 8], &device);
    /// let engine = EngineBuilder::default()
    ///     .format("weight", FormatKind::Blocked)
    ///     .compile(&model, x, |model, x| model.forward(x))?;
    /// let plan = engine.plan();
    /// let weight = plan.steps.iter().find_map(|step| step.weight).unwrap();
    /// assert_eq!(weight.format, Some(FormatKind::Blocked));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn format(mut self, path: impl Into<String>, format: FormatKind) -> Self {
        self.options.choosing.formats.push((path.into(), format));
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
