//! Which channels are read by something that leads to an output.

use super::axes::Channels;
use super::channels::{is_depthwise, read_channels, same_channels};
use super::has_own_weight;
use crate::plan::program::{Node, NodeKind, Program, ValueId};

/// The channels of a value that stay.
#[derive(Debug, Clone)]
pub(super) struct Kept(pub Vec<bool>);

impl Kept {
    pub(super) fn is_full(&self) -> bool {
        self.0.iter().all(|kept| *kept)
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().filter(|kept| **kept).count()
    }
}

/// The channels of each value that have to stay.
pub(super) fn needed(program: &Program, axes: &[Option<Channels>]) -> Vec<Kept> {
    let mut search = Search::new(program, axes);
    search.run();
    // Nothing is taken out as a whole: its first channel stays.
    for (at, channels) in axes.iter().enumerate() {
        let channels = channels.map_or(0, |channels| channels.count);
        let is_gone = |search: &mut Search<'_>| {
            (0..channels).all(|channel| !search.is_needed(ValueId(at), channel))
        };
        if channels > 0 && is_gone(&mut search) {
            search.need(ValueId(at), 0);
            search.run();
        }
    }
    let counts = axes.iter().enumerate();
    let kept = counts.map(|(at, channels)| {
        let count = channels.map_or(0, |channels| channels.count);
        let channels = 0..count;
        Kept(
            channels
                .map(|channel| search.is_needed(ValueId(at), channel))
                .collect(),
        )
    });
    kept.collect()
}

struct Search<'a> {
    program: &'a Program,
    axes: &'a [Option<Channels>],
    /// The number of the first channel of each value.
    first: Vec<usize>,
    /// Channels that are the same in other words point to each other.
    parents: Vec<usize>,
    /// By root.
    is_needed: Vec<bool>,
    /// By root: rows of products that make it.
    rows: Vec<Vec<(usize, usize)>>,
    waiting: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(program: &'a Program, axes: &'a [Option<Channels>]) -> Self {
        let mut first = Vec::new();
        let mut count = 0;
        for channels in axes {
            first.push(count);
            count += channels.map_or(0, |channels| channels.count);
        }
        let mut search = Self {
            program,
            axes,
            first,
            parents: (0..count).collect(),
            is_needed: vec![false; count],
            rows: vec![Vec::new(); count],
            waiting: Vec::new(),
        };
        let mut fixed: Vec<ValueId> = program.inputs.clone();
        fixed.extend(&program.outputs);
        let values = program.values.iter().enumerate();
        let constants = values.filter(|(_, value)| value.constant.is_some());
        fixed.extend(constants.map(|(at, _)| ValueId(at)));
        for node in &program.nodes {
            if !search.join(node) {
                fixed.extend(node.inputs.iter().chain(&node.outputs));
            } else if let NodeKind::Product(_) = &node.kind
                && read_channels(node, axes).is_none()
            {
                fixed.push(node.inputs[0]);
            }
        }
        for (at, node) in program.nodes.iter().enumerate() {
            search.note_rows(at, node);
        }
        for value in fixed {
            for channel in 0..axes[value.0].map_or(0, |channels| channels.count) {
                search.need(value, channel);
            }
        }
        search
    }

    /// Joins channels that can only go together; false where all channels have to stay.
    fn join(&mut self, node: &Node) -> bool {
        let Some(same) = same_channels(node, self.axes) else {
            return false;
        };
        for (place, channel, made) in same {
            let a = self.root(self.number(node.inputs[place], channel));
            let b = self.root(self.number(node.outputs[0], made));
            self.parents[a] = b;
        }
        match &node.kind {
            NodeKind::Product(product) => {
                let is_plain = product.window.is_none_or(|window| window.groups == 1);
                let has_rows = self.axes[node.outputs[0].0]
                    .is_some_and(|made| made.count == product.weight.rows);
                let is_known = is_plain || is_depthwise(node, self.axes);
                has_rows && is_known && has_own_weight(&node.kind)
            }
            _ => true,
        }
    }

    fn note_rows(&mut self, at: usize, node: &Node) {
        if let NodeKind::Product(product) = &node.kind
            && let Some(made) = self.axes[node.outputs[0].0]
            && made.count == product.weight.rows
        {
            for row in 0..product.weight.rows {
                let root = self.root(self.number(node.outputs[0], row));
                self.rows[root].push((at, row));
            }
        }
    }

    fn number(&self, value: ValueId, channel: usize) -> usize {
        self.first[value.0] + channel
    }

    fn root(&mut self, mut number: usize) -> usize {
        while self.parents[number] != number {
            self.parents[number] = self.parents[self.parents[number]];
            number = self.parents[number];
        }
        number
    }

    fn is_needed(&mut self, value: ValueId, channel: usize) -> bool {
        let root = self.root(self.number(value, channel));
        self.is_needed[root]
    }

    fn need(&mut self, value: ValueId, channel: usize) {
        let root = self.root(self.number(value, channel));
        if !self.is_needed[root] {
            self.is_needed[root] = true;
            self.waiting.push(root);
        }
    }

    /// Whatever the rows of needed channels read is needed too.
    fn run(&mut self) {
        let program = self.program;
        while let Some(root) = self.waiting.pop() {
            for (at, row) in std::mem::take(&mut self.rows[root]) {
                let node = &program.nodes[at];
                let NodeKind::Product(product) = &node.kind else {
                    continue;
                };
                let Some(read) = read_channels(node, self.axes) else {
                    continue;
                };
                let groups = product.window.map_or(1, |window| window.groups);
                let columns = product.weight.columns;
                let group_channels = read.count / groups.max(1);
                let taps = columns / group_channels.max(1);
                let first = row / (product.weight.rows / groups.max(1)).max(1) * group_channels;
                let values = &product.weight.values[row * columns..(row + 1) * columns];
                for (channel, taps) in values.chunks(taps.max(1)).enumerate() {
                    if taps.iter().any(|value| *value != 0.0) {
                        self.need(node.inputs[0], first + channel);
                    }
                }
            }
        }
    }
}
