//! Taking the tensors out of a record without touching the model that they are for.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId, Reparameterization};
use burn::store::ModuleRecord;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

use super::catching;
use crate::error::PruneError;
use crate::mask::{WORD_BITS, WeightMask};
use crate::model::{Inventory, Position};

/// The tensors of a record that a model has a place for, by their path there.
///
/// Loading writes through to what clones share, up to the first tensor that does not fit. So the
/// record is first loaded by a module that has the parameters of the model, but no values in them.
#[derive(Default)]
pub(super) struct Contents {
    /// A `Param<Tensor<..>>` each.
    tensors: HashMap<String, Box<dyn Any + Send>>,
    /// Places without a tensor in the record, with their shape, in the order of the model.
    missing: Vec<(String, Vec<usize>)>,
    /// Places of integers and booleans: masks, counters.
    not_floats: HashSet<String>,
    /// Places of floats that the record has in another type, in the order of the model.
    other_types: Vec<OtherType>,
    /// The first place that the record has something else for than the model: integers for
    /// floats, for instance.
    other_kind: Option<PruneError>,
    /// What floats are cast to when they are put into the model.
    pub(super) casts: HashMap<String, DType>,
}

/// A float that the model and the record have in different types.
struct OtherType {
    path: String,
    model: DType,
    record: DType,
}

/// Whether every value of one type is a value of the other.
fn holds(wide: DType, narrow: DType) -> bool {
    use DType::{BF16, F16, F32, F64, Flex32};
    matches!(
        (wide, narrow),
        (F64, F32 | Flex32 | F16 | BF16) | (F32 | Flex32, F32 | Flex32 | F16 | BF16)
    )
}

impl Contents {
    /// Takes what the record has for this model: every parameter, the masks that are attached, and
    /// a mask for every weight that could carry one.
    ///
    /// # Errors
    /// When a shape does not fit, or the record has more.
    pub(super) fn from_record<M: Module>(
        model: &M,
        record: ModuleRecord,
    ) -> Result<Self, PruneError> {
        let bare = Inventory::of(model)
            .parameters
            .into_iter()
            .filter(|known| !known.is_masked() && known.check_maskable().is_ok())
            .flat_map(|known| known.paths);
        let taker = Taker {
            model: model.clone(),
            bare: bare.collect(),
            found: Arc::default(),
        };
        let found = Arc::clone(&taker.found);
        let failed = |message: String| PruneError::Record { message };
        catching(|| taker.try_load_record(record.allow_partial(true)))
            .map_err(failed)?
            .map_err(|error| failed(error.to_string()))?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut contents = std::mem::take(&mut *found);
        contents.other_kind.take().map_or(Ok(contents), Err)
    }

    /// Refuses a record that lacks a parameter of the model.
    pub(super) fn check_complete(
        &self,
        is_needed: impl Fn(&str) -> bool,
    ) -> Result<(), PruneError> {
        let Some((path, shape)) = self.missing.iter().find(|(path, _)| is_needed(path)) else {
            return Ok(());
        };
        Err(PruneError::Record {
            message: format!("`{path}` is missing, expected with shape {shape:?}"),
        })
    }

    /// Drops everything but weights and statistics.
    pub(super) fn keep_floats(&mut self) {
        let not_floats = std::mem::take(&mut self.not_floats);
        self.tensors.retain(|path, _| !not_floats.contains(path));
        self.missing.retain(|(path, _)| !not_floats.contains(path));
    }

    /// Has floats cast to the types of the model.
    ///
    /// # Errors
    /// When that would round.
    pub(super) fn keep_types(&mut self) -> Result<(), PruneError> {
        for other in std::mem::take(&mut self.other_types) {
            if !holds(other.model, other.record) {
                return Err(PruneError::RecordType {
                    path: other.path,
                    expected: format!("{:?}", other.model),
                    found: format!("{:?}", other.record),
                });
            }
            self.casts.insert(other.path, other.model);
        }
        Ok(())
    }

    pub(super) fn take<P: Any>(&mut self, path: &str) -> Option<P> {
        let tensor = self.tensors.remove(path)?;
        tensor.downcast().ok().map(|tensor| *tensor)
    }
}

/// Whether this is the path of the bits of a mask.
pub(super) fn is_mask(path: &str) -> bool {
    path == mask_path("") || path.ends_with(&format!(".{}", mask_path("")))
}

/// The path of the bits of the mask of this weight.
pub(super) fn mask_path(weight: &str) -> String {
    let mask = format!("{}.{}", WeightMask::NAME, WeightMask::BITS);
    if weight.is_empty() {
        return mask;
    }
    format!("{weight}.{mask}")
}

/// A module with the parameters of a model, of which it keeps nothing but what it is given.
#[derive(Clone)]
struct Taker<M> {
    model: M,
    /// Weights without a mask.
    bare: HashSet<String>,
    found: Arc<Mutex<Contents>>,
}

impl<M> fmt::Debug for Taker<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taker")
    }
}

