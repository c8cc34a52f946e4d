use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use burn::module::Module;
use burn_flex::FlexTensor;

use crate::engine::EngineBuilder;
use crate::engine::compile::{Options, compile};
use crate::engine::variant::Variant;
use crate::error::EngineError;
use crate::io::{EngineTensor, EngineTensors};
use crate::plan::report::PlanReport;
use crate::run::{States, Threads, WeightSet};

/// A model compiled for inference on CPUs: the same outputs, without its zeros.
///
/// It takes inputs of type `I` and returns outputs of type `O`, as the forward pass that it was
/// compiled from. It keeps neither the model nor the closure. A clone shares its weights; threads
/// may run one engine at once.
///
/// A weight of 0 is an absent weight where its format leaves it out: there `0 · inf` does not occur. Dense formats
/// and blocks keep zeros, so an infinite input may make NaN of them, as in Burn.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor, activation::relu};
/// use burn_prune::{Magnitude, Prunable, Pruner};
/// use burn_prune_engine::SparseEngine;
///
/// let device = Device::flex();
/// let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(64, 128), linear(128, 10)];
/// let model = model.prune(&Pruner::new(Magnitude::l1()).amount(0.9))?;
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
///
/// let engine = SparseEngine::compile(&model, Tensor::<2>::ones([1, 64], &device), forward)?;
///
/// // Any batch size.
/// let x = Tensor::<2>::ones([3, 64], &device);
/// let difference = engine.run(x.clone())? - forward(&model, x);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SparseEngine<I, O: EngineTensors> {
    /// One for each example that it was compiled for.
    variants: Vec<Arc<Variant>>,
    form: Arc<O::Form>,
    options: Options,
    threads: Threads,
    states: Arc<States>,
    types: PhantomData<fn(I) -> O>,
}

impl SparseEngine<(), burn::tensor::Tensor<1>> {
    /// Settings other than the default ones.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::SparseEngine;
    ///
    /// let device = Device::flex();
    /// let model = LinearConfig::new(8, 4).init(&device);
    /// let engine = SparseEngine::builder().threads(1).compile(
    ///     &model,
    ///     Tensor::<2>::ones([1, 8], &device),
    ///     |model, x| model.forward(x),
    /// )?;
    /// assert_eq!(engine.run(Tensor::ones([2, 8], &device))?.dims(), [2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }
}

impl<I: EngineTensors, O: EngineTensors> SparseEngine<I, O> {
    /// Compiles the forward pass of a model: in evaluation mode, with its masks folded in.
    ///
    /// `forward` runs a few times on a device that records, never on values. The first axis of each
    /// input is the batch. The engine runs any size of it; where the forward pass depends on it in
    /// other ways than by sizes, only that of the example.
    ///
    /// # Errors
    /// When the forward pass cannot be captured, has operations that neither the engine nor Burn's
    /// interpreter knows, or a weight is not finite; and when Burn fails in an operation that it runs.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let engine = SparseEngine::compile(&model, x.clone(), |model, x| model.forward(x))?;
    /// assert_eq!(engine.run(x.clone())?.dims(), [1, 4]);
    ///
    /// let weight = burn::module::Param::from_tensor(Tensor::full([8, 4], f32::NAN, &device));
    /// let model = burn::nn::Linear { weight, bias: None };
    /// let error = SparseEngine::compile(&model, x, |model, x| model.forward(x)).unwrap_err();
    /// assert!(error.to_string().starts_with("`weight` has a value that is not finite"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compile<M: Module>(
        model: &M,
        example: I,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<Self, EngineError> {
        EngineBuilder::default().compile(model, example, forward)
    }

    pub(super) fn new<M: Module>(
        model: &M,
        example: I,
        options: Options,
        threads: Threads,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<Self, EngineError> {
        let (variant, form) = compile(model, example, &options, &threads, &[], forward)?;
        Ok(Self {
            variants: vec![Arc::new(variant)],
            form: Arc::new(form),
            options,
            threads,
            states: Arc::default(),
            types: PhantomData,
        })
    }

    /// Adds a plan for inputs of other sizes than those that it takes so far: another length or
    /// image size, or a batch size where these could not be worked out.
    ///
    /// Clones that were made before do not have it.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and when the forward pass returns a `Vec` of another length.
    ///
    /// ```
    /// use burn::nn::conv::Conv2dConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::SparseEngine;
    ///
    /// let device = Device::flex();
    /// let model = Conv2dConfig::new([3, 4], [3, 3]).init(&device);
    /// let image = |size| Tensor::<4>::ones([1, 3, size, size], &device);
    /// let mut engine = SparseEngine::compile(&model, image(8), |model, x| model.forward(x))?;
    /// assert!(engine.run(image(10)).is_err());
    /// engine.compile_for(&model, image(10), |model, x| model.forward(x))?;
    /// assert_eq!(engine.run(image(10))?.dims(), [1, 4, 8, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compile_for<M: Module>(
        &mut self,
        model: &M,
        example: I,
        forward: impl FnMut(&M, I) -> O,
    ) -> Result<(), EngineError> {
        let (options, threads) = (&self.options, &self.threads);
        let (variant, form) = compile(model, example, options, threads, &self.variants, forward)?;
        if form != *self.form {
            return Err(EngineError::Outputs {
                expected: format!("{:?}", self.form),
                found: format!("{form:?}"),
            });
        }
        self.variants.push(Arc::new(variant));
        Ok(())
    }

