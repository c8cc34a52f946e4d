//! Putting the zeros into a tensor: one function, [`apply`], for every backend.
//!
//! On flex and on the CubeCL backends it is a kernel that reads the packed bits and writes in
//! place, when nothing else holds the tensor. Everywhere else, and where our feature of a backend
//! is off, it is composed of Burn's tensor operations. The tensor tells at run time which it is:
//! calling a backend extension on a backend that it does not know panics.

#[cfg(feature = "autodiff")]
mod autodiff;
#[cfg(feature = "flex")]
mod bits;
#[cfg(feature = "cubecl")]
mod cubecl;
#[cfg(feature = "flex")]
mod flex;
mod vectors;

#[cfg(all(
    feature = "cubecl",
    not(any(
        feature = "cpu",
        feature = "cuda",
        feature = "metal",
        feature = "rocm",
        feature = "vulkan",
        feature = "webgpu",
        feature = "wgpu"
    ))
))]
compile_error!("the feature `cubecl` is turned on by those of the runtimes: `wgpu`, `cuda`, ..");

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Backend, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, TensorMetadata,
    backend_extension,
};
use burn::tensor::{Bool, DType, Int, Tensor};

pub(crate) use vectors::vectorized;

/// Weights in a word of packed bits.
pub(crate) const WORD_BITS: usize = u32::BITS as usize;

/// The kernel, by backend.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cubecl"),
    Autodiff: cfg(feature = "autodiff"),
    Fusion: cfg(feature = "cubecl"),
)]
pub(crate) trait MaskOps: Backend {
    /// The weight, with +0.0 where the bit of its flat index is 0.
    ///
    /// `kept` holds 32 weights per `i32`, in one dimension.
    #[fusion(dtype = weight, shape = weight)]
    fn apply_mask(weight: FloatTensor<Self>, kept: IntTensor<Self>) -> FloatTensor<Self>;
}

/// The tensor, with +0.0 where the bit of its flat index is 0; in place when it is not shared.
///
/// `pruned` gives the same mask as one `bool` per weight, for backends without a kernel. The
/// gradient of a pruned weight is 0.
pub(crate) fn apply<const D: usize>(
    weight: Tensor<D>,
    kept: Tensor<1, Int>,
    pruned: impl FnOnce() -> Tensor<1, Bool>,
) -> Tensor<D> {
    let shape = weight.shape();
    let weight = weight.into_dispatch();
    let kept = kept.without_autodiff().into_dispatch();
    if has_kernel(&weight, &kept) {
        return Tensor::from_dispatch(Dispatch::apply_mask(weight, kept));
    }
    Tensor::from_dispatch(weight).mask_fill(pruned().reshape(shape), 0.0)
}

fn has_kernel(weight: &DispatchTensor, kept: &DispatchTensor) -> bool {
    let tracked = matches!(weight.autodiff, DispatchAutodiffContext::Enabled(_));
    let floats = [DType::F64, DType::F32, DType::F16, DType::BF16];
    (!tracked || cfg!(feature = "autodiff"))
        && kept.dtype() == DType::I32
        && floats.contains(&weight.dtype())
        && backend_has_kernel(&weight.kind)
}

fn backend_has_kernel(kind: &DispatchTensorKind) -> bool {
    match kind {
        #[cfg(feature = "flex")]
        DispatchTensorKind::Flex(_) => true,
        #[cfg(feature = "cubecl")]
        DispatchTensorKind::Cube(_) => true,
        #[cfg(feature = "autodiff")]
        DispatchTensorKind::Autodiff(inner) => backend_has_kernel(inner),
        #[allow(
            unreachable_patterns,
            reason = "Burn's features decide which kinds there are"
        )]
        _ => false,
    }
}
