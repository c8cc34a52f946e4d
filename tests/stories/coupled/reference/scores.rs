//! What each unit of a group scores.

use burn_prune::{CoupledGroup, MemberRole, Normalize};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::{Criterion, Place, Settings, at, entries};

pub(super) fn scores(
    places: &[Place],
    group: &CoupledGroup,
    gone: &[bool],
    settings: &Settings,
) -> Option<Vec<f64>> {
    // What the criterion sees of each unit in each member.
    let seen = |masked: bool| -> Vec<Vec<Vec<f64>>> {
        let of_unit = |unit: usize| {
            let of_member = |number: usize| {
                let place = at(places, &group.members()[number].path);
                let given = settings.importance.get(&place.path);
                let value = |index: usize| match given {
                    Some(given) if !masked || place.kept[index] => given[index],
                    None if place.kept[index] => place.values[index],
                    _ => 0.0,
                };
                entries(group, number, unit)
                    .into_iter()
                    .map(value)
                    .collect()
            };
            (0..group.members().len()).map(of_member).collect()
        };
        (0..group.units()).map(of_unit).collect()
    };
    let units = seen(false);
    let scores: Vec<f64> = match settings.criterion {
        Criterion::Norm(n) => units.iter().map(|unit| norm(n, &unit.concat())).collect(),
        Criterion::From(from) => {
            let score =
                |unit: &Vec<Vec<f64>>| unit.iter().flatten().map(|w| (w - from).abs()).sum();
            units.iter().map(score).collect()
        }
        Criterion::Random(seed) => draws(seed, group.name(), group.units()),
        Criterion::Lamp => {
            let mut sums = vec![0.0; units.len()];
            for member in 0..group.members().len() {
                let squares = units
                    .iter()
                    .map(|unit| unit[member].iter().map(|w| w * w).sum());
                let squares: Vec<f64> = squares.collect();
                for (sum, score) in sums.iter_mut().zip(lamp(&squares)) {
                    *sum += score;
                }
            }
            sums
        }
        Criterion::NormScale => {
            let is_scale = |number: &usize| group.members()[*number].role == MemberRole::Scale;
            let scales: Vec<usize> = (0..group.members().len()).filter(is_scale).collect();
            let of_unit = |unit: &Vec<Vec<f64>>| {
                let all: Vec<f64> = scales
                    .iter()
                    .flat_map(|number| unit[*number].clone())
                    .collect();
                let sum: f64 = all.iter().map(|w| w.abs()).sum();
                (!all.is_empty()).then(|| sum / all.len() as f64)
            };
            units.iter().map(of_unit).collect::<Option<_>>()?
        }
    };
    let divisor = match settings.normalize {
        Normalize::Norm => {
            let all = seen(true).concat().concat();
            all.iter().map(|w| w * w).sum::<f64>().sqrt()
        }
        Normalize::Mean => {
            let left = scores.iter().zip(gone).filter(|(_, gone)| !**gone);
            let left: Vec<f64> = left.map(|(score, _)| score.abs()).collect();
            left.iter().sum::<f64>() / left.len().max(1) as f64
        }
        _ => 1.0,
    };
    let divisor = if divisor == 0.0 { 1.0 } else { divisor };
    Some(scores.into_iter().map(|score| score / divisor).collect())
}

fn norm(n: f64, weights: &[f64]) -> f64 {
    let sizes: Vec<f64> = weights.iter().map(|w| w.abs()).collect();
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    match n {
        1.0 => sizes.iter().sum(),
        2.0 => sizes.iter().map(|w| w * w).sum::<f64>().sqrt(),
        f64::INFINITY => largest,
        f64::NEG_INFINITY => sizes.into_iter().fold(f64::INFINITY, f64::min),
        _ if largest == 0.0 => 0.0,
        _ => {
            let powers = sizes.iter().map(|w| (w / largest).powf(n));
            largest * powers.sum::<f64>().powf(n.recip())
        }
    }
}

/// The square of each, over the sum of those that are not smaller.
fn lamp(squares: &[f64]) -> Vec<f64> {
    let mut descending: Vec<usize> = (0..squares.len()).collect();
    descending.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
    let mut scores = vec![0.0; squares.len()];
    let mut sum = 0.0;
    for unit in descending {
        sum += squares[unit];
        if sum != 0.0 {
            scores[unit] = squares[unit] / sum;
        }
    }
    scores
}

/// Numbers in [0, 1) of 24 bits, from a stream of ChaCha8 that the name chooses by FNV-1a.
fn draws(seed: u64, name: &str, count: usize) -> Vec<f64> {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(hash);
    let draw = |_| (stream.next_u64() >> 40) as f64 / f64::from(1 << 24);
    (0..count).map(draw).collect()
}
