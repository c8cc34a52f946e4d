use burn::module::{Module, ParamGroup};
use burn_prune::{Blocks, Criterion, Prunable, PruneError, Pruner, Random, Scores, Units, Weight};

/// Where a bench puts zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// Anywhere, each weight by itself.
    Random,
    /// The same, but the densities of rows (outputs) spread fourfold, as in trained models.
    Uneven,
    /// Four outputs of an input together.
    Blocks,
}

impl Zeros {
    /// In the name of a row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random zeros",
            Self::Uneven => "uneven rows",
            Self::Blocks => "4x1 blocks",
        }
    }

    /// A model with this fraction of zeros in each weight whose path matches none of the patterns.
    ///
    /// # Panics
    /// When a pattern is no regular expression, or matches no weight.
    pub fn in_model<M: Module>(self, model: M, sparsity: f64, but: &[&str]) -> M {
        if sparsity == 0.0 {
            return model;
        }
        let pruner = match self {
            Self::Random => Pruner::new(Random::new(1)),
            Self::Uneven => Pruner::new(UnevenRows),
            Self::Blocks => Pruner::new(Random::new(1)).pattern(Blocks::new([4, 1])),
        };
        let pruner = but.iter().fold(pruner, |pruner, but| {
            pruner.exclude(ParamGroup::from_regex(but).expect("it is a regular expression"))
        });
        let pruned = model.prune(&pruner.to_sparsity(sparsity));
        let model = pruned.expect("it has weights, and no zeros yet");
        model.make_permanent().expect("it has masks")
    }
}

/// A random choice in which the rows of a weight keep between half and twice the mean.
#[derive(Debug)]
struct UnevenRows;

impl Criterion for UnevenRows {
    fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
        let shape = weight.shape();
        let is_linear = shape.len() == 2;
        // A Linear stores its outputs last.
        let rows = if is_linear { shape[1] } else { shape[0] };
        let inner = weight.len() / shape[0];
        let mut state = fnv1a(weight.path());
        // Rows in an order of their own, so that dense ones are not neighbours.
        let mut order: Vec<(u64, usize)> = (0..rows).map(|row| (next(&mut state), row)).collect();
        order.sort_unstable();
        let mut densities = vec![1.0; rows];
        for (place, (_, row)) in order.iter().enumerate() {
            densities[*row] = 4f64.powf(place as f64 / rows as f64 - 0.5);
        }
        // The largest of ln(u) / weight are a sample without replacement with these weights
        // (Efraimidis and Spirakis 2006).
        let scores = (0..weight.len()).map(|index| {
            let row = if is_linear {
                index % rows
            } else {
                index / inner
            };
            let uniform = ((next(&mut state) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
            uniform.ln() / densities[row]
        });
        Ok(units.sum(scores).into())
    }
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn row_densities_spread_fourfold_and_the_sparsity_is_exact() {
        let layer = LinearConfig::new(1_000, 64).init(&Device::flex());
        let layer = Zeros::Uneven.in_model(layer, 0.9, &[]);
        let weight = layer.weight.val().try_into_vec_as::<f32>().unwrap();
        let zeros = weight.iter().filter(|weight| **weight == 0.0).count();
        assert_eq!(zeros, 57_600);
        let mut kept: Vec<usize> = (0..64)
            .map(|row| {
                (0..1_000)
                    .filter(|input| weight[input * 64 + row] != 0.0)
                    .count()
            })
            .collect();
        kept.sort_unstable();
        // The mean of the eight sparsest and the eight densest rows: 0.54 and 1.85 times the middle.
        let sum = |rows: &[usize]| rows.iter().sum::<usize>() as f64;
        let spread = sum(&kept[56..]) / sum(&kept[..8]);
        assert!((2.5..4.5).contains(&spread), "{spread}");
    }

    #[test]
    fn blocks_are_four_outputs_of_an_input() {
        let layer = LinearConfig::new(32, 16).init(&Device::flex());
        let layer = Zeros::Blocks.in_model(layer, 0.75, &[]);
        let weight = layer.weight.val().try_into_vec_as::<f32>().unwrap();
        let kept = weight.chunks(4).filter(|block| block[0] != 0.0).count();
        assert_eq!(kept, 32);
        for block in weight.chunks(4) {
            assert!(
                block
                    .iter()
                    .all(|weight| (*weight == 0.0) == (block[0] == 0.0))
            );
        }
    }
}
