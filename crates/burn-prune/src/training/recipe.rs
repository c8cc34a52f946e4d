use burn::config::Config;
use burn::module::{Module, ModuleDisplay, ParamGroup};
use serde::{Deserialize, Serialize};

use super::Pruning;
use crate::{
    Allocation, Lamp, Magnitude, Normalize, Pattern, PruneError, Pruner, Random, Rejected,
    ScheduleConfig, TrainingLength,
};

/// How a training prunes, as plain data: a JSON file by Burn's `Config`.
///
/// ```
/// use burn::{config::Config, nn::LinearConfig, tensor::Device};
/// use burn_prune::{Recipe, TrainingLength, ScheduleConfig, Span};
///
/// let json = r#"{
///     "schedule": { "Polynomial": { "target": 0.9, "span": { "Epochs": { "begin": 0, "end": 4, "every": 1 } } } },
///     "exclude": ["bias"]
/// }"#;
/// let recipe = Recipe::load_binary(json.as_bytes()).unwrap();
/// assert_eq!(recipe.schedule, ScheduleConfig::cubic(0.9, Span::epochs(0, 4, 1)));
///
/// let pattern = json.replace("exclude", r#"pattern": { "NM": { "n": 2, "m": 4 } }, "exclude"#);
/// let recipe = Recipe::load_binary(pattern.as_bytes()).unwrap();
/// assert_eq!(recipe.pattern, burn_prune::NM::new(2, 4).into());
///
/// // A mistyped field is named.
/// let typo = json.replace("exclude", "exlude");
/// assert!(Recipe::load_binary(typo.as_bytes()).unwrap_err().to_string().contains("exlude"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// When, and how much.
    pub schedule: ScheduleConfig,
    /// What is scored; magnitude by default.
    #[serde(default)]
    pub criterion: CriterionConfig,
    /// What goes together; single weights by default. N:M sparsity says by itself how much goes,
    /// so it takes the allocation `Uniform`.
    #[serde(default)]
    pub pattern: Pattern,
    /// How it is shared out; globally by default.
    #[serde(default)]
    pub allocation: AllocationConfig,
    /// Whether scores are divided by the L2 norm of their layer.
    #[serde(default)]
    pub normalize: bool,
    /// The fraction of each parameter that is kept at least.
    #[serde(default, with = "crate::exact_float")]
    pub min_density: f64,
    /// The number of weights of each parameter that are kept at least.
    #[serde(default)]
    pub min_count: usize,
    /// Paths that are pruned in the place of the weights of Linear and convolution layers.
    #[serde(default)]
    pub only: Vec<String>,
    /// Paths that are pruned besides.
    #[serde(default)]
    pub include: Vec<String>,
    /// Paths that are left alone.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// A [`Criterion`](crate::Criterion) as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub enum CriterionConfig {
    /// [`Magnitude`].
    #[default]
    Magnitude,
    /// [`Lamp`].
    Lamp,
    /// [`Random`].
    Random {
        /// The seed.
        seed: u64,
    },
}

/// An [`Allocation`] as plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AllocationConfig {
    /// [`Allocation::Uniform`].
    Uniform,
    /// [`Allocation::Global`].
    #[default]
    Global,
    /// [`Allocation::Erk`].
    Erk,
}

impl Config for Recipe {}

impl Recipe {
    /// Global magnitude pruning on this schedule.
    pub fn new(schedule: ScheduleConfig) -> Self {
        Self {
            schedule,
            criterion: CriterionConfig::default(),
            pattern: Pattern::default(),
            allocation: AllocationConfig::default(),
            normalize: false,
            min_density: 0.0,
            min_count: 0,
            only: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }

    /// The pruner, without an amount.
    pub fn pruner(&self) -> Pruner {
        let pruner = match self.criterion {
            CriterionConfig::Magnitude => Pruner::new(Magnitude::l1()),
            CriterionConfig::Lamp => Pruner::new(Lamp),
            CriterionConfig::Random { seed } => Pruner::new(Random::new(seed)),
        };
        let pruner = pruner
            .pattern(self.pattern.clone())
            .allocation(match self.allocation {
                AllocationConfig::Uniform => Allocation::Uniform,
                AllocationConfig::Global => Allocation::Global,
                AllocationConfig::Erk => Allocation::Erk,
            });
        let pruner = match self.normalize {
            true => pruner.normalize(Normalize::Norm),
            false => pruner,
        };
        let pruner = match self.only.is_empty() {
            true => pruner,
            false => pruner.only(ParamGroup::from_paths(self.only.clone())),
        };
        let path = |path: &String| ParamGroup::from_path(path.clone());
        let pruner = self.include.iter().map(path).fold(pruner, Pruner::include);
        let pruner = self.exclude.iter().map(path).fold(pruner, Pruner::exclude);
        pruner
            .min_density(self.min_density)
            .min_count(self.min_count)
    }

    /// Wraps a model, to be trained for this long.
    ///
    /// # Errors
    /// As [`ScheduleConfig::build`] and [`Pruning::new`].
    pub fn wrap<M: Module + ModuleDisplay>(
        &self,
        model: M,
        run: TrainingLength,
    ) -> Result<Pruning<M>, Rejected<M>> {
        let schedule = match self.validate().and_then(|()| self.schedule.build(run)) {
            Ok(schedule) => schedule,
            Err(error) => return Err(Rejected::new(model, error)),
        };
        Pruning::new(model, self.pruner(), schedule)
    }

    fn validate(&self) -> Result<(), PruneError> {
        match (0.0..=1.0).contains(&self.min_density) {
            true => Ok(()),
            false => Err(PruneError::InvalidDensity {
                found: self.min_density,
            }),
        }
    }
}
