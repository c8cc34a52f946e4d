//! Where the engine is faster, and whether it is ever slower: from no zeros to 98 %, from one input to
//! 256 of them.
//!
//! Each cell is a layer in the engine, against the same layer on flex. And the fewest zeros at which
//! the engine overtakes the dense layer in ONNX Runtime.

use burn::nn::conv::Conv2d;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune_benches::{Contest, Fastest, Options, Rival, Row, Zeros, median, print};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use examples_shared::nets::conv;

const SPARSITIES: [f64; 8] = [0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98];
const BATCHES: [usize; 6] = [1, 4, 16, 32, 64, 256];

/// A layer, and an input of any batch.
#[derive(Clone, Copy)]
enum Layer {
    /// Inputs and outputs.
    Linear(usize),
    /// Channels, size of the image, size of the kernel.
    Convolution(usize, usize, usize),
}

fn main() {
    let options = Options::get();
    let device = Device::flex();
    device.seed(0);
    let mut contest = Contest::new(&options);
    let layers = [
        Layer::Linear(1024),
        Layer::Convolution(64, 28, 3),
        Layer::Convolution(128, 28, 1),
    ];
    let batches = if options.quick {
        &BATCHES[..1]
    } else {
        &BATCHES[..]
    };
    let mut rows = Vec::new();
    for layer in layers {
        let mut cells = Vec::new();
        for batch in batches {
            for sparsity in SPARSITIES {
                let times = layer.race(&mut contest, &[Rival::Flex], *batch, sparsity, &device);
                cells.push(times.flex.expect("it was timed") / times.engine);
            }
        }
        print_cells(&layer.name(), batches, &cells);
        let least = cells.iter().copied().fold(f64::MAX, f64::min);
        let middle = median(&cells);
        rows.push(
            Row::new(
                format!("{}, the worst cell", layer.name()),
                format!("{least:.2}"),
            )
            .at_least(least, 0.95)
            .limit("1"),
        );
        rows.push(
            Row::new("  the median of the cells", format!("{middle:.2}")).at_least(middle, 1.3),
        );
    }
    print("Engine against flex, times faster", &rows);

    if contest.has_peer() {
        let layers = [
            (Layer::Convolution(128, 28, 3), 0.6),
            (Layer::Convolution(256, 28, 1), 0.75),
            (Layer::Linear(4096), 0.75),
        ];
        let rows: Vec<Row> = layers
            .into_iter()
            .map(|(layer, most)| overtaking(layer, most, &mut contest, &device))
            .collect();
        print(
            "Zeros at which the engine overtakes ONNX Runtime dense, batch 1",
            &rows,
        );
    }
}

/// The least sparsity from which on the engine is faster.
fn overtaking(layer: Layer, most: f64, contest: &mut Contest, device: &Device) -> Row {
    let mut from = None;
    let mut ratios = Vec::new();
    for percent in (0..10).rev().map(|tenth| 10 * tenth) {
        let sparsity = f64::from(percent) / 100.0;
        let times = layer.race(contest, &[Rival::OnnxRuntime], 1, sparsity, device);
        let faster = times.onnxruntime.expect("there is a peer") / times.engine;
        ratios.push(format!("{percent} %: {faster:.2}"));
        if faster < 1.0 {
            break;
        }
        from = Some(sparsity);
    }
    let measured = from.map_or("never".to_string(), |from| format!("{:.0} %", 100.0 * from));
    // Those around the answer.
    let last = &ratios[ratios.len().saturating_sub(3)..];
    let row = Row::new(layer.name(), format!("{measured} ({})", last.join(", ")));
    row.at_most(from.unwrap_or(1.0), most)
}

impl Layer {
    fn name(self) -> String {
        match self {
            Self::Linear(width) => format!("Linear {width}²"),
            Self::Convolution(channels, size, kernel) => {
                format!("{kernel}x{kernel}, {channels} channels at {size}²")
            }
        }
    }

    fn race(
        self,
        contest: &mut Contest,
        rivals: &[Rival],
        batch: usize,
        sparsity: f64,
        device: &Device,
    ) -> Fastest {
        let distribution = Distribution::Normal(0.0, 1.0);
        match self {
            Self::Linear(width) => {
                let layer = LinearConfig::new(width, width).init(device);
                let layer = Zeros::Random.in_model(layer, sparsity, &[]);
                let input = Tensor::random([batch, width], distribution, device);
                contest.race(rivals, &layer, &input, |layer: &Linear, x: Tensor<2>| {
                    layer.forward(x)
                })
            }
            Self::Convolution(channels, size, kernel) => {
                let layer = conv([channels; 2], kernel, 1, device);
                let layer = Zeros::Random.in_model(layer, sparsity, &[]);
                let input = Tensor::random([batch, channels, size, size], distribution, device);
                contest.race(rivals, &layer, &input, |layer: &Conv2d, x| layer.forward(x))
            }
        }
    }
}

fn print_cells(name: &str, batches: &[usize], cells: &[f64]) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let zeros = SPARSITIES.map(|sparsity| format!("{:.0} %", 100.0 * sparsity));
    table.set_header([vec![format!("{name}, batch")], zeros.to_vec()].concat());
    for (batch, cells) in batches.iter().zip(cells.chunks(SPARSITIES.len())) {
        let cells = cells.iter().map(|cell| format!("{cell:.2}"));
        table.add_row([vec![batch.to_string()], cells.collect()].concat());
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}
