//! A weight without its zeros, as a module.

use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::capture::CaptureBackend;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{DType, Device, IndexingUpdateOp, Int, Tensor, TensorData};

use super::kernels::on_flex;
use super::pattern::Pattern;
use crate::error::EngineError;

/// A weight of `D` axes: the values that are not 0, and one bit a weight that says where they are.
///
/// Both are parameters. What is derived from them is made when it is asked for, and shared by
/// clones. Whatever changes a parameter inside a module does so in [`Module::map`], so each walk
/// of a mapper begins anew.
#[derive(Debug, Clone)]
pub(super) struct SparseWeight<const D: usize> {
    /// 32 weights an `i32`.
    kept: Param<Tensor<1, Int>>,
    values: Param<Tensor<1>>,
    shape: [usize; D],
    /// What is in `kept`, on the host.
    pattern: Arc<Pattern>,
    derived: Arc<Mutex<Derived>>,
}

#[derive(Debug, Default)]
struct Derived {
    /// Where the values are, for composed operations.
    places: Option<Tensor<1, Int>>,
}

impl<const D: usize> SparseWeight<D> {
    const CONTAINER: &'static str = "Struct:SparseWeight";

    /// The values of a dense weight that are not 0.
    pub(super) fn new(layer: &'static str, weight: &Param<Tensor<D>>) -> Result<Self, EngineError> {
        let dense = weight.val().detach();
        if let DType::QFloat(_) = dense.dtype() {
            let message = "the weight is quantized; make the layer before it is".to_string();
            return Err(EngineError::Layer { layer, message });
        }
        let (device, shape) = (dense.device(), dense.dims());
        let kept: Vec<bool> = dense.clone().not_equal_elem(0).into_data().iter().collect();
        let pattern = Pattern::of(&kept);
        let places = places(&pattern, &device);
        let values = dense.reshape([pattern.len()]).select(0, places).detach();
        let words = TensorData::new(pattern.words().to_vec(), [pattern.words().len()]);
        let words = Tensor::from_data(words, (&device.without_autodiff(), DType::I32));
        Ok(Self {
            kept: Param::initialized(ParamId::new(), words),
            values: Param::from_tensor(values),
            shape,
            pattern: Arc::new(pattern),
            derived: Arc::default(),
        })
    }

    pub(super) fn shape(&self) -> [usize; D] {
        self.shape
    }

    pub(super) fn nonzeros(&self) -> usize {
        self.pattern.count()
    }

    pub(super) fn sparsity(&self) -> f64 {
        1.0 - self.pattern.count() as f64 / self.pattern.len().max(1) as f64
    }

    /// Whether our kernels can read the values.
    pub(super) fn is_on_flex(&self) -> bool {
        on_flex(&self.values.val()).is_some()
    }

    /// With zeros. Gradients reach the values.
    pub(super) fn dense(&self) -> Tensor<D> {
        let values = self.values.val();
        let device = values.device();
        let zeros = Tensor::<1>::zeros([self.pattern.len()], (&device, values.dtype()));
        // What is recorded belongs to one recording.
        let is_recorded = values
            .clone()
            .try_into_primitive::<CaptureBackend>()
            .is_ok();
        let places = if is_recorded {
            places(&self.pattern, &device)
        } else {
            self.places(&device)
        };
        let dense = zeros.select_assign(0, places, values, IndexingUpdateOp::Add);
        dense.reshape(self.shape)
    }

    /// With zeros, as a parameter of its own.
    pub(super) fn to_param(&self) -> Param<Tensor<D>> {
        Param::from_tensor(self.dense().detach())
    }

    fn places(&self, device: &Device) -> Tensor<1, Int> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        match &derived.places {
            Some(places) if places.device() == *device => places.clone(),
            _ => {
                let places = places(&self.pattern, device);
                derived.places = Some(places.clone());
                places
            }
        }
    }
}

fn places(pattern: &Pattern, device: &Device) -> Tensor<1, Int> {
    let places = pattern.indices().map(|index| index as i32).collect();
    let places = TensorData::new::<i32, _>(places, [pattern.count()]);
    Tensor::from_data(places, (&device.clone().without_autodiff(), DType::I32))
}

impl<const D: usize> Module for SparseWeight<D> {
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        // A parameter that comes back as it went has its tensor at the same address, which is in
        // use for as long as the clone lives.
        let before = self.kept.clone();
        mapper.enter_module("kept", Self::CONTAINER);
        let kept = Module::map(self.kept, mapper);
        mapper.exit_module("kept", Self::CONTAINER);
        let pattern = if std::ptr::eq::<Tensor<1, Int>>(&*before, &*kept) {
            self.pattern
        } else {
            let words: Vec<i32> = kept.val().into_data().iter().collect();
            Arc::new(Pattern::from_words(words, self.pattern.len()))
        };
        // Bits that were loaded say how many values there are to load.
        let values = if self.values.lazy_shape().num_elements() == pattern.count() {
            self.values
        } else {
            self.values.map(|values| {
                let zeros = Tensor::zeros([pattern.count()], (&values.device(), values.dtype()));
                zeros.set_require_grad(values.is_require_grad())
            })
        };
        mapper.enter_module("values", Self::CONTAINER);
        let values = Module::map(values, mapper);
        mapper.exit_module("values", Self::CONTAINER);
        Self {
            kept,
            values,
            shape: self.shape,
            pattern,
            derived: Arc::default(),
        }
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        visitor.enter_module("kept", Self::CONTAINER);
        Module::visit(&self.kept, visitor);
        visitor.exit_module("kept", Self::CONTAINER);
        visitor.enter_module("values", Self::CONTAINER);
        Module::visit(&self.values, visitor);
        visitor.exit_module("values", Self::CONTAINER);
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        let devices = Module::collect_devices(&self.kept, devices);
        Module::collect_devices(&self.values, devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self {
            kept: Module::fork(self.kept, device),
            values: Module::fork(self.values, device),
            derived: Arc::default(),
            ..self
        }
    }

    fn to_device(self, device: &Device) -> Self {
        Self {
            kept: Module::to_device(self.kept, device),
            values: Module::to_device(self.values, device),
            derived: Arc::default(),
            ..self
        }
    }

    fn train(self) -> Self {
        Self {
            kept: Module::train(self.kept),
            values: Module::train(self.values),
            ..self
        }
    }

    fn valid(&self) -> Self {
        Self {
            kept: Module::valid(&self.kept),
            values: Module::valid(&self.values),
            ..self.clone()
        }
    }

    fn materialize(self) -> Self {
        Self {
            values: Module::materialize(self.values),
            ..self
        }
    }
}

impl<const D: usize> ModuleDisplayDefault for SparseWeight<D> {
    fn content(&self, content: Content) -> Option<Content> {
        let shape = self.shape.map(|size| size.to_string()).join(", ");
        content
            .add_formatted(&format!("[{shape}], {} nonzeros", self.nonzeros()))
            .optional()
    }
}

impl<const D: usize> ModuleDisplay for SparseWeight<D> {}
