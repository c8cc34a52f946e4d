//! The pruner against a naive one, over random shapes, scores with many ties, earlier masks and
//! amounts.

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{Allocation, Amount, Axis, Magnitude, Mask, MaskSet, Pattern, Prunable, Pruner};
use proptest::prelude::*;

/// A weight `[rows, columns]` and the mask it has already.
#[derive(Debug, Clone)]
struct Case {
    shape: [usize; 2],
    weights: Vec<f32>,
    kept: Vec<bool>,
}

impl Case {
    fn layer(&self) -> Linear {
        let device = Device::flex();
        let [rows, columns] = self.shape;
        let mut layer = LinearConfig::new(rows, columns).init(&device);
        let data = TensorData::new(self.weights.clone(), self.shape);
        layer.weight = Param::from_tensor(Tensor::from_data(data, &device));
        let mut masks = MaskSet::new();
        masks.insert("weight", Mask::from_kept(self.shape, &self.kept).unwrap());
        layer.with_masks(&masks).unwrap()
    }

    /// `unit(index)` says which unit a weight is in; a unit scores the sum of its weights.
    fn units(&self, count: usize, unit: impl Fn(usize) -> usize) -> Vec<(usize, f64)> {
        let mut scores = vec![(false, 0.0); count];
        for (index, weight) in self.weights.iter().enumerate() {
            if self.kept[index] {
                scores[unit(index)].0 = true;
                scores[unit(index)].1 += f64::from(weight.abs());
            }
        }
        let scores = scores
            .into_iter()
            .enumerate()
            .filter(|(_, (alive, _))| *alive);
        scores.map(|(unit, (_, score))| (unit, score)).collect()
    }
}

/// The units that go: a stable sort, highest scores first, and the tail of it.
fn naive(mut units: Vec<(usize, f64)>, count: usize) -> Vec<usize> {
    units.sort_by(|a, b| b.1.total_cmp(&a.1));
    let kept = units.len() - count;
    units[kept..].iter().map(|(unit, _)| *unit).collect()
}

fn case() -> impl Strategy<Value = Case> {
    // Few different values, so that most scores are tied.
    let weight = prop_oneof![
        Just(0.0f32),
        Just(-0.0),
        Just(1.0),
        Just(-1.0),
        Just(2.0),
        -3.0f32..3.0
    ];
    (1usize..7, 1usize..7).prop_flat_map(move |(rows, columns)| {
        let count = rows * columns;
        let weights = prop::collection::vec(weight.clone(), count);
        let kept = prop::collection::vec(prop::bool::weighted(0.7), count);
        (weights, kept).prop_map(move |(weights, kept)| Case {
            shape: [rows, columns],
            weights,
            kept,
        })
    })
}

fn mask(layer: &Linear) -> Vec<bool> {
    layer.masks().get("weight").unwrap().iter().collect()
}

proptest! {
    #[test]
    fn single_weights(case in case(), fraction in 0.0..=1.0f64) {
        let units = case.units(case.weights.len(), |index| index);
        let count = (fraction * units.len() as f64).round_ties_even() as usize;
        let gone = naive(units, count);
        let expected: Vec<bool> = case.kept.iter().enumerate()
            .map(|(index, kept)| *kept && !gone.contains(&index)).collect();
        let pruned = case.layer().l1_unstructured(fraction).unwrap();
        prop_assert_eq!(mask(&pruned), expected);
    }

    #[test]
    fn channels(case in case(), output in any::<bool>(), fraction in 0.0..=1.0f64) {
        let [rows, columns] = case.shape;
        let (axis, count) = if output { (Axis::Output, columns) } else { (Axis::Input, rows) };
        let unit = |index| if output { index % columns } else { index / columns };
        let units = case.units(count, unit);
        let count = (fraction * units.len() as f64).round_ties_even() as usize;
        let gone = naive(units, count);
        let expected: Vec<bool> = case.kept.iter().enumerate()
            .map(|(index, kept)| *kept && !gone.contains(&unit(index))).collect();
        let pruned = case.layer().ln_structured(fraction, 1.0, axis).unwrap();
        prop_assert_eq!(mask(&pruned), expected);
    }

    #[test]
    fn globally(first in case(), second in case(), fraction in 0.0..=1.0f64) {
        let offset = first.weights.len();
        let mut units = first.units(offset, |index| index);
        let others = second.units(second.weights.len(), |index| index);
        units.extend(others.into_iter().map(|(unit, score)| (unit + offset, score)));
        let count = (fraction * units.len() as f64).round_ties_even() as usize;
        let gone = naive(units, count);
        let layers = vec![first.layer(), second.layer()];
        let layers = layers.global_unstructured(Magnitude::l1(), fraction).unwrap();
        let found: Vec<bool> = layers.iter().flat_map(mask).collect();
        let before = first.kept.iter().chain(&second.kept).enumerate();
        let expected: Vec<bool> =
            before.map(|(index, kept)| *kept && !gone.contains(&index)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn too_many_is_an_error_and_changes_nothing(case in case(), beyond in 1usize..5) {
        let units = case.units(case.weights.len(), |index| index);
        let layer = case.layer();
        let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
        let pruner = pruner.pattern(Pattern::Unstructured);
        let rejected = layer.prune(&pruner.amount(Amount::Count(units.len() + beyond)));
        prop_assert_eq!(mask(&rejected.unwrap_err().into_model()), case.kept);
    }
}
