//! Shares by Erdős–Rényi-kernel.

use burn_prune::MemberRole;

use super::{Ranked, Verdict};

/// Shares as whole numbers, rounded half to even, those that were rounded the furthest the other way
/// giving or taking one.
pub(super) fn rounded(shares: &[f64], left: &[usize], kept: usize) -> Result<Vec<usize>, Verdict> {
    let unclear = |a: f64, b: f64| (a - b).abs() < 1e-6;
    let mut counts = Vec::new();
    for (share, left) in shares.iter().zip(left) {
        if unclear(share - share.floor(), 0.5) {
            return Err(Verdict::Unclear);
        }
        counts.push((share.round() as usize).clamp(1.min(*left), *left));
    }
    loop {
        let sum: usize = counts.iter().sum();
        if sum == kept {
            return Ok(counts);
        }
        let short = sum < kept;
        let mut movable: Vec<(f64, usize)> = (0..counts.len())
            .filter(|at| {
                if short {
                    counts[*at] < left[*at]
                } else {
                    counts[*at] > 1
                }
            })
            .map(|at| {
                let error = shares[at] - counts[at] as f64;
                (if short { -error } else { error }, at)
            })
            .collect();
        movable.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap());
        if movable.len() > 1 && unclear(movable[0].0, movable[1].0) {
            return Err(Verdict::Unclear);
        }
        let at = movable[0].1;
        if short {
            counts[at] += 1;
        } else {
            counts[at] -= 1;
        }
    }
}

/// The exact shares of what is kept: as much as the density says, at most all that is left.
pub(super) fn erk(ranked: &[Ranked<'_>], kept: usize) -> Vec<f64> {
    let raw: Vec<f64> = ranked
        .iter()
        .map(|ranked| {
            let members = ranked.group.members();
            let maker = members
                .iter()
                .find(|member| member.role == MemberRole::Output);
            let shape = &maker.unwrap_or(&members[0]).shape;
            let (sum, product): (usize, usize) = (shape.iter().sum(), shape.iter().product());
            ranked.group.units() as f64 * sum as f64 / product as f64
        })
        .collect();
    let shares = |factor: f64| -> Vec<f64> {
        let pairs = raw.iter().zip(ranked);
        pairs
            .map(|(raw, ranked)| (factor * raw).min(ranked.left.len() as f64))
            .collect()
    };
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if shares(middle).iter().sum::<f64>() < kept as f64 {
            low = middle;
        } else {
            high = middle;
        }
    }
    shares(high)
}
