use std::fmt::Debug;
use std::ops::Range;

use half::{bf16, f16};

use super::bitmask::Bitmask;
use super::blocked::Blocked;
use super::blocks4::Blocks4;
use super::deltas::Deltas;
use super::expanded::Expanded;
use super::input_major::InputMajor;
use super::input_rows::DenseByInput;
use super::panels::Panels;
use super::{Precision, WeightMatrix};
use crate::kernel::{
    Epilogue, Input, Output, Part, Scratch, Simd, Value, dense_product, plain_vector,
};

/// The ways to keep a weight.
///
/// Those for one position serve a `Linear` with a batch of 1. Other batch sizes of the same engine
/// pack such a weight once more, when they are first run: as [`Dense`](Self::Dense) what is
/// [`InputRows`](Self::InputRows), as [`Blocked`](Self::Blocked) the others.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_engine::{FormatKind, SparseEngine};
///
/// let device = Device::flex();
/// let model = LinearConfig::new(8, 4).init(&device);
/// let engine = SparseEngine::builder()
///     .format("weight", FormatKind::Bitmask)
///     .compile(&model, Tensor::<2>::ones([1, 8], &device), |model, x| model.forward(x))?;
/// let plan = engine.plan();
/// let weight = plan.steps.iter().find_map(|step| step.weight).unwrap();
/// assert_eq!(weight.format, Some(FormatKind::Bitmask));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FormatKind {
    /// All values, in panels.
    Dense,
    /// Blocks of columns with an index and a value for each nonzero.
    Blocked,
    /// The same for blocks of four rows.
    Blocks4,
    /// A bit for each weight, and the values of nonzeros. For one position.
    Bitmask,
    /// Groups of eight nonzeros with indices of one byte. For one position.
    Deltas,
    /// All values, input by input. For one position.
    InputRows,
    /// The nonzeros of each input. For one position.
    InputMajor,
}

/// A packed weight. What a method does not do faster, it does in the plain way.
pub(crate) trait Format: Debug + Send + Sync {
    fn kind(&self) -> FormatKind;

    /// Of memory.
    fn bytes(&self) -> usize;

    /// Values that are kept and multiplied.
    fn nonzeros(&self) -> usize;

    fn rows(&self) -> usize;

    /// The offsets of a product, in the order in which the format keeps its columns.
    fn offsets(&self, natural: &[u32]) -> Vec<u32> {
        natural.to_vec()
    }

    /// Rows in at most so many parts of about equal work, at boundaries that the kernels like.
    fn divide(&self, parts: usize) -> Vec<Range<usize>>;

    /// Inputs.
    fn columns(&self) -> usize;

    /// Visits the kept values of a row, with their columns in the order of the format.
    fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32));

    /// The same for those of some columns.
    fn each_of(&self, row: usize, columns: Range<usize>, visit: &mut dyn FnMut(usize, f32)) {
        self.each(row, &mut |column, value| {
            if columns.contains(&column) {
                visit(column, value);
            }
        });
    }

    /// The product by many positions.
    fn product(
        &self,
        simd: Simd,
        part: &Part,
        input: &Input<'_>,
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        self.product_expanded(simd, part, input, epilogue, output, scratch);
    }

    /// The same, by tiles that are expanded into cache and multiplied densely: for many positions.
    fn product_expanded(
        &self,
        simd: Simd,
        part: &Part,
        input: &Input<'_>,
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        let expanded = Expanded(self);
        dense_product(simd, &expanded, part, input, epilogue, output, scratch);
    }

    /// The product by one position.
    fn vector(
        &self,
        simd: Simd,
        rows: Range<usize>,
        x: &[f32],
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        let _ = (simd, scratch);
        let weight = |row: usize, visit: &mut dyn FnMut(usize, f32)| self.each(row, visit);
        plain_vector(&weight, rows, x, epilogue, output);
    }
}

/// A weight in one of the formats, with values of one precision.
#[derive(Debug)]
pub(crate) struct Packed(Box<dyn Format>);

impl Packed {
    /// Packs a weight; `kernel` is that of a convolution, and `[1, 1]` of a Linear. `None` where the
    /// format cannot hold it.
    pub(crate) fn pack(
        kind: FormatKind,
        matrix: WeightMatrix<'_>,
        kernel: [usize; 2],
        precision: Precision,
    ) -> Option<Self> {
        match precision {
            Precision::F32 => pack::<f32>(kind, matrix, kernel),
            Precision::Bf16 => pack::<bf16>(kind, matrix, kernel),
            Precision::F16 => pack::<f16>(kind, matrix, kernel),
        }
        .map(Self)
    }

    pub(crate) fn kind(&self) -> FormatKind {
        self.0.kind()
    }

    /// Of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Values that are kept and multiplied.
    pub(crate) fn nonzeros(&self) -> usize {
        self.0.nonzeros()
    }

    /// What [`Input::offsets`] has to be for this weight, from the offsets of the columns of the matrix.
    pub(crate) fn offsets(&self, natural: &[u32]) -> Vec<u32> {
        self.0.offsets(natural)
    }

    /// Visits the kept values of a row, with their columns in the order of [`offsets`](Self::offsets).
    pub(crate) fn each(&self, row: usize, visit: &mut dyn FnMut(usize, f32)) {
        self.0.each(row, visit);
    }

    pub(crate) fn rows(&self) -> usize {
        self.0.rows()
    }

    /// All rows, in at most so many parts of about equal work.
    pub(crate) fn divide(&self, parts: usize) -> Vec<Range<usize>> {
        self.0.divide(parts)
    }

    /// The product by many positions: writes the lines of the part, with their margins.
    pub(crate) fn product(
        &self,
        simd: Simd,
        part: &Part,
        input: &Input<'_>,
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        self.0.product(simd, part, input, epilogue, output, scratch);
    }

    /// The same, by tiles that are expanded into cache and multiplied densely: for many positions.
    pub(crate) fn product_expanded(
        &self,
        simd: Simd,
        part: &Part,
        input: &Input<'_>,
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        self.0
            .product_expanded(simd, part, input, epilogue, output, scratch);
    }

    /// The product by one position: value `r` of the output is row `r`.
    pub(crate) fn vector(
        &self,
        simd: Simd,
        rows: Range<usize>,
        x: &[f32],
        epilogue: &Epilogue<'_>,
        output: &Output<'_>,
        scratch: &mut Scratch,
    ) {
        self.0.vector(simd, rows, x, epilogue, output, scratch);
    }
}

fn pack<V: Value>(
    kind: FormatKind,
    matrix: WeightMatrix<'_>,
    kernel: [usize; 2],
) -> Option<Box<dyn Format>> {
    match kind {
        FormatKind::Dense => Some(Box::new(Panels::<V>::pack(matrix))),
        FormatKind::Blocked => Blocked::<V>::pack(matrix, kernel).map(boxed),
        FormatKind::Blocks4 => Blocks4::<V>::pack(matrix, kernel).map(boxed),
        FormatKind::Bitmask => Bitmask::<V>::pack(matrix).map(boxed),
        FormatKind::Deltas => Deltas::<V>::pack(matrix).map(boxed),
        FormatKind::InputRows => Some(boxed(DenseByInput::<V>::pack(matrix))),
        FormatKind::InputMajor => InputMajor::<V>::pack(matrix).map(boxed),
    }
}

fn boxed(format: impl Format + 'static) -> Box<dyn Format> {
    Box::new(format)
}
