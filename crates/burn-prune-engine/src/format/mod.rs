//! Weights packed without their zeros, and dense ones as the kernels read them.

mod bitmask;
mod blocked;
mod blocks4;
mod columns;
mod deltas;
mod divide;
mod expanded;
mod input_major;
mod input_rows;
mod packed;
mod panels;
#[cfg(all(test, unix))]
mod tests;
#[cfg(all(test, unix))]
mod vector_tests;

pub use packed::FormatKind;
pub(crate) use packed::Packed;

/// How values are kept. Products are accumulated in `f32` in any case.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_engine::{Precision, SparseEngine};
///
/// let device = Device::flex();
/// let model = LinearConfig::new(8, 4).init(&device);
/// let x = Tensor::<2>::ones([1, 8], &device);
/// let engine = SparseEngine::builder()
///     .precision(Precision::F16)
///     .compile(&model, x.clone(), |model, x| model.forward(x))?;
/// let difference = engine.run(x.clone())? - model.forward(x);
/// assert!(difference.abs().max().into_scalar::<f32>() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// As they are: the outputs are those of the dense model.
    #[default]
    F32,
    /// Rounded to bfloat16: half of the bytes, a relative error of 2⁻⁹ a weight.
    Bf16,
    /// Rounded to IEEE half precision: half of the bytes, a relative error of 2⁻¹² a weight.
    F16,
}

/// A weight as a matrix of `rows` outputs of `columns` inputs each, row after row.
///
/// A convolution has a row for each output channel and a column for each input channel and tap, in
/// the order of its weight. A `Linear` has a row for each output (Burn stores the transpose).
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightMatrix<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
}

impl WeightMatrix<'_> {
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..][..self.columns]
    }
}
