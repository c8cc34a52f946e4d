//! The float parameters of a model, without reading them.

use std::any::Any;
use std::collections::{BTreeSet, HashMap, HashSet};

use burn::module::{
    Module, ModuleVisitor, Param, ParamGroup, ParamId, Reparameterization, Reparameterizer,
};
use burn::tensor::{DType, Int, Tensor, TensorData};

use crate::PruneError;
use crate::mask::{Mask, MaskMode, Trust, WeightMask, is_read_as_stored};

/// The container type under which Burn presents the state of a reparameterization.
pub(crate) const REPARAMETERIZATION: &str = "Reparameterization";

/// One float parameter, wherever it is used in the model.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Dotted paths; more than one when it is shared. The first names it.
    pub paths: Vec<String>,
    /// The same without the names of enum variants, which other frameworks do not have.
    pub plain_paths: Vec<String>,
    pub id: ParamId,
    pub shape: Vec<usize>,
    /// Type name of the struct that holds it, `Linear` for instance.
    layer: Option<String>,
    /// Name of the reparameterization it carries, ours or another one.
    reparameterization: Option<String>,
    /// The packed mask it carries, and its id.
    bits: Option<(ParamId, Tensor<1, Int>)>,
    /// When the zeros of that mask are put in.
    mode: MaskMode,
    /// What is known of the weight under that mask.
    trust: Trust,
    /// Data type, when it is quantized.
    quantized: Option<DType>,
    /// Running statistics are presented as parameters, but cannot carry a mask.
    statistic: bool,
}

impl Parameter {
    pub(crate) fn path(&self) -> &str {
        &self.paths[0]
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Type name of the layer whose `weight` this is.
    pub(crate) fn weight_of(&self) -> Option<&str> {
        let name = self.path().rsplit('.').next();
        self.layer.as_deref().filter(|_| name == Some("weight"))
    }

    pub(crate) fn matches(&self, group: &ParamGroup) -> bool {
        let mut paths = self.paths.iter();
        paths.any(|path| group.matches(&self.id, Some(path)))
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.bits.is_some()
    }

    /// Whether reading it masks it: what is stored may be something else.
    pub(crate) fn is_masked_on_read(&self) -> bool {
        self.is_masked() && !is_read_as_stored(self.mode, self.trust)
    }

    /// The packed mask it carries.
    pub(super) fn bits(&self) -> Option<Tensor<1, Int>> {
        self.bits.as_ref().map(|(_, bits)| bits.clone())
    }

    /// The mask it carries, of what has been read of the packed one.
    pub(super) fn mask_of(&self, bits: &TensorData) -> Mask {
        let mask = Mask::from_data(self.shape.clone(), bits);
        mask.expect("an attached mask has the shape of its parameter")
    }

    /// The mask it carries. Reads it back from the device.
    pub(crate) fn mask(&self) -> Option<Mask> {
        let (id, bits) = self.bits.clone()?;
        let mask = WeightMask::from_bits(bits, id, self.mode).to_mask(self.shape.clone());
        Some(mask.expect("an attached mask has the shape of its parameter"))
    }

    /// Takes in another place where this parameter is used.
    fn merge(&mut self, mut place: Self) {
        self.paths.append(&mut place.paths);
        self.plain_paths.append(&mut place.plain_paths);
        if self.reparameterization.is_none() {
            self.reparameterization = place.reparameterization;
            self.bits = place.bits;
            self.mode = place.mode;
            self.trust = place.trust;
        }
    }

    /// Refuses a parameter that no mask can be attached to.
    pub(crate) fn check_maskable(&self) -> Result<(), PruneError> {
        let path = self.path().to_string();
        if let (Some(name), None) = (&self.reparameterization, &self.bits) {
            let name = name.clone();
            return Err(PruneError::Reparameterized { path, name });
        }
        if let Some(dtype) = &self.quantized {
            let dtype = format!("{dtype:?}");
            return Err(PruneError::Quantized { path, dtype });
        }
        if self.statistic {
            return Err(PruneError::RunningStatistic { path });
        }
        Ok(())
    }

    fn foreign_reparameterization(&self) -> Option<&str> {
        let name = self.reparameterization.as_deref();
        name.filter(|_| self.bits.is_none())
    }

    pub(crate) fn is_statistic(&self) -> bool {
        self.statistic
    }
}

/// The float parameters of a model in module order, shared ones once.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub parameters: Vec<Parameter>,
}

