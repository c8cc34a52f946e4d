//! Where a schedule leads the parameters that have targets of their own.

use std::collections::BTreeMap;

use burn::module::ParamGroup;
use serde_json::{Map, Value, json};

use super::share::not_rounded_above;
use super::{PerLayer, Share};
use crate::amount::{Amount, Target};
use crate::error::PruneError;

/// How many units each parameter with a target of its own is to have lost in the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends(BTreeMap<String, End>);

#[derive(Debug, Clone, Copy)]
struct End {
    /// Units that were pruned before the training, for an amount, which counts the others.
    start: usize,
    /// Units that go on top of these; the share that a schedule has reached of them is rounded.
    goes: f64,
    /// Units that may have gone in the end.
    most: usize,
}

impl Ends {
    /// Of parameters as they are before the training; the first group that one is in counts.
    pub(crate) fn of(
        targets: &[(ParamGroup, Target)],
        shares: &[Share<'_>],
    ) -> Result<Self, PruneError> {
        let per_layer = PerLayer::new(targets);
        per_layer.check(shares)?;
        let mut ends = BTreeMap::new();
        for share in shares {
            let Some(target) = per_layer.target(share) else {
                continue;
            };
            // A number of units that it does not have is refused here.
            target.count(share.name(), share.remaining(), share.total())?;
            let start = share.total() - share.remaining();
            let most = share.most();
            let end = match target {
                Target::Amount(Amount::Fraction(fraction)) => End {
                    start,
                    goes: fraction * share.remaining() as f64,
                    most,
                },
                Target::Amount(Amount::Count(count)) => End {
                    start,
                    goes: count as f64,
                    most,
                },
                Target::Sparsity(sparsity) => End {
                    start: 0,
                    goes: sparsity * share.total() as f64,
                    most,
                },
            };
            ends.insert(share.name().to_string(), end);
        }
        Ok(Self(ends))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many units each is to have lost at this share of the way, rounded half to even.
    pub(crate) fn at(&self, share: f64) -> BTreeMap<String, usize> {
        let lost = |end: &End| {
            let goes = share * end.goes;
            let lost = end.start + goes.round_ties_even() as usize;
            not_rounded_above(end.most, lost, end.start as f64 + goes)
        };
        let ends = self.0.iter();
        ends.map(|(path, end)| (path.clone(), lost(end))).collect()
    }

    /// What was pruned before the training, where it counts.
    pub(crate) fn starts(&self) -> Value {
        let ends = self.0.iter().filter(|(_, end)| end.start > 0);
        let starts = ends.map(|(path, end)| (path.clone(), json!(end.start)));
        Value::Object(starts.collect::<Map<_, _>>())
    }
}
