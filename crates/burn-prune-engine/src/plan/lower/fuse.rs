//! Nodes that become one: a product with the norm, the activation and the sum behind it.

use std::collections::HashMap;

use burn::backend::ir::TensorId;

use super::channel_map::ChannelMap;
use super::pass::Pass;
use super::sketch::{Kind, Product, Sketched};
use crate::activation::Activation;
use crate::kernel::ResidualPlace;

/// Fuses until nothing is left to be fused.
pub(super) fn fuse(pass: &Pass<'_>, nodes: &mut Vec<Sketched>) {
    while let Some((at, reader, kind)) = next(pass, nodes) {
        let mut fused = nodes[at].clone();
        let made = fused.outputs[0];
        let read = &nodes[reader];
        fused.kind = kind;
        fused.operation = read.operation;
        fused.outputs.clone_from(&read.outputs);
        let others = read.inputs.iter().filter(|input| **input != made);
        fused.inputs.extend(others);
        // Where its reader was, all that it reads is there.
        nodes[reader] = fused;
        nodes.remove(at);
    }
    join_reshapes(pass, nodes);
}

/// A node, the only one that reads it, and what both are together.
fn next(pass: &Pass<'_>, nodes: &[Sketched]) -> Option<(usize, usize, Kind)> {
    let readers = only_readers(pass, nodes);
    let reader_of = |node: &Sketched| match node.outputs.as_slice() {
        [output] => readers.get(output).copied(),
        _ => None,
    };
    let pairs = nodes.iter().enumerate();
    let mut pairs = pairs.filter_map(|(at, node)| Some((at, reader_of(node)?)));
    pairs.find_map(|(at, reader)| {
        let kind = match &nodes[reader].kind {
            Kind::Sum(activation) => {
                let best = best_operand(nodes, reader, &readers)?;
                (best == at).then(|| with_residual(&nodes[at].kind, *activation))?
            }
            _ => together(pass, &nodes[at], &nodes[reader]),
        };
        Some((at, reader, kind?))
    })
}

/// Readers of the tensors that only one node reads, once.
fn only_readers(pass: &Pass<'_>, nodes: &[Sketched]) -> HashMap<TensorId, usize> {
    let mut readers: HashMap<TensorId, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for input in &node.inputs {
            readers.entry(*input).or_default().push(at);
        }
    }
    for output in pass.outputs {
        readers.remove(output);
    }
    let readers = readers.into_iter();
    let only = readers.filter_map(|(tensor, readers)| match readers.as_slice() {
        [one] => Some((tensor, *one)),
        _ => None,
    });
    only.collect()
}

fn together(pass: &Pass<'_>, node: &Sketched, reader: &Sketched) -> Option<Kind> {
    match (&node.kind, &reader.kind) {
        (Kind::Product(product), Kind::Affine { map, activation }) => {
            let rows_are_channels =
                product.window.is_some() || pass.shape(node.outputs[0]).len() == 2;
            let is_plain = product.activation == Activation::None && product.residual.is_none();
            let product = Product {
                map: product.map.then(map),
                activation: *activation,
                ..product.clone()
            };
            (is_plain && (rows_are_channels || map.is_uniform())).then_some(Kind::Product(product))
        }
        (
            Kind::Affine {
                map: first,
                activation: Activation::None,
            },
            Kind::Affine { map, activation },
        ) => Some(Kind::Affine {
            map: first.then(map),
            activation: *activation,
        }),
        (Kind::Product(product), Kind::Activation(activation)) => {
            let is_open = product.activation == Activation::None
                && product.residual != Some(ResidualPlace::Outside);
            let product = Product {
                activation: *activation,
                ..product.clone()
            };
            is_open.then_some(Kind::Product(product))
        }
        (
            Kind::Affine {
                map,
                activation: Activation::None,
            },
            Kind::Activation(activation),
        ) => Some(Kind::Affine {
            map: map.clone(),
            activation: *activation,
        }),
        (Kind::Sum(Activation::None), Kind::Activation(activation)) => Some(Kind::Sum(*activation)),
        _ => None,
    }
}

