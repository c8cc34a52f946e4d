use burn::backend::capture::{CaptureBackend, TensorId as CapturedId};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// What a forward pass takes and returns: a tensor of any kind, or a tuple or `Vec` of them.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_deploy::GraphTensors;
///
/// let device = Device::flex();
/// let pair = (Tensor::<2>::ones([1, 8], &device), vec![Tensor::<1>::ones([3], &device)]);
/// assert_eq!(pair.shapes(), [vec![1, 8], vec![3]]);
/// ```
pub trait GraphTensors: Clone {
    /// The same on another device.
    #[must_use]
    fn on_device(self, device: &Device) -> Self;

    /// The numbers that the capture device gave to the tensors; `None` when one is elsewhere.
    fn captured_ids(&self) -> Option<Vec<CapturedId>>;

    /// The shapes of the tensors, in the same order. Without them, as by default, the batch of a
    /// graph is fixed.
    fn shapes(&self) -> Vec<Vec<usize>> {
        Vec::new()
    }

    /// The same with `size` entries along an axis of each tensor, or of those that have one:
    /// `axes` gives one after the other. Entries are repeated from the first on.
    #[must_use]
    fn with_batch(self, axes: &mut dyn Iterator<Item = Option<usize>>, size: usize) -> Self {
        let _ = (axes, size);
        self
    }
}

/// A tensor of a kind, and how entries of an axis are selected.
macro_rules! tensor {
    ($kind:ty, $select:expr) => {
        impl<const D: usize> GraphTensors for Tensor<D, $kind> {
            fn on_device(self, device: &Device) -> Self {
                self.without_autodiff().to_device(device)
            }

            fn captured_ids(&self) -> Option<Vec<CapturedId>> {
                let captured = self.clone().try_into_primitive::<CaptureBackend>().ok()?;
                Some(vec![captured.id()])
            }

            fn shapes(&self) -> Vec<Vec<usize>> {
                vec![self.dims().to_vec()]
            }

            fn with_batch(
                self,
                axes: &mut dyn Iterator<Item = Option<usize>>,
                size: usize,
            ) -> Self {
                let Some(axis) = axes.next().flatten() else {
                    return self;
                };
                let tensor = self.without_autodiff();
                let entries = tensor.dims()[axis].max(1);
                let entries: Vec<i64> = (0..size).map(|entry| (entry % entries) as i64).collect();
                let entries = TensorData::new(entries, [size]);
                let entries = Tensor::<1, Int>::from_data(entries, &tensor.device());
                let select: fn(Self, usize, Tensor<1, Int>) -> Self = $select;
                select(tensor, axis, entries)
            }
        }
    };
}

tensor!(burn::tensor::Float, |tensor, axis, entries| tensor
    .select(axis, entries));
tensor!(Int, |tensor, axis, entries| tensor.select(axis, entries));
// Selecting of bools gives bytes on flex (0.22.1).
tensor!(Bool, |tensor, axis, entries| tensor
    .int()
    .select(axis, entries)
    .bool());

impl<T: GraphTensors> GraphTensors for Vec<T> {
    fn on_device(self, device: &Device) -> Self {
        let tensors = self.into_iter();
        tensors.map(|tensor| tensor.on_device(device)).collect()
    }

    fn captured_ids(&self) -> Option<Vec<CapturedId>> {
        let ids: Option<Vec<_>> = self.iter().map(T::captured_ids).collect();
        Some(ids?.concat())
    }

    fn shapes(&self) -> Vec<Vec<usize>> {
        self.iter().flat_map(T::shapes).collect()
    }

    fn with_batch(self, axes: &mut dyn Iterator<Item = Option<usize>>, size: usize) -> Self {
        let tensors = self.into_iter();
        tensors
            .map(|tensor| tensor.with_batch(axes, size))
            .collect()
    }
}

macro_rules! tuple {
    ($($name:ident: $place:tt),+) => {
        impl<$($name: GraphTensors),+> GraphTensors for ($($name,)+) {
            fn on_device(self, device: &Device) -> Self {
                ($(self.$place.on_device(device),)+)
            }

            fn captured_ids(&self) -> Option<Vec<CapturedId>> {
                Some([$(self.$place.captured_ids()?),+].concat())
            }

            fn shapes(&self) -> Vec<Vec<usize>> {
                [$(self.$place.shapes()),+].concat()
            }

            fn with_batch(
                self,
                axes: &mut dyn Iterator<Item = Option<usize>>,
                size: usize,
            ) -> Self {
                ($(self.$place.with_batch(axes, size),)+)
            }
        }
    };
}

tuple!(A: 0);
tuple!(A: 0, B: 1);
tuple!(A: 0, B: 1, C: 2);
tuple!(A: 0, B: 1, C: 2, D: 3);
