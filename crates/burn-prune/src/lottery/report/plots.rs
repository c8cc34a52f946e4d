use super::{Measure, StudyReport, Summary};
use crate::plot::{Line, LinePlot, XAxis};

impl StudyReport {
    /// Test accuracy, and the iteration of early stopping, against the weights remaining on a
    /// logarithmic axis; mean and standard deviation over the seeds.
    ///
    /// The names are those of the files that [`save`](Self::save) writes.
    pub fn plots(&self) -> Vec<(&'static str, LinePlot)> {
        let plot = |title: &str, y: &str, measure, scale: f64| LinePlot {
            title: title.to_string(),
            x: "weights remaining, %".to_string(),
            x_axis: XAxis::LogDescending,
            y: y.to_string(),
            lines: self.lines_of(measure, scale),
        };
        vec![
            (
                "accuracy",
                plot(
                    "Test accuracy at early stopping",
                    "test accuracy, %",
                    Measure::TestAccuracy,
                    100.0,
                ),
            ),
            (
                "early-stop",
                plot(
                    "Iteration of the lowest validation loss",
                    "iteration",
                    Measure::EarlyStopIteration,
                    1.0,
                ),
            ),
        ]
    }

    fn lines_of(&self, measure: Measure, scale: f64) -> Vec<Line> {
        let remaining = self.rows.iter().map(|row| 100.0 * row.remaining);
        let fewest = remaining.fold(100.0, f64::min);
        let lines = self.methods().into_iter().map(|method| {
            let rounds = self.rounds(method).into_iter();
            let points = rounds.filter_map(|round| self.point(method, round, measure, scale));
            let mut points: Vec<_> = points.collect();
            // The dense run is a level to compare with.
            if let (true, &[(_, level, _)]) = (Self::is_dense(method), points.as_slice()) {
                points.push((fewest, level, 0.0));
            }
            Line {
                name: method.to_string(),
                points,
            }
        });
        lines.collect()
    }

    fn point(
        &self,
        method: &str,
        round: usize,
        measure: Measure,
        scale: f64,
    ) -> Option<(f64, f64, f64)> {
        let remaining = Summary::of(self.rows_of(method, round).map(|row| row.remaining))?;
        let value = self.summary(method, round, measure)?;
        Some((
            100.0 * remaining.mean,
            scale * value.mean,
            scale * value.spread,
        ))
    }
}
