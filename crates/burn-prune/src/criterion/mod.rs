//! What is scored: the units with the lowest scores go first.

mod lamp;
mod magnitude;
mod random;
mod scores;
pub(crate) mod stored;

pub use lamp::Lamp;
pub use magnitude::Magnitude;
pub use random::Random;
pub(crate) use random::fnv1a;
pub use scores::Scores;

pub(crate) use scores::{Block, Floats};

use std::any::Any;
use std::fmt::Debug;

use crate::{PruneError, Units, identity::Identity, model::Values};

/// Gives every unit of a weight a score; the lowest are pruned.
///
/// Scores are computed on the host, in a fixed order, so that the same weights give the same
/// masks on every backend. Among equal scores the lower index is kept.
///
/// A new criterion is one method. This one keeps weights by how far they have moved from where
/// they started (the `movement` of Zhou et al. 2019, "Deconstructing Lottery Tickets"):
///
/// ```
/// use std::collections::HashMap;
/// use burn::{module::Param, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use burn_prune::{Criterion, Prunable, PruneError, Pruner, Scores, Units, Weight};
///
/// #[derive(Debug)]
/// struct MovedFarthest {
///     start: HashMap<String, Vec<f64>>,
/// }
///
/// impl Criterion for MovedFarthest {
///     fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
///         let start = self.start.get(weight.path()).ok_or_else(|| PruneError::Criterion {
///             path: weight.path().to_string(),
///             message: "no initial weights".to_string(),
///         })?;
///         let moved = weight.iter().zip(start).map(|(now, start)| (now - start).abs());
///         Ok(units.sum(moved).into())
///     }
/// }
///
/// let device = Device::flex();
/// let mut layer = LinearConfig::new(1, 4).init(&device);
/// layer.weight = Param::from_tensor(Tensor::from_floats([[1.0, 2.0, 3.0, 4.0]], &device));
/// let start = HashMap::from([("weight".to_string(), vec![1.0, 1.0, 3.5, 0.0])]);
///
/// let layer = layer.prune(&Pruner::new(MovedFarthest { start }).amount(0.5))?;
/// // Moved by 0, 1, 0.5 and 4.
/// let weights = layer.weight.val().try_into_vec_as::<f32>().unwrap();
/// assert_eq!(weights, [0.0, 2.0, 0.0, 4.0]);
/// # Ok::<(), PruneError>(())
/// ```
pub trait Criterion: Any + Debug + Send + Sync {
    /// One finite score for each unit.
    ///
    /// # Errors
    /// Whatever makes the criterion unable to score this weight. Nothing is pruned then.
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError>;

    /// The identity by which checkpoints and studies tell this criterion from others.
    ///
    /// One that gives none is known by the name of its type and the scores that it gives to fixed
    /// weights of the selected parameters; that takes as long as scoring the model once. Give one
    /// where that is too long, or where the type may be renamed.
    ///
    /// ```
    /// use burn_prune::{Criterion, Identity, PruneError, Scores, Units, Weight};
    ///
    /// /// Weights that are closest to a value go first.
    /// #[derive(Debug)]
    /// struct Around(f64);
    ///
    /// impl Criterion for Around {
    ///     fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
    ///         Ok(units.sum(weight.iter().map(|w| (w - self.0).abs())).into())
    ///     }
    ///
    ///     fn identity(&self) -> Option<Identity> {
    ///         Some(Identity::new("around").with("value", self.0))
    ///     }
    /// }
    ///
    /// assert_eq!(Around(0.5).identity().unwrap().data()["value"], "0.5");
    /// ```
    fn identity(&self) -> Option<Identity> {
        None
    }

    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// What a criterion sees of a parameter: the effective weight, 0 where it is pruned already.
///
/// Where the caller supplied importance scores, those are seen in the place of the weight, and no
/// mask enters.
#[derive(Debug)]
pub struct Weight<'a> {
    path: &'a str,
    shape: &'a [usize],
    values: &'a Values,
}

impl<'a> Weight<'a> {
    pub(crate) fn new(path: &'a str, shape: &'a [usize], values: &'a Values) -> Self {
        Self {
            path,
            shape,
            values,
        }
    }

    /// The values, which a clone shares.
    pub(crate) fn values(&self) -> &Values {
        self.values
    }

    /// Dotted path of the parameter, `conv1.weight` for instance.
    pub fn path(&self) -> &str {
        self.path
    }

    /// Shape of the parameter.
    pub fn shape(&self) -> &[usize] {
        self.shape
    }

    /// Number of weights.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a tensor without entries is no case of its own"
    )]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The weight at a flat, row-major index.
    pub fn get(&self, index: usize) -> f64 {
        self.values.get(index)
    }

    /// The weights in flat, row-major order.
    pub fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter()
    }
}
