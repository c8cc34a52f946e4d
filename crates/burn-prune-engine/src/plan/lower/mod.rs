//! From a captured forward pass to a program: operations become nodes of the engine where it has
//! kernels for them, and what belongs together is fused.
//!
//! 1. [`sketch`](sketch::sketch) finds the nodes of both captured passes, without a look at weights.
//! 2. [`Pairs`] compares them, so that sizes which follow the batch are known.
//! 3. [`fuse`](fuse::fuse) puts norms, activations and sums into the products before them.
//! 4. [`Builder`](build::Builder) takes the weights out of the capture, and folds the norms into them.

mod activations;
mod arithmetic;
mod build;
mod channel_map;
mod constants;
mod fuse;
mod pairing;
mod pass;
mod products;
mod scalar;
mod sketch;
#[cfg(test)]
mod tests;
mod views;
mod weights;
mod windows;

use std::collections::{HashMap, HashSet};

use burn::backend::ir::TensorId;
use burn_prune_deploy::Capture;

use self::build::Builder;
use self::channel_map::ChannelMap;
use self::constants::Constants;
use self::pairing::{Pairs, Side};
use self::pass::Pass;
use self::sketch::{Kind, Sketched, sketch};
use super::dead::remove_dead_channels;
use super::program::{Batches, Program};
use crate::activation::Activation;
use crate::error::EngineError;

/// The program of a capture, whose values it takes.
///
/// # Errors
/// When a weight is not finite.
pub(crate) fn lower(capture: &mut Capture) -> Result<Program, EngineError> {
    let values = std::mem::take(&mut capture.values);
    let capture = &*capture;
    let pass = Pass::new(&capture.ir, &capture.examples, [&values]);
    let mut nodes = sketch(&pass);
    let example = capture.batch.unwrap_or(1);
    let other = capture.other.as_ref().map_err(String::clone);
    let second = other.and_then(|other| {
        let there = Pass::new(&other.ir, &other.examples, [&values, &other.values]);
        let there_nodes = sketch(&there);
        let first = Side {
            pass: &pass,
            nodes: &nodes,
            values: vec![&values],
            batch: example,
        };
        let second = Side {
            pass: &there,
            nodes: &there_nodes,
            values: vec![&values, &other.values],
            batch: other.batch,
        };
        let pairs = Pairs::new(&first, &second)?;
        let operations = there_nodes.iter().map(|node| node.operation);
        Ok((pairs, operations.collect::<Vec<usize>>()))
    });
    let others: HashMap<usize, usize> = match &second {
        Ok((_, there)) => {
            let operations = nodes.iter().map(|node| node.operation);
            operations.zip(there.iter().copied()).collect()
        }
        Err(_) => HashMap::new(),
    };
    let batches = Batches {
        example,
        other: match (&second, &capture.other) {
            (Ok(_), Ok(other)) => Ok(other.batch),
            (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
        },
    };
    let paths = capture.parameters.iter();
    let paths: HashMap<TensorId, String> = paths
        .map(|parameter| (parameter.tensor, parameter.path.clone()))
        .collect();
    let mut constants = Constants::new(&pass, values, paths);
    announce(&pass, &nodes, &mut constants);
    constants.forget();
    resolve(&mut nodes, &mut constants)?;
    let pairs = second.as_ref().ok().map(|(pairs, _)| pairs);
    let nodes = fuse::fuse(&pass, pairs, nodes);
    let builder = Builder {
        capture,
        pass: &pass,
        constants,
        pairs,
        others,
        names: capture.operation_names(),
        values: build::Values::default(),
    };
    let mut program = builder.program(nodes, batches)?;
    remove_dead_channels(&mut program);
    program.find_relus();
    Ok(program)
}

/// Says which constants are used, and how often.
fn announce(pass: &Pass<'_>, nodes: &[Sketched], constants: &mut Constants<'_>) {
    for constant in nodes.iter().flat_map(|node| &node.constants) {
        constants.announce(*constant);
    }
    // What nodes read as they read other values is one value for all of them. A computed one has a
    // node that makes it.
    let read = nodes.iter().flat_map(|node| &node.inputs);
    let read: HashSet<&TensorId> = read.chain(pass.outputs).collect();
    for tensor in read {
        if pass.is_constant(*tensor) && pass.maker(*tensor).is_none() {
            constants.announce(*tensor);
        }
    }
}

/// Norms and the like get their numbers.
fn resolve(nodes: &mut [Sketched], constants: &mut Constants<'_>) -> Result<(), EngineError> {
    for node in nodes {
        if !matches!(node.kind, Kind::Norm { .. } | Kind::Channelwise(_)) {
            continue;
        }
        let mut values = Vec::new();
        for constant in &node.constants {
            values.push(constants.floats(*constant)?);
        }
        let map = node.kind.resolved(&values);
        let map = map.unwrap_or_else(ChannelMap::identity);
        if !map.is_finite() {
            return Err(EngineError::NotFinite {
                path: constants.path(node.constants[node.constants.len() - 1]),
            });
        }
        node.constants.clear();
        node.kind = Kind::Affine {
            map,
            activation: Activation::None,
        };
    }
    Ok(())
}
