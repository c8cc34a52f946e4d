//! `Linear` of 4096 inputs and outputs in the engine: what memory allows, and what others reach.
//!
//! Cold means weights from memory: a chain of eight layers, of which each is read once in a run. The
//! roof is the fastest reading of memory, by us or by any product here.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor, activation::relu};
use burn_prune_benches::{Contest, Options, Rival, Row, Zeros, fastest_reading, print};
use examples_shared::Peer;

/// Layers of a chain.
const LAYERS: usize = 8;

/// Layers of equal width, one behind the other.
#[derive(Module, Debug)]
struct Chain {
    layers: Vec<Linear>,
}

fn main() {
    let options = Options::get();
    let device = Device::flex();
    device.seed(0);
    let mut contest = Contest::new(&options);
    let width = if options.quick { 256 } else { 4096 };
    let mut rows = cold(&mut contest, width, &device);
    print("Linear, batch 1, cold, a layer", &rows);
    rows = behind_relu(&mut contest, width, &device);
    print("Dense Linear behind a ReLU, batch 1, cold, a layer", &rows);
    rows = batches(&mut contest, width, &device);
    print("Linear, against flex", &rows);
    if let Some(python) = &options.python {
        let peer = Peer::start(python, "torch_sparse.py", burn_prune_benches::threads());
        let mut peer = peer.expect("the Python given can be run");
        rows = against_csr(&mut contest, &mut peer, width, &device);
        print(
            "Linear, 90 % random zeros, against PyTorch's CSR with int32 (MKL)",
            &rows,
        );
    }
}

/// Seconds of a layer, and how fast memory has been read.
struct Cold {
    engine: f64,
    onnxruntime: Option<f64>,
}

impl Cold {
    fn of(contest: &mut Contest, chain: &Chain, input: &Tensor<2>, forward: Forward) -> Self {
        let times = contest.race(&[Rival::OnnxRuntime], chain, input, forward);
        Self {
            engine: times.engine / LAYERS as f64,
            onnxruntime: times.onnxruntime.map(|time| time / LAYERS as f64),
        }
    }

    fn best(&self) -> f64 {
        self.onnxruntime
            .map_or(self.engine, |time| time.min(self.engine))
    }
}

type Forward = fn(&Chain, Tensor<2>) -> Tensor<2>;

/// Shares of the roof, and against the best dense product.
fn cold(contest: &mut Contest, width: usize, device: &Device) -> Vec<Row> {
    let input = Tensor::random([1, width], Distribution::Normal(0.0, 1.0), device);
    let bytes = 4.0 * (width * width) as f64;
    let dense = Cold::of(contest, &Chain::new(width, device), &input, Chain::forward);
    let sparse: Vec<(f64, f64, f64, Zeros, Cold)> =
        [(0.5, 0.85, 1.7), (0.7, 0.82, 2.5), (0.9, 0.75, 5.5)]
            .into_iter()
            .flat_map(|(sparsity, share, faster)| {
                [Zeros::Random, Zeros::Uneven].map(|zeros| (sparsity, share, faster, zeros))
            })
            .map(|(sparsity, share, faster, zeros)| {
                let chain = zeros.in_model(Chain::new(width, device), sparsity, &[]);
                let cold = Cold::of(contest, &chain, &input, Chain::forward);
                (sparsity, share, faster, zeros, cold)
            })
            .collect();

    let slowest = |cold: &Cold| bytes / cold.best();
    let theirs = sparse.iter().filter_map(|(.., cold)| cold.onnxruntime);
    let best_dense = theirs.fold(dense.best(), f64::min);
    let roof = fastest_reading(LAYERS * width * width).max(slowest(&dense));
    let roof = roof.max(bytes / best_dense);
    let mut rows = vec![
        Row::new(
            "reading memory, the best way",
            format!("{:.1} GB/s", 1e-9 * roof),
        ),
        Row::new("dense, the best", format!("{:.3} ms", 1e3 * best_dense))
            .limit(format!("{:.3} ms", 1e3 * bytes / roof)),
    ];
    for (sparsity, share, faster, zeros, cold) in sparse {
        // Values, and a bit for each weight up to 75 % zeros, 16 bits for each nonzero above.
        let density = 1.0 - sparsity;
        let places = if sparsity <= 0.75 {
            1.0 / 32.0
        } else {
            density / 2.0
        };
        let packed = bytes * (density + places);
        let limit = packed / roof;
        let name = format!("{:.0} % {}", 100.0 * sparsity, zeros.name());
        let reached = limit / cold.engine;
        let measured = format!("{reached:.2} of the roof: {:.3} ms", 1e3 * cold.engine);
        rows.push(
            Row::new(&name, measured)
                .at_least(reached, share)
                .limit(format!("1: {:.1} MB, {:.3} ms", 1e-6 * packed, 1e3 * limit)),
        );
        let times = best_dense / cold.engine;
        rows.push(
            Row::new("  against the best dense product", format!("{times:.2}"))
                .at_least(times, faster)
                .limit(format!("{:.2}", best_dense / limit)),
        );
    }
    rows
}

