//! Reading weights on the host.

use std::ops::Range;
use std::sync::Arc;

#[cfg(feature = "flex")]
use burn::backend::{BackendTensor, DispatchTensorKind};
use burn::tensor::{DType, Tensor, TensorData, Transaction};
#[cfg(feature = "flex")]
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::mask::Mask;
use crate::read_back::read_back;

/// The effective values of one tensor on the host: row-major, 0 where the mask prunes.
///
/// A clone shares them. On flex f32 values are borrowed from the tensor, whatever its strides.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    stored: Stored,
    mask: Option<Arc<Mask>>,
}

/// What is stored, under the mask as well.
#[derive(Debug, Clone)]
enum Stored {
    /// f32 and everything narrower.
    F32(Arc<Vec<f32>>),
    F64(Arc<Vec<f64>>),
    #[cfg(feature = "flex")]
    Flex(FlexTensor),
}

impl Values {
    /// Reads the tensor back, or borrows it.
    pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Self {
        let tensor = match tensor.dtype() {
            // Burn does not read these together with others.
            DType::QFloat(_) => tensor.dequantize(),
            _ => tensor,
        };
        let tensor = tensor.without_autodiff();
        Self::borrow(&tensor).unwrap_or_else(|| {
            let data = read_back(Transaction::default().register(tensor));
            Self::from_data(&data[0])
        })
    }

    /// Borrows what lies in the memory of the host, as f32 on flex.
    #[cfg_attr(not(feature = "flex"), expect(unused_variables))]
    pub(super) fn borrow<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        #[cfg(feature = "flex")]
        if let DispatchTensorKind::Flex(BackendTensor::Float(tensor)) =
            tensor.clone().into_dispatch().kind
            && tensor.dtype() == DType::F32
        {
            return Some(Self {
                stored: Stored::Flex(tensor),
                mask: None,
            });
        }
        None
    }

    pub(crate) fn from_data(data: &TensorData) -> Self {
        let stored = match data.dtype() {
            DType::F64 => Stored::F64(Arc::new(data.iter::<f64>().collect())),
            _ => Stored::F32(Arc::new(data.iter::<f32>().collect())),
        };
        Self { stored, mask: None }
    }

    /// These values.
    pub(crate) fn from_vec(values: Vec<f32>) -> Self {
        Self {
            stored: Stored::F32(Arc::new(values)),
            mask: None,
        }
    }

    /// Reads 0 where the mask prunes: the effective weight, whatever is stored under the mask.
    pub(crate) fn masked(mut self, mask: Arc<Mask>) -> Self {
        self.mask = Some(mask);
        self
    }

    pub(crate) fn len(&self) -> usize {
        match &self.stored {
            Stored::F32(values) => values.len(),
            Stored::F64(values) => values.len(),
            #[cfg(feature = "flex")]
            Stored::Flex(tensor) => tensor.layout().num_elements(),
        }
    }

    /// Whether an f32 holds every value exactly.
    pub(crate) fn are_f32(&self) -> bool {
        !matches!(self.stored, Stored::F64(_))
    }

    /// Whether the stored values are the same to the last bit, also under the masks.
    pub(super) fn has_bits_of(&self, other: &Self) -> bool {
        const CHUNK: usize = 1 << 16;
        if let (Stored::F64(one), Stored::F64(other)) = (&self.stored, &other.stored) {
            let mut pairs = one.iter().zip(other.iter());
            return one.len() == other.len() && pairs.all(|(a, b)| a.to_bits() == b.to_bits());
        }
        if self.len() != other.len() || !self.are_f32() || !other.are_f32() {
            return false;
        }
        let chunks = self.len().div_ceil(CHUNK);
        (0..chunks).into_par_iter().all(|chunk| {
            let range = chunk * CHUNK..self.len().min((chunk + 1) * CHUNK);
            let (mut gathered, mut others) = (Vec::new(), Vec::new());
            let one = self.stored_f32(range.clone(), &mut gathered).iter();
            let mut pairs = one.zip(other.stored_f32(range, &mut others));
            pairs.all(|(a, b)| a.to_bits() == b.to_bits())
        })
    }

    pub(crate) fn get(&self, index: usize) -> f64 {
        if self.mask.as_ref().is_some_and(|mask| !mask.is_kept(index)) {
            return 0.0;
        }
        match &self.stored {
            Stored::F32(values) => values[index].into(),
            Stored::F64(values) => values[index],
            #[cfg(feature = "flex")]
            Stored::Flex(tensor) => tensor.storage::<f32>()[place(tensor, index)].into(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        const BLOCK: usize = 1024;
        let mut block = Vec::new();
        (0..self.len()).map(move |index| {
            if index % BLOCK == 0 {
                self.read_into(index..self.len().min(index + BLOCK), &mut block);
            }
            block[index % BLOCK]
        })
    }

    /// The effective values of these indices in the place of what is in the block.
    pub(crate) fn read_into(&self, range: Range<usize>, block: &mut Vec<f64>) {
        block.clear();
        if let Stored::F64(values) = &self.stored {
            block.extend_from_slice(&values[range.clone()]);
        } else {
            let mut gathered = Vec::new();
            let values = self.stored_f32(range.clone(), &mut gathered);
            block.extend(values.iter().map(|value| f64::from(*value)));
        }
        if let Some(mask) = &self.mask {
            for (value, index) in block.iter_mut().zip(range) {
                if !mask.is_kept(index) {
                    *value = 0.0;
                }
            }
        }
    }

    /// What is stored at these indices, under the mask as well; `gathered` holds it where it does
    /// not lie together. For values that [are f32](Self::are_f32).
    pub(crate) fn stored_f32<'a>(
        &'a self,
        range: Range<usize>,
        gathered: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let together = match &self.stored {
            Stored::F32(values) => Some(values.as_slice()),
            Stored::F64(_) => unreachable!("asked for f32 of f64 values"),
            #[cfg(feature = "flex")]
            Stored::Flex(tensor) => tensor.as_slice::<f32>(),
        };
        if let Some(values) = together {
            return &values[range];
        }
        #[cfg(feature = "flex")]
        if let Stored::Flex(tensor) = &self.stored {
            gather(tensor, range, gathered);
        }
        gathered
    }
}

/// Where the value of a flat, row-major index is stored.
#[cfg(feature = "flex")]
fn place(tensor: &FlexTensor, mut index: usize) -> usize {
    let layout = tensor.layout();
    let mut place = layout.start_offset().cast_signed();
    for dim in (0..layout.num_dims()).rev() {
        let size = layout.shape()[dim];
        place += (index % size).cast_signed() * layout.strides()[dim];
        index /= size;
    }
    place.cast_unsigned()
}

/// Copies the values of these flat, row-major indices from wherever they are stored.
#[cfg(feature = "flex")]
fn gather(tensor: &FlexTensor, range: Range<usize>, gathered: &mut Vec<f32>) {
    gathered.clear();
    let (layout, storage) = (tensor.layout(), tensor.storage::<f32>());
    let last = layout.num_dims() - 1;
    let (row, stride) = (layout.shape()[last], layout.strides()[last]);
    let mut index = range.start;
    while index < range.end {
        let run = (row - index % row).min(range.end - index);
        let first = place(tensor, index).cast_signed();
        let places = (0..run.cast_signed()).map(|step| (first + step * stride).cast_unsigned());
        gathered.extend(places.map(|place| storage[place]));
        index += run;
    }
}
