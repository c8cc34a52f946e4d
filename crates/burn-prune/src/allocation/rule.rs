//! Dividing an amount by a rule of your own.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Allocation, Counts, Share};
use crate::amount::Target;
use crate::digest::Hasher;
use crate::error::PruneError;
use crate::identity::{Identity, short_name};

/// Says how many units each parameter, or each group of coupled channels, loses.
///
/// Use it for a goal other than a fraction of the units: a number of multiply-adds, or counts that
/// suit the hardware. The scores then decide which units are pruned.
///
/// ```
/// use std::sync::Arc;
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::Device};
/// use burn_prune::{Allocation, AllocationRule, Magnitude, PruneError, Pruner, Shares, Target};
///
/// /// All lose the same number of units.
/// #[derive(Debug)]
/// struct Each(usize);
///
/// impl AllocationRule for Each {
///     fn counts(&self, shares: &Shares<'_>, _: Option<Target>) -> Result<Vec<usize>, PruneError> {
///         Ok(shares.iter().map(|share| self.0.min(share.removable())).collect())
///     }
/// }
///
/// #[derive(Module, Debug)]
/// struct Net {
///     body: Linear,
///     head: Linear,
/// }
///
/// let device = Device::flex();
/// let net = Net {
///     body: LinearConfig::new(8, 8).init(&device),
///     head: LinearConfig::new(8, 2).init(&device),
/// };
/// let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Rule(Arc::new(Each(20))));
/// let masks = pruner.masks(&net)?;
/// assert_eq!(masks.get("body.weight").unwrap().pruned(), 20);
/// assert_eq!(masks.get("head.weight").unwrap().pruned(), 16);
/// # Ok::<(), PruneError>(())
/// ```
/// A rule can be told from others by its type: it is [`Any`].
pub trait AllocationRule: Any + Debug + Send + Sync {
    /// How many of its remaining units each share loses, in the order of the shares.
    ///
    /// The target is the pruner's `amount` or `to_sparsity`. At an update of a
    /// [schedule](crate::Pruning) it is `Target::Sparsity`, the sparsity of the schedule at that
    /// step. A rule that determines how much is pruned has to refuse a target or decide what it
    /// means.
    ///
    /// # Errors
    /// When it cannot decide: [`PruneError::Allocation`]. Nothing is pruned then.
    /// Counts that go below a floor are refused by the pruner.
    fn counts(&self, shares: &Shares<'_>, target: Option<Target>)
    -> Result<Vec<usize>, PruneError>;

    /// The identity by which checkpoints and studies tell this rule from others.
    ///
    /// A rule without one is known by the name of its type and by its counts for some targets.
    fn identity(&self) -> Option<Identity> {
        None
    }

    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// All parameters or groups that an [`AllocationRule`] divides units among, in the order of the
/// model or of the pattern.
pub struct Shares<'a> {
    shares: &'a [Share<'a>],
    ranked: &'a dyn Fn(usize) -> Vec<usize>,
}

