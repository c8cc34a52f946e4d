//! How much each layer can lose.

use std::fmt;
use std::time::{Duration, Instant};

use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::amount::Target;
use crate::error::PruneError;
use crate::model::{Inventory, Parameter};
use crate::pruner::Pruner;
use crate::table::Table;

/// Your metric against the sparsity of one parameter at a time (Han et al. 2015).
///
/// Plain data, which prints as a table, serializes with serde, and is drawn with the feature
/// `plot`.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{Magnitude, Prunable, Pruner, SensitivityReport};
///
/// let layers = vec![LinearConfig::new(8, 8).init(&Device::flex()), LinearConfig::new(8, 2).init(&Device::flex())];
/// let pruner = Pruner::new(Magnitude::l1());
/// // Your accuracy goes here.
/// let metric = |layers: &Vec<_>| 1.0 - layers.sparsity_report().sparsity();
/// let report = SensitivityReport::of(&layers, &pruner, &[0.5, 0.9], metric, |progress| {
///     println!("{} of {}, {:?} left", progress.done, progress.total, progress.remaining);
/// })?;
/// assert_eq!(report.baseline, 1.0);
/// assert_eq!(report.layers[0].path, "0.weight");
/// assert_eq!(report.layers[0].values, [1.0 - 32.0 / 80.0, 1.0 - 58.0 / 80.0]);
/// println!("{report}");
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SensitivityReport {
    /// The metric of the model as it is.
    pub baseline: f64,
    /// The sparsities that were tried, in `[0, 1]`.
    pub sparsities: Vec<f64>,
    /// The selected parameters in module order, or the groups of coupled channels in that of the
    /// pattern.
    pub layers: Vec<LayerSensitivity>,
}

/// The metric against the sparsity of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LayerSensitivity {
    /// Path of the parameter, or name of the group.
    pub path: String,
    /// The metric at each of the sparsities.
    pub values: Vec<f64>,
}

/// The progress of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SensitivityProgress {
    /// Evaluations of the metric that are done.
    pub done: usize,
    /// All of them.
    pub total: usize,
    /// Time so far.
    pub elapsed: Duration,
    /// Estimated time left.
    pub remaining: Duration,
}

impl SensitivityReport {
    /// Prunes one selected parameter (or group of coupled channels) at a time, to each sparsity, and
    /// measures.
    ///
    /// The metric is given a pruned copy in evaluation mode; the model itself stays as it is. Each
    /// parameter is pruned alone to each sparsity, so the amount and the allocation of the pruner are
    /// not used. `progress` is called after each evaluation.
    ///
    /// # Errors
    /// As [`Pruner::masks`] for any of the parameters at any of the sparsities, before the first
    /// evaluation.
    pub fn of<M: Module>(
        model: &M,
        pruner: &Pruner,
        sparsities: &[f64],
        mut metric: impl FnMut(&M) -> f64,
        mut progress: impl FnMut(SensitivityProgress),
    ) -> Result<Self, PruneError> {
        let start = Instant::now();
        let model = model.valid();
        let selected = pruner.selection(&model)?;
        let mut inventory = Inventory::of(&model);
        let places = selected
            .iter()
            .filter_map(|(path, _)| inventory.find(path))
            .map(Parameter::place)
            .collect();
        // A parameter that is shared is pruned at all its places.
        inventory.decide(&model, &places);
        let alone = pruner.each_alone(&inventory)?;
        // What is wrong is refused before the first evaluation, which may take long.
        for sparsity in sparsities {
            Target::Sparsity(*sparsity).validate()?;
            for (_, pruner) in &alone {
                pruner.to_scheduled(*sparsity).masks(&model)?;
            }
        }
        let total = 1 + alone.len() * sparsities.len();
        let mut done = 0;
        let mut measure = |model: &M| {
            let value = metric(model);
            done += 1;
            let elapsed = start.elapsed();
            progress(SensitivityProgress {
                done,
                total,
                elapsed,
                remaining: elapsed.mul_f64((total - done) as f64 / done as f64),
            });
            value
        };
        let baseline = measure(&model);
        let mut layers = Vec::with_capacity(alone.len());
        for (path, pruner) in &alone {
            let mut values = Vec::with_capacity(sparsities.len());
            for sparsity in sparsities {
                let pruned = pruner.to_scheduled(*sparsity).prune(model.clone())?;
                values.push(measure(&pruned));
            }
            layers.push(LayerSensitivity {
                path: path.clone(),
                values,
            });
        }
        Ok(Self {
            baseline,
            sparsities: sparsities.to_vec(),
            layers,
        })
    }
}

impl fmt::Display for SensitivityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |sparsity: &f64| format!("{:.1}%", 100.0 * sparsity);
        let sparsities = self.sparsities.iter().map(percent);
        let header = ["parameter", "as it is"].map(str::to_string);
        let mut table = Table::new(1, header.into_iter().chain(sparsities));
        for LayerSensitivity { path, values } in &self.layers {
            let values = values.iter().map(|value| format!("{value:.4}"));
            let row = [path.clone(), format!("{:.4}", self.baseline)];
            table.row(row.into_iter().chain(values));
        }
        table.fmt(f)
    }
}
