//! The kernel on the CubeCL backends: wgpu, CUDA, ROCm, Metal, Vulkan, CPU.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::{CubeBackend, cubecl, kernel::into_contiguous};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::MaskOps;

#[cube(launch_unchecked)]
fn clear<F: Float>(
    weight: &mut cubecl::prelude::Tensor<F>,
    kept: &cubecl::prelude::Tensor<i32>,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= weight.len() {
        terminate!();
    }
    let word = u32::reinterpret(kept[ABSOLUTE_POS / 32]);
    let bit = (word >> (ABSOLUTE_POS % 32) as u32) & 1u32;
    if bit == 0u32 {
        weight[ABSOLUTE_POS] = F::new(0.0_f32);
    }
}

impl MaskOps for CubeBackend {
    fn apply_mask(weight: FloatTensor<Self>, kept: IntTensor<Self>) -> FloatTensor<Self> {
        let weight = into_contiguous(weight);
        let weight = if weight.can_mut() {
            weight
        } else {
            into_contiguous(weight.copy())
        };
        let kept = into_contiguous(kept);
        let len = weight.meta.num_elements();
        if len == 0 {
            return weight;
        }
        let client = weight.client.clone();
        let dim = CubeDim::new(&client, len);
        let count = calculate_cube_count_elemwise(&client, len, dim);
        // SAFETY: the kernel returns beyond the end of the weight, and the mask of a weight has a
        // bit for each of its entries.
        #[expect(unsafe_code, reason = "launching without bounds checks")]
        unsafe {
            clear::launch_unchecked(
                &client,
                count,
                dim,
                weight.clone().into_tensor_arg(),
                kept.into_tensor_arg(),
                dtype_to_storage_type(weight.dtype),
            );
        }
        weight
    }
}
