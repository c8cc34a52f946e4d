//! PyTorch state dicts with the masks of `torch.nn.utils.prune`.

use std::any::Any;
use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use burn_store::{ModuleSnapshot, ModuleStore, PytorchStore};

use crate::{Mask, MaskSet, Prunable, PruneError, Rejected, model::Inventory};

/// What PyTorch appends to the name of a pruned parameter, and to that of its mask.
const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";

pub(crate) fn load<M: Module>(model: M, path: &Path) -> Result<M, Rejected<M>> {
    let (plain, masks) = match read(&model, path) {
        Ok(loaded) => loaded,
        Err(error) => return Err(Rejected::new(model, error)),
    };
    // It fits by now, so the model can take it all at once.
    let mut copy = Copy::default();
    plain.visit(&mut copy);
    let model = model.map(&mut copy);
    match masks.is_empty() {
        true => Ok(model),
        false => model.with_masks(&masks),
    }
}

struct WithoutMappers;

impl ModuleMapper for WithoutMappers {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::initialized(param.id, param.into_value())
    }
}

/// Carries float parameters and statistics from one model to another of the same type, by path.
#[derive(Default)]
struct Copy {
    path: Vec<String>,
    tensors: HashMap<String, Box<dyn Any>>,
}

impl ModuleVisitor for Copy {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = Box::new(param.base());
        self.tensors.insert(self.path.join("."), tensor);
    }
}

impl ModuleMapper for Copy {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(tensor) = self.tensors.remove(&self.path.join(".")) else {
            return param;
        };
        let tensor: Box<Tensor<D>> = tensor.downcast().expect("the models are of one type");
        param.map(|weight| {
            let tensor = tensor.to_device(&weight.device());
            tensor.set_require_grad(weight.is_require_grad())
        })
    }
}

/// A copy of the model with the weights of the file, and the masks.
fn read<M: Module>(model: &M, path: &Path) -> Result<(M, MaskSet), PruneError> {
    let failed = |message: String| PruneError::Record {
        message: format!("{}: {message}", path.display()),
    };
    let mut inventory = Inventory::of(model);
    let ids = inventory.parameters.iter().map(|known| known.id).collect();
    inventory.initialize(model, &ids);
    if inventory.is_masked() {
        return Err(failed(
            "the model has masks already, load into one without".to_string(),
        ));
    }
    let mut store =
        PytorchStore::from_file(path).with_key_remapping(format!("^(.+){ORIGINAL}$"), "$1");
    let tensors = store
        .get_all_tensors()
        .map_err(|error| failed(error.to_string()))?;
    let mut masks = MaskSet::new();
    for (name, tensor) in tensors {
        // A parameter may well be called `mask`: PyTorch's masks stand beside their parameter.
        let weight = name
            .strip_suffix(MASK)
            .filter(|weight| tensors.contains_key(*weight));
        let Some(weight) = weight else {
            continue;
        };
        let parameter = inventory
            .find(weight)
            .ok_or_else(|| PruneError::MaskFitsNothing {
                path: weight.to_string(),
                found: inventory.paths(),
            })?;
        let bytes = tensor
            .to_bytes()
            .map_err(|error| failed(error.to_string()))?;
        let data = TensorData::from_bytes(bytes, tensor.shape.clone(), tensor.dtype);
        parameter.check_maskable()?;
        let kept: Vec<bool> = data.iter::<f32>().map(|kept| kept != 0.0).collect();
        let shape = data.shape().to_vec();
        let mask = match (parameter.weight_of(), shape.as_slice()) {
            (Some("Linear"), &[rows, columns]) => {
                let transposed = (0..kept.len()).map(|i| kept[i % rows * columns + i / rows]);
                Mask::from_kept([columns, rows], &transposed.collect::<Vec<_>>())?
            }
            _ => Mask::from_kept(shape, &kept)?,
        };
        if mask.shape() != parameter.shape {
            return Err(PruneError::MaskShape {
                path: weight.to_string(),
                expected: parameter.shape.clone(),
                found: mask.shape().to_vec(),
            });
        }
        masks.insert(parameter.path(), mask);
    }
    // New tensors and new running statistics: what does not fit has changed nothing.
    // Without load mappers: burn-store gives a `Linear` as it is used, and one in column layout
    // would transpose it once more.
    let mut plain = model.valid().map(&mut WithoutMappers);
    plain
        .load_from(&mut store)
        .map_err(|error| failed(error.to_string()))?;
    Ok((plain, masks))
}
