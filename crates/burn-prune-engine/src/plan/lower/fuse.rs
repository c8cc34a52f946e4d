//! Nodes that become one: a product with the norm, the activation and the sum behind it.

use std::collections::{HashMap, HashSet};

use burn::backend::ir::TensorId;

use super::channel_map::ChannelMap;
use super::pairing::Pairs;
use super::pass::Pass;
use super::sketch::{Kind, Product, Sketched};
use crate::activation::Activation;
use crate::kernel::ResidualPlace;

/// Fuses what belongs together.
pub(super) fn fuse(pass: &Pass<'_>, pairs: Option<&Pairs>, nodes: Vec<Sketched>) -> Vec<Sketched> {
    let mut fuser = Fuser::new(pass, nodes);
    for at in 0..fuser.nodes.len() {
        fuser.fuse_with_reader(at);
    }
    // Sums have their activations now.
    for at in 0..fuser.nodes.len() {
        fuser.fuse_sum(at);
    }
    let mut nodes = fuser.nodes.into_iter().flatten().collect();
    join_reshapes(pass, pairs, &mut nodes);
    nodes
}

struct Fuser<'a> {
    pass: &'a Pass<'a>,
    /// A node that was fused is where the last part of it was.
    nodes: Vec<Option<Sketched>>,
    makers: HashMap<TensorId, usize>,
    /// The nodes that read a tensor, once for each place. What is returned has one more.
    readers: HashMap<TensorId, Vec<usize>>,
}

impl<'a> Fuser<'a> {
    fn new(pass: &'a Pass<'a>, nodes: Vec<Sketched>) -> Self {
        let mut makers = HashMap::new();
        let mut readers: HashMap<TensorId, Vec<usize>> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            for input in &node.inputs {
                readers.entry(*input).or_default().push(at);
            }
            makers.extend(node.outputs.iter().map(|output| (*output, at)));
        }
        for output in pass.outputs {
            readers.entry(*output).or_default().push(usize::MAX);
        }
        Self {
            pass,
            nodes: nodes.into_iter().map(Some).collect(),
            makers,
            readers,
        }
    }

    /// The node that alone reads what a node makes.
    fn only_reader(&self, at: usize) -> Option<usize> {
        let [output] = self.nodes[at].as_ref()?.outputs[..] else {
            return None;
        };
        match self.readers.get(&output)?[..] {
            [reader] if reader != usize::MAX => Some(reader),
            _ => None,
        }
    }

    fn fuse_with_reader(&mut self, at: usize) {
        let Some(reader) = self.only_reader(at) else {
            return;
        };
        let kind = match (&self.nodes[at], &self.nodes[reader]) {
            (Some(node), Some(read)) => together(self.pass, node, read),
            _ => None,
        };
        if let Some(kind) = kind {
            self.replace(at, reader, kind);
        }
    }

    /// Puts a sum into one of the products before it: best into one without an activation of its own, then
    /// into the later one.
    fn fuse_sum(&mut self, at: usize) {
        let Some(Sketched {
            kind: Kind::Sum(activation),
            inputs,
            ..
        }) = &self.nodes[at]
        else {
            return;
        };
        let with_residual = |maker: &usize| {
            let node = self.nodes[*maker].as_ref()?;
            let kind = with_residual(&node.kind, *activation)?;
            (self.only_reader(*maker) == Some(at)).then_some((*maker, kind))
        };
        let makers = inputs.iter().filter_map(|input| self.makers.get(input));
        let is_plain = |kind: &Kind| match kind {
            Kind::Product(product) => product.residual == Some(ResidualPlace::Inside),
            _ => false,
        };
        let found = makers.filter_map(with_residual);
        let best = found.max_by_key(|(maker, kind)| (is_plain(kind), *maker));
        if let Some((maker, kind)) = best {
            self.replace(maker, at, kind);
        }
    }

    /// Makes a node and the only one that reads it one. Where its reader was, all that it reads is there.
    fn replace(&mut self, at: usize, reader: usize, kind: Kind) {
        let (Some(node), Some(read)) = (self.nodes[at].take(), self.nodes[reader].take()) else {
            return;
        };
        for input in &node.inputs {
            for place in self.readers.entry(*input).or_default() {
                if *place == at {
                    *place = reader;
                }
            }
        }
        let made = node.outputs[0];
        let others = read.inputs.into_iter().filter(|input| *input != made);
        self.makers
            .extend(read.outputs.iter().map(|output| (*output, reader)));
        self.nodes[reader] = Some(Sketched {
            operation: read.operation,
            kind,
            constants: node.constants,
            inputs: node.inputs.into_iter().chain(others).collect(),
            outputs: read.outputs,
        });
    }
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
fn join_reshapes(pass: &Pass<'_>, pairs: Option<&Pairs>, nodes: &mut Vec<Sketched>) {
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
        // At every batch size.
        let is_same = pairs.is_none_or(|pairs| pairs.shape(input) == pairs.shape(output));
        is_same && pass.shape(input) == pass.shape(output) && !pass.outputs.contains(&output)
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
        let read = nodes.iter().flat_map(|node| node.inputs.iter().copied());
        let read: HashSet<TensorId> = read.collect();
        let before = nodes.len();
        nodes.retain(|node| {
            let is_read =
                |output: &TensorId| read.contains(output) || pass.outputs.contains(output);
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
