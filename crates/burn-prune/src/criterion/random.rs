use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Criterion, GroupWeights, Weight};
use crate::error::PruneError;
use crate::identity::Identity;
use crate::pattern::Units;
use crate::scores::Scores;

/// Units are pruned at random. The same seed gives the same mask on every backend and in every
/// release.
///
/// Each parameter draws from a ChaCha8 stream of its own, chosen by its path, so that adding or
/// excluding a layer leaves the draws of the others alone. A group of
/// [coupled channels](crate::CoupledChannels) draws once for each unit, from the stream of its name.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{Prunable, Pruner, Random};
///
/// let layer = LinearConfig::new(8, 8).init(&Device::flex());
/// let draw = |seed| Pruner::new(Random::new(seed)).amount(0.5).masks(&layer);
/// assert_eq!(draw(1)?, draw(1)?);
/// assert_ne!(draw(1)?, draw(2)?);
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// A random choice that depends on this seed alone.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Criterion for Random {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        Ok(self.draw(weight.path(), units.count()))
    }

    fn group_scores(&self, group: &GroupWeights<'_>) -> Result<Scores, PruneError> {
        Ok(self.draw(group.name(), group.units()))
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity::new("random").with("seed", self.seed))
    }
}

impl Random {
    fn draw(&self, name: &str, units: usize) -> Scores {
        let mut stream = ChaCha8Rng::seed_from_u64(self.seed);
        stream.set_stream(fnv1a(name));
        // 24 random bits, all that an f32 in [0, 1) holds. Written out here: a sampling routine
        // may change what it draws between releases, the generator may not.
        let scale = (1u32 << 24) as f32;
        let draw = |_| (stream.next_u64() >> 40) as f32 / scale;
        let scores: Vec<f32> = (0..units).map(draw).collect();
        scores.into()
    }
}

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo), which is the same everywhere.
pub(crate) fn fnv1a(text: &str) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    text.bytes().fold(OFFSET_BASIS, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_gives_its_published_values() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }
}
