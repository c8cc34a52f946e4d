//! The ids of masks, which encode the places that a mask was given to.
//!
//! They are in every record, so places that share a parameter are recognised after loading too.

use std::collections::{HashMap, HashSet};

use burn::module::ParamId;

use super::parameter::Parameter;
use super::walk::Place;

/// The lowest bits of the id of a mask that was given to one place alone. Clones of its weight are
/// not shared because they have it.
const ALONE: u64 = 0x616c;
/// The lowest bits of the id of a mask that was given to several places, at the first of them; the
/// others count up. If a model contains two clones, each of these ids is there twice.
const FIRST: u64 = 0x7300;
const LAST: u64 = 0x73ff;
const LOWEST: u64 = 0xffff;

/// The ids of a mask that is given to so many places, by the number of the place among them.
#[derive(Clone, Copy)]
pub(super) struct MaskIds {
    highest: u64,
    places: usize,
}

impl MaskIds {
    pub(super) fn new(places: usize) -> Self {
        Self {
            highest: ParamId::new().val() & !LOWEST,
            places,
        }
    }

    pub(super) fn at(&self, index: usize) -> ParamId {
        let lowest = match self.places {
            1 => ALONE,
            places if places as u64 <= LAST - FIRST + 1 => FIRST + index as u64,
            // So many cannot be told apart, as in files from before they were.
            _ => 0,
        };
        ParamId::from(self.highest | lowest)
    }
}

/// Whether places with a mask of this id are shared.
fn is_of_shared(mask: &ParamId) -> bool {
    mask.val() & LOWEST != ALONE
}

/// The number of the place that a mask with this id was given to, if the id encodes it.
fn index(mask: ParamId) -> Option<u64> {
    (mask.val() & LOWEST)
        .checked_sub(FIRST)
        .filter(|index| *index <= LAST - FIRST)
}

/// What the ids of one mask have in common.
pub(super) fn common(mask: ParamId) -> ParamId {
    match index(mask) {
        Some(index) => ParamId::from(mask.val() - index),
        None => mask,
    }
}

/// Which places have got one mask together, while a model is walked over.
#[derive(Default)]
pub(super) struct Together {
    /// By the id of the weight and the common one of the mask.
    known: HashMap<(ParamId, ParamId), Vec<Set>>,
}

/// The places of one parameter, in one of several clones of its model.
struct Set {
    first: Place,
    indices: HashSet<u64>,
}

impl Together {
    /// The first of the places that share this parameter; `None` when it is alone.
    pub(super) fn first(&mut self, parameter: &Parameter) -> Option<Place> {
        let mask = parameter.mask_id().filter(is_of_shared)?;
        let sets = self.known.entry((parameter.id, common(mask))).or_default();
        let index = index(mask);
        let open = |set: &&mut Set| index.is_none_or(|index| !set.indices.contains(&index));
        if let Some(set) = sets.iter_mut().find(open) {
            set.indices.extend(index);
            return Some(set.first);
        }
        let first = parameter.place();
        sets.push(Set {
            first,
            indices: index.into_iter().collect(),
        });
        Some(first)
    }
}

/// An id with this number, which says of the places of a mask what the old one said.
pub(super) fn renewed(old: ParamId, number: u64) -> ParamId {
    let says_so = index(old).is_some() || !is_of_shared(&old);
    let lowest = if says_so { old.val() & LOWEST } else { 0 };
    ParamId::from(number & !LOWEST | lowest)
}
