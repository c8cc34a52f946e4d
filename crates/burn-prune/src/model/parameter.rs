//! One float parameter of a model, without reading it.

use burn::module::{ParamGroup, ParamId};
use burn::tensor::{DType, Int, Tensor, TensorData};

use super::walk::{Place, Position};
use crate::error::PruneError;
use crate::mask::{Mask, MaskMode, Trust, is_read_as_stored};

/// One float parameter, at one place of the model or shared between several.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Dotted paths; more than one when it is shared. The first names it.
    pub paths: Vec<String>,
    /// The same without the names of enum variants, which other frameworks do not have.
    pub plain_paths: Vec<String>,
    pub id: ParamId,
    pub shape: Vec<usize>,
    /// Where it is, in the order of the paths.
    pub(super) places: Vec<Place>,
    /// Type name of the struct that holds it first, `Linear` for instance.
    pub(super) layer: Option<String>,
    /// Name of the reparameterization it carries, ours or another one.
    pub(super) reparameterization: Option<String>,
    /// The packed mask it carries, and its id.
    pub(super) bits: Option<(ParamId, Tensor<1, Int>)>,
    /// Where that mask is.
    masked_at: Place,
    /// When the zeros of that mask are put in.
    pub(super) mode: MaskMode,
    /// What is known of the weight under that mask.
    pub(super) trust: Trust,
    /// Data type, when it is quantized.
    pub(super) quantized: Option<DType>,
    /// Running statistics are presented as parameters, but cannot carry a mask.
    pub(super) statistic: bool,
}

impl Parameter {
    /// The parameter that a walk has come to.
    pub(super) fn new(at: &Position, id: ParamId, shape: &[usize]) -> Self {
        let place = at.place();
        Self {
            paths: vec![at.path().to_string()],
            plain_paths: vec![at.plain_path()],
            id,
            shape: shape.to_vec(),
            places: vec![place],
            layer: at.layer().map(str::to_string),
            reparameterization: None,
            bits: None,
            masked_at: place,
            mode: MaskMode::default(),
            trust: Trust::Unknown,
            quantized: None,
            statistic: false,
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.paths[0]
    }

    /// The first of its places, by which it is known.
    pub(crate) fn place(&self) -> Place {
        self.places[0]
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Type name of the layer whose `weight` this is, where it is first.
    pub(crate) fn weight_of(&self) -> Option<&str> {
        let name = self.path().rsplit('.').next();
        self.layer.as_deref().filter(|_| name == Some("weight"))
    }

    /// Whether the group has one of its places.
    pub(crate) fn matches(&self, group: &ParamGroup) -> bool {
        self.paths
            .iter()
            .any(|path| group.matches(&self.id, Some(path)))
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

    /// The id of the mask it carries.
    pub(super) fn mask_id(&self) -> Option<ParamId> {
        self.bits.as_ref().map(|(id, _)| *id)
    }

    /// Where the mask that it carries is.
    pub(super) fn masked_at(&self) -> Place {
        self.masked_at
    }

    /// The mask it carries, of what has been read of the packed one.
    pub(super) fn mask_of(&self, bits: &TensorData) -> Mask {
        let mask = Mask::from_data(self.shape.clone(), bits);
        mask.expect("an attached mask has the shape of its parameter")
    }

    /// Takes in other places where this parameter is used.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.paths.append(&mut other.paths);
        self.plain_paths.append(&mut other.plain_paths);
        self.places.append(&mut other.places);
        if self.reparameterization.is_none() {
            self.reparameterization = other.reparameterization;
            self.bits = other.bits;
            self.masked_at = other.masked_at;
            self.mode = other.mode;
            self.trust = other.trust;
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

    pub(super) fn foreign_reparameterization(&self) -> Option<&str> {
        let name = self.reparameterization.as_deref();
        name.filter(|_| self.bits.is_none())
    }

    pub(crate) fn is_statistic(&self) -> bool {
        self.statistic
    }
}
