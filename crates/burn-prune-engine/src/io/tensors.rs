use std::fmt::Debug;

use burn::backend::Flex;
use burn::tensor::{Bool, Device, Float, Int, Tensor};
use burn_flex::FlexTensor;
use burn_prune_deploy::GraphTensors;

/// A tensor of any kind and rank, on its way into an engine or out of it: what [`EngineTensors`]
/// are taken apart into and put together from.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_engine::{EngineTensor, EngineTensors};
///
/// let mut tensors: Vec<EngineTensor> = Vec::new();
/// Tensor::<1>::ones([2], &Device::flex()).into_tensors(&mut tensors);
/// let back = Tensor::<1>::from_tensors(&(), &mut tensors.into_iter());
/// assert_eq!(back.into_data().to_vec::<f32>().unwrap(), [1.0, 1.0]);
/// ```
#[derive(Debug)]
pub struct EngineTensor(Result<FlexTensor, String>);

impl EngineTensor {
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        Self(Ok(tensor))
    }

    /// The tensor, or what it is instead of one on flex.
    pub(crate) fn into_flex(self) -> Result<FlexTensor, String> {
        self.0
    }
}

/// What an engine takes and returns: a tensor of any kind, or a tuple or `Vec` of them.
///
/// Tensors are on flex. Those with automatic differentiation are taken without it: what an engine
/// returns has no gradients.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use burn_prune_engine::EngineTensors;
///
/// let device = Device::flex();
/// let pair = (Tensor::<2>::ones([1, 8], &device), vec![Tensor::<1, Int>::ones([3], &device)]);
/// let form = pair.form();
/// let mut tensors = Vec::new();
/// pair.into_tensors(&mut tensors);
/// assert_eq!(tensors.len(), 2);
/// type Pair = (Tensor<2>, Vec<Tensor<1, Int>>);
/// let (_, rest) = Pair::from_tensors(&form, &mut tensors.into_iter());
/// assert_eq!(rest[0].dims(), [3]);
/// ```
pub trait EngineTensors: GraphTensors {
    /// What its type leaves open: how long each `Vec` is.
    type Form: Debug + Clone + PartialEq + Send + Sync + 'static;

    /// The form of this one.
    fn form(&self) -> Self::Form;

    /// Appends the tensors in their order.
    fn into_tensors(self, into: &mut Vec<EngineTensor>);

    /// Puts tensors together, in the same order.
    ///
    /// # Panics
    /// When they are too few, or of other kinds.
    fn from_tensors(form: &Self::Form, tensors: &mut dyn Iterator<Item = EngineTensor>) -> Self;
}

macro_rules! tensor {
    ($kind:ty) => {
        impl<const D: usize> EngineTensors for Tensor<D, $kind> {
            type Form = ();

            fn form(&self) {}

            fn into_tensors(self, into: &mut Vec<EngineTensor>) {
                let device = self.device();
                into.push(EngineTensor(if device != Device::flex() {
                    Err(format!("a tensor on {device:?}"))
                } else {
                    let tensor = if device.is_autodiff() {
                        self.without_autodiff()
                    } else {
                        self
                    };
                    let dtype = tensor.dtype();
                    let primitive = tensor.try_into_primitive::<Flex>();
                    primitive.map_err(|_| format!("a tensor of {dtype:?}"))
                }));
            }

            fn from_tensors(_form: &(), tensors: &mut dyn Iterator<Item = EngineTensor>) -> Self {
                let tensor = tensors.next().expect("there is a tensor for each place");
                let tensor = tensor.into_flex().expect("outputs are on flex");
                Self::from_primitive::<Flex>(tensor)
            }
        }
    };
}

tensor!(Float);
tensor!(Int);
tensor!(Bool);

impl<T: EngineTensors> EngineTensors for Vec<T> {
    type Form = Vec<T::Form>;

    fn form(&self) -> Self::Form {
        self.iter().map(T::form).collect()
    }

    fn into_tensors(self, into: &mut Vec<EngineTensor>) {
        for part in self {
            part.into_tensors(into);
        }
    }

    fn from_tensors(form: &Self::Form, tensors: &mut dyn Iterator<Item = EngineTensor>) -> Self {
        let parts = form.iter();
        parts.map(|form| T::from_tensors(form, tensors)).collect()
    }
}

macro_rules! tuple {
    ($($name:ident: $place:tt),+) => {
        impl<$($name: EngineTensors),+> EngineTensors for ($($name,)+) {
            type Form = ($($name::Form,)+);

            fn form(&self) -> Self::Form {
                ($(self.$place.form(),)+)
            }

            fn into_tensors(self, into: &mut Vec<EngineTensor>) {
                $(self.$place.into_tensors(into);)+
            }

            fn from_tensors(
                form: &Self::Form,
                tensors: &mut dyn Iterator<Item = EngineTensor>,
            ) -> Self {
                ($($name::from_tensors(&form.$place, tensors),)+)
            }
        }
    };
}

tuple!(A: 0);
tuple!(A: 0, B: 1);
tuple!(A: 0, B: 1, C: 2);
tuple!(A: 0, B: 1, C: 2, D: 3);
