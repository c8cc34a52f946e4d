//! Choices by measurement, on the values of a run of the example.

use std::collections::HashMap;
use std::sync::Arc;

use burn_flex::FlexTensor;

use super::{Choosing, table};
use crate::error::EngineError;
use crate::format::{FormatKind, Precision};
use crate::plan::program::{Product, Program};
use crate::run::{Candidate, NodeWeights, Path, Threads, Trial, WeightSet, measure};
use crate::window::Window;

/// A dense product has to be so much faster than a packed one, since it takes more memory.
const WORTH_ITS_MEMORY: f64 = 1.08;

/// Zeros from which packed products are faster than dense ones in any case.
const DENSE: f64 = 0.8;

/// Products that take equally long: those with the same sizes and about the same zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class {
    rows: usize,
    columns: usize,
    positions: usize,
    window: Option<Window>,
    is_behind_relu: bool,
    /// In twentieths.
    zeros: usize,
    has_blocks: bool,
}

/// Measures each class of products once, and packs those anew for which something else is faster.
pub(super) fn choose(
    program: &Program,
    weights: &mut WeightSet,
    choosing: &Choosing,
    precision: Precision,
    example: Vec<FlexTensor>,
    threads: &Threads,
) -> Result<(), EngineError> {
    let mut chosen: HashMap<Class, (FormatKind, Trial)> = HashMap::new();
    let mut changed: Vec<(usize, NodeWeights)> = Vec::new();
    let batch = program.batches.example;
    measure(
        program,
        weights,
        batch,
        example,
        threads,
        |mut candidate| {
            let forced = choosing.of(candidate.product);
            let class = Class::of(&candidate);
            let known = if forced.is_none() {
                chosen.get(&class)
            } else {
                None
            };
            let (kind, trial) = match known {
                Some(&known) => known,
                None => {
                    let best = best(&mut candidate, forced, precision);
                    if forced.is_none() {
                        chosen.insert(class, best);
                    }
                    best
                }
            };
            if candidate.weights.format() == Some(kind) {
                candidate.weights.set_trial(trial);
                return;
            }
            let new = NodeWeights::pack(candidate.product, kind, precision);
            new.set_trial(trial);
            changed.push((candidate.node, new));
        },
    )?;
    for (node, new) in changed {
        weights.replace(node, new);
    }
    Ok(())
}

impl Class {
    fn of(candidate: &Candidate<'_>) -> Self {
        let product = candidate.product;
        Self {
            rows: product.weight.rows,
            columns: product.weight.columns,
            positions: candidate.positions,
            window: product.window,
            is_behind_relu: product.is_behind_relu,
            zeros: (candidate.weights.zeros() * 20.0).round() as usize,
            has_blocks: table::has_blocks(product),
        }
    }
}

fn best(
    candidate: &mut Candidate<'_>,
    forced: Option<FormatKind>,
    precision: Precision,
) -> (FormatKind, Trial) {
    let product = candidate.product;
    let positions = candidate.positions;
    let dense = packed(candidate, FormatKind::Dense, precision);
    let dense_seconds = candidate.seconds(&dense, Path::Product);
    drop(dense);
    let mut best: Option<(FormatKind, Path, f64)> = None;
    let zeros = candidate.weights.zeros();
    let candidates = match forced {
        Some(kind) => vec![(kind, Path::Product)],
        None => candidates(product, zeros, positions, candidate.path),
    };
    for (kind, path) in candidates {
        let seconds = if kind == FormatKind::Dense {
            dense_seconds * WORTH_ITS_MEMORY
        } else {
            let weights = packed(candidate, kind, precision);
            if weights.format() != Some(kind) {
                continue;
            }
            candidate.seconds(&weights, path)
        };
        if best.is_none_or(|(_, _, least)| seconds < least) {
            best = Some((kind, path, seconds));
        }
    }
    let (kind, path, seconds) = best.unwrap_or((
        forced.unwrap_or(FormatKind::Dense),
        Path::Product,
        dense_seconds,
    ));
    let seconds = if kind == FormatKind::Dense {
        dense_seconds
    } else {
        seconds
    };
    let trial = Trial {
        positions,
        path,
        seconds,
        dense_seconds,
    };
    (kind, trial)
}

/// The weight in this format; the one that it has so far, if that is it.
fn packed(candidate: &Candidate<'_>, kind: FormatKind, precision: Precision) -> Arc<NodeWeights> {
    if candidate.weights.format() == Some(kind) {
        return Arc::clone(&candidate.weights);
    }
    Arc::new(NodeWeights::pack(candidate.product, kind, precision))
}

/// What may be the fastest. Dense products are not, where most weights are zeros; a measurement that
/// something else has disturbed shall not say so.
fn candidates(
    product: &Product,
    zeros: f64,
    positions: usize,
    path: Path,
) -> Vec<(FormatKind, Path)> {
    let mut candidates = Vec::new();
    if zeros < DENSE {
        candidates.push((FormatKind::Dense, Path::Product));
    }
    // A convolution of one position reads a window, and no vector.
    if path == Path::Vector {
        if product.is_behind_relu && zeros < DENSE {
            candidates.push((FormatKind::InputRows, path));
        }
        if zeros > 0.2 {
            candidates.push((FormatKind::Bitmask, path));
        }
        if zeros > 0.4 && product.is_behind_relu {
            candidates.push((FormatKind::InputMajor, path));
        }
        if zeros > 0.5 {
            candidates.push((FormatKind::Deltas, path));
        }
        if zeros > 0.4 {
            candidates.push((FormatKind::Blocked, path));
        }
        if zeros > 0.4 && table::has_blocks(product) {
            candidates.push((FormatKind::Blocks4, path));
        }
        return candidates;
    }
    let packed = if table::has_blocks(product) {
        FormatKind::Blocks4
    } else {
        FormatKind::Blocked
    };
    if zeros > 0.3 {
        candidates.push((packed, Path::Product));
    }
    if zeros > 0.15 && zeros < 0.95 && positions >= 16 {
        candidates.push((packed, Path::Expanded));
    }
    candidates
}
