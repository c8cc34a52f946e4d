//! PyTorch state dicts with the masks of `torch.nn.utils.prune`.

use std::path::Path;

use burn::module::Module;
use burn::tensor::TensorData;
use burn_store::{ModuleSnapshot, ModuleStore, PytorchStore};

use crate::{Mask, MaskSet, Prunable, PruneError, Rejected, model::Inventory};

/// What PyTorch appends to the name of a pruned parameter, and to that of its mask.
const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";

pub(crate) fn load<M: Module>(model: M, path: &Path) -> Result<M, Rejected<M>> {
    let loaded = read(&model, path).and_then(|(plain, masks)| {
        // Fits by now, so the model can take it all at once.
        let record = plain.into_record();
        Ok((record, masks))
    });
    let (record, masks) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return Err(Rejected::new(model, error)),
    };
    let model = model.load_masked_record(record)?;
    match masks.is_empty() {
        true => Ok(model),
        false => model.with_masks(&masks),
    }
}

/// A copy of the model with the weights of the file, and the masks.
fn read<M: Module>(model: &M, path: &Path) -> Result<(M, MaskSet), PruneError> {
    let failed = |message: String| PruneError::Record {
        message: format!("{}: {message}", path.display()),
    };
    let inventory = Inventory::of(model);
    if inventory.is_masked() {
        return Err(failed("the model has masks already, load into one without".to_string()));
    }
    let mut store = PytorchStore::from_file(path)
        .with_key_remapping(format!("^(.+){ORIGINAL}$"), "$1");
    let tensors = store.get_all_tensors().map_err(|error| failed(error.to_string()))?;
    let mut masks = MaskSet::new();
    for (name, tensor) in tensors {
        // A parameter may well be called `mask`: PyTorch's masks stand beside their parameter.
        let weight = name.strip_suffix(MASK).filter(|weight| tensors.contains_key(*weight));
        let Some(weight) = weight else {
            continue;
        };
        let parameter = inventory.find(weight).ok_or_else(|| PruneError::MaskFitsNothing {
            path: weight.to_string(),
            found: inventory.paths(),
        })?;
        let bytes = tensor.to_bytes().map_err(|error| failed(error.to_string()))?;
        let data = TensorData::from_bytes(bytes, tensor.shape.clone(), tensor.dtype);
        let kept: Vec<bool> = data.iter::<f32>().map(|kept| kept != 0.0).collect();
        let shape = data.shape().to_vec();
        let mask = match (parameter.weight_of(), shape.as_slice()) {
            (Some("Linear"), &[rows, columns]) => {
                let transposed = (0..kept.len()).map(|i| kept[i % rows * columns + i / rows]);
                Mask::from_kept([columns, rows], &transposed.collect::<Vec<_>>())?
            }
            _ => Mask::from_kept(shape, &kept)?,
        };
        masks.insert(parameter.path(), mask);
    }
    // New tensors and new running statistics: what does not fit has changed nothing.
    let mut plain = model.valid();
    plain.load_from(&mut store).map_err(|error| failed(error.to_string()))?;
    Ok((plain, masks))
}
