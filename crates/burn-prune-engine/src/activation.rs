/// What a kernel applies to its result before it stores it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, low), high)`, as ReLU6.
    Clamp {
        /// The least result.
        low: f32,
        /// The greatest result.
        high: f32,
    },
    /// `x` or, where it is negative, `slope · x`.
    LeakyRelu {
        /// The factor of negative values.
        slope: f32,
    },
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `x · clamp(x / 6 + 0.5, 0, 1)`.
    HardSwish,
    /// `clamp(alpha · x + beta, 0, 1)`.
    HardSigmoid {
        /// The factor.
        alpha: f32,
        /// The summand.
        beta: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `x / 2 · (1 + erf(x / √2))`.
    Gelu,
}
