use std::collections::{HashMap, HashSet};

use burn::backend::ir::{OperationIr, TensorId};

use super::channel_map::ChannelMap;
use super::pass::Pass;
use crate::activation::Activation;
use crate::kernel::ResidualPlace;
use crate::plan::program::{Pool, Window};

/// A forward pass in the engine's words, with constants that have not been looked at yet.
#[derive(Debug, Clone)]
pub(super) struct Sketched {
    /// Of the captured operations, the last one that is in it.
    pub operation: usize,
    pub kind: Kind,
    /// Weight and bias, or what the kind says.
    pub constants: Vec<TensorId>,
    pub inputs: Vec<TensorId>,
    pub outputs: Vec<TensorId>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Constants: weight, and bias if there is one.
    Product(Product),
    /// Constants: scale, shift, mean, variance.
    Norm {
        epsilon: f64,
    },
    /// Constants: one number a channel.
    Channelwise(Channelwise),
    Affine {
        map: ChannelMap,
        activation: Activation,
    },
    Activation(Activation),
    Sum(Activation),
    Multiply,
    Pool(Pool),
    GlobalAverage,
    Upsample([usize; 2]),
    Concatenate,
    Channels {
        first: usize,
        count: usize,
    },
    Reshape,
    Burn,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Product {
    /// `None` for a Linear, whose weight is `[.., inputs, outputs]`.
    pub window: Option<Window>,
    /// What is done to its result, one channel a row.
    pub map: ChannelMap,
    pub activation: Activation,
    pub residual: Option<ResidualPlace>,
}

/// What is done with a signal and one number a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channelwise {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Sketched {
    pub(super) fn new(
        pass: &Pass<'_>,
        operation: usize,
        kind: Kind,
        constants: impl Into<Vec<TensorId>>,
        inputs: impl Into<Vec<TensorId>>,
    ) -> Self {
        let outputs = pass.operations[operation].outputs();
        Self {
            operation,
            kind,
            constants: constants.into(),
            inputs: inputs.into(),
            outputs: outputs.map(|tensor| tensor.id).collect(),
        }
    }

    pub(super) fn product(
        pass: &Pass<'_>,
        operation: usize,
        window: Option<Window>,
        constants: Vec<TensorId>,
        input: TensorId,
    ) -> Self {
        let product = Product {
            window,
            map: ChannelMap::identity(),
            activation: Activation::None,
            residual: None,
        };
        Self::new(pass, operation, Kind::Product(product), constants, [input])
    }

    fn burn(pass: &Pass<'_>, operation: usize) -> Self {
        let inputs = pass.operations[operation].inputs();
        let inputs: Vec<TensorId> = inputs.map(|tensor| tensor.id).collect();
        Self::new(pass, operation, Kind::Burn, [], inputs)
    }
}

/// The nodes of a pass in their order. What nobody reads is left out. These operations, and what stands
/// alone between operations of Burn, are left to it.
pub(super) fn sketch(pass: &Pass<'_>, left_to_burn: &HashSet<usize>) -> Vec<Sketched> {
    let mut left_to_burn = left_to_burn.clone();
    loop {
        let nodes = sweep(pass, &left_to_burn);
        let alone = alone(&nodes);
        if alone.is_empty() {
            return nodes;
        }
        left_to_burn.extend(alone);
    }
}

/// From the outputs backwards, so that what is fused into a node is needed only where others read it.
fn sweep(pass: &Pass<'_>, left_to_burn: &HashSet<usize>) -> Vec<Sketched> {
    let mut needed: HashSet<TensorId> = pass.outputs.iter().copied().collect();
    let mut nodes = Vec::new();
    for (at, operation) in pass.operations.iter().enumerate().rev() {
        let is_needed = operation
            .outputs()
            .any(|tensor| needed.contains(&tensor.id));
        if !is_needed || matches!(operation, OperationIr::Init(_) | OperationIr::Drop(_)) {
            continue;
        }
        let found = (!left_to_burn.contains(&at)).then(|| recognise(pass, at));
        let node = found.flatten().unwrap_or_else(|| Sketched::burn(pass, at));
        needed.extend(&node.inputs);
        nodes.push(node);
    }
    nodes.reverse();
    nodes
}

/// What the engine has of its own for an operation, together with those before it that it replaces.
fn recognise(pass: &Pass<'_>, at: usize) -> Option<Sketched> {
    let output = pass.operations[at].outputs().next()?.id;
    if !pass.is_signal(output) {
        return None;
    }
    if let Some((activation, input)) = pass.activation(output)
        && pass.is_signal(input)
    {
        let kind = Kind::Activation(activation);
        return Some(Sketched::new(pass, at, kind, [], [input]));
    }
    pass.linear(at)
        .or_else(|| pass.convolution(at))
        .or_else(|| pass.arithmetic(at))
        .or_else(|| pass.window(at))
        .or_else(|| pass.view(at))
}

/// Operations of nodes that are not worth leaving Burn for: with their neighbours that are ours they
/// only look at values one by one.
fn alone(nodes: &[Sketched]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..nodes.len()).collect();
    fn root(groups: &mut [usize], mut node: usize) -> usize {
        while groups[node] != node {
            groups[node] = groups[groups[node]];
            node = groups[node];
        }
        node
    }
    let mut makers: HashMap<TensorId, usize> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if node.kind == Kind::Burn {
            continue;
        }
        for input in &node.inputs {
            if let Some(maker) = makers.get(input) {
                let (a, b) = (root(&mut groups, *maker), root(&mut groups, at));
                groups[a] = b;
            }
        }
        makers.extend(node.outputs.iter().map(|output| (*output, at)));
    }
    let works: HashSet<usize> = (0..nodes.len())
        .filter(|at| nodes[*at].kind.is_work())
        .map(|at| root(&mut groups, at))
        .collect();
    let ours = (0..nodes.len()).filter(|at| nodes[*at].kind != Kind::Burn);
    ours.filter(|at| !works.contains(&root(&mut groups, *at)))
        .map(|at| nodes[at].operation)
        .collect()
}

impl Kind {
    /// Whether it has one number for each channel.
    pub(super) fn is_channelwise(&self) -> bool {
        matches!(
            self,
            Self::Affine { .. } | Self::Norm { .. } | Self::Channelwise(_)
        )
    }

    /// Whether the engine does it better than Burn, even when values have to be brought to it.
    fn is_work(&self) -> bool {
        matches!(
            self,
            Self::Product(_)
                | Self::Norm { .. }
                | Self::Pool(_)
                | Self::GlobalAverage
                | Self::Upsample(_)
        )
    }
}
