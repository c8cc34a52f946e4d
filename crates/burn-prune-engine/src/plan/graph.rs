//! Who makes and who reads the values of a program.

use std::collections::HashSet;

use super::program::{Node, NodeKind, Program, ValueId};
use crate::activation::Activation;
use crate::kernel::ResidualPlace;
use crate::window::PoolKind;

impl Program {
    /// Constants that nobody reads any more are not kept.
    pub(super) fn drop_unread_constants(&mut self) {
        let read = self.nodes.iter().flat_map(|node| &node.inputs);
        let read: HashSet<ValueId> = read.chain(&self.outputs).copied().collect();
        for (at, value) in self.values.iter_mut().enumerate() {
            if !read.contains(&ValueId(at)) {
                value.constant = None;
            }
        }
    }

    /// Notes which products read what a ReLU makes.
    pub(super) fn find_relus(&mut self) {
        let mut has_zeros = vec![false; self.values.len()];
        for node in &mut self.nodes {
            let is_read = |input: &ValueId| has_zeros[input.0];
            let inputs_have = !node.inputs.is_empty() && node.inputs.iter().all(is_read);
            let first_has = node.inputs.first().is_some_and(is_read);
            if let NodeKind::Product(product) = &mut node.kind {
                product.is_behind_relu = first_has;
            }
            let makes =
                node.activation().is_some_and(is_relu) || (inputs_have && node.keeps_zeros());
            for output in &node.outputs {
                has_zeros[output.0] = makes;
            }
        }
    }
}

impl Node {
    /// The last thing that is done to its values.
    fn activation(&self) -> Option<Activation> {
        match &self.kind {
            NodeKind::Product(product) if product.residual == Some(ResidualPlace::Outside) => None,
            NodeKind::Product(product) => Some(product.activation),
            NodeKind::Activation(activation)
            | NodeKind::Sum { activation }
            | NodeKind::Affine { activation, .. } => Some(*activation),
            _ => None,
        }
    }

    /// Whether many zeros among its inputs are many among its outputs.
    fn keeps_zeros(&self) -> bool {
        match &self.kind {
            NodeKind::Pool(pool) => pool.kind == PoolKind::Maximum,
            NodeKind::Upsample { .. }
            | NodeKind::Concatenate
            | NodeKind::Channels { .. }
            | NodeKind::Multiply
            | NodeKind::Reshape => true,
            _ => false,
        }
    }
}

fn is_relu(activation: Activation) -> bool {
    match activation {
        Activation::Relu => true,
        Activation::Clamp { low, .. } => low == 0.0,
        _ => false,
    }
}
