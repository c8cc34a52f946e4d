//! Taking entries out of the parameters of a model.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::AxisCut;

/// Ids and shapes of the float parameters by dotted path.
pub(super) fn parameters<M: Module>(model: &M) -> HashMap<String, (ParamId, Vec<usize>)> {
    let mut visitor = Parameters::default();
    model.visit(&mut visitor);
    visitor.found
}

#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    found: HashMap<String, (ParamId, Vec<usize>)>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.val().dims().to_vec();
        self.found.insert(self.path.join("."), (param.id, shape));
    }
}

/// Cuts a model that nobody else shares statistics with.
pub(super) fn cut<M: Module>(model: M, cuts: &[AxisCut]) -> M {
    let mut by_path: HashMap<&str, Vec<&AxisCut>> = HashMap::new();
    for cut in cuts {
        by_path.entry(&cut.path).or_default().push(cut);
    }
    model.map(&mut Cutter {
        path: Vec::new(),
        cuts: by_path,
    })
}

struct Cutter<'a> {
    path: Vec<String>,
    cuts: HashMap<&'a str, Vec<&'a AxisCut>>,
}

impl ModuleMapper for Cutter<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(cuts) = self.cuts.get(self.path.join(".").as_str()) else {
            return param;
        };
        param.map(|tensor| {
            cuts.iter().fold(tensor, |tensor, cut| {
                let kept: Vec<i64> = cut.kept.iter().map(|index| *index as i64).collect();
                let kept = TensorData::new(kept, [cut.kept.len()]);
                let kept = Tensor::<1, Int>::from_data(kept, &tensor.device());
                tensor.select(cut.axis, kept)
            })
        })
    }
}

/// Makes the cut parameters that records hold in another layout lazy again. Burn compares the shape
/// in a record with that of a lazy parameter before its mapper, and with that of an initialised one
/// behind it, so that the latter cannot be loaded unless it is square.
pub(super) fn loadable<M: Module>(model: M, cuts: &[AxisCut]) -> M {
    model.map(&mut Loadable {
        path: Vec::new(),
        cuts: cuts.iter().map(|cut| cut.path.as_str()).collect(),
    })
}

struct Loadable<'a> {
    path: Vec<String>,
    cuts: HashSet<&'a str>,
}

impl ModuleMapper for Loadable<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.cuts.contains(self.path.join(".").as_str()) {
            return param;
        }
        let requires_grad = requires_grad(&param);
        let (id, tensor, mapper) = param.consume();
        let saved = mapper.on_save(tensor.clone()).detach();
        let shape = saved.shape();
        if shape == tensor.shape() {
            return Param::from_mapped_value(id, tensor, mapper);
        }
        let device = tensor.device();
        let init = move |device: &Device, requires_grad: bool| {
            let saved = saved.to_device(device).detach();
            saved.set_require_grad(requires_grad)
        };
        let (init_mapper, load_mapper) = (mapper.clone(), mapper.clone());
        Param::uninitialized(id, init, device, requires_grad, shape)
            .init_mapper(move |tensor| init_mapper.on_load(tensor))
            .load_mapper(move |tensor| load_mapper.on_load(tensor))
            .save_mapper(move |tensor| mapper.on_save(tensor))
    }
}

/// Whether a parameter will be trained, also on a device that cannot.
fn requires_grad<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    let value = param.val();
    if value.is_autodiff() {
        return value.is_require_grad();
    }
    // Only a device that trains tells, which this feature of Burn brings.
    #[cfg(feature = "optim")]
    return param.clone().train().val().is_require_grad();
    #[cfg(not(feature = "optim"))]
    true
}
