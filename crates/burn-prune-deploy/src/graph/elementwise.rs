use super::named::named;
use super::{Number, Role};

named! {
    /// An elementwise operation. Scalars are in [`OperationKind::Elementwise`].
    ///
    /// [`OperationKind::Elementwise`]: super::OperationKind::Elementwise
    Elementwise {
        /// `a + b`.
        Add => "add",
        /// `a - b`.
        Sub => "sub",
        /// `a * b`.
        Mul => "mul",
        /// `a / b`.
        Div => "div",
        /// The remainder of `a / b`.
        Rem => "rem",
        /// `a + s`.
        AddScalar => "add scalar",
        /// `a - s`.
        SubScalar => "sub scalar",
        /// `a * s`.
        MulScalar => "mul scalar",
        /// `a / s`.
        DivScalar => "div scalar",
        /// The remainder of `a / s`.
        RemScalar => "rem scalar",
        /// `a > b`.
        Greater => "greater",
        /// `a >= b`.
        GreaterEqual => "greater equal",
        /// `a < b`.
        Lower => "lower",
        /// `a <= b`.
        LowerEqual => "lower equal",
        /// `a == b`.
        Equal => "equal",
        /// `a != b`.
        NotEqual => "not equal",
        /// `a > s`.
        GreaterElem => "greater elem",
        /// `a >= s`.
        GreaterEqualElem => "greater equal elem",
        /// `a < s`.
        LowerElem => "lower elem",
        /// `a <= s`.
        LowerEqualElem => "lower equal elem",
        /// `a == s`.
        EqualElem => "equal elem",
        /// `a != s`.
        NotEqualElem => "not equal elem",
        /// `a` to the power of integers `b`.
        Powi => "powi",
        /// `a` to the power of `b`.
        Powf => "powf",
        /// `a` to the power of an integer `s`.
        PowiScalar => "powi scalar",
        /// `a` to the power of `s`.
        PowfScalar => "powf scalar",
        /// `max(min(a, high), low)`. Scalars: low, high.
        Clamp => "clamp",
        /// `max(a, s)`.
        ClampMin => "clamp min",
        /// `min(a, s)`.
        ClampMax => "clamp max",
        /// `|a|`.
        Abs => "abs",
        /// `-a`.
        Neg => "neg",
        /// -1, 0 or 1.
        Sign => "sign",
        /// `exp(a)`.
        Exp => "exp",
        /// The natural logarithm of `a`.
        Log => "log",
        /// The natural logarithm of `1 + a`.
        Log1p => "log1p",
        /// The error function of `a`.
        Erf => "erf",
        /// The square root of `a`.
        Sqrt => "sqrt",
        /// `1 / a`.
        Recip => "recip",
        /// `cos(a)`.
        Cos => "cos",
        /// `cosh(a)`.
        Cosh => "cosh",
        /// `sin(a)`.
        Sin => "sin",
        /// `sinh(a)`.
        Sinh => "sinh",
        /// `tan(a)`.
        Tan => "tan",
        /// `tanh(a)`.
        Tanh => "tanh",
        /// The inverse of `cos`.
        ArcCos => "arc cos",
        /// The inverse of `cosh`.
        ArcCosh => "arc cosh",
        /// The inverse of `sin`.
        ArcSin => "arc sin",
        /// The inverse of `sinh`.
        ArcSinh => "arc sinh",
        /// The inverse of `tan`.
        ArcTan => "arc tan",
        /// The inverse of `tanh`.
        ArcTanh => "arc tanh",
        /// The angle of the point with height `a` and width `b`.
        ArcTan2 => "arc tan2",
        /// `sqrt(a^2 + b^2)`.
        Hypot => "hypot",
        /// To the nearest integer.
        Round => "round",
        /// To the next lower integer.
        Floor => "floor",
        /// To the next higher integer.
        Ceil => "ceil",
        /// To the next integer towards 0.
        Trunc => "trunc",
        /// Whether it is not a number.
        IsNan => "is nan",
        /// Whether it is infinite.
        IsInf => "is inf",
        /// To integers.
        IntoInt => "into int",
        /// To floats.
        IntoFloat => "into float",
        /// To another precision.
        Cast => "cast",
        /// `b` where the mask holds, `a` elsewhere. Inputs: `a`, mask, `b`.
        MaskWhere => "mask where",
        /// A scalar where the mask holds, `a` elsewhere. Inputs: `a`, mask.
        MaskFill => "mask fill",
        /// `!a`.
        Not => "not",
        /// `a && b`.
        And => "and",
        /// `a || b`.
        Or => "or",
        /// Whether exactly one of `a` and `b` holds.
        Xor => "xor",
        /// `max(a, 0)`.
        Relu => "relu",
        /// `a` times the probability that a normal variable is below it.
        Gelu => "gelu",
        /// `1 / (1 + exp(-a))`.
        Sigmoid => "sigmoid",
        /// The logarithm of the sigmoid.
        LogSigmoid => "log sigmoid",
        /// `a` above 0, `s * a` below.
        LeakyRelu => "leaky relu",
        /// `a` above 0, `b * a` below.
        PRelu => "p relu",
        /// `s * a + t` between 0 and 1. Scalars: `s`, `t`.
        HardSigmoid => "hard sigmoid",
    }
}

