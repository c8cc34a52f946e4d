use serde::Serialize;

/// A measure over the seeds.
///
/// ```
/// use burn_prune::lottery::Summary;
///
/// let a = Summary::of([1.0, 2.0, 3.0]).unwrap();
/// assert_eq!((a.mean, a.spread, a.count), (2.0, 1.0, 3));
/// assert!(a.overlaps(&Summary::of([2.5, 3.0, 4.5]).unwrap()));
/// assert!(!a.overlaps(&Summary::of([8.0, 9.0]).unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for a single value.
    pub spread: f64,
    /// How many values.
    pub count: usize,
}

impl Summary {
    /// Of these values; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let spread = match count {
            1 => 0.0,
            count => (squares / (count as f64 - 1.0)).sqrt(),
        };
        Some(Self {
            mean,
            spread,
            count,
        })
    }

    /// Whether the intervals `mean ± spread` overlap: then the two cannot be told apart. A single
    /// value has no interval, and cannot be told apart from anything.
    pub fn overlaps(&self, other: &Self) -> bool {
        let single = self.count < 2 || other.count < 2;
        single || (self.mean - other.mean).abs() <= self.spread + other.spread
    }
}
