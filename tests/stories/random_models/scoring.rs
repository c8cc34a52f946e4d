//! Scores of units, written as their formulas are.

use burn_prune::Pooling;
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::reference::{Place, Unit};
use super::settings::{Criterion, Settings, Shape};

pub(super) fn scores(
    place: &Place,
    kept: &[bool],
    units: &[Unit],
    settings: &Settings,
) -> Vec<f64> {
    let effective = |index: usize| {
        if kept[index] {
            place.values[index]
        } else {
            0.0
        }
    };
    let weights: Vec<f64> = (0..kept.len()).map(effective).collect();
    let by_criterion = |units: &[Unit]| match settings.criterion {
        Criterion::Norm(n) => units.iter().map(|unit| norm(n, unit, &weights)).collect(),
        Criterion::Random(seed) => draws(seed, &place.path, units.len()),
        Criterion::Lamp => lamp(units, &weights),
    };
    let single: Vec<Unit> = (0..kept.len()).map(|index| vec![index]).collect();
    let pooled = |pool: &dyn Fn(Vec<f64>) -> f64| -> Vec<f64> {
        let scores: Vec<f64> = by_criterion(&single);
        let of = |unit: &Unit| pool(unit.iter().map(|index| scores[*index]).collect());
        units.iter().map(of).collect()
    };
    let scores: Vec<f64> = match settings.pattern {
        Shape::Blocks(_, Pooling::Sum) => pooled(&|scores| scores.iter().sum()),
        Shape::Blocks(_, Pooling::Mean) => {
            pooled(&|scores| scores.iter().sum::<f64>() / scores.len() as f64)
        }
        Shape::Blocks(_, Pooling::Max) => {
            pooled(&|scores| scores.into_iter().fold(f64::NEG_INFINITY, f64::max))
        }
        _ => by_criterion(units),
    };
    let length = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
    let divisor = if settings.normalize && length != 0.0 {
        length
    } else {
        1.0
    };
    scores.into_iter().map(|score| score / divisor).collect()
}

fn norm(n: f64, unit: &Unit, weights: &[f64]) -> f64 {
    let sizes: Vec<f64> = unit.iter().map(|index| weights[*index].abs()).collect();
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    if sizes.len() == 1 {
        return largest;
    }
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

/// Numbers in [0, 1) of 24 bits, from a stream of ChaCha8 that the path chooses by FNV-1a.
fn draws(seed: u64, path: &str, count: usize) -> Vec<f64> {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(hash);
    let draw = |_| (stream.next_u64() >> 40) as f64 / f64::from(1 << 24);
    (0..count).map(draw).collect()
}

/// The square of each, over the sum of those squares that are not smaller.
fn lamp(units: &[Unit], weights: &[f64]) -> Vec<f64> {
    let square = |unit: &Unit| unit.iter().map(|index| weights[*index].powi(2)).sum();
    let squares: Vec<f64> = units.iter().map(square).collect();
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
