//! Recipes: a pruner and a schedule as one file.

mod first_form;
mod stored;

use burn::module::{Module, ModuleDisplay};

use super::Pruning;
use crate::pruner::Pruner;
use crate::rejected::Rejected;
use crate::schedule::{ScheduleConfig, TrainingLength};

/// How a training prunes: a pruner and a schedule, saved to JSON and loaded by Burn's
/// [`Config`](burn::config::Config).
///
/// ```
/// use burn::config::Config;
/// use burn_prune::{Allocation, Lamp, Pruner, Recipe, ScheduleConfig, Span};
///
/// let pruner = Pruner::new(Lamp).allocation(Allocation::Global);
/// let recipe = Recipe::new(pruner, ScheduleConfig::cubic(0.9, Span::epochs(0, 4, 1)));
/// let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("recipe.json");
/// recipe.save(&file).unwrap();
/// assert_eq!(Recipe::load(&file).unwrap().schedule, recipe.schedule);
/// ```
///
/// # The file
/// It can be written by hand. The fields of `pruner` are the methods of [`Pruner`], and what is left
/// out is as in `Pruner::new(Magnitude::l1())`. A field that is not known is refused.
///
/// ```
/// use burn::config::Config;
/// use burn_prune::Recipe;
///
/// let json = r#"{
///     "version": 2,
///     "schedule": { "Polynomial": { "target": 0.9, "span": { "Epochs": { "begin": 0, "end": 4, "every": 1 } } } },
///     "pruner": {
///         "criterion": { "Magnitude": { "n": 2 } },
///         "pattern": { "Channels": "Output" },
///         "allocation": { "PerLayer": [["conv1.weight", { "Sparsity": 0.5 }]] },
///         "min_count": 4,
///         "exclude": ["head.weight"]
///     }
/// }"#;
/// Recipe::load_binary(json.as_bytes()).unwrap();
///
/// // A mistyped field is named.
/// let typo = json.replace("exclude", "exlude");
/// let error = Recipe::load_binary(typo.as_bytes()).unwrap_err().to_string();
/// assert!(error.contains("unknown field `exlude`"));
/// ```
///
/// | field | values |
/// |---|---|
/// | `criterion` | `"Magnitude"`, `{ "Magnitude": { "n": 2 } }`, `"Lamp"`, `"NormScale"`, `{ "Random": { "seed": 1 } }` |
/// | `pattern` | `"Unstructured"`, `{ "Channels": "Input" }`, `{ "Blocks": { "size": [4, 1] } }`, `{ "NM": { "n": 2, "m": 4 } }` |
/// | `allocation` | `"Uniform"`, `"Global"`, `"Erk"`, `{ "PerLayer": [["fc.weight", { "Sparsity": 0.9 }], ..] }`, `{ "Rule": .. }` |
/// | `normalize` | `"None"`, `"Norm"`, `"Mean"` |
/// | `min_density`, `min_count` | numbers |
/// | `only` | a group: a path, a list of paths, or a [`ParamGroup`](burn::module::ParamGroup) as Burn writes it |
/// | `include`, `exclude` | lists of groups |
/// | `weight_axes` | `[["fc.weight", { "output": 0, "input": 1 }], ..]` |
///
/// A file without `version` is of the first form, which had the fields of the pruner beside the
/// schedule and the allocation `Global` by default. It is read as it was meant.
///
/// # What cannot be stored
/// Groups of parameter ids, which another process does not have; importance scores, which are
/// tensors; a schedule of your own, which is given to [`Pruning::new`] beside the pruner. Saving the
/// first two is an error. A criterion of your own and an allocation rule are stored as their
/// [identity](crate::Criterion::identity), and given again with [`Pruner::give_criterion`] and
/// [`Pruner::give_allocation`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recipe {
    /// What is pruned, without an amount.
    pub pruner: Pruner,
    /// When, and how much.
    pub schedule: ScheduleConfig,
}

impl Recipe {
    /// Pruning with this pruner on this schedule.
    pub fn new(pruner: Pruner, schedule: ScheduleConfig) -> Self {
        Self { pruner, schedule }
    }

    /// Wraps a model for a training of this length.
    ///
    /// # Errors
    /// As [`ScheduleConfig::build`] and [`Pruning::new`]. The model comes back as it was.
    pub fn wrap<M: Module + ModuleDisplay>(
        &self,
        model: M,
        length: TrainingLength,
    ) -> Result<Pruning<M>, Rejected<M>> {
        match self.schedule.build(length) {
            Ok(schedule) => Pruning::new(model, self.pruner.clone(), schedule),
            Err(error) => Err(Rejected::new(model, error)),
        }
    }
}
