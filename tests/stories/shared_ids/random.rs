//! Random models of shared and other places, beside lists of numbers that are pruned by the rules.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{Allocation, MaskMode, Prunable};

use super::l1;
use crate::nets::values;

/// Gives the weights at some places other values.
struct Move<'a, F> {
    places: &'a [bool],
    next: usize,
    value: F,
}

impl<F: FnMut() -> f32> ModuleMapper for Move<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.next += 1;
        if !self.places[self.next - 1] {
            return param;
        }
        param.map(|weight| {
            let (shape, device) = (weight.shape(), weight.device());
            let values: Vec<f32> = (0..shape.num_elements()).map(|_| (self.value)()).collect();
            Tensor::from_data(burn::tensor::TensorData::new(values, shape), &device)
        })
    }
}

/// A place as the reference knows it.
#[derive(Clone)]
struct Known {
    id: usize,
    /// Places that got their mask together have one number.
    mask: Option<usize>,
    weights: Vec<f32>,
    kept: Vec<bool>,
}

/// Prunes lists of numbers by what the rules say, knowing nothing of tensors.
fn prune_reference(places: &mut [Known], global: bool, fraction: f64, next_mask: &mut usize) {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in 0..places.len() {
        let one = |group: &&mut Vec<usize>| {
            let (a, b) = (&places[group[0]], &places[at]);
            let equal = a.weights.iter().zip(&b.weights);
            let equal = equal.clone().all(|(a, b)| a.to_bits() == b.to_bits());
            let undecided = a.mask.is_none() && b.mask.is_none() && equal;
            a.id == b.id && (undecided || (a.mask.is_some() && a.mask == b.mask))
        };
        match groups.iter_mut().find(one) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    let rank = |places: &[Known], at: usize| -> Vec<(f32, usize, usize)> {
        let known = &places[at];
        let kept = (0..known.kept.len()).filter(|index| known.kept[*index]);
        kept.map(|index| (known.weights[index].abs(), at, index))
            .collect()
    };
    let cut = |places: &mut [Known], mut units: Vec<(f32, usize, usize)>| {
        units.sort_by(|a, b| a.0.total_cmp(&b.0).then((b.1, b.2).cmp(&(a.1, a.2))));
        let count = (fraction * units.len() as f64).round_ties_even() as usize;
        for (_, at, index) in &units[..count] {
            places[*at].kept[*index] = false;
        }
    };
    if global {
        let units = groups.iter().flat_map(|group| rank(places, group[0]));
        let units = units.collect();
        cut(places, units);
    } else {
        for group in &groups {
            let units = rank(places, group[0]);
            cut(places, units);
        }
    }
    for group in groups {
        *next_mask += 1;
        let kept = places[group[0]].kept.clone();
        for at in &group {
            places[*at].kept.clone_from(&kept);
            // A mask that was given to one place does not tie its clones to it.
            places[*at].mask = (group.len() > 1).then_some(*next_mask);
        }
        if group.len() == 1 {
            places[group[0]].mask = Some(*next_mask);
        }
    }
}

#[test]
fn random_models_of_shared_and_other_places_are_pruned_as_lists_of_numbers_are() {
    let device = Device::flex();
    for seed in 0..60u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut random = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        // Few values, so that there are ties.
        let new = |random: &mut dyn FnMut(usize) -> usize, size: usize| -> Vec<f32> {
            (0..size).map(|_| random(13) as f32 - 6.5).collect()
        };
        let size = 1 + random(9);
        let mut known: Vec<Known> = Vec::new();
        let mut ids: Vec<ParamId> = Vec::new();
        for _ in 0..2 + random(6) {
            let copied = random(ids.len() + 1);
            let like = known.iter().find(|known| known.id == copied).cloned();
            let weights = match (like, random(2)) {
                (Some(like), 0) => like.weights,
                _ => new(&mut random, size),
            };
            if copied == ids.len() {
                ids.push(ParamId::new());
            }
            known.push(Known {
                id: copied,
                mask: None,
                kept: vec![true; size],
                weights,
            });
        }
        let layer = |known: &Known| {
            let mut layer: Linear = LinearConfig::new(size, 1).with_bias(false).init(&device);
            let weights = Tensor::<1>::from_floats(known.weights.as_slice(), &device);
            layer.weight = Param::initialized(ids[known.id], weights.reshape([size, 1]));
            layer
        };
        let mut model: Vec<Linear> = known.iter().map(layer).collect();
        let mut masks = 0;
        let mode = [MaskMode::OnRead, MaskMode::AfterStep][random(2)];
        for round in 0..3 {
            let global = random(2) == 0;
            let fraction = [0.0, 0.3, 0.5, 1.0][random(4)];
            prune_reference(&mut known, global, fraction, &mut masks);
            let pruner = if global {
                l1().allocation(Allocation::Global)
            } else {
                l1()
            };
            let pruner = pruner.amount(fraction);
            model = match random(2) {
                0 => model.prune(&pruner).unwrap(),
                _ => {
                    let masks = pruner.masks(&model).unwrap();
                    model.with_masks(&masks).unwrap()
                }
            };
            model = model.with_mask_mode(mode).unwrap();
            let context = format!("seed {seed}, round {round}");
            for (layer, known) in model.iter().zip(&known) {
                let expected = known.weights.iter().zip(&known.kept);
                let expected: Vec<f32> = expected
                    .map(|(weight, kept)| if *kept { *weight } else { 0.0 })
                    .collect();
                assert_eq!(values(layer.weight.val()), expected, "{context}");
            }
            let mut distinct: Vec<_> = known.iter().map(|known| known.mask).collect();
            distinct.dedup();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(model.masks().len(), distinct.len(), "{context}");

            // Some places move, as an optimizer moves the first of shared ones.
            let moved: Vec<bool> = known.iter().map(|_| random(3) == 0).collect();
            let mut news = Vec::new();
            for (known, moved) in known.iter_mut().zip(&moved) {
                if *moved {
                    known.weights = new(&mut random, size);
                    news.extend(known.weights.clone());
                }
                for (weight, kept) in known.weights.iter_mut().zip(&known.kept) {
                    if !kept && mode == MaskMode::AfterStep {
                        *weight = 0.0;
                    }
                }
            }
            let mut news = news.into_iter();
            model = model.map(&mut Move {
                places: &moved,
                next: 0,
                value: move || news.next().unwrap(),
            });
            model = match random(3) {
                0 => model.zero_pruned(),
                1 => model
                    .clone()
                    .load_masked_record(model.masked_record())
                    .unwrap(),
                _ => model,
            };
        }
    }
}