/// The operand of a sum that takes the other one as its residual: best one without an activation, so
/// that one behind the sum can be fused too, then the later one.
fn best_operand(
    nodes: &[Sketched],
    sum: usize,
    readers: &HashMap<TensorId, usize>,
) -> Option<usize> {
    let Kind::Sum(activation) = nodes[sum].kind else {
        return None;
    };
    let can = |at: &usize| {
        let [output] = nodes[*at].outputs.as_slice() else {
            return false;
        };
        readers.get(output) == Some(&sum) && with_residual(&nodes[*at].kind, activation).is_some()
    };
    let is_plain = |at: &usize| match &nodes[*at].kind {
        Kind::Product(product) => product.activation == Activation::None,
        _ => false,
    };
    let candidates: Vec<usize> = (0..sum).filter(can).collect();
    candidates
        .iter()
        .copied()
        .rfind(is_plain)
        .or(candidates.last().copied())
}

fn with_residual(kind: &Kind, activation: Activation) -> Option<Kind> {
    let Kind::Product(product) = kind else {
        return None;
    };
    let (place, activation) = match (product.activation, activation) {
        (Activation::None, activation) => (ResidualPlace::Inside, activation),
        (own, Activation::None) => (ResidualPlace::Outside, own),
        _ => return None,
    };
    product.residual.is_none().then(|| {
        Kind::Product(Product {
            residual: Some(place),
            activation,
            ..product.clone()
        })
    })
}

/// A reshape of a reshape reads what that one reads, and one that changes nothing is left out.
fn join_reshapes(pass: &Pass<'_>, nodes: &mut Vec<Sketched>) {
    let mut sources: HashMap<TensorId, TensorId> = HashMap::new();
    for node in nodes.iter_mut() {
        if node.kind == Kind::Reshape {
            let input = &mut node.inputs[0];
            *input = sources.get(input).copied().unwrap_or(*input);
            sources.insert(node.outputs[0], *input);
        }
    }
    let is_idle = |node: &Sketched| {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        pass.shape(input) == pass.shape(output) && !pass.outputs.contains(&output)
    };
    let idle = nodes.iter();
    let idle = idle.filter(|node| node.kind == Kind::Reshape && is_idle(node));
    let same: HashMap<TensorId, TensorId> =
        idle.map(|node| (node.outputs[0], node.inputs[0])).collect();
    nodes.retain(|node| node.outputs.iter().all(|output| !same.contains_key(output)));
    for input in nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        *input = same.get(input).copied().unwrap_or(*input);
    }
    loop {
        let read: Vec<TensorId> = nodes.iter().flat_map(|node| node.inputs.clone()).collect();
        let before = nodes.len();
        nodes.retain(|node| {
            let is_read = |output| read.contains(output) || pass.outputs.contains(output);
            node.kind != Kind::Reshape || node.outputs.iter().any(is_read)
        });
        if nodes.len() == before {
            return;
        }
    }
}

/// The map of a norm, and of other operations with one number a channel.
impl Kind {
    pub(super) fn resolved(&self, constants: &[Vec<f32>]) -> Option<ChannelMap> {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
        match (self, constants) {
            (Self::Norm { epsilon }, [gamma, beta, mean, variance]) => {
                let [gamma, beta, mean, variance]: [Vec<f64>; 4] =
                    [gamma, beta, mean, variance].map(|values| wide(values));
                let norm = gamma.iter().zip(&variance);
                let scale: Vec<f64> = norm
                    .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
                    .collect();
                let shift = scale.iter().zip(beta.iter().zip(&mean));
                let shift = shift.map(|(scale, (beta, mean))| beta - mean * scale);
                Some(ChannelMap {
                    shift: shift.collect(),
                    scale,
                })
            }
            (Self::Channelwise(operation), [values]) => Some(operation.map(wide(values))),
            _ => None,
        }
    }
}

impl super::sketch::Channelwise {
    fn map(self, values: Vec<f64>) -> ChannelMap {
        let (zeros, ones) = (vec![0.0; values.len()], vec![1.0; values.len()]);
        let (scale, shift) = match self {
            Self::Add => (ones, values),
            Self::Subtract => (ones, values.iter().map(|value| -value).collect()),
            Self::Multiply => (values, zeros),
            Self::Divide => (values.iter().map(|value| 1.0 / value).collect(), zeros),
        };
        ChannelMap { scale, shift }
    }
}
