//! Digests of what weights and masks are, whatever file they are in.
//!
//! Records name each parameter by an id that is another one in every process, so the digest of the
//! file would not do: the same weights, trained again, are the same.

use burn::tensor::Bytes;

use crate::digest::{Digest, Hasher};
use crate::mask::MaskSet;

/// The digest of paths, shapes and bits, in the order of the paths.
pub(in crate::lottery) fn of_masks(masks: &MaskSet) -> Digest {
    let mut masks: Vec<_> = masks.iter().collect();
    masks.sort_unstable_by_key(|(path, _)| *path);
    let mut hasher = Hasher::default();
    for (path, mask) in masks {
        text(&mut hasher, path);
        numbers(&mut hasher, mask.shape());
        let bits: Vec<u8> = mask
            .words()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        hasher.update(bits);
    }
    hasher.finish()
}

/// The digest of the paths, types, shapes and values of a record, in the order of the paths.
pub(in crate::lottery) fn of_record(record: Bytes) -> Result<Digest, burn_pack::Error> {
    let mut tensors = burn_pack::Reader::from_bytes(record)?.into_tensors()?;
    tensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = Hasher::default();
    for tensor in tensors {
        let (path, dtype, shape, _, values) = tensor.into_parts()?;
        text(&mut hasher, &path);
        text(&mut hasher, dtype.name());
        numbers(&mut hasher, &shape.to_vec());
        numbers(&mut hasher, &[values.len()]);
        hasher.update(&values[..]);
    }
    Ok(hasher.finish())
}

fn text(hasher: &mut Hasher, text: &str) {
    numbers(hasher, &[text.len()]);
    hasher.update(text);
}

/// With their count before them, so that no two things run into each other.
fn numbers(hasher: &mut Hasher, numbers: &[usize]) {
    hasher.update((numbers.len() as u64).to_le_bytes());
    for number in numbers {
        hasher.update((*number as u64).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device, Tensor};

    use super::*;
    use crate::mask::Mask;

    fn linear(first: f32) -> Linear {
        let device = Device::flex();
        let mut linear = LinearConfig::new(1, 2).init(&device);
        let weight = Tensor::<2>::from_floats([[first, 2.0]], &device);
        linear.weight = Param::from_tensor(weight);
        linear.bias = Some(Param::from_tensor(Tensor::zeros([2], &device)));
        linear
    }

    fn digest(linear: Linear) -> Digest {
        of_record(linear.into_record().into_bytes().unwrap()).unwrap()
    }

    #[test]
    fn records_of_the_same_weights_are_the_same_and_any_bit_makes_another_one() {
        let expected = digest(linear(0.0));
        // Other ids.
        assert_eq!(digest(linear(0.0)), expected);
        assert_ne!(digest(linear(-0.0)), expected);
        let mut without = linear(0.0);
        without.bias = None;
        assert_ne!(digest(without), expected);
        let mut wide = linear(0.0);
        wide.weight = Param::from_tensor(wide.weight.val().cast(DType::F64));
        assert_ne!(digest(wide), expected);
    }

    #[test]
    fn masks_are_told_apart_by_paths_shapes_and_bits_and_not_by_their_order() {
        let mask = |shape: [usize; 2], kept: [bool; 4]| Mask::from_kept(shape, &kept).unwrap();
        let (first, second) = (
            mask([2, 2], [true; 4]),
            mask([2, 2], [true, false, true, true]),
        );
        let set = |masks: &[(&str, &Mask)]| -> Digest {
            let masks = masks.iter();
            of_masks(
                &masks
                    .map(|(path, mask)| (path.to_string(), Mask::clone(mask)))
                    .collect(),
            )
        };
        let expected = set(&[("a", &first), ("b", &second)]);
        assert_eq!(set(&[("b", &second), ("a", &first)]), expected);
        let others = [
            set(&[("a", &second), ("b", &first)]),
            set(&[("a", &first)]),
            set(&[("a", &mask([1, 4], [true; 4])), ("b", &second)]),
            set(&[("a", &first), ("c", &second)]),
        ];
        for other in others {
            assert_ne!(other, expected);
        }
    }
}
