//! Taking entries out of the parameters of a model.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Int, Tensor, TensorData};

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
