//! Steps on single elements.

use burn::tensor::activation::{
    elu, gelu, hard_sigmoid, leaky_relu, log_sigmoid, mish, prelu, relu, sigmoid, silu, softplus,
};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, DType, Distribution, Int, Tensor};

use super::net::{Needs, Piece, Step};

pub(super) const GUARDS: usize = 12;

/// Brings a signal into the range of some operations, sometimes only where nothing is masked.
pub(super) fn guard(which: usize, x: Tensor<4>, number: f64) -> Tensor<4> {
    match which {
        1 => x.abs(),
        2 => x.abs() + number,
        3 => x.tanh() * 0.95,
        4 => x * 0.3 + 3.0,
        5 => -x,
        6 => x - number,
        7 => x.abs() * number + 1.0,
        8 => x.clamp(-0.9, 0.9),
        9 => x.clone() * x,
        _ => x,
    }
}

pub(super) const PARTNERS: usize = 8;

impl Piece {
    /// The other side of an operation on two tensors.
    fn partner(&self, x: &Tensor<4>) -> Tensor<4> {
        match self.partner {
            0 => x.clone(),
            1 => self.vector() + 0.1,
            2 => self.gate(x.clone()),
            3 => x.clone().mean_dim(1),
            4 => x.clone().mean_dim(2),
            5 => x.full_like(self.number),
            6 => x.clone().flip([2]),
            _ => sigmoid(self.gate(x.clone())),
        }
    }

    pub(super) fn gate(&self, x: Tensor<4>) -> Tensor<4> {
        let kernel = self.kernel2.as_ref().expect("it is there").val();
        let bias = self.vector.as_ref().expect("it is there").val();
        conv2d(
            x,
            kernel,
            Some(bias),
            ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
        )
    }

    fn mask(&self, x: &Tensor<4>) -> Tensor<4, Bool> {
        x.clone().lower_elem(self.number - 0.9)
    }
}

macro_rules! steps {
    ($($name:literal [$needs:expr]: |$piece:ident, $x:ident| $body:expr,)+) => {
        &[$(Step {
            name: $name,
            needs: $needs,
            apply: |$piece: &Piece, $x: Tensor<4>| {
                let _ = $piece;
                $body
            },
        }),+]
    };
}
pub(super) use steps;

use Needs::{Gate, Nothing, Vector};

