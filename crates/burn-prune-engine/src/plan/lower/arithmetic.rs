//! Sums, products and norms, value by value.

use burn::backend::ir::{
    BinaryOpIr, ModuleOperationIr as Module, NumericOperationIr as Numeric, OperationIr,
    ScalarOpIr, TensorId,
};

use super::channel_map::ChannelMap;
use super::pass::Pass;
use super::scalar::number;
use super::sketch::{Channelwise, Kind, Sketched};
use crate::activation::Activation;

impl Pass<'_> {
    pub(super) fn arithmetic(&self, at: usize) -> Option<Sketched> {
        match &self.operations[at] {
            OperationIr::Module(Module::BatchNorm(op)) => {
                let constants = [&op.gamma, &op.beta, &op.mean, &op.variance];
                let constants = constants.map(|tensor| tensor.id);
                let is_known = constants.iter().all(|one| self.is_weight(*one));
                let has_channels = (2..=4).contains(&self.shape(op.x.id).len());
                let epsilon = number(&op.epsilon);
                (is_known && has_channels && self.is_signal(op.x.id))
                    .then(|| Sketched::new(self, at, Kind::Norm { epsilon }, constants, [op.x.id]))
            }
            OperationIr::NumericFloat(_, operation) => match operation {
                Numeric::Add(op) => self
                    .channelwise(at, Channelwise::Add, op.lhs.id, op.rhs.id)
                    .or_else(|| self.channelwise(at, Channelwise::Add, op.rhs.id, op.lhs.id))
                    .or_else(|| self.sum(at, op)),
                Numeric::Sub(op) => {
                    self.channelwise(at, Channelwise::Subtract, op.lhs.id, op.rhs.id)
                }
                Numeric::Mul(op) => self
                    .channelwise(at, Channelwise::Multiply, op.lhs.id, op.rhs.id)
                    .or_else(|| self.channelwise(at, Channelwise::Multiply, op.rhs.id, op.lhs.id))
                    .or_else(|| self.multiply(at, op.lhs.id, op.rhs.id))
                    .or_else(|| self.multiply(at, op.rhs.id, op.lhs.id)),
                Numeric::Div(op) => self.channelwise(at, Channelwise::Divide, op.lhs.id, op.rhs.id),
                Numeric::AddScalar(op) => self.uniform(at, op, 1.0, number(&op.rhs)),
                Numeric::SubScalar(op) => self.uniform(at, op, 1.0, -number(&op.rhs)),
                Numeric::MulScalar(op) => self.uniform(at, op, number(&op.rhs), 0.0),
                Numeric::DivScalar(op) => self.uniform(at, op, 1.0 / number(&op.rhs), 0.0),
                Numeric::Neg(op) => self.affine(at, op.input.id, -1.0, 0.0),
                _ => None,
            },
            _ => None,
        }
    }

    fn uniform(&self, at: usize, op: &ScalarOpIr, scale: f64, shift: f64) -> Option<Sketched> {
        self.affine(at, op.lhs.id, scale, shift)
    }

    fn affine(&self, at: usize, x: TensorId, scale: f64, shift: f64) -> Option<Sketched> {
        let map = ChannelMap::uniform(scale, shift);
        let is_ours = self.is_signal(x) && map.is_finite() && self.takes_uniform(x);
        let kind = Kind::Affine {
            map,
            activation: Activation::None,
        };
        is_ours.then(|| Sketched::new(self, at, kind, [], [x]))
    }

    /// A signal and a constant that has one number a channel, or only one.
    fn channelwise(
        &self,
        at: usize,
        operation: Channelwise,
        x: TensorId,
        constant: TensorId,
    ) -> Option<Sketched> {
        if !self.is_signal(x) || !self.is_weight(constant) {
            return None;
        }
        let (shape, sizes) = (self.shape(x), self.shape(constant));
        let is_one = sizes.iter().all(|size| *size == 1)
            && sizes.len() <= shape.len()
            && self.takes_uniform(x);
        let has_channels = shape.len() == 2 || self.is_image(x);
        let is_channels = || {
            let mut of_channel = vec![1; shape.len()];
            of_channel[1] = shape[1];
            has_channels && sizes == of_channel
        };
        (is_one || is_channels())
            .then(|| Sketched::new(self, at, Kind::Channelwise(operation), [constant], [x]))
    }

    /// Whether one number for all values can be one a channel, or goes into the weight before it.
    fn takes_uniform(&self, x: TensorId) -> bool {
        let is_folded = || self.is_read_once(x) && self.is_linear(x);
        self.shape(x).len() == 2 || self.is_image(x) || is_folded()
    }

    fn sum(&self, at: usize, op: &BinaryOpIr) -> Option<Sketched> {
        let (a, b) = (op.lhs.id, op.rhs.id);
        let is_plain = self.is_signal(a) && self.is_signal(b) && self.shape(a) == self.shape(b);
        is_plain.then(|| Sketched::new(self, at, Kind::Sum(Activation::None), [], [a, b]))
    }

    /// `a · b`, where `b` may have one number for each image and channel.
    fn multiply(&self, at: usize, a: TensorId, b: TensorId) -> Option<Sketched> {
        let (x, y) = (self.shape(a), self.shape(b));
        let is_gate = || match (x, y) {
            ([n, c, _, _], [images, channels, 1, 1]) => (n, c) == (images, channels),
            _ => false,
        };
        let is_ours = self.is_signal(a) && self.is_signal(b) && (x == y || is_gate());
        is_ours.then(|| Sketched::new(self, at, Kind::Multiply, [], [a, b]))
    }
}
