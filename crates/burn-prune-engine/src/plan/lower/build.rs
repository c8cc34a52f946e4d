use std::collections::HashMap;
use std::sync::Arc;

use burn::backend::ir::TensorId;
use burn_flex::FlexTensor;
use burn_prune_deploy::Capture;

use super::constants::{Constants, evaluate};
use super::pairing::Pairs;
use super::pass::{Pass, is_function};
use super::sketch::{self, Kind, Sketched};
use super::weights::{rows_of_convolution, rows_of_linear, scaled};
use crate::error::EngineError;
use crate::plan::program::{
    Batches, Node, NodeKind, Product, Program, Size, Value, ValueId, Weight,
};

/// Makes a program of fused nodes.
pub(super) struct Builder<'a> {
    pub capture: &'a Capture,
    pub pass: &'a Pass<'a>,
    pub constants: Constants<'a>,
    /// The shapes, where a second pass tells which sizes follow the batch.
    pub pairs: Option<&'a Pairs>,
    /// The operations of the second pass by those of the first.
    pub others: HashMap<usize, usize>,
    pub names: Vec<String>,
    pub values: Values,
}

/// The values that a program has so far.
#[derive(Default)]
pub(super) struct Values {
    values: Vec<Value>,
    numbers: HashMap<TensorId, ValueId>,
    /// Weights that several products may read.
    weights: HashMap<WeightKey, Arc<Weight>>,
}

