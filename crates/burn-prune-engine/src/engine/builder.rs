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
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::{EngineBuilder, Precision};
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let full = EngineBuilder::default();
    /// let half = full.clone().precision(Precision::F16);
    /// let bytes = |builder: &EngineBuilder| {
    ///     let engine = builder.compile(&model, x.clone(), |model, x| model.forward(x))?;
    ///     Ok::<_, burn_prune_engine::EngineError>(engine.plan().weight_bytes)
    /// };
    /// assert!(bytes(&half)? < bytes(&full)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options.precision = precision;
        self
    }

    /// How the format of each weight is chosen; by measurement by default.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::{EngineBuilder, FormatChoice, FormatKind};
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let engine = EngineBuilder::default()
    ///     .choose_formats(FormatChoice::Table)
    ///     .compile(&model, x, |model, x| model.forward(x))?;
    /// let plan = engine.plan();
    /// let weight = plan.steps.iter().find_map(|step| step.weight).unwrap();
    /// assert_eq!((weight.format, weight.gain), (Some(FormatKind::Dense), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn choose_formats(mut self, choice: FormatChoice) -> Self {
        self.options.choosing.choice = choice;
        self
    }

    /// Packs the weight at this parameter path in this format. Where the format cannot hold it, it
    /// is packed in another one, which [`SparseEngine::plan`](crate::SparseEngine::plan) names.
    ///
    /// [`compile`](Self::compile) fails when no `Linear` or convolution has a weight of this path.
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
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::Batch;
    /// use burn_prune_engine::EngineBuilder;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let fixed = EngineBuilder::default()
    ///     .batch(Batch::Fixed)
    ///     .compile(&model, x.clone(), |model, x| model.forward(x))?;
    /// assert!(fixed.run(x).is_ok());
    /// assert!(fixed.run(Tensor::ones([2, 8], &device)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn batch(mut self, batch: Batch) -> Self {
        self.options.batch = batch;
        self
    }

    /// So many threads of its own for each run, the calling one included, as
    /// [`SparseEngine::with_threads`]. Formats are measured with them too.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::EngineBuilder;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let engine = EngineBuilder::default()
    ///     .threads(2)
    ///     .compile(&model, x.clone(), |model, x| model.forward(x))?;
    /// assert_eq!(engine.run(x)?.dims(), [1, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Threads::new(threads);
        self
    }

    /// Compiles a forward pass, as [`SparseEngine::compile`].
    ///
    /// # Errors
    /// As [`SparseEngine::compile`], and when a [`format`](Self::format) was chosen for a path
    /// that is no weight of a `Linear` or convolution.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::{EngineBuilder, FormatKind};
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let builder = EngineBuilder::default().format("fc.weight", FormatKind::Dense);
    /// let error = builder.compile(&model, x, |model, x| model.forward(x)).unwrap_err();
    /// assert!(error.to_string().contains("no Linear or convolution has a weight `fc.weight`"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
