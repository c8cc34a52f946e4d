use burn::backend::capture::{CaptureBackend, TensorId};
use burn::tensor::{Bool, Device, Int, Tensor};

/// What a forward pass takes and returns: a tensor of any kind, or a tuple or `Vec` of them.
pub trait GraphTensors: Clone {
    /// The same on another device.
    #[must_use]
    fn on_device(self, device: &Device) -> Self;

    /// The numbers that the capture device gave to the tensors; `None` when one is elsewhere.
    fn captured_ids(&self) -> Option<Vec<TensorId>>;
}

macro_rules! tensor {
    ($kind:ty) => {
        impl<const D: usize> GraphTensors for Tensor<D, $kind> {
            fn on_device(self, device: &Device) -> Self {
                self.without_autodiff().to_device(device)
            }

            fn captured_ids(&self) -> Option<Vec<TensorId>> {
                let captured = self.clone().try_into_primitive::<CaptureBackend>().ok()?;
                Some(vec![captured.id()])
            }
        }
    };
}

tensor!(burn::tensor::Float);
tensor!(Int);
tensor!(Bool);

impl<T: GraphTensors> GraphTensors for Vec<T> {
    fn on_device(self, device: &Device) -> Self {
        let tensors = self.into_iter();
        tensors.map(|tensor| tensor.on_device(device)).collect()
    }

    fn captured_ids(&self) -> Option<Vec<TensorId>> {
        let ids: Option<Vec<_>> = self.iter().map(T::captured_ids).collect();
        Some(ids?.concat())
    }
}

macro_rules! tuple {
    ($($name:ident: $place:tt),+) => {
        impl<$($name: GraphTensors),+> GraphTensors for ($($name,)+) {
            fn on_device(self, device: &Device) -> Self {
                ($(self.$place.on_device(device),)+)
            }

            fn captured_ids(&self) -> Option<Vec<TensorId>> {
                Some([$(self.$place.captured_ids()?),+].concat())
            }
        }
    };
}

tuple!(A: 0);
tuple!(A: 0, B: 1);
tuple!(A: 0, B: 1, C: 2);
tuple!(A: 0, B: 1, C: 2, D: 3);
