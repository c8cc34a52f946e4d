//! Erdős–Rényi-kernel counts.

use super::reference::Chosen;

/// What each layer keeps: `Σ s / Π s` of it, times one factor for all; no more than it has left.
pub(super) fn erk(chosen: &[Chosen<'_>], kept: usize) -> Vec<usize> {
    let left: Vec<usize> = chosen.iter().map(Chosen::left).collect();
    let raw = |one: &Chosen<'_>| {
        let shape = &one.place.shape;
        let (sum, product): (usize, usize) = (shape.iter().sum(), shape.iter().product());
        sum as f64 / product as f64
    };
    let raw: Vec<f64> = chosen.iter().map(raw).collect();
    let units: Vec<f64> = chosen.iter().map(|one| one.units.len() as f64).collect();
    let mut full = vec![false; chosen.len()];
    let shares = loop {
        let (of_full, of_others): (Vec<usize>, Vec<usize>) =
            (0..chosen.len()).partition(|layer| full[*layer]);
        let taken = of_full
            .iter()
            .fold(kept as f64, |kept, layer| kept - left[*layer] as f64);
        let at_one: f64 = of_others
            .iter()
            .map(|layer| units[*layer] * raw[*layer])
            .sum();
        let factor = if at_one == 0.0 { 0.0 } else { taken / at_one };
        let excess = |layer: &usize| match left[*layer] {
            0 => f64::INFINITY,
            left => factor * raw[*layer] * units[*layer] / left as f64,
        };
        let largest = of_others.iter().map(excess).fold(0.0, f64::max);
        if largest <= 1.0 {
            let share = |layer: usize| {
                if full[layer] {
                    left[layer] as f64
                } else {
                    factor * raw[layer] * units[layer]
                }
            };
            break (0..chosen.len()).map(share).collect::<Vec<f64>>();
        }
        for layer in of_others
            .into_iter()
            .filter(|layer| excess(layer) == largest)
        {
            full[layer] = true;
        }
    };
    let rounded = shares.iter().zip(&left);
    let mut counts: Vec<usize> = rounded
        .map(|(share, left)| (share.round_ties_even() as usize).min(*left))
        .collect();
    // Where they do not add up, the first of those that were rounded the furthest gives or takes.
    while counts.iter().sum::<usize>() != kept {
        let short = counts.iter().sum::<usize>() < kept;
        let error = |layer: usize| {
            let error = shares[layer] - counts[layer] as f64;
            if short { error } else { -error }
        };
        let mut best: Option<usize> = None;
        for layer in 0..counts.len() {
            let can = if short {
                counts[layer] < left[layer]
            } else {
                counts[layer] > 0
            };
            if can && best.is_none_or(|best| error(layer) > error(best)) {
                best = Some(layer);
            }
        }
        let layer = best.expect("no more are kept than there are");
        counts[layer] = if short {
            counts[layer] + 1
        } else {
            counts[layer] - 1
        };
    }
    counts
}
