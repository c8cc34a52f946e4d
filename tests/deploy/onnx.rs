//! ONNX files of pruned and shrunk models; `.ci/onnx` opens them with other runtimes.
//!
//! With the environment variable `BURN_PRUNE_ONNX` the files stay in that folder: `NAME.onnx`, and
//! `NAME.json` with the input and the outputs that Burn computes.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor};
use burn_prune::{Magnitude, NM, Prunable, Pruner};
use burn_prune_deploy::{DeployError, Graph, export_onnx};

use crate::common::select;
use crate::random::{Outputs, example, randomised};
use examples_shared::nets::convolutional::{LeNet5, Mlp};
use examples_shared::nets::others::{Transformer, UNet, Yolo};
use examples_shared::nets::residual::{MobileNetV2, ResNet18};

/// A folder for the files of a test, which goes with it unless one is asked for.
struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn new() -> Self {
        match std::env::var_os("BURN_PRUNE_ONNX") {
            Some(path) => {
                fs::create_dir_all(&path).unwrap();
                Self {
                    path: path.into(),
                    _temporary: None,
                }
            }
            None => {
                let folder = tempfile::tempdir().unwrap();
                Self {
                    path: folder.path().to_path_buf(),
                    _temporary: Some(folder),
                }
            }
        }
    }
}

/// What other runtimes need to compare.
fn describe<const D: usize>(
    folder: &Path,
    name: &str,
    input: &Tensor<D>,
    outputs: &impl Outputs,
    two_in_four: &[&str],
) {
    let description = serde_json::json!({
        "shape": input.dims().to_vec(),
        "input": input.values()[0],
        "outputs": outputs.values(),
        "two_in_four": two_in_four,
    });
    let file = fs::File::create(folder.join(format!("{name}.json"))).unwrap();
    serde_json::to_writer(file, &description).unwrap();
}

/// Exports a model with half of its channels gone.
macro_rules! exports {
    ($name:literal, $model:expr, $input:expr, $forward:path) => {{
        let folder = Folder::new();
        let input = $input;
        let model = randomised($model, 5);
        let graph = Graph::capture(&model, input.clone(), $forward).unwrap();
        let groups = graph.groups().unwrap();
        let plan = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups).plan();
        let small = plan.shrink(&model, input.clone(), $forward).unwrap();
        let file = folder.path.join(concat!($name, ".onnx"));
        export_onnx(&small, input.clone(), $forward, &file).unwrap();
        assert!(fs::metadata(&file).unwrap().len() > 1000);
        let outputs = $forward(&small, input.clone());
        describe(&folder.path, $name, &input, &outputs, &[]);
    }};
}

#[test]
fn lenet_5() {
    let device = Device::flex();
    exports!(
        "lenet-5",
        LeNet5::new(&device),
        example([2, 1, 28, 28], &device),
        LeNet5::forward
    );
}

#[test]
fn resnet_18() {
    let device = Device::flex();
    exports!(
        "resnet-18",
        ResNet18::new(16, 10, &device),
        example([2, 3, 64, 64], &device),
        ResNet18::forward
    );
}

#[test]
fn mobilenet_v2() {
    let device = Device::flex();
    exports!(
        "mobilenet-v2",
        MobileNetV2::new(10, &device),
        example([1, 3, 64, 64], &device),
        MobileNetV2::forward
    );
}

#[test]
fn c2f_and_sppf() {
    let device = Device::flex();
    exports!(
        "yolo",
        Yolo::new(&device),
        example([1, 3, 64, 64], &device),
        Yolo::forward
    );
}

#[test]
fn masks_are_zeros_in_the_file() {
    let device = Device::flex();
    let folder = Folder::new();
    let pruner = Pruner::new(Magnitude::l1()).pattern(NM::new(2, 4));
    let input = example([2, 64], &device);
    let model = randomised(Mlp::new(&[64, 32, 16, 8], &device), 6)
        .prune(&pruner)
        .unwrap();
    let file = folder.path.join("two-in-four.onnx");
    export_onnx(&model, input.clone(), Mlp::forward, &file).unwrap();
    let outputs = model.forward(input.clone());
    let pruned = ["layers.0.weight", "layers.1.weight", "layers.2.weight"];
    describe(&folder.path, "two-in-four", &input, &outputs, &pruned);
    // The model itself keeps its masks.
    assert!(model.is_pruned());
}

#[test]
fn what_cannot_be_written_is_named_and_the_file_that_was_there_stays() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    fs::write(&file, "earlier").unwrap();
    let input = example([1, 1, 16, 16], &device);
    let error = export_onnx(&UNet::new(&device), input, UNet::forward, &file).unwrap_err();
    assert!(
        matches!(&error, DeployError::Onnx { message } if message.contains("ConvTranspose2d")),
        "{error}"
    );
    let words = Tensor::<2, Int>::from_data([[1, 2, 3]], &device);
    let error = export_onnx(
        &Transformer::new(&device),
        words,
        Transformer::forward,
        &file,
    )
    .unwrap_err();
    assert!(matches!(&error, DeployError::Onnx { .. }), "{error}");
    println!("{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "earlier");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_with_its_path() {
    let device = Device::flex();
    let model = Mlp::new(&[4, 3, 2], &device);
    let input = example([1, 4], &device);
    let error = export_onnx(&model, input, Mlp::forward, "/nowhere/model.onnx").unwrap_err();
    assert!(matches!(error, DeployError::File { .. }), "{error}");
}