impl Elementwise {
    /// What input number `place` is to it.
    pub(super) fn role(self, scalars: &[Number], place: usize) -> Role {
        if self.diverges_at_zero(scalars, place) {
            return Role::Divisor;
        }
        match self {
            Self::Mul if place > 0 => Role::Scale,
            Self::Add if place > 0 => Role::Bias,
            _ => Role::Signal,
        }
    }

    /// Whether it is infinite or not a number where input number `place` is 0, whatever the others
    /// are: a parameter that it reads there must not be masked.
    fn diverges_at_zero(self, scalars: &[Number], place: usize) -> bool {
        let scalar = |at: usize| scalars.get(at).map_or(f64::NAN, |scalar| scalar.0);
        match self {
            Self::Div | Self::Rem => place == 1,
            Self::Recip | Self::Log | Self::ArcCosh => true,
            Self::PowiScalar | Self::PowfScalar => scalar(0) < 0.0,
            // 0 / 0.
            Self::DivScalar | Self::RemScalar => scalar(0) == 0.0,
            Self::Add
            | Self::Sub
            | Self::Mul
            | Self::AddScalar
            | Self::SubScalar
            | Self::MulScalar
            | Self::Greater
            | Self::GreaterEqual
            | Self::Lower
            | Self::LowerEqual
            | Self::Equal
            | Self::NotEqual
            | Self::GreaterElem
            | Self::GreaterEqualElem
            | Self::LowerElem
            | Self::LowerEqualElem
            | Self::EqualElem
            | Self::NotEqualElem
            | Self::Powi
            | Self::Powf
            | Self::Clamp
            | Self::ClampMin
            | Self::ClampMax
            | Self::Abs
            | Self::Neg
            | Self::Sign
            | Self::Exp
            | Self::Log1p
            | Self::Erf
            | Self::Sqrt
            | Self::Cos
            | Self::Cosh
            | Self::Sin
            | Self::Sinh
            | Self::Tan
            | Self::Tanh
            | Self::ArcCos
            | Self::ArcSin
            | Self::ArcSinh
            | Self::ArcTan
            | Self::ArcTanh
            | Self::ArcTan2
            | Self::Hypot
            | Self::Round
            | Self::Floor
            | Self::Ceil
            | Self::Trunc
            | Self::IsNan
            | Self::IsInf
            | Self::IntoInt
            | Self::IntoFloat
            | Self::Cast
            | Self::MaskWhere
            | Self::MaskFill
            | Self::Not
            | Self::And
            | Self::Or
            | Self::Xor
            | Self::Relu
            | Self::Gelu
            | Self::Sigmoid
            | Self::LogSigmoid
            | Self::LeakyRelu
            | Self::PRelu
            | Self::HardSigmoid => false,
        }
    }
}
