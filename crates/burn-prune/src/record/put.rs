//! Putting the tensors of a record into a model.

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

use super::contents::Contents;
use crate::model::Position;

/// Puts the contents of a record into a model.
pub(super) struct Put {
    contents: Contents,
    ids: Ids,
    at: Position,
}

/// What a parameter is called afterwards.
#[derive(Clone, Copy)]
pub(super) enum Ids {
    /// As in the record, with the optimizer state that was saved beside it.
    OfRecord,
    /// As it is called now.
    OfModel,
}

impl Put {
    pub(super) fn new(contents: Contents, ids: Ids) -> Self {
        Self {
            contents,
            ids,
            at: Position::default(),
        }
    }

    fn id(&self, recorded: ParamId, now: ParamId) -> ParamId {
        match self.ids {
            Ids::OfRecord => recorded,
            Ids::OfModel => now,
        }
    }
}

macro_rules! put {
    ($map:ident, $kind:ty) => {
        fn $map<const D: usize>(
            &mut self,
            param: Param<Tensor<D, $kind>>,
        ) -> Param<Tensor<D, $kind>> {
            let found = self
                .contents
                .take::<Param<Tensor<D, $kind>>>(self.at.path());
            match found {
                Some(found) => {
                    let id = self.id(found.id, param.id);
                    param.transform_for_load(found.into_value(), id)
                }
                None => param,
            }
        }
    };
}

impl ModuleMapper for Put {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.at.path();
        let Some(found) = self.contents.take::<Param<Tensor<D>>>(path) else {
            return param;
        };
        let id = self.id(found.id, param.id);
        let recorded = found.into_value();
        let value = match self.contents.casts.get(path) {
            Some(dtype) => recorded.cast(*dtype),
            None => recorded,
        };
        param.transform_for_load(value, id)
    }

    put!(map_int, Int);
    put!(map_bool, Bool);
}