/// Dense weights, and inputs that are 0.
fn behind_relu(contest: &mut Contest, width: usize, device: &Device) -> Vec<Row> {
    let mut rows = Vec::new();
    for (zeros, least) in [(0.5, 1.6), (0.8, 3.5), (0.9, 6.0)] {
        let input = Tensor::random([1, width], Distribution::Normal(0.0, 1.0), device);
        let (input, _) = shifted(input, zeros);
        let chain = Chain::new(width, device).with_zeros_behind_relu(zeros, &input);
        let skipping = Cold::of(contest, &chain, &input, Chain::forward_relu);
        let dense = Cold::of(contest, &Chain::new(width, device), &input, Chain::forward);
        let theirs = skipping.onnxruntime.unwrap_or(f64::MAX);
        let best = dense.best().min(theirs);
        let faster = best / skipping.engine;
        let measured = format!(
            "{faster:.2}: {:.3} ms, the best dense product {:.3} ms",
            1e3 * skipping.engine,
            1e3 * best
        );
        rows.push(
            Row::new(format!("{:.0} % of the inputs 0", 100.0 * zeros), measured)
                .at_least(faster, least)
                .limit(format!("{:.0}: only their rows read", 1.0 / (1.0 - zeros))),
        );
    }
    rows
}

/// Single layers, warm.
fn batches(contest: &mut Contest, width: usize, device: &Device) -> Vec<Row> {
    let rows = [
        (Zeros::Random, 0.9, 32, 8.0),
        (Zeros::Random, 0.9, 128, 3.5),
        (Zeros::Random, 0.8, 32, 4.0),
        (Zeros::Random, 0.8, 128, 1.5),
        (Zeros::Uneven, 0.9, 32, 8.0),
        (Zeros::Uneven, 0.9, 128, 3.5),
        (Zeros::Uneven, 0.8, 32, 4.0),
        (Zeros::Uneven, 0.8, 128, 1.5),
        (Zeros::Blocks, 0.9, 32, 14.0),
        (Zeros::Blocks, 0.9, 128, 6.0),
    ];
    let row = |(zeros, sparsity, batch, least): (Zeros, f64, usize, f64)| {
        let layer = zeros.in_model(LinearConfig::new(width, width).init(device), sparsity, &[]);
        let input = Tensor::<2>::random([batch, width], Distribution::Normal(0.0, 1.0), device);
        let both = [Rival::Flex, Rival::OnnxRuntime];
        let times = contest.race(&both, &layer, &input, |layer: &Linear, x| layer.forward(x));
        let flex = times.flex.expect("it was timed");
        let faster = flex / times.engine;
        let density = 1.0 - sparsity;
        let multiply_adds = density * (width * width * batch) as f64;
        let theirs = times.onnxruntime.map_or(String::new(), |theirs| {
            format!(", {:.2} times ONNX Runtime", theirs / times.engine)
        });
        let measured = format!(
            "{faster:.2}: {:.3} ms ({:.0} GFLOP/s on nonzeros){theirs}",
            1e3 * times.engine,
            2e-9 * multiply_adds / times.engine
        );
        let name = format!("{:.0} % {}, batch {batch}", 100.0 * sparsity, zeros.name());
        Row::new(name, measured)
            .at_least(faster, least)
            .limit(format!("{:.0}: no zeros multiplied", 1.0 / density))
    };
    rows.into_iter().map(row).collect()
}

fn against_csr(contest: &mut Contest, peer: &mut Peer, width: usize, device: &Device) -> Vec<Row> {
    let layer = LinearConfig::new(width, width)
        .with_bias(false)
        .init(device);
    let layer = Zeros::Random.in_model(layer, 0.9, &[]);
    let weight = layer.weight.val().transpose().try_into_vec_as::<f32>();
    let weight = weight.expect("it is of f32");
    peer.load_weight(&weight, width, width)
        .expect("PyTorch takes it");
    let row = |(batch, least): (usize, f64)| {
        let input = Tensor::random([batch, width], Distribution::Normal(0.0, 1.0), device);
        let forward = |layer: &Linear, x: Tensor<2>| layer.forward(x);
        let [ours, theirs] = contest.race_product(peer, &layer, &input, forward);
        let faster = theirs / ours;
        let measured = format!(
            "{faster:.2}: {:.3} ms, PyTorch {:.3} ms",
            1e3 * ours,
            1e3 * theirs
        );
        Row::new(format!("batch {batch}"), measured).at_least(faster, least)
    };
    [(1, 2.5), (32, 2.0), (128, 2.0)]
        .into_iter()
        .map(row)
        .collect()
}

impl Chain {
    fn new(width: usize, device: &Device) -> Self {
        let layer = |_| LinearConfig::new(width, width).init(device);
        Self {
            layers: (0..LAYERS).map(layer).collect(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }

    /// Each layer reads what a ReLU makes.
    fn forward_relu(&self, x: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter();
        layers.fold(x, |x, layer| layer.forward(relu(x)))
    }

    /// Biases for which so many of the outputs of each layer are below 0 with this input, and weights
    /// for which they neither grow nor shrink from layer to layer.
    fn with_zeros_behind_relu(mut self, zeros: f64, input: &Tensor<2>) -> Self {
        let mut x = input.clone();
        for layer in &mut self.layers {
            layer.bias = None;
            let y = layer.forward(relu(x));
            let deviation: f32 = y.clone().var(1).sqrt().into_scalar::<f32>();
            layer.weight = layer.weight.clone().map(|weight| weight / deviation);
            let (shifted, quantile) = shifted(y / deviation, zeros);
            let [_, width] = shifted.dims();
            let bias = Tensor::full([width], -quantile, &shifted.device());
            layer.bias = Some(Param::from_tensor(bias));
            x = shifted;
        }
        self
    }
}

/// A row with this fraction of its values below 0, and what was taken off for that.
fn shifted(x: Tensor<2>, below: f64) -> (Tensor<2>, f32) {
    let [_, width] = x.dims();
    let mut sorted = x.clone().try_into_vec_as::<f32>().expect("it is of f32");
    sorted.sort_by(f32::total_cmp);
    let quantile = sorted[(below * width as f64) as usize];
    (x - quantile, quantile)
}