    /// The same engine with so many threads for each run, the calling one included. By default it
    /// uses the rayon pool that it is called in.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// # use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let engine = SparseEngine::compile(&model, x.clone(), |model, x| model.forward(x))?;
    /// let single = engine.clone().with_threads(1);
    /// assert_eq!(single.run(x.clone())?.into_data(), engine.run(x)?.into_data());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self {
            threads: Threads::new(threads),
            states: Arc::default(),
            ..self
        }
    }

    /// What it does at the batch size of the example, step by step: shown as a table.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// # use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([3, 8], &device);
    /// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
    /// let plan = engine.plan();
    /// println!("{plan}");
    /// assert_eq!(plan.multiply_adds(), 3 * 8 * 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn plan(&self) -> PlanReport {
        let batch = self.variants[0].program.batches.example;
        let report = self.plan_for(batch);
        report.expect("compiling has planned the batch size of the example")
    }

    /// What it does at another batch size.
    ///
    /// # Errors
    /// When it cannot run that batch size.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
    /// assert_eq!(engine.plan_for(5)?.multiply_adds(), 5 * engine.plan().multiply_adds());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn plan_for(&self, batch: usize) -> Result<PlanReport, EngineError> {
        let variant = &self.variants[0];
        let plan = variant.plan(batch)?;
        let (program, weights) = (&variant.program, &variant.weights);
        Ok(PlanReport::new(program, &plan, weights, batch))
    }

    /// Bytes of memory of all its weights, packed and dense.
    ///
    /// ```
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune::Prunable;
    /// use burn_prune_engine::SparseEngine;
    ///
    /// let device = Device::flex();
    /// let model = LinearConfig::new(256, 256).init(&device).l1_unstructured(0.9)?;
    /// let x = Tensor::<2>::ones([1, 256], &device);
    /// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
    /// assert!(4 * engine.weight_bytes() < 4 * 256 * 256);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let first = self.variants[0].weights.bytes();
        let others = self.variants[1..].iter().map(|variant| {
            let before = self.variants.iter();
            let before = before.take_while(|known| !Arc::ptr_eq(known, variant));
            let known: Vec<&WeightSet> = before.map(|known| &known.weights).collect();
            variant.weights.bytes_beside(&known)
        });
        first + others.sum::<usize>()
    }

    /// Runs the forward pass once and says how long each step took.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// # use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([3, 8], &device);
    /// let engine = SparseEngine::compile(&model, x.clone(), |model, x| model.forward(x))?;
    /// let profile = engine.profile(x)?;
    /// println!("{profile}");
    /// assert!(profile.steps.iter().all(|step| step.seconds.is_some()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn profile(&self, inputs: I) -> Result<PlanReport, EngineError> {
        let inputs = self.tensors(inputs)?;
        let (variant, batch) = self.variant(&inputs)?;
        let plan = variant.plan(batch)?;
        let profile = |state: &mut _| plan.profile(state, inputs, &self.threads);
        let seconds = self.states.with(profile)?;
        let report = PlanReport::new(&variant.program, &plan, &variant.weights, batch);
        Ok(report.timed(&seconds))
    }

    /// Runs the forward pass.
    ///
    /// # Errors
    /// When an input has another rank, size, type or device than the engine was compiled for, or Burn
    /// fails in an operation that it runs.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::tensor::{Device, Tensor};
    /// # use burn_prune_engine::SparseEngine;
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(8, 4).init(&device);
    /// # let x = Tensor::<2>::ones([1, 8], &device);
    /// let engine = SparseEngine::compile(&model, x, |model, x| model.forward(x))?;
    /// assert_eq!(engine.run(Tensor::ones([5, 8], &device))?.dims(), [5, 4]);
    /// let error = engine.run(Tensor::ones([5, 9], &device)).unwrap_err();
    /// assert_eq!(error.to_string(), "input 0: expected f32 [batch, 8], found f32 [5, 9]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&self, inputs: I) -> Result<O, EngineError> {
        let inputs = self.tensors(inputs)?;
        let (variant, batch) = self.variant(&inputs)?;
        let plan = variant.plan(batch)?;
        let run = |state: &mut _| plan.run(state, inputs, &self.threads);
        let outputs = self.states.with(run)?;
        let mut outputs = outputs.into_iter().map(EngineTensor::new);
        Ok(O::from_tensors(&self.form, &mut outputs))
    }

    fn tensors(&self, inputs: I) -> Result<Vec<FlexTensor>, EngineError> {
        let mut given = Vec::new();
        inputs.into_tensors(&mut given);
        let given = given.into_iter().enumerate();
        let given = given.map(|(input, tensor)| {
            tensor.into_flex().map_err(|found| EngineError::Input {
                input,
                expected: self.variants[0].signature().expected(input),
                found,
            })
        });
        given.collect()
    }

    /// The variant that takes these inputs, and their batch size.
    fn variant(&self, inputs: &[FlexTensor]) -> Result<(&Variant, usize), EngineError> {
        let mut first = None;
        for variant in &self.variants {
            match variant.batch(inputs) {
                Ok(batch) => return Ok((variant, batch)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.expect("an engine has a variant"))
    }
}

impl<I, O: EngineTensors> Clone for SparseEngine<I, O> {
    fn clone(&self) -> Self {
        Self {
            variants: self.variants.clone(),
            form: Arc::clone(&self.form),
            options: self.options.clone(),
            threads: self.threads.clone(),
            states: Arc::clone(&self.states),
            types: PhantomData,
        }
    }
}

impl<I, O: EngineTensors> fmt::Debug for SparseEngine<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseEngine")
            .field("variants", &self.variants.len())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
