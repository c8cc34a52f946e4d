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

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::backend::ir::TensorId;
use burn::tensor::TensorData;
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
    let other = capture.other.as_ref().map_err(String::clone);
    let example = capture.batch.unwrap_or(1);
    let (mut nodes, second) = match other {
        Ok(other) => {
            let there = Pass::new(&other.ir, &other.examples, [&values, &other.values]);
            let first = (&pass, vec![&values], example);
            pair(first, (&there, vec![&values, &other.values], other.batch))
        }
        Err(reason) => (sketch(&pass, &HashSet::new()), Err(reason)),
    };
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

/// A pass, its constants and its batch.
type Captured<'a> = (&'a Pass<'a>, Vec<&'a BTreeMap<TensorId, TensorData>>, usize);

/// How a second pass follows the first one, and the operations of its nodes.
type Followed = (Pairs, Vec<usize>);

/// The nodes of a pass, and how those of a second one follow them. What the engine knows at one batch
/// size only is left to Burn.
fn pair(
    (pass, values, batch): Captured<'_>,
    (there, there_values, there_batch): Captured<'_>,
) -> (Vec<Sketched>, Result<Followed, String>) {
    let mut left_to_burn = HashSet::new();
    loop {
        let nodes = sketch(pass, &left_to_burn);
        let there_nodes = sketch(there, &left_to_burn);
        let first = Side {
            pass,
            nodes: &nodes,
            values: values.clone(),
            batch,
        };
        let second = Side {
            pass: there,
            nodes: &there_nodes,
            values: there_values.clone(),
            batch: there_batch,
        };
        let difference = match Pairs::new(&first, &second) {
            Ok(pairs) => {
                let operations = there_nodes.iter().map(|node| node.operation);
                let operations = operations.collect();
                return (nodes, Ok((pairs, operations)));
            }
            Err(difference) => difference,
        };
        let is_new = |operation: &usize| {
            pass.operations.len() == there.operations.len() && !left_to_burn.contains(operation)
        };
        let Some(operation) = difference.left_to_burn.filter(is_new) else {
            return (sketch(pass, &HashSet::new()), Err(difference.reason));
        };
        left_to_burn.insert(operation);
    }
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
