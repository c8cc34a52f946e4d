//! Whole models in the engine, against the dense model in ONNX Runtime, and against flex.
//!
//! What is a ratio is how many times faster the engine is. `EFFICIENTNET_LITE0_WEIGHTS` names the
//! weights of EfficientNet-Lite0; without them the rows with trained masks are left out.

use burn::module::{Module, ParamGroup};
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune::{Allocation, Magnitude, Prunable, Pruner};
use burn_prune_benches::{Contest, Fastest, Options, Rival, Row, Zeros, print};
use examples_shared::nets::convolutional::Mlp;
use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;
use examples_shared::nets::residual::ResNet18;
use examples_shared::pretrained;

/// Weights that are not pruned: those of stems, depthwise convolutions and classifiers.
const STEM: &str = r"^stem\.";
const DEPTHWISE: &str = r"\.depthwise\.";
const CLASSIFIER: &str = r"^fc\.";

fn main() {
    let options = Options::get();
    let device = Device::flex();
    device.seed(0);
    let mut contest = Contest::new(&options);
    let size = if options.quick { 64 } else { 224 };
    let images = |batch| Tensor::random([batch, 3, size, size], Distribution::Default, &device);
    let mut rows = Vec::new();

    let width = if options.quick { 16 } else { 64 };
    let resnet = || ResNet18::new(width, 1_000, &device).valid();
    let mut resnet18 = |batch, sparsity, zeros: Zeros, least: Option<f64>| {
        let model = zeros.in_model(resnet(), sparsity, &[STEM, CLASSIFIER]);
        let forward = ResNet18::forward;
        let times = contest.race(&[Rival::OnnxRuntime], &model, &images(batch), forward);
        let name = format!("ResNet-18, {}, batch {batch}", shown(sparsity, zeros));
        rows.extend(against_onnxruntime(name, times, sparsity, least));
    };
    for zeros in [Zeros::Random, Zeros::Uneven] {
        resnet18(1, 0.8, zeros, Some(1.4));
        resnet18(1, 0.9, zeros, Some(2.2));
        resnet18(1, 0.95, zeros, Some(2.8));
        resnet18(8, 0.9, zeros, Some(2.2));
    }

    let forward = EfficientNetLite0::forward;
    let fresh = || EfficientNetLite0::new(&device).valid();
    for zeros in [Zeros::Random, Zeros::Uneven] {
        let model = zeros.in_model(fresh(), 0.9, &[STEM, DEPTHWISE, CLASSIFIER]);
        let times = contest.race(&[Rival::OnnxRuntime], &model, &images(1), forward);
        let name = format!("EfficientNet-Lite0, 1x1 at {}, batch 1", shown(0.9, zeros));
        rows.extend(against_onnxruntime(name, times, 0.9, Some(1.3)));
    }
    match pretrained::load(&pretrained::path(), &device) {
        Ok(model) => {
            let model = pruned_globally(model, 0.9);
            let times = contest.race(&[Rival::OnnxRuntime], &model, &images(1), forward);
            let name = "EfficientNet-Lite0, its own weights, 1x1 at 90 % by global L1, batch 1";
            rows.extend(against_onnxruntime(name.to_string(), times, 0.9, Some(1.3)));
        }
        Err(error) => println!("no rows with trained weights: {error}"),
    }

    let mlp = || Mlp::new(&[784, 1_000, 1_000, 10], &device);
    for zeros in [Zeros::Random, Zeros::Uneven] {
        for (batch, least) in [(1, 1.5), (32, 5.0)] {
            let model = zeros.in_model(mlp(), 0.95, &[]);
            let input = Tensor::random([batch, 784], Distribution::Default, &device);
            let times = contest.race(&[Rival::OnnxRuntime], &model, &input, Mlp::forward);
            let name = format!(
                "MLP 784-1000-1000-10, {}, batch {batch}",
                shown(0.95, zeros)
            );
            rows.extend(against_onnxruntime(name, times, 0.95, Some(least)));
        }
    }

    let both = [Rival::Flex, Rival::OnnxRuntime];
    let times = contest.race(&both, &resnet(), &images(1), ResNet18::forward);
    rows.push(against_flex("ResNet-18 without zeros, batch 1", times, 2.4));
    let times = contest.race(&both, &fresh(), &images(1), forward);
    rows.push(against_flex(
        "EfficientNet-Lite0 without zeros, batch 1",
        times,
        5.0,
    ));
    print("Whole models", &rows);
}

/// 1x1 weights, ranked together.
fn pruned_globally(model: EfficientNetLite0, sparsity: f64) -> EfficientNetLite0 {
    let exclude = |path| ParamGroup::from_regex(path).expect("it is a regular expression");
    let pruner = Pruner::new(Magnitude::l1())
        .allocation(Allocation::Global)
        .exclude(exclude(STEM))
        .exclude(exclude(DEPTHWISE))
        .exclude(exclude(CLASSIFIER))
        .to_sparsity(sparsity);
    let pruned = model.prune(&pruner).expect("it has weights");
    pruned.make_permanent().expect("it has masks")
}

fn shown(sparsity: f64, zeros: Zeros) -> String {
    format!("{:.0} % {}", 100.0 * sparsity, zeros.name())
}

/// The limit is the time of ONNX Runtime times the density: its speed, without the zeros.
fn against_onnxruntime(
    name: String,
    times: Fastest,
    sparsity: f64,
    least: Option<f64>,
) -> Option<Row> {
    let theirs = times.onnxruntime?;
    let faster = theirs / times.engine;
    let measured = format!(
        "{faster:.2}: {:.3} ms, ONNX Runtime {:.3} ms",
        1e3 * times.engine,
        1e3 * theirs
    );
    let row = Row::new(name, measured).limit(format!(
        "{:.0}: no zeros multiplied",
        1.0 / (1.0 - sparsity)
    ));
    Some(match least {
        Some(least) => row.at_least(faster, least),
        None => row,
    })
}

fn against_flex(name: &str, times: Fastest, least: f64) -> Row {
    let flex = times.flex.expect("it was timed");
    let faster = flex / times.engine;
    let measured = format!(
        "{faster:.2}: {:.2} ms, flex {:.2} ms",
        1e3 * times.engine,
        1e3 * flex
    );
    let row = Row::new(name, measured).at_least(faster, least);
    match times.onnxruntime {
        Some(theirs) => row.limit(format!(
            "{:.2}: ONNX Runtime, {:.2} ms",
            flex / theirs,
            1e3 * theirs
        )),
        None => row,
    }
}