impl<'a> Shares<'a> {
    /// `ranked` says how many each loses when so many go of all together, none below its floor.
    pub(crate) fn new(shares: &'a [Share<'a>], ranked: &'a dyn Fn(usize) -> Vec<usize>) -> Self {
        Self { shares, ranked }
    }

    /// Each share.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a Share<'a>> {
        self.shares.iter()
    }

    /// Number of shares.
    pub fn len(&self) -> usize {
        self.shares.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// How many units each loses at this fraction of its remaining units, rounded half to even, and
    /// no more than its floor allows. A fraction above 1 is 1.
    pub fn uniform(&self, fraction: f64) -> Vec<usize> {
        let count = |share: &Share<'_>| {
            let count = (fraction * share.remaining() as f64).round_ties_even();
            // What is not a number is 0.
            (count as usize).min(share.removable())
        };
        self.shares.iter().map(count).collect()
    }

    /// How many units each loses when all are ranked together and this many are pruned. None goes
    /// below its floor; the others lose more instead. Where fewer can be pruned, all of those are.
    ///
    /// A larger count takes no less from any share, so a goal can be searched for by bisection.
    pub fn global(&self, count: usize) -> Vec<usize> {
        let removable = self.shares.iter().map(Share::removable).sum();
        (self.ranked)(count.min(removable))
    }

    /// How many units each share loses by another allocation, for a rule that builds on it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use burn::{nn::LinearConfig, tensor::Device};
    /// use burn_prune::{Allocation, AllocationRule, Magnitude, PruneError, Pruner, Shares, Target};
    ///
    /// /// An even number of the units that another allocation takes.
    /// #[derive(Debug)]
    /// struct Even(Allocation);
    ///
    /// impl AllocationRule for Even {
    ///     fn counts(
    ///         &self,
    ///         shares: &Shares<'_>,
    ///         target: Option<Target>,
    ///     ) -> Result<Vec<usize>, PruneError> {
    ///         let counts = shares.by(&self.0, target)?;
    ///         Ok(counts.into_iter().map(|count| count / 2 * 2).collect())
    ///     }
    /// }
    ///
    /// let layer = LinearConfig::new(3, 3).init(&Device::flex());
    /// let even = Allocation::Rule(Arc::new(Even(Allocation::Uniform)));
    /// let masks = Pruner::new(Magnitude::l1()).amount(5).allocation(even).masks(&layer)?;
    /// assert_eq!(masks.get("weight").unwrap().pruned(), 4);
    /// # Ok::<(), PruneError>(())
    /// ```
    ///
    /// # Errors
    /// When there is no target, when that allocation refuses it, or when a floor makes it impossible.
    pub fn by(
        &self,
        allocation: &Allocation,
        target: Option<Target>,
    ) -> Result<Vec<usize>, PruneError> {
        let counts = allocation.counts(target, &BTreeMap::new(), self.shares, self.ranked)?;
        Ok(match counts {
            Counts::Each(counts) => counts,
            Counts::Together(count) => self.global(count),
        })
    }
}

impl Debug for Shares<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.shares).finish()
    }
}

/// The counts of a rule, one for each share and no more than it has.
pub(super) fn counts(
    rule: &dyn AllocationRule,
    shares: &Shares<'_>,
    target: Option<Target>,
) -> Result<Vec<usize>, PruneError> {
    let counts = rule.counts(shares, target)?;
    if counts.len() != shares.len() {
        return Err(PruneError::Allocation {
            message: format!(
                "it gave {} counts for {} parameters or groups",
                counts.len(),
                shares.len()
            ),
        });
    }
    let mut pairs = shares.iter().zip(&counts);
    match pairs.find(|(share, count)| **count > share.remaining()) {
        Some((share, count)) => Err(PruneError::CountTooLarge {
            parameter: share.name().to_string(),
            requested: *count,
            available: share.remaining(),
        }),
        None => Ok(counts),
    }
}

/// What the rule says that it is; or the name of its type, and a digest of some of its counts.
pub(crate) fn identity_of(rule: &dyn AllocationRule, shares: &[Share<'_>]) -> Identity {
    if let Some(identity) = rule.identity() {
        return identity;
    }
    let ranked = |count: usize| in_order(shares, count);
    let shares = Shares::new(shares, &ranked);
    let mut counts = Hasher::default();
    let sparsities = [0.1, 0.5, 0.9].map(|sparsity| Some(Target::Sparsity(sparsity)));
    for target in sparsities.into_iter().chain([None]) {
        // It may panic for shares that it never meets; that is not an error here.
        let found = catch_unwind(AssertUnwindSafe(|| rule.counts(&shares, target)));
        match found {
            Ok(Ok(found)) => {
                counts.update("counts;");
                for count in found {
                    counts.update((count as u64).to_le_bytes());
                }
            }
            Ok(Err(_)) => counts.update("refused;"),
            Err(_) => counts.update("panicked;"),
        }
    }
    Identity::new(short_name(rule.type_name())).with("counts_sha256", counts.finish().as_str())
}

/// A ranking in which one share goes after the other.
fn in_order(shares: &[Share<'_>], mut count: usize) -> Vec<usize> {
    let take = |share: &Share<'_>| {
        let taken = share.removable().min(count);
        count -= taken;
        taken
    };
    shares.iter().map(take).collect()
}