pub(super) const STEPS: &[Step] = steps! {
    "exp" [Nothing]: |p, x| x.exp(),
    "exp far away" [Nothing]: |p, x| (x * -40.0).exp(),
    "log" [Nothing]: |p, x| x.log(),
    "log1p" [Nothing]: |p, x| x.log1p(),
    "erf" [Nothing]: |p, x| x.erf(),
    "sqrt" [Nothing]: |p, x| x.sqrt(),
    "recip" [Nothing]: |p, x| x.recip(),
    "cos" [Nothing]: |p, x| x.cos(),
    "cosh" [Nothing]: |p, x| x.cosh(),
    "sin" [Nothing]: |p, x| x.sin(),
    "sinh" [Nothing]: |p, x| x.sinh(),
    "tan" [Nothing]: |p, x| x.tan(),
    "tanh" [Nothing]: |p, x| x.tanh(),
    "acos" [Nothing]: |p, x| x.acos(),
    "acosh" [Nothing]: |p, x| x.acosh(),
    "acosh above 1" [Nothing]: |p, x| (x.abs() + 1.0).acosh(),
    "atanh below 1" [Nothing]: |p, x| (x.tanh() * 0.9).atanh(),
    "asin" [Nothing]: |p, x| x.asin(),
    "asinh" [Nothing]: |p, x| x.asinh(),
    "atan" [Nothing]: |p, x| x.atan(),
    "atanh" [Nothing]: |p, x| x.atanh(),
    "round" [Nothing]: |p, x| x.clone().round() * 0.3 + x,
    "floor" [Nothing]: |p, x| x.clone().floor() * 0.3 + x,
    "ceil" [Nothing]: |p, x| x.clone().ceil() * 0.3 + x,
    "trunc" [Nothing]: |p, x| x.clone().trunc() * 0.3 + x,
    "abs" [Nothing]: |p, x| x.abs(),
    "neg" [Nothing]: |p, x| x.neg(),
    "sign" [Nothing]: |p, x| x.clone().sign() * 0.3 + x,
    "relu" [Nothing]: |p, x| relu(x),
    "gelu" [Nothing]: |p, x| gelu(x),
    "sigmoid" [Nothing]: |p, x| sigmoid(x),
    "log sigmoid" [Nothing]: |p, x| log_sigmoid(x),
    "leaky relu" [Nothing]: |p, x| leaky_relu(x, -p.number),
    "hard sigmoid" [Nothing]: |p, x| hard_sigmoid(x, p.number, 0.4),
    "prelu" [Vector]: |p, x| prelu(x, p.vector.as_ref().unwrap().val()),
    "silu" [Nothing]: |p, x| silu(x),
    "softplus" [Nothing]: |p, x| softplus(x, p.number),
    "mish" [Nothing]: |p, x| mish(x),
    "elu" [Nothing]: |p, x| elu(x, p.number),
    "add scalar" [Nothing]: |p, x| x.add_scalar(p.number),
    "sub scalar" [Nothing]: |p, x| x.sub_scalar(p.number),
    "mul scalar" [Nothing]: |p, x| x.mul_scalar(-p.number),
    "div scalar" [Nothing]: |p, x| x.div_scalar(p.number),
    "rem scalar" [Nothing]: |p, x| x.remainder_scalar(p.number + 3.0),
    "power 3" [Nothing]: |p, x| x.powi_scalar(3),
    "power -3" [Nothing]: |p, x| x.powi_scalar(-3),
    "fractional power" [Nothing]: |p, x| x.powf_scalar(p.number),
    "negative fractional power" [Nothing]: |p, x| x.powf_scalar(-p.number),
    "clamp" [Nothing]: |p, x| x.clamp(-p.number, 0.7),
    "clamp min" [Nothing]: |p, x| x.clamp_min(p.number - 1.0),
    "clamp max" [Nothing]: |p, x| x.clamp_max(p.number - 1.0),
    "cast" [Nothing]: |p, x| {
        let dtype = x.dtype();
        let other = if dtype == DType::F64 { DType::F32 } else { DType::F64 };
        x.cast(other).cast(dtype)
    },
    "into int" [Nothing]: |p, x| (x.clone() * 3.0).int().float().cast(x.dtype()) * 0.2 + x,
    "add" [Gate]: |p, x| p.partner(&x) + x,
    "sub" [Gate]: |p, x| x.clone() - p.partner(&x),
    "mul" [Gate]: |p, x| p.partner(&x) * x,
    "div" [Gate]: |p, x| x.clone() / p.partner(&x),
    "divided by" [Gate]: |p, x| p.partner(&x) / x,
    "rem" [Gate]: |p, x| x.clone().remainder(p.partner(&x) + 4.0),
    "powf" [Gate]: |p, x| x.clone().powf(p.partner(&x)),
    "powi" [Gate]: |p, x| {
        let exponents = p.partner(&x).int().clamp(0, 3);
        let powers = (x.clone() * 3.0).int().powi(exponents).float();
        powers.cast(x.dtype()) * 0.02 + x
    },
    "atan2" [Gate]: |p, x| x.clone().atan2(p.partner(&x)),
    "hypot" [Gate]: |p, x| x.clone().hypot(p.partner(&x)),
    "greater" [Gate]: |p, x| {
        let mask = x.clone().greater(p.partner(&x) + 0.01);
        x.mask_fill(mask, p.number)
    },
    "greater equal" [Gate]: |p, x| {
        let mask = x.clone().greater_equal(p.partner(&x) + 0.01);
        x.mask_fill(mask, p.number)
    },
    "lower" [Gate]: |p, x| {
        let mask = x.clone().lower(p.partner(&x) + 0.01);
        x.mask_fill(mask, p.number)
    },
    "lower equal" [Gate]: |p, x| {
        let mask = x.clone().lower_equal(p.partner(&x) + 0.01);
        x.mask_fill(mask, p.number)
    },
    "equal" [Gate]: |p, x| {
        let mask = x.clone().equal(p.partner(&x) + 0.01);
        x.mask_fill(mask, p.number)
    },
    "not equal" [Gate]: |p, x| {
        let mask = x.clone().not_equal(p.partner(&x) + 0.01);
        let other = x.clone() * p.number;
        x.mask_where(mask, other)
    },
    "greater elem" [Nothing]: |p, x| x.clone().greater_elem(p.number).float().cast(x.dtype()) + x,
    "greater equal elem" [Nothing]: |p, x| {
        x.clone().greater_equal_elem(p.number).float().cast(x.dtype()) + x
    },
    "lower elem" [Nothing]: |p, x| x.clone().lower_elem(p.number).float().cast(x.dtype()) + x,
    "lower equal elem" [Nothing]: |p, x| {
        x.clone().lower_equal_elem(p.number).float().cast(x.dtype()) + x
    },
    "infinite where 0" [Nothing]: |p, x| {
        let is_zero = x.clone().equal_elem(0.0);
        x.recip().mask_fill(is_zero, 0.0).clamp(-9.0, 9.0)
    },
    "not 0" [Nothing]: |p, x| {
        let mask = x.clone().not_equal_elem(0.0);
        x.clone().mask_where(mask, x.exp())
    },
    "is nan" [Nothing]: |p, x| {
        let broken = x.clone().log().is_nan();
        x.mask_fill(broken, 0.5)
    },
    "is inf" [Nothing]: |p, x| {
        let broken = x.clone().recip().is_inf();
        x.mask_fill(broken, 0.5)
    },
    "not" [Nothing]: |p, x| {
        let mask = p.mask(&x).bool_not();
        x.mask_fill(mask, p.number)
    },
    "and" [Gate]: |p, x| {
        let mask = p.mask(&x).bool_and(p.partner(&x).greater_elem(-0.5).expand(x.shape()));
        x.mask_fill(mask, p.number)
    },
    "or" [Gate]: |p, x| {
        let mask = p.mask(&x).bool_or(p.partner(&x).greater_elem(0.5).expand(x.shape()));
        x.mask_fill(mask, p.number)
    },
    "xor" [Gate]: |p, x| {
        let mask = p.mask(&x).bool_xor(p.partner(&x).greater_elem(0.1).expand(x.shape()));
        x.mask_fill(mask, p.number)
    },
    "zeros" [Nothing]: |p, x| x.zeros_like() - x,
    "ones" [Nothing]: |p, x| x.ones_like() - x,
    "full" [Nothing]: |p, x| x.full_like(p.number) + x,
    "empty" [Nothing]: |p, x| {
        let nowhere = x.clone().is_nan();
        x.clone().mask_where(nowhere, x.empty_like())
    },
    "random" [Nothing]: |p, x| {
        let random = x.random_like(Distribution::Uniform(1.0, 2.0));
        random.greater_elem(0.5).float().cast(x.dtype()) * x
    },
    "int random" [Nothing]: |p, x| {
        let random =
            Tensor::<4, Int>::random(x.shape(), Distribution::Uniform(1.0, 9.0), &x.device());
        random.greater_elem(0).float().cast(x.dtype()) * x
    },
};
