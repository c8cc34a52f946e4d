use super::{Measure, StudyReport, Summary};
use crate::lottery::cell_id::DENSE;
use crate::plot::{Line, LinePlot, Point, Reference, ValueFormat, XAxis};

impl StudyReport {
    /// Test accuracy, and the iteration of early stopping, against the weights remaining on a
    /// logarithmic axis; mean and standard deviation over the seeds. The dense network is a level,
    /// and points of which a seed had its lowest loss at the last evaluation are censored.
    ///
    /// The names are those of the files that [`save`](Self::save) writes.
    pub fn plots(&self) -> Vec<(&'static str, LinePlot)> {
        let accuracy = self.plot(
            "Test accuracy at early stopping",
            ("test accuracy", ValueFormat::Percent),
            Measure::TestAccuracy,
        );
        let early_stop = self.plot(
            "Iteration of the lowest validation loss",
            ("iteration", ValueFormat::Plain),
            Measure::EarlyStopIteration,
        );
        vec![("accuracy", accuracy), ("early-stop", early_stop)]
    }

    fn plot(&self, title: &str, y: (&str, ValueFormat), measure: Measure) -> LinePlot {
        let plot = LinePlot::new(title)
            .x(
                "weights remaining",
                XAxis::LogDescending,
                ValueFormat::Percent,
            )
            .y(y.0, y.1)
            .censored_means("open: loss still falling at the end");
        let mut methods = self.methods();
        if methods != [DENSE] {
            methods.retain(|method| *method != DENSE);
        }
        let lines = methods.into_iter().map(|method| self.line(method, measure));
        let plot = lines.fold(plot, LinePlot::line);
        match self.line(DENSE, measure).points.first() {
            Some(dense) => plot.reference(level(dense)),
            None => plot,
        }
    }

    fn line(&self, method: &str, measure: Measure) -> Line {
        let rounds = self.rounds(method).into_iter();
        let points = rounds.filter_map(|round| {
            let remaining = Summary::of(self.rows_of(method, round).map(|row| row.remaining))?;
            let value = self.summary(method, round, measure)?;
            let point = Point::new(remaining.mean, value.mean).spread(value.spread);
            if self.rows_of(method, round).any(|row| row.censored) {
                Some(point.censored())
            } else {
                Some(point)
            }
        });
        Line::new(method, points)
    }
}

/// The dense network.
fn level(dense: &Point) -> Reference {
    let level = Reference::new(DENSE, dense.y).spread(dense.spread);
    if dense.censored {
        level.censored()
    } else {
        level
    }
}
