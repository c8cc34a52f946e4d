use std::path::Path;

use burn::module::Module;
use burn_onnx::export::{ExportInput, ExportOutput, OnnxExporter};
use burn_prune::files;

use crate::error::DeployError;

/// Writes a model as an ONNX file for other runtimes, with the sizes of the example.
///
/// Masks are folded in: pruned weights are zeros in the file. The file is written under another name
/// and renamed, so what was there stays whole when something goes wrong.
///
/// # Errors
/// When the forward pass has an operation that burn-onnx cannot write (0.22: transposed
/// convolutions, softmax, layer norms, `clamp`, ...), which the message names, or the file cannot be
/// written.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// use burn_prune_deploy::export_onnx;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("net.onnx");
/// export_onnx(&model, Tensor::<2>::ones([1, 8], &device), forward, &file)?;
/// assert!(std::fs::metadata(&file)?.len() > 4 * 420);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn export_onnx<M, I, O>(
    model: &M,
    example: I,
    forward: impl FnOnce(&M, I) -> O,
    path: impl AsRef<Path>,
) -> Result<(), DeployError>
where
    M: Module,
    I: ExportInput,
    O: ExportOutput,
{
    // `valid` makes running statistics of its own; the exporter moves a clone, which shares them.
    let model = model.valid().materialize();
    let exported = OnnxExporter::new()
        .export(&model, example, forward)
        .map_err(|error| DeployError::Onnx {
            message: error.to_string(),
        })?;
    let path = path.as_ref();
    files::write(path, exported.as_bytes()).map_err(|error| DeployError::File {
        path: path.to_path_buf(),
        message: error.to_string(),
    })
}
