//! The kernel on flex: in place, whatever the strides.

use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{Bytes, DType, Element, bf16, f16};
use burn_flex::{FlexTensor, Layout};
use bytemuck::Pod;

use super::MaskOps;
use super::bits::{Bits, clear, clear_strided, clear_transposed, copy_kept};

impl MaskOps for Flex {
    fn apply_mask(weight: FloatTensor<Self>, kept: IntTensor<Self>) -> FloatTensor<Self> {
        let kept = match kept.as_slice::<i32>() {
            Some(_) => kept,
            None => kept.to_contiguous(),
        };
        let words: &[i32] = kept.as_slice().expect("it is contiguous");
        match weight.dtype() {
            DType::F64 => apply::<f64, u64>(weight, words),
            DType::F16 => apply::<f16, u16>(weight, words),
            DType::BF16 => apply::<bf16, u16>(weight, words),
            _ => apply::<f32, u32>(weight, words),
        }
    }
}

/// Makes a new tensor when the storage is shared, and when two indices mean the same place.
fn apply<E: Element + Pod, U: Bits + Pod>(weight: FlexTensor, words: &[i32]) -> FlexTensor {
    let mut weight = if has_own_places(weight.layout()) {
        weight
    } else {
        weight.to_contiguous()
    };
    let layout = weight.layout().clone();
    if let (false, Some((start, end))) = (weight.is_unique(), layout.contiguous_offsets()) {
        let weights: &[U] = &bytemuck::cast_slice(weight.storage::<E>())[start..end];
        let kept: Vec<E> = bytemuck::cast_vec(copy_kept(weights, words));
        let layout = Layout::contiguous(layout.shape().clone());
        return FlexTensor::new(Bytes::from_elems(kept), layout, weight.dtype());
    }
    let storage: &mut [U] = bytemuck::cast_slice_mut(weight.storage_mut::<E>());
    if let Some((start, end)) = layout.contiguous_offsets() {
        clear(&mut storage[start..end], words);
        return weight;
    }
    let start = layout.start_offset();
    match (layout.shape().to_vec().as_slice(), layout.strides()) {
        (&[rows, columns], &[1, stride]) if stride >= rows.cast_signed() => {
            let stride = stride.cast_unsigned();
            clear_transposed(&mut storage[start..], words, [rows, columns], stride);
        }
        (shape, strides) => clear_strided(storage, words, start, shape, strides),
    }
    weight
}

/// Whether every index of a layout has a place of its own, which an expanded tensor has not.
fn has_own_places(layout: &Layout) -> bool {
    let mut dims: Vec<_> = layout
        .shape()
        .to_vec()
        .into_iter()
        .zip(layout.strides())
        .filter(|(size, _)| *size > 1)
        .map(|(size, stride)| (stride.unsigned_abs(), size))
        .collect();
    dims.sort_unstable();
    let mut reach = 0;
    dims.into_iter().all(|(stride, size)| {
        let apart = stride > reach;
        reach += stride * (size - 1);
        apart
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::kernel::apply as apply_on_device;
    use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};

    /// The plain reference: what Burn's own operations give.
    fn reference<const D: usize>(weight: Tensor<D>, kept: &[bool]) -> TensorData {
        let pruned: Vec<bool> = kept.iter().map(|kept| !kept).collect();
        let pruned = TensorData::new(pruned, weight.shape());
        let pruned = Tensor::<D, Bool>::from_data(pruned, &weight.device());
        weight.mask_fill(pruned, 0.0).into_data()
    }

    fn masked<const D: usize>(weight: Tensor<D>, kept: &[bool]) -> Tensor<D> {
        let words = kept.chunks(32).map(|bits| {
            let bits = bits.iter().enumerate();
            bits.fold(0u32, |word, (bit, kept)| word | u32::from(*kept) << bit)
        });
        let words: Vec<i32> = words.map(u32::cast_signed).collect();
        let words = TensorData::new(words.clone(), [words.len()]);
        let words = Tensor::<1, Int>::from_data(words, (&weight.device(), DType::I32));
        apply_on_device(weight, words, || unreachable!("flex has a kernel"))
    }

    fn kept(len: usize, seed: usize) -> Vec<bool> {
        let hash = |index: usize| (index + seed).wrapping_mul(0x9e37_79b9) >> 13;
        (0..len).map(|index| hash(index) % 3 == 0).collect()
    }

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Uniform(0.5, 1.0), &Device::flex())
    }

    fn check<const D: usize>(weight: Tensor<D>) {
        for seed in 0..2 {
            let kept = kept(weight.shape().num_elements(), seed);
            let expected = reference(weight.clone(), &kept);
            assert_eq!(masked(weight.clone(), &kept).into_data(), expected);
        }
    }

    #[test]
    fn every_length_is_masked() {
        for len in [1, 2, 31, 32, 33, 64, 1000, 70_000, 1_000_000] {
            check(random([len]));
        }
    }

    #[test]
    fn a_transposed_weight_is_masked_where_it_lies() {
        for (rows, columns) in [(1, 5), (5, 1), (32, 32), (33, 31), (100, 70), (257, 1000)] {
            let weight = random([columns, rows]).transpose();
            check(weight.clone());
            let kept = kept(rows * columns, 7);
            let expected = reference(weight.clone(), &kept);
            let before = storage(&weight);
            let weight = masked(weight, &kept);
            assert_eq!(storage(&weight), before, "it was copied");
            assert_eq!(weight.into_data(), expected);
        }
    }

    #[test]
    fn any_strides_are_masked() {
        check(random([4, 5, 6]).permute([2, 0, 1]));
        check(random([7, 9]).flip([1]));
        check(random([40, 50]).narrow(1, 3, 33));
        check(random([40, 50]).transpose().narrow(1, 3, 33));
        check(random([1, 9]).expand([5, 9]));
        check(random([2, 3, 4, 5]).swap_dims(0, 1));
    }

    #[test]
    fn what_is_beside_a_view_stays() {
        let whole = random([40, 50]);
        let expected = whole.clone().into_data();
        let part = whole.clone().narrow(1, 3, 33).transpose();
        let _ = masked(part, &[false; 33 * 40]);
        assert_eq!(whole.into_data(), expected);
    }

    #[test]
    fn a_nan_and_a_negative_zero_become_zero() {
        let weight = Tensor::<1>::from_floats([f32::NAN, -0.0, -3.0], &Device::flex());
        let weight = masked(weight, &[false; 3]);
        let bits: Vec<u32> = weight.into_data().iter::<f32>().map(f32::to_bits).collect();
        assert_eq!(bits, [0, 0, 0]);
    }

    #[test]
    fn every_float_type_is_masked() {
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            check(random([100, 70]).cast(dtype));
            check(random([100, 70]).cast(dtype).transpose());
        }
    }

    #[test]
    fn a_tensor_of_its_own_stays_in_its_place_and_a_shared_one_is_left_alone() {
        let weight = random([8, 8]);
        let before = storage(&weight);
        let weight = masked(weight, &[false; 64]);
        assert_eq!(storage(&weight), before);

        let weight = random([8, 8]);
        let shared = weight.clone();
        let expected = shared.clone().into_data();
        let _ = masked(weight, &[false; 64]);
        assert_eq!(shared.into_data(), expected);
    }

    fn storage<const D: usize>(tensor: &Tensor<D>) -> *const u8 {
        let tensor = tensor.clone().try_into_primitive::<Flex>();
        tensor.expect("it is on flex").bytes().as_ptr()
    }
}
