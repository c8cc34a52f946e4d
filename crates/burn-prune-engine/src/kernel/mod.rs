//! The loops that everything is for, and the only unsafe code of this crate.
//!
//! Every kernel works on one thread on a part of the output; the caller divides the work.

mod activate;
mod affine;
mod arena;
mod copy;
mod dense;
mod depthwise;
mod elementwise;
mod finish;
mod flatten;
#[cfg(all(test, unix))]
pub(crate) mod guarded;
mod lanes;
mod large_pages;
mod output;
mod phases;
mod pool;
mod product;
mod scratch;
mod simd;
mod source;
mod team;
#[cfg(all(test, unix))]
mod tests;
mod transpose;
mod upsample;
mod value;
mod vector;

pub(crate) use affine::{affine, multiply_channels};
pub(crate) use arena::{Arena, Read, Region, Write};
pub(crate) use copy::copy_planes;
pub(crate) use dense::{PANEL, Panelled, dense_product};
pub(crate) use depthwise::depthwise;
pub(crate) use elementwise::{activate, multiply, sum};
pub(crate) use flatten::{flatten, unflatten};
pub(crate) use large_pages::in_large_pages;
pub(crate) use output::Output;
pub(crate) use phases::{Split, phases};
pub(crate) use pool::{global_average, pool};
pub(crate) use product::{Cut, Nonzeros, plain_vector, product_of_fours, sparse_product};
pub(crate) use scratch::Scratch;
pub(crate) use simd::Simd;
pub(crate) use source::Source;
pub(crate) use team::{Crew, Team};
pub(crate) use transpose::transpose;
pub(crate) use upsample::upsample;
pub(crate) use value::Value;
pub(crate) use vector::{
    BitRows, DeltaRows, InputLists, InputRows, blocked_sums, blocked4_sums, panel_sums,
    store_vector,
};

use std::ops::Range;

use crate::activation::Activation;
use crate::layout::Planes;

/// Values that kernels may read beyond the last position of an input. Every buffer has as many behind its end.
pub(crate) const SLACK: usize = 256;

/// What a product reads.
///
/// Output position `p` of a row is `Σ w[column] · values[offsets[column] + p]`, where `p = y * row + x`.
/// With the right offsets that is a Linear over many positions, and a convolution of any kernel,
/// stride (over phase planes) and dilation.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub values: &'a [f32],
    /// One for each column.
    pub offsets: &'a [u32],
    /// From one line of positions to the next one.
    pub row: usize,
}

/// What happens to a sum before it is stored: `activation(sum + bias)` with the residual added
/// inside or outside.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// One for each row.
    pub bias: &'a [f32],
    pub activation: Activation,
    pub residual: Option<Residual<'a>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Residual<'a> {
    /// From the plane of row 0 on.
    pub values: &'a [f32],
    pub planes: Planes,
    pub place: ResidualPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResidualPlace {
    /// `activation(sum + bias + residual)`.
    Inside,
    /// `activation(sum + bias) + residual`.
    Outside,
}

/// The part of a product that one call computes: these rows on these lines.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub rows: Range<usize>,
    pub lines: Range<usize>,
}
