use std::error::Error;
use std::io::{IsTerminal, Stdout, Write, stdout};

use burn_train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn_train::metric::{MetricAttributes, MetricDefinition, MetricId, NumericEntry};
use burn_train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use burn_train::{LearnerModel, LearnerSummary, SupervisedTraining};

/// Shows a training of Burn's `Learner` as one line an epoch, with all numeric metrics that it has:
///
/// ```text
/// epoch 2/5: accuracy 84.10 %, loss 0.4490; validation: accuracy 83.20 %, loss 0.4712
/// ```
///
/// For output that is no terminal, where Burn writes several lines for each batch.
pub struct EpochLines<W = Stdout> {
    output: W,
    /// What follows the metrics on each line.
    note: Option<String>,
    metrics: Vec<MetricDefinition>,
    epochs: usize,
    train: Vec<(MetricId, f64)>,
    valid: Vec<(MetricId, f64)>,
}

impl EpochLines {
    /// Lines on the standard output.
    pub fn new() -> Self {
        Self::to(stdout())
    }

    /// The training with Burn's display when the standard output is a terminal, and with these lines
    /// when it is not.
    pub fn unless_terminal<M: LearnerModel>(
        self,
        training: SupervisedTraining<M>,
    ) -> SupervisedTraining<M> {
        if stdout().is_terminal() {
            return training;
        }
        training.renderer(Box::new(self))
    }
}

impl Default for EpochLines {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Write> EpochLines<W> {
    /// Lines on an output of one's own.
    pub fn to(output: W) -> Self {
        Self {
            output,
            note: None,
            metrics: Vec::new(),
            epochs: 0,
            train: Vec::new(),
            valid: Vec::new(),
        }
    }

    /// Adds this to each line: the sparsity of fixed masks, for instance, which is no metric.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn line(&mut self, epoch: usize) {
        let train = self.shown(&self.train);
        let valid = self.shown(&self.valid);
        let note = self.note.clone().unwrap_or_default();
        let labels = ["", "validation: ", ""];
        let parts: Vec<String> = labels
            .iter()
            .zip([train, valid, note])
            .filter(|(_, part)| !part.is_empty())
            .map(|(label, part)| format!("{label}{part}"))
            .collect();
        let line = format!("epoch {epoch}/{}: {}", self.epochs, parts.join("; "));
        // A closed pipe is no reason to stop training.
        drop(writeln!(self.output, "{line}"));
    }

    /// `accuracy 84.10 %, loss 0.4490`.
    fn shown(&self, values: &[(MetricId, f64)]) -> String {
        let shown = values.iter().map(|(id, value)| {
            let metric = self.metrics.iter().find(|metric| metric.metric_id == *id);
            let name = metric.map_or("?".to_string(), |metric| metric.name.to_lowercase());
            match metric.map(|metric| &metric.attributes) {
                Some(MetricAttributes::Numeric(numeric)) if numeric.unit.is_some() => {
                    let unit = numeric.unit.as_deref().unwrap_or_default();
                    format!("{name} {value:.2} {unit}")
                }
                _ => format!("{name} {value:.4}"),
            }
        });
        shown.collect::<Vec<String>>().join(", ")
    }
}

/// Keeps the value of an epoch, which comes after those of its batches.
fn keep(values: &mut Vec<(MetricId, f64)>, state: MetricState) {
    let MetricState::Numeric(entry, Some(NumericEntry::Final(value))) = state else {
        return;
    };
    values.retain(|(id, _)| *id != entry.metric_id);
    values.push((entry.metric_id, value));
}

impl<W: Write + Send + Sync> MetricsRendererTraining for EpochLines<W> {
    fn update_train(&mut self, state: MetricState) {
        keep(&mut self.train, state);
    }

    fn update_valid(&mut self, state: MetricState) {
        keep(&mut self.valid, state);
    }

    /// No summary: the lines have shown everything.
    fn on_train_end(&mut self, _summary: Option<LearnerSummary>) -> Result<(), Box<dyn Error>> {
        Ok(())
    }
}

impl<W: Write + Send + Sync> TrainingProgressLogger for EpochLines<W> {
    fn start(&mut self, epochs: usize, _first: usize, _items: Option<usize>, _label: Option<&str>) {
        self.epochs = epochs;
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.line(epoch);
    }

    fn start_split(&mut self, _split: &str, _items: usize) {}
    fn update_split(&mut self, _items: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRendererEvaluation for EpochLines<W> {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl<W: Write + Send + Sync> EvaluationProgressLogger for EpochLines<W> {
    fn start_global_progress(&mut self, _tests: usize) {}
    fn start_test(&mut self, _name: &str, _items: usize) {}
    fn update_test_progress(&mut self, _items: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl<W: Write + Send + Sync> MetricsRenderer for EpochLines<W> {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.metrics.push(definition);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use burn_train::metric::{MetricEntry, NumericAttributes, SerializedEntry};

    use super::*;

    fn metric(name: &str, unit: Option<&str>) -> MetricDefinition {
        let numeric = NumericAttributes {
            unit: unit.map(str::to_string),
            higher_is_better: true,
        };
        MetricDefinition {
            metric_id: MetricId::new(Arc::new(name.to_string())),
            name: Arc::new(name.to_string()),
            description: None,
            attributes: numeric.into(),
        }
    }

    fn state(name: &str, value: NumericEntry) -> MetricState {
        let id = MetricId::new(Arc::new(name.to_string()));
        let entry = SerializedEntry::new(String::new(), String::new());
        MetricState::Numeric(MetricEntry::new(id, entry), Some(value))
    }

    #[test]
    fn an_epoch_is_one_line_with_its_final_values() {
        let mut lines = EpochLines::to(Vec::new()).with_note("sparsity 90.00 %");
        lines.register_metric(metric("Loss", None));
        lines.register_metric(metric("Accuracy", Some("%")));
        lines.start(2, 1, None, None);
        for epoch in [1, 2] {
            let final_loss = 1.0 / epoch as f64;
            lines.update_train(state("Loss", NumericEntry::Value(7.0)));
            lines.update_train(state("Loss", NumericEntry::Final(final_loss)));
            lines.update_valid(state("Loss", NumericEntry::Final(final_loss + 1.0)));
            lines.update_valid(state("Accuracy", NumericEntry::Final(84.123)));
            lines.update_epoch(epoch);
        }
        lines.end();
        assert_eq!(
            String::from_utf8(lines.output).unwrap(),
            "epoch 1/2: loss 1.0000; validation: loss 2.0000, accuracy 84.12 %; sparsity 90.00 %\n\
             epoch 2/2: loss 0.5000; validation: loss 1.5000, accuracy 84.12 %; sparsity 90.00 %\n"
        );
    }
}