/// A tensor, what it is the weight of, and its outputs and inputs: it may be read in several shapes.
type WeightKey = (TensorId, WeightOf, [usize; 2]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WeightOf {
    Linear,
    /// It is packed for each group, and in whole kernels.
    Convolution {
        kernel: [usize; 2],
        groups: usize,
    },
}

impl Builder<'_> {
    pub(super) fn program(
        mut self,
        sketched: Vec<Sketched>,
        batches: Batches,
    ) -> Result<Program, EngineError> {
        let inputs = self.pass.inputs.iter();
        let inputs: Vec<TensorId> = inputs.copied().collect();
        let mut numbers = Vec::new();
        for input in inputs {
            numbers.push(self.value(input)?);
        }
        let mut nodes = Vec::new();
        for node in sketched {
            nodes.extend(self.node(node)?);
        }
        let mut outputs = Vec::new();
        for output in self.pass.outputs {
            outputs.push(self.value(*output)?);
        }
        let mut program = Program {
            values: self.values.values,
            nodes,
            inputs: numbers,
            outputs,
            batches,
        };
        program.drop_unread_constants();
        Ok(program)
    }

    /// The number of a tensor, which is new or not. A constant gets its value.
    fn value(&mut self, tensor: TensorId) -> Result<ValueId, EngineError> {
        if let Some(number) = self.values.numbers.get(&tensor) {
            return Ok(*number);
        }
        let shape = self.pass.shape(tensor);
        let shape: Vec<Size> = match self.pairs.and_then(|pairs| pairs.shape(tensor)) {
            Some(shape) => shape.to_vec(),
            None => shape.iter().map(|size| Size::Fixed(*size)).collect(),
        };
        let is_leaf = self.pass.is_constant(tensor) && self.pass.maker(tensor).is_none();
        let constant = if is_leaf {
            Some(FlexTensor::from_data(self.constants.take(tensor)?))
        } else {
            None
        };
        let number = ValueId(self.values.values.len());
        self.values.values.push(Value {
            shape,
            dtype: self.pass.dtype(tensor),
            constant,
        });
        self.values.numbers.insert(tensor, number);
        Ok(number)
    }

    /// A node, unless it only computes constants.
    fn node(&mut self, node: Sketched) -> Result<Option<Node>, EngineError> {
        let mut inputs = Vec::new();
        for input in &node.inputs {
            inputs.push(self.value(*input)?);
        }
        let mut outputs = Vec::new();
        for output in &node.outputs {
            outputs.push(self.value(*output)?);
        }
        let mut name = self.names[node.operation].clone();
        let kind = match node.kind {
            Kind::Product(product) => {
                name = self.constants.path(node.constants[0]);
                NodeKind::Product(self.product(&product, &node.constants)?)
            }
            Kind::Affine { map, activation } => {
                let channels = self.pass.shape(node.outputs[0])[1];
                NodeKind::Affine {
                    scale: (0..channels).map(|at| map.scale_of(at) as f32).collect(),
                    shift: (0..channels).map(|at| map.shift_of(at) as f32).collect(),
                    activation,
                }
            }
            Kind::Activation(activation) => NodeKind::Activation(activation),
            Kind::Sum(activation) => NodeKind::Sum { activation },
            Kind::Multiply => NodeKind::Multiply,
            Kind::Pool(pool) => NodeKind::Pool(pool),
            Kind::GlobalAverage => NodeKind::GlobalAverage,
            Kind::Upsample(factors) => NodeKind::Upsample { factors },
            Kind::Concatenate => NodeKind::Concatenate,
            Kind::Channels { first, count } => NodeKind::Channels { first, count },
            Kind::Reshape => NodeKind::Reshape,
            Kind::Burn | Kind::Norm { .. } | Kind::Channelwise(_) => {
                if self.is_computed_once(&inputs, &node, &outputs) {
                    self.compute(&node, &inputs, &outputs)?;
                    return Ok(None);
                }
                self.burn(node.operation)
            }
        };
        Ok(Some(Node {
            operation: node.operation,
            name,
            kind,
            inputs,
            outputs,
        }))
    }

    fn burn(&self, operation: usize) -> NodeKind {
        let other = self.capture.other.as_ref().ok();
        let other = other.and_then(|other| {
            let there = self.others.get(&operation)?;
            Some(Box::new(other.ir.operations[*there].clone()))
        });
        NodeKind::Burn {
            operation: Box::new(self.pass.operations[operation].clone()),
            other,
        }
    }

    /// Whether an operation gives the same in each run, at every batch size.
    fn is_computed_once(&self, inputs: &[ValueId], node: &Sketched, outputs: &[ValueId]) -> bool {
        let value = |number: &ValueId| &self.values.values[number.0];
        let is_fixed = |size: &Size| matches!(size, Size::Fixed(_));
        is_function(&self.pass.operations[node.operation])
            && !inputs.is_empty()
            && inputs.iter().all(|input| value(input).constant.is_some())
            && outputs
                .iter()
                .all(|output| value(output).shape.iter().all(is_fixed))
    }

    fn compute(
        &mut self,
        node: &Sketched,
        inputs: &[ValueId],
        outputs: &[ValueId],
    ) -> Result<(), EngineError> {
        let data = |(id, number): (&TensorId, &ValueId)| {
            let constant = self.values.values[number.0].constant.clone();
            (*id, constant.expect("it is known").into_data())
        };
        let known = node.inputs.iter().zip(inputs).map(data).collect();
        let operation = &self.pass.operations[node.operation];
        let mut made = evaluate(operation, &self.names[node.operation], known)?;
        for (tensor, number) in node.outputs.iter().zip(outputs) {
            let value = made.remove(tensor).map(FlexTensor::from_data);
            self.values.values[number.0].constant = value;
        }
        Ok(())
    }

    fn product(
        &mut self,
        product: &sketch::Product,
        constants: &[TensorId],
    ) -> Result<Product, EngineError> {
        let map = &product.map;
        let weight = self.weight(constants[0], product)?;
        let bias = match constants.get(1) {
            Some(bias) => self.constants.floats(*bias)?,
            None => vec![0.0; weight.rows],
        };
        let bias = bias.iter().enumerate();
        let bias = bias
            .map(|(row, bias)| (f64::from(*bias) * map.scale_of(row) + map.shift_of(row)) as f32);
        Ok(Product {
            bias: bias.collect(),
            weight,
            window: product.window,
            activation: product.activation,
            residual: product.residual,
            is_behind_relu: false,
        })
    }

    fn weight(
        &mut self,
        tensor: TensorId,
        product: &sketch::Product,
    ) -> Result<Arc<Weight>, EngineError> {
        let of = match product.window {
            None => WeightOf::Linear,
            Some(window) => WeightOf::Convolution {
                kernel: window.kernel,
                groups: window.groups,
            },
        };
        let shape = self.pass.shape(tensor).to_vec();
        let size = match (of, &shape[..]) {
            (WeightOf::Linear, [.., inputs, outputs]) => [*outputs, *inputs],
            (_, [outputs, inputs @ ..]) => [*outputs, inputs.iter().product()],
            (_, []) => [0, 0],
        };
        let key = (self.pass.unreshaped(tensor), of, size);
        let has_own_scale = product.map.scale.iter().any(|scale| *scale != 1.0);
        if let Some(weight) = self.values.weights.get(&key)
            && !has_own_scale
        {
            return Ok(weight.clone());
        }
        let path = self.constants.path(tensor);
        let values = self.constants.floats(tensor)?;
        let mut weight = match of {
            WeightOf::Linear => rows_of_linear(path, values, &shape),
            WeightOf::Convolution { .. } => rows_of_convolution(path, values, &shape),
        };
        if has_own_scale {
            scaled(&mut weight, &product.map);
            return Ok(Arc::new(weight));
        }
        let weight = Arc::new(weight);
        self.values.weights.insert(key, weight.clone());
        Ok(weight)
    }
}