impl Inventory {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let statistics = running_statistics(model);
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut by_id: HashMap<ParamId, usize> = HashMap::new();
        for mut parameter in collect(model) {
            parameter.statistic = statistics.contains(parameter.path());
            match by_id.get(&parameter.id) {
                Some(&known) => parameters[known].merge(parameter),
                None => {
                    by_id.insert(parameter.id, parameters.len());
                    parameters.push(parameter);
                }
            }
        }
        Self { parameters }
    }

    /// Initializes these parameters of the model, and learns their shapes.
    ///
    /// A lazy parameter tells the shape that it is initialized with, which for a `Linear` in column
    /// layout is not the shape that it has.
    pub(crate) fn initialize<M: Module>(&mut self, model: &M, ids: &HashSet<ParamId>) {
        let mut shapes = Shapes {
            ids,
            shapes: HashMap::new(),
        };
        model.visit(&mut shapes);
        for parameter in &mut self.parameters {
            if let Some(shape) = shapes.shapes.remove(&parameter.id) {
                parameter.shape = shape;
            }
        }
    }

    /// The parameter at this path, by whichever of its paths.
    pub(crate) fn find(&self, path: &str) -> Option<&Parameter> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.paths.iter().any(|known| known == path))
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.parameters.iter().any(Parameter::is_masked)
    }

    /// When the zeros of the masks are put in; by default on read.
    pub(crate) fn mask_mode(&self) -> MaskMode {
        let mut masked = self.parameters.iter().filter(|known| known.is_masked());
        masked.next().map(|known| known.mode).unwrap_or_default()
    }

    /// Refuses what taking masks off would merge into its weight: any other reparameterization.
    pub(crate) fn check_detachable(&self) -> Result<(), PruneError> {
        if !self.is_masked() {
            return Err(PruneError::NotPruned);
        }
        self.check_not_foreign()
    }

    /// Refuses any reparameterization that is not a mask.
    pub(crate) fn check_not_foreign(&self) -> Result<(), PruneError> {
        let mut others = self.parameters.iter();
        let foreign = others.find_map(|known| Some((known, known.foreign_reparameterization()?)));
        match foreign {
            Some((parameter, name)) => Err(PruneError::Reparameterized {
                path: parameter.path().to_string(),
                name: name.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// The paths of all weights, for messages.
    pub(crate) fn paths(&self) -> String {
        let weights = self.parameters.iter().filter(|known| !known.statistic);
        weights.map(Parameter::path).collect::<Vec<_>>().join(", ")
    }
}

fn collect<M: Module>(model: &M) -> Vec<Parameter> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.parameters
}

/// Dotted paths of the running statistics of a model, as the mean and variance of a BatchNorm, which
/// cannot be masked. Burn presents them as parameters that look like any other.
///
/// ```
/// use burn::{nn::BatchNormConfig, tensor::Device};
/// use burn_prune::running_statistics;
///
/// let norm = BatchNormConfig::new(4).init(&Device::flex());
/// assert!(running_statistics(&norm).into_iter().eq(["running_mean", "running_var"]));
/// ```
pub fn running_statistics<M: Module>(model: &M) -> BTreeSet<String> {
    // A marker is attached to all float parameters of a clone, which leaves their values alone;
    // those that come out without one are none.
    let marked = collect(&model.clone().apply_reparameterization(Mark));
    let unmarked = marked
        .into_iter()
        .filter(|known| known.reparameterization.is_none());
    unmarked.flat_map(|known| known.paths).collect()
}

struct Shapes<'a> {
    ids: &'a HashSet<ParamId>,
    shapes: HashMap<ParamId, Vec<usize>>,
}

impl ModuleVisitor for Shapes<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.ids.contains(&param.id) {
            self.shapes.insert(param.id, param.base().dims().to_vec());
        }
    }
}

#[derive(Module, Debug)]
struct Marker {}

impl Reparameterization for Marker {
    const NAME: &'static str = "marker";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        base
    }
}

struct Mark;

impl Reparameterizer for Mark {
    type Reparam = Marker;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Marker>) {
        (param, Some(Marker {}))
    }
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    containers: Vec<String>,
    /// Above 0 inside the state of a reparameterization, whose floats are not weights.
    nested: usize,
    parameters: Vec<Parameter>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        if container == REPARAMETERIZATION {
            if let (0, Some(parameter)) = (self.nested, self.parameters.last_mut()) {
                parameter.reparameterization = Some(name.to_string());
            }
            self.nested += 1;
        } else if (self.nested, container, name)
            == (1, WeightMask::AFTER_STEP.0, WeightMask::AFTER_STEP.1)
            && let Some(parameter) = self.parameters.last_mut()
        {
            parameter.mode = MaskMode::AfterStep;
        } else if let (1, Some(trust)) = (self.nested, Trust::shown(name, container))
            && let Some(parameter) = self.parameters.last_mut()
        {
            parameter.trust = trust;
        }
        self.path.push(name.to_string());
        self.containers.push(container.to_string());
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if container == REPARAMETERIZATION {
            self.nested -= 1;
        }
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.nested > 0 {
            return;
        }
        let container = self.containers.last();
        let layer = container.and_then(|container| container.strip_prefix("Struct:"));
        // Asking a lazy parameter for its type would initialize it.
        let dtype = param.is_initialized().then(|| param.base().dtype());
        let names = self.path.iter().zip(&self.containers);
        let plain = names.filter(|(_, container)| !container.starts_with("Enum:"));
        let plain: Vec<&str> = plain.map(|(name, _)| name.as_str()).collect();
        self.parameters.push(Parameter {
            paths: vec![self.path.join(".")],
            plain_paths: vec![plain.join(".")],
            id: param.id,
            shape: param.lazy_shape().to_vec(),
            layer: layer.map(str::to_string),
            reparameterization: None,
            bits: None,
            mode: MaskMode::default(),
            trust: Trust::Unknown,
            quantized: dtype.filter(|dtype| matches!(dtype, DType::QFloat(_))),
            statistic: false,
        });
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let is_bits = self
            .path
            .last()
            .is_some_and(|name| name == WeightMask::BITS);
        let Some(parameter) = self.parameters.last_mut().filter(|_| self.nested == 1) else {
            return;
        };
        // Bits are of rank 1. A reshape would be an operation on the device.
        let bits = (param as &dyn Any).downcast_ref::<Param<Tensor<1, Int>>>();
        if is_bits && parameter.reparameterization.as_deref() == Some(WeightMask::NAME) {
            parameter.bits = bits.map(|bits| (bits.id, bits.val()));
        }
    }
}
