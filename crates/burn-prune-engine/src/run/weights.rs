use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::format::{FormatKind, Packed, Precision, WeightMatrix};
use crate::plan::program::{NodeKind, Product, Program, Weight};
use crate::run::product::Path;
use crate::window::Window;

/// The packed weights of a program, shared by the plans of all batch sizes.
#[derive(Debug)]
pub(crate) struct WeightSet {
    /// For each node; `None` where it has no weight.
    nodes: Vec<Option<Arc<NodeWeights>>>,
    /// Of the dense weight of each node.
    digests: Vec<Option<u64>>,
}

/// The weight of one product.
#[derive(Debug)]
pub(crate) struct NodeWeights {
    pub kind: WeightKind,
    /// Values of the dense weight.
    pub values: usize,
    /// How many of them are not 0.
    pub nonzeros: usize,
    /// Set when it is measured.
    trial: OnceLock<Trial>,
    precision: Precision,
    /// The same for many positions, where the format is for one; made when it is asked for.
    for_positions: OnceLock<Vec<Packed>>,
}

/// What was measured when the format was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    /// At so many positions of an image.
    pub positions: usize,
    /// The fastest loop there.
    pub path: Path,
    pub seconds: f64,
    /// Of the dense product.
    pub dense_seconds: f64,
}

#[derive(Debug)]
pub(crate) enum WeightKind {
    /// One for each group.
    Packed(Vec<Packed>),
    /// Of a convolution whose groups read one channel each: row, tap.
    Depthwise(Vec<f32>),
}

impl WeightSet {
    /// Packs all weights as `choose` says, one after the other.
    pub(crate) fn pack(
        program: &Program,
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
        let digests = program.nodes.iter().map(|node| match &node.kind {
            NodeKind::Product(product) => Some(digest(product)),
            _ => None,
        });
        Self {
            nodes,
            digests: digests.collect(),
        }
    }

    /// Takes what the packed weights of another program of the same model have too.
    pub(crate) fn share(&mut self, other: &Self) {
        for (node, digest) in self.nodes.iter_mut().zip(&self.digests) {
            let mut known = other.nodes.iter().zip(&other.digests);
            let same = known.find(|(_, known)| digest.is_some() && *known == digest);
            if let Some((Some(same), _)) = same {
                *node = Some(Arc::clone(same));
            }
        }
    }

    /// Another way to keep the weight of a node; it is that of all nodes that share it.
    pub(crate) fn replace(&mut self, node: usize, weights: NodeWeights) {
        let Some(old) = self.nodes[node].clone() else {
            return;
        };
        let weights = Arc::new(weights);
        for shared in self.nodes.iter_mut().flatten() {
            if Arc::ptr_eq(shared, &old) {
                *shared = Arc::clone(&weights);
            }
        }
    }

    pub(crate) fn node(&self, node: usize) -> Option<&Arc<NodeWeights>> {
        self.nodes[node].as_ref()
    }

    /// Bytes of the dense weights.
    pub(crate) fn dense_bytes(&self) -> usize {
        let distinct = self.distinct();
        distinct
            .map(|weights| weights.values * size_of::<f32>())
            .sum()
    }

    /// Of memory; a weight that several nodes share counts once.
    pub(crate) fn bytes(&self) -> usize {
        self.distinct().map(|weights| weights.bytes()).sum()
    }

    /// Of memory that none of the others has.
    pub(crate) fn bytes_beside(&self, others: &[&Self]) -> usize {
        let is_there = |weights: &NodeWeights| {
            let mut there = others.iter().flat_map(|other| other.nodes.iter().flatten());
            there.any(|other| std::ptr::eq(&**other, weights))
        };
        let distinct = self.distinct().filter(|weights| !is_there(weights));
        distinct.map(NodeWeights::bytes).sum()
    }

    fn distinct(&self) -> impl Iterator<Item = &NodeWeights> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(at, node)| {
            let node = node.as_ref()?;
            let mut before = self.nodes[..at].iter().flatten();
            let is_first = !before.any(|other| Arc::ptr_eq(other, node));
            is_first.then_some(&**node)
        })
    }
}

/// Takes the dense weights out of a program, all but their sizes.
pub(crate) fn drop_dense(program: &mut Program) {
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
            trial: OnceLock::new(),
            precision,
            for_positions: OnceLock::new(),
        }
    }

    /// What was measured when the format was chosen.
    pub(crate) fn trial(&self) -> Option<Trial> {
        self.trial.get().copied()
    }

    /// Keeps the first measurement.
    pub(crate) fn set_trial(&self, trial: Trial) {
        self.trial.get_or_init(|| trial);
    }

    /// The share of values that are 0.
    pub(crate) fn zeros(&self) -> f64 {
        1.0 - self.nonzeros as f64 / self.values.max(1) as f64
    }

    pub(crate) fn bytes(&self) -> usize {
        let more = self.for_positions.get().into_iter().flatten();
        match &self.kind {
            WeightKind::Packed(groups) => groups.iter().chain(more).map(Packed::bytes).sum(),
            WeightKind::Depthwise(values) => size_of_val(&values[..]),
        }
    }

    /// None for a depthwise one.
    pub(crate) fn groups(&self) -> &[Packed] {
        match &self.kind {
            WeightKind::Packed(groups) => groups,
            WeightKind::Depthwise(_) => &[],
        }
    }

    /// The same in a format for many positions.
    pub(crate) fn groups_for_positions(&self) -> &[Packed] {
        let kind = match self.format() {
            Some(FormatKind::InputRows) => FormatKind::Dense,
            Some(FormatKind::Bitmask | FormatKind::Deltas | FormatKind::InputMajor) => {
                FormatKind::Blocked
            }
            _ => return self.groups(),
        };
        self.for_positions.get_or_init(|| {
            let groups = self.groups().iter();
            let values = self.values / self.groups().len();
            groups
                .map(|packed| repack(packed, values, kind, self.precision))
                .collect()
        })
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

/// Tells dense weights apart: by their names, shapes and values.
fn digest(product: &Product) -> u64 {
    let weight = &product.weight;
    let mut hasher = DefaultHasher::new();
    (&weight.path, weight.rows, weight.columns, product.window).hash(&mut hasher);
    for value in &weight.values {
        hasher.write_u32(value.to_bits());
    }
    hasher.finish()
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
    let kernel = product.window.map_or([1, 1], |window| window.kernel);
    Packed::pack(kind, matrix, kernel, precision)
        .or_else(|| Packed::pack(FormatKind::Blocked, matrix, kernel, precision))
        .or_else(|| Packed::pack(FormatKind::Dense, matrix, kernel, precision))
        .expect("the dense format holds any weight")
}

/// A weight of a Linear in another format.
fn repack(packed: &Packed, values: usize, kind: FormatKind, precision: Precision) -> Packed {
    let rows = packed.rows();
    let columns = values / rows.max(1);
    let mut dense = vec![0.0; values];
    for row in 0..rows {
        packed.each(row, &mut |column, value| {
            dense[row * columns + column] = value
        });
    }
    let matrix = WeightMatrix {
        values: &dense,
        rows,
        columns,
    };
    Packed::pack(kind, matrix, [1, 1], precision)
        .or_else(|| Packed::pack(FormatKind::Dense, matrix, [1, 1], precision))
        .expect("the dense format holds any weight")
}
