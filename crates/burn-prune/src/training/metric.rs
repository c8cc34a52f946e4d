use std::sync::Arc;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
    state::{FormatOptions, NumericMetricState},
};

use super::{Pruning, progress::Watched};

/// The sparsity of a [`Pruning`] in Burn's display and logs, in percent.
///
/// It needs nothing of the model's output, and reads nothing from the device. Register it for
/// training and validation: `metric_train_numeric(SparsityMetric::new(&pruning))`.
#[derive(Clone)]
pub struct SparsityMetric {
    name: MetricName,
    path: Option<String>,
    watched: Watched,
    state: NumericMetricState,
}

impl SparsityMetric {
    /// The sparsity of all selected weights together.
    pub fn new<M: Module + ModuleDisplay>(pruning: &Pruning<M>) -> Self {
        Self::named("Sparsity".to_string(), None, pruning)
    }

    /// The sparsity of each selected parameter, one metric per parameter, in module order.
    pub fn per_layer<M: Module + ModuleDisplay>(pruning: &Pruning<M>) -> Vec<Self> {
        let metric =
            |path: &str| Self::named(format!("Sparsity {path}"), Some(path.to_string()), pruning);
        pruning.counts().paths().map(metric).collect()
    }

    fn named<M: Module + ModuleDisplay>(
        name: String,
        path: Option<String>,
        pruning: &Pruning<M>,
    ) -> Self {
        Self {
            name: Arc::new(name),
            path,
            watched: pruning.watched(),
            state: NumericMetricState::new(),
        }
    }

    fn options(&self) -> FormatOptions {
        FormatOptions::new(self.name()).unit("%").precision(2)
    }
}

impl Metric for SparsityMetric {
    type Input = ();

    fn name(&self) -> MetricName {
        Arc::clone(&self.name)
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: Some("%".to_string()),
            higher_is_better: true,
        }
        .into()
    }

    fn update(
        &mut self,
        _item: &(),
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let sparsity = self.watched.get().sparsity(self.path.as_deref());
        // What counts is the last value, not a mean over the epoch.
        self.state.reset();
        self.state.update(100.0 * sparsity, 1);
        Ok(self.state.compute_update(self.options()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.options()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for SparsityMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}
