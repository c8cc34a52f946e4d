//! Taking masks off without writing their zeros.

use burn::module::{Flag, Module, ModuleMapper, Param};

use crate::mask::{Answer, Trust};

/// Takes all masks off. What is stored stays, bit for bit.
///
/// There must be no other reparameterization: Burn would merge it into its weight.
pub(crate) fn detach<M: Module>(model: M) -> M {
    // The only way that Burn has to take a reparameterization off is to store what is read. So
    // let what is read be what is stored.
    model.map(&mut ReadAsStored).materialize()
}

struct ReadAsStored;

impl ModuleMapper for ReadAsStored {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        Trust::answer(flag, Answer::AsStored)
    }
}
