//! Programs made by hand.

use std::sync::Arc;

use burn::tensor::DType;

use crate::activation::Activation;
use crate::kernel::ResidualPlace;
use crate::plan::program::{
    Batches, Node, NodeKind, Product, Program, Size, Value, ValueId, Weight,
};
use crate::window::{Pool, PoolKind, Window};

/// Numbers that are the same in each run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    pub(super) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(super) fn value(&mut self) -> f32 {
        self.below(2001) as f32 / 1000.0 - 1.0
    }

    pub(super) fn values(&mut self, count: usize, zeros: f64) -> Vec<f32> {
        (0..count)
            .map(|_| {
                let value = self.value();
                let is_zero = (self.below(1000) as f64) < zeros * 1000.0;
                if is_zero { 0.0 } else { value }
            })
            .collect()
    }
}

/// A program that grows.
pub(super) struct Build {
    pub(super) program: Program,
    pub(super) random: Random,
    pub(super) zeros: f64,
}

impl Build {
    pub(super) fn new(seed: u64, zeros: f64) -> Self {
        Self {
            program: Program {
                values: Vec::new(),
                nodes: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                batches: Batches {
                    example: 1,
                    other: Ok(2),
                },
            },
            random: Random::new(seed),
            zeros,
        }
    }

    /// Sizes behind the batch.
    pub(super) fn value(&mut self, sizes: &[usize]) -> ValueId {
        let shape = std::iter::once(Size::Batch(1)).chain(sizes.iter().map(|&s| Size::Fixed(s)));
        self.program.values.push(Value {
            shape: shape.collect(),
            dtype: DType::F32,
            constant: None,
        });
        ValueId(self.program.values.len() - 1)
    }

    pub(super) fn input(&mut self, sizes: &[usize]) -> ValueId {
        let value = self.value(sizes);
        self.program.inputs.push(value);
        value
    }

    pub(super) fn output(&mut self, value: ValueId) {
        self.program.outputs.push(value);
    }

    /// Sizes behind the batch.
    pub(super) fn sizes(&self, value: ValueId) -> Vec<usize> {
        let sizes = self.program.values[value.0].shape[1..].iter();
        sizes
            .map(|size| match *size {
                Size::Fixed(size) | Size::Batch(size) => size,
            })
            .collect()
    }

    pub(super) fn node(&mut self, kind: NodeKind, inputs: &[ValueId], sizes: &[usize]) -> ValueId {
        let output = self.value(sizes);
        let at = self.program.nodes.len();
        self.program.nodes.push(Node {
            operation: at,
            name: format!("node {at}"),
            kind,
            inputs: inputs.to_vec(),
            outputs: vec![output],
        });
        output
    }

    pub(super) fn linear(
        &mut self,
        input: ValueId,
        rows: usize,
        activation: Activation,
        residual: Option<(ResidualPlace, ValueId)>,
    ) -> ValueId {
        let mut sizes = self.sizes(input);
        let columns = sizes.pop().unwrap();
        sizes.push(rows);
        let product = self.weight(rows, columns, None, activation, residual);
        self.node(product, &with(input, residual), &sizes)
    }

    pub(super) fn convolution(
        &mut self,
        input: ValueId,
        rows: usize,
        window: Window,
        activation: Activation,
        residual: Option<(ResidualPlace, ValueId)>,
    ) -> ValueId {
        let [channels, height, width] = self.sizes(input)[..] else {
            panic!("a convolution reads images");
        };
        let columns = channels / window.groups * window.kernel[0] * window.kernel[1];
        let sizes = [
            rows,
            output_size(&window, 0, height),
            output_size(&window, 1, width),
        ];
        let product = self.weight(rows, columns, Some(window), activation, residual);
        self.node(product, &with(input, residual), &sizes)
    }

    fn weight(
        &mut self,
        rows: usize,
        columns: usize,
        window: Option<Window>,
        activation: Activation,
        residual: Option<(ResidualPlace, ValueId)>,
    ) -> NodeKind {
        NodeKind::Product(Product {
            weight: Arc::new(Weight {
                path: format!("weight {}", self.program.nodes.len()),
                values: self.random.values(rows * columns, self.zeros),
                rows,
                columns,
            }),
            bias: self.random.values(rows, 0.3),
            window,
            activation,
            residual: residual.map(|(place, _)| place),
            is_behind_relu: false,
        })
    }

    pub(super) fn pool(&mut self, input: ValueId, kind: PoolKind, window: Window) -> ValueId {
        let [channels, height, width] = self.sizes(input)[..] else {
            panic!("pooling reads images");
        };
        let sizes = [
            channels,
            output_size(&window, 0, height),
            output_size(&window, 1, width),
        ];
        let pool = Pool {
            kind,
            kernel: window.kernel,
            stride: window.stride,
            padding: window.padding,
            dilation: window.dilation,
            ceil: false,
        };
        self.node(NodeKind::Pool(pool), &[input], &sizes)
    }

    pub(super) fn concatenate(&mut self, inputs: &[ValueId]) -> ValueId {
        let mut sizes = self.sizes(inputs[0]);
        sizes[0] = inputs.iter().map(|&input| self.sizes(input)[0]).sum();
        self.node(NodeKind::Concatenate, inputs, &sizes)
    }

    pub(super) fn channels(&mut self, input: ValueId, first: usize, count: usize) -> ValueId {
        let mut sizes = self.sizes(input);
        sizes[0] = count;
        self.node(NodeKind::Channels { first, count }, &[input], &sizes)
    }

    pub(super) fn flatten(&mut self, input: ValueId) -> ValueId {
        let features = self.sizes(input).iter().product();
        self.node(NodeKind::Reshape, &[input], &[features])
    }
}

fn with(input: ValueId, residual: Option<(ResidualPlace, ValueId)>) -> Vec<ValueId> {
    std::iter::once(input)
        .chain(residual.map(|(_, value)| value))
        .collect()
}

pub(super) fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [(padding, padding); 2],
        dilation: [1, 1],
        groups: 1,
    }
}

/// How many places a window has along an axis; 0 where it does not fit.
pub(super) fn output_size(window: &Window, axis: usize, size: usize) -> usize {
    let (before, after) = window.padding[axis];
    let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
    let size = size + before + after;
    if size < reach {
        return 0;
    }
    (size - reach) / window.stride[axis] + 1
}
