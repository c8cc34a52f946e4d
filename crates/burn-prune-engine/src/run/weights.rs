use std::collections::HashMap;
use std::sync::Arc;

use crate::format::{FormatKind, Packed, Precision, WeightMatrix};
use crate::plan::program::{NodeKind, Product, Program, Weight};
use crate::window::Window;

/// The packed weights of a program, shared by the plans of all batch sizes.
#[derive(Debug)]
pub(crate) struct WeightSet {
    /// For each node; `None` where it has no weight.
    nodes: Vec<Option<Arc<NodeWeights>>>,
}

/// The weight of one product.
#[derive(Debug)]
pub(crate) struct NodeWeights {
    pub kind: WeightKind,
    /// Values of the dense weight.
    pub values: usize,
    /// How many of them are not 0.
    pub nonzeros: usize,
}

#[derive(Debug)]
pub(crate) enum WeightKind {
    /// One for each group.
    Packed(Vec<Packed>),
    /// Of a convolution whose groups read one channel each: row, tap.
    Depthwise(Vec<f32>),
}

impl WeightSet {
    /// Packs all weights as `choose` says, one after the other, and takes the dense ones out of the program.
    pub(crate) fn pack(
        program: &mut Program,
        precision: Precision,
        mut choose: impl FnMut(usize, &Product) -> FormatKind,
    ) -> Self {
        let mut packed: HashMap<*const Weight, Arc<NodeWeights>> = HashMap::new();
        let nodes = (0..program.nodes.len())
            .map(|at| {
                let NodeKind::Product(product) = &program.nodes[at].kind else {
                    return None;
                };
                let weights = packed
                    .entry(Arc::as_ptr(&product.weight))
                    .or_insert_with(|| {
                        let kind = choose(at, product);
                        Arc::new(NodeWeights::pack(product, kind, precision))
                    });
                Some(Arc::clone(weights))
            })
            .collect();
        drop_dense(program);
        Self { nodes }
    }

    pub(crate) fn node(&self, node: usize) -> Option<&Arc<NodeWeights>> {
        self.nodes[node].as_ref()
    }

    /// Of memory; a weight that several nodes share counts once.
    pub(crate) fn bytes(&self) -> usize {
        let mut seen: Vec<*const NodeWeights> = Vec::new();
        let mut sum = 0;
        for weights in self.nodes.iter().flatten() {
            let at = Arc::as_ptr(weights);
            if !seen.contains(&at) {
                seen.push(at);
                sum += weights.bytes();
            }
        }
        sum
    }
}

/// Takes the dense weights out of a program, all but their sizes.
fn drop_dense(program: &mut Program) {
    for node in &mut program.nodes {
        if let NodeKind::Product(product) = &mut node.kind {
            product.weight = Arc::new(Weight {
                path: product.weight.path.clone(),
                values: Vec::new(),
                rows: product.weight.rows,
                columns: product.weight.columns,
            });
        }
    }
}

impl NodeWeights {
    pub(crate) fn pack(product: &Product, kind: FormatKind, precision: Precision) -> Self {
        let weight = &product.weight;
        let values = weight.values.len();
        let nonzeros = weight.values.iter().filter(|&&value| value != 0.0).count();
        let groups = product.window.map_or(1, |window| window.groups);
        let kind = match product.window {
            Some(window) if is_depthwise(&window, weight) => {
                WeightKind::Depthwise(weight.values.clone())
            }
            _ => WeightKind::Packed(
                (0..groups)
                    .map(|group| pack_group(product, groups, group, kind, precision))
                    .collect(),
            ),
        };
        Self {
            kind,
            values,
            nonzeros,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match &self.kind {
            WeightKind::Packed(groups) => groups.iter().map(Packed::bytes).sum(),
            WeightKind::Depthwise(values) => size_of_val(&values[..]),
        }
    }

    /// `None` for a depthwise one.
    pub(crate) fn format(&self) -> Option<FormatKind> {
        match &self.kind {
            WeightKind::Packed(groups) => groups.first().map(Packed::kind),
            WeightKind::Depthwise(_) => None,
        }
    }
}

/// Whether each group reads one channel.
pub(crate) fn is_depthwise(window: &Window, weight: &Weight) -> bool {
    window.groups > 1 && weight.columns == window.kernel[0] * window.kernel[1]
}

fn pack_group(
    product: &Product,
    groups: usize,
    group: usize,
    kind: FormatKind,
    precision: Precision,
) -> Packed {
    let weight = &product.weight;
    let rows = weight.rows / groups;
    let matrix = WeightMatrix {
        values: &weight.values[group * rows * weight.columns..][..rows * weight.columns],
        rows,
        columns: weight.columns,
    };
    let block = block(product.window.as_ref());
    Packed::pack(kind, matrix, block, precision)
        .or_else(|| Packed::pack(FormatKind::Blocked, matrix, block, precision))
        .or_else(|| Packed::pack(FormatKind::Dense, matrix, block, precision))
        .expect("the dense format holds any weight")
}

/// Columns whose inputs a kernel reads again and again: whole channels.
fn block(window: Option<&Window>) -> usize {
    let taps = window.map_or(1, |window| window.kernel[0] * window.kernel[1]);
    if taps > 256 { 256 } else { 256 / taps * taps }
}
