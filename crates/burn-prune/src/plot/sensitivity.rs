//! The plot of a sensitivity report.

use super::{Line, LinePlot, Point, Reference, ValueFormat, XAxis};
use crate::training::SensitivityReport;

impl SensitivityReport {
    /// The metric against sparsity, a line a parameter, and the unpruned model as a level.
    ///
    /// The metric is written as it is; set [`LinePlot::y_format`] when it is a fraction.
    pub fn plot(&self, metric: &str) -> LinePlot {
        let unpruned = Point::new(0.0, self.baseline);
        let lines = self.layers.iter().map(|layer| {
            let values = self.sparsities.iter().zip(&layer.values);
            let points = values.map(|(sparsity, value)| Point::new(*sparsity, *value));
            Line::new(&layer.path, std::iter::once(unpruned).chain(points))
        });
        let mut plot = LinePlot::new(format!("{metric}, one parameter pruned at a time"))
            .x(
                "sparsity of the parameter",
                XAxis::Linear,
                ValueFormat::Percent,
            )
            .y(metric, ValueFormat::Plain)
            .reference(Reference::new("unpruned", self.baseline));
        plot.lines = lines.collect();
        plot
    }
}
