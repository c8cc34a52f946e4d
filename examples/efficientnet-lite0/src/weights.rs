use std::path::Path;

use burn::tensor::Device;
use burn_store::{ModuleSnapshot, PytorchStore};

use crate::args::SETUP;
use crate::net::EfficientNetLite0;

/// Names in the state dict, and here.
const NAMES: [(&str, &str); 11] = [
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_blocks\.(\d+)\._expand_conv\.", "blocks.$1.expand.conv."),
    (r"^_blocks\.(\d+)\._bn0\.", "blocks.$1.expand.norm."),
    (
        r"^_blocks\.(\d+)\._depthwise_conv\.",
        "blocks.$1.depthwise.conv.",
    ),
    (r"^_blocks\.(\d+)\._bn1\.", "blocks.$1.depthwise.norm."),
    (
        r"^_blocks\.(\d+)\._project_conv\.",
        "blocks.$1.project.conv.",
    ),
    (r"^_blocks\.(\d+)\._bn2\.", "blocks.$1.project.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_fc\.", "fc."),
];

/// The pretrained network.
///
/// # Errors
/// When the file is not there, which tells how to get it, or does not fit.
pub(crate) fn load(path: &Path, device: &Device) -> Result<EfficientNetLite0, String> {
    let name = path.display();
    if !path.is_file() {
        return Err(format!("there are no weights at `{name}`: {SETUP}"));
    }
    let store = PytorchStore::from_file(path);
    let mut store = NAMES.iter().fold(store, |store, (theirs, ours)| {
        store.with_key_remapping(theirs, *ours)
    });
    let mut model = EfficientNetLite0::new(device);
    let loaded = model.load_from(&mut store);
    loaded.map_err(|error| format!("`{name}` does not fit: {error}"))?;
    Ok(model)
}
