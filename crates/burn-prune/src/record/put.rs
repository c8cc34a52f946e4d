//! Putting the tensors of a record into a model.

use burn::module::{ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

use super::contents::Contents;

/// Puts the contents of a record into a model.
pub(super) struct Put {
    contents: Contents,
    ids: Ids,
    path: Vec<String>,
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
            path: Vec::new(),
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
            match self
                .contents
                .take::<Param<Tensor<D, $kind>>>(&self.path.join("."))
            {
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
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(found) = self.contents.take::<Param<Tensor<D>>>(&path) else {
            return param;
        };
        let id = self.id(found.id, param.id);
        let value = found.into_value();
        let value = match self.contents.casts.get(&path) {
            Some(dtype) => value.cast(*dtype),
            None => value,
        };
        param.transform_for_load(value, id)
    }

    put!(map_int, Int);
    put!(map_bool, Bool);
}
