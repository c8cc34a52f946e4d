use serde::{Deserialize, Serialize};

/// Validation losses of a training; early stopping is at the lowest.
///
/// ```
/// use burn_prune::lottery::LearningCurve;
///
/// let mut curve = LearningCurve::new();
/// assert!(curve.push(100, 0.5)); // the lowest so far: keep these weights
/// assert!(curve.push(200, 0.3));
/// assert!(!curve.push(300, 0.4));
/// assert_eq!(curve.lowest(), Some((200, 0.3)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LearningCurve {
    /// `None` where the loss was not finite.
    points: Vec<(usize, Option<f64>)>,
}

impl LearningCurve {
    /// A curve without points.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the loss after this step, counted as in [`Moment`](super::Moment): on the schedule of
    /// the cell, from its [`start`](super::CellTraining::schedule), before the first step, to its end.
    /// Returns whether it is the lowest so far; a loss that is not finite never is.
    pub fn push(&mut self, step: usize, validation_loss: f64) -> bool {
        let lower = self.lowest().is_none_or(|(_, loss)| validation_loss < loss);
        let finite = validation_loss.is_finite();
        self.points.push((step, finite.then_some(validation_loss)));
        lower && finite
    }

    /// Step and loss of the first lowest point.
    pub fn lowest(&self) -> Option<(usize, f64)> {
        self.points()
            .reduce(|low, point| if point.1 < low.1 { point } else { low })
    }

    /// Whether the lowest point is the last one: it might have gone lower still.
    pub fn is_censored(&self) -> bool {
        let last = self.points.last().map(|(step, _)| *step);
        self.lowest().map(|(step, _)| step) == last
    }

    /// Steps and losses, where they are finite.
    pub fn points(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let points = self.points.iter();
        points.filter_map(|(step, loss)| Some((*step, (*loss)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_minima_counts_and_nan_never_does() {
        let mut curve = LearningCurve::new();
        assert_eq!(curve.lowest(), None);
        assert!(!curve.push(1, f64::NAN));
        assert!(curve.push(2, 1.0));
        assert!(curve.is_censored());
        // An evaluation without a finite loss counts as the last one too.
        assert!(!curve.push(3, f64::INFINITY));
        assert!(!curve.is_censored());
        assert!(!curve.push(4, 1.0));
        assert_eq!(curve.lowest(), Some((2, 1.0)));
        assert!(!curve.is_censored());
    }
}