impl<M: Module> Module for Taker<M> {
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.model.visit(&mut Offer {
            mapper,
            at: Position::default(),
            bare: &self.bare,
            contents: &mut found,
        });
        drop(found);
        self
    }

    // Loading a record only maps.
    fn visit<Visitor: ModuleVisitor>(&self, _visitor: &mut Visitor) {}

    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        devices
    }

    fn fork(self, _device: &Device) -> Self {
        self
    }

    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn materialize(self) -> Self {
        self
    }
}

/// Offers an empty parameter to a mapper for each one of a model, and keeps those it fills.
struct Offer<'a, Mapper> {
    mapper: &'a mut Mapper,
    at: Position,
    bare: &'a HashSet<String>,
    contents: &'a mut Contents,
}

/// Offers a parameter without a value, and gives the type of number that the record has for it.
macro_rules! offer {
    ($offer:ident, $map:ident, $kind:ty, $device:expr, $shape:expr, $cast:expr) => {{
        let (shape, device): (burn::tensor::Shape, Device) = ($shape, $device);
        let init = {
            let (shape, cast) = (shape.clone(), $cast);
            // Burn looks at it only to learn the type that a record should be cast to.
            move |device: &Device, _: bool| cast(Tensor::<D, $kind>::empty(shape, device))
        };
        let id = ParamId::new();
        let empty = Param::uninitialized(id, init, device, false, shape.clone());
        let param = $offer.mapper.$map::<D>(empty);
        let path = $offer.at.path().to_string();
        if param.id != id && param.shape() == shape {
            let dtype: DType = param.base().dtype();
            $offer.contents.tensors.insert(path, Box::new(param));
            Some(dtype)
        } else {
            $offer.contents.missing.push((path, shape.to_vec()));
            None
        }
    }};
}

impl<Mapper: ModuleMapper> Offer<'_, Mapper> {
    /// Refuses numbers of another kind: Burn takes any, and fails when they are used.
    fn check_kind(&mut self, record: Option<DType>, expected: &str, is_it: fn(&DType) -> bool) {
        if let Some(record) = record.filter(|record| !is_it(record)) {
            let path = self.at.path().to_string();
            let message = format!("`{path}` is {record:?} in the record, expected {expected}");
            let error = PruneError::Record { message };
            self.contents.other_kind.get_or_insert(error);
        }
    }

    fn bits_of(&mut self, weights: usize, device: Device) {
        const D: usize = 1;
        let names = [WeightMask::NAME, WeightMask::BITS];
        for name in names {
            self.enter_module(name, "");
        }
        self.contents.not_floats.insert(self.at.path().to_string());
        let shape = [weights.div_ceil(WORD_BITS)].into();
        let record = offer!(self, map_int, Int, device, shape, |bits: Tensor<D, Int>| {
            bits.cast(DType::I32)
        });
        self.check_kind(record, "integers", DType::is_int);
        for name in names {
            self.exit_module(name, "");
        }
    }
}

impl<Mapper: ModuleMapper> ModuleVisitor for Offer<'_, Mapper> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
        self.mapper.enter_module(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.at.exit(container);
        self.mapper.exit_module(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // A record has the form that is saved, which for a `Linear` in column layout is not the
        // one that is in use.
        let shape = if param.is_initialized() {
            param.transform_for_save().lazy_shape()
        } else {
            param.lazy_shape()
        };
        let weights = shape.num_elements();
        let dtype = param.is_initialized().then(|| param.base().dtype());
        let cast = move |empty: Tensor<D>| match dtype {
            Some(dtype) => empty.cast(dtype),
            None => empty,
        };
        let device = param.lazy_device();
        // A parameter that is not there yet will have the type of the device.
        let model = dtype.unwrap_or_else(|| device.settings().float_dtype.into());
        let record = offer!(self, map_float, burn::tensor::Float, device, shape, cast);
        self.check_kind(record, "floats", |dtype| {
            dtype.is_float() || matches!(dtype, DType::QFloat(_))
        });
        if let Some(record) = record.filter(|record| *record != model) {
            let path = self.at.path().to_string();
            self.contents.other_types.push(OtherType {
                path,
                model,
                record,
            });
        }
        if self.bare.contains(self.at.path()) {
            self.bits_of(weights, param.lazy_device());
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.contents.not_floats.insert(self.at.path().to_string());
        let dtype = param.is_initialized().then(|| param.base().dtype());
        let cast = move |empty: Tensor<D, Int>| match dtype {
            Some(dtype) => empty.cast(dtype),
            None => empty,
        };
        let (device, shape) = (param.lazy_device(), param.lazy_shape());
        let record = offer!(self, map_int, Int, device, shape, cast);
        self.check_kind(record, "integers", |dtype| {
            dtype.is_int() || dtype.is_uint()
        });
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.contents.not_floats.insert(self.at.path().to_string());
        let (device, shape) = (param.lazy_device(), param.lazy_shape());
        let record = offer!(self, map_bool, Bool, device, shape, |empty| empty);
        self.check_kind(record, "booleans", DType::is_bool);
    }
}
