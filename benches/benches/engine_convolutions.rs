//! Single convolutions in the engine, against dense ones in ONNX Runtime.
//!
//! Images as they are inside of a ResNet-18 at 224². What is a ratio is how many times faster the
//! engine is. The limit: the time of ONNX Runtime times the density, its speed without the zeros.

use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune_benches::{Contest, Options, Rival, Row, Zeros, print};
use examples_shared::nets::conv;

/// Channels, size of the image, size of the kernel.
const THREES: [(usize, usize, usize); 3] = [(64, 56, 3), (128, 28, 3), (256, 14, 3)];
const ONE: (usize, usize, usize) = (256, 28, 1);

fn main() {
    let options = Options::get();
    let device = Device::flex();
    device.seed(0);
    let mut contest = Contest::new(&options);
    let mut rows = Vec::new();
    for batch in [1, 8] {
        for shape in THREES {
            for zeros in [Zeros::Random, Zeros::Uneven] {
                for (sparsity, least) in [(0.9, 3.0), (0.8, 1.8)] {
                    let times = race(&mut contest, &device, shape, batch, sparsity, zeros);
                    rows.extend(row(shape, batch, sparsity, zeros, times, least));
                }
            }
        }
    }
    for zeros in [Zeros::Random, Zeros::Uneven] {
        let times = race(&mut contest, &device, ONE, 1, 0.9, zeros);
        rows.extend(row(ONE, 1, 0.9, zeros, times, 3.0));
    }
    print("Convolutions", &rows);
}

/// The fastest run of the engine, and of ONNX Runtime.
fn race(
    contest: &mut Contest,
    device: &Device,
    (channels, size, kernel): (usize, usize, usize),
    batch: usize,
    sparsity: f64,
    zeros: Zeros,
) -> Option<[f64; 2]> {
    let model = zeros.in_model(conv([channels; 2], kernel, 1, device), sparsity, &[]);
    let shape = [batch, channels, size, size];
    let input = Tensor::random(shape, Distribution::Default, device);
    let forward = |model: &Conv2d, x| model.forward(x);
    let times = contest.race(&[Rival::OnnxRuntime], &model, &input, forward);
    Some([times.engine, times.onnxruntime?])
}

fn row(
    (channels, size, kernel): (usize, usize, usize),
    batch: usize,
    sparsity: f64,
    zeros: Zeros,
    times: Option<[f64; 2]>,
    least: f64,
) -> Option<Row> {
    let [ours, theirs] = times?;
    let faster = theirs / ours;
    let density = 1.0 - sparsity;
    let multiply_adds =
        density * (channels * channels * kernel * kernel * size * size * batch) as f64;
    let name = format!(
        "{kernel}x{kernel}, {channels} channels at {size}², batch {batch}, {:.0} % {}",
        100.0 * sparsity,
        zeros.name()
    );
    let measured = format!(
        "{faster:.2}: {:.3} ms ({:.0} GFLOP/s on nonzeros), ONNX Runtime {:.3} ms",
        1e3 * ours,
        2e-9 * multiply_adds / ours,
        1e3 * theirs
    );
    let limit = format!("{:.0}: no zeros multiplied", 1.0 / density);
    Some(
        Row::new(name, measured)
            .at_least(faster, least)
            .limit(limit),
    )
}
