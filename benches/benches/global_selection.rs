//! Global L1 pruning of 100 million weights, through the module, masks attached.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune::{Allocation, Magnitude, Prunable, Pruner, Random};
use burn_prune_benches::{Options, Peers, Row, in_turns, median, print, read_bandwidth, seconds};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Weights read three times, and a bit of each written.
const FLOOR_BYTES: f64 = 12.125;

fn main() {
    let options = Options::get();
    let (width, rounds) = if options.quick { (500, 2) } else { (5000, 9) };
    let device = Device::flex();
    let linear = |_| -> Linear {
        let mut linear = LinearConfig::new(width, width)
            .with_bias(false)
            .init(&device);
        let normal = Distribution::Normal(0.0, 0.02);
        linear.weight = Param::from_tensor(Tensor::random([width, width], normal, &device));
        linear
    };
    let layers: Vec<Linear> = (0..4).map(linear).collect();
    let weights = layers.num_params();
    let bytes = 4 * weights;

    let prune = |pruner: &Pruner| {
        let model = layers.clone();
        let (time, model) = seconds(|| model.prune(pruner).expect("it can be pruned"));
        let pruned: usize = model.masks().iter().map(|(_, mask)| mask.pruned()).sum();
        assert_eq!(pruned, weights / 10 * 9);
        time
    };
    let global = |pruner: Pruner| pruner.allocation(Allocation::Global).amount(0.9);
    let magnitude = global(Pruner::new(Magnitude::l1()));
    let random = global(Pruner::new(Random::new(0)));
    let mut bandwidths = Vec::new();
    let [times, _] = in_turns(
        rounds,
        [&mut || prune(&magnitude), &mut || {
            bandwidths.push(read_bandwidth(weights));
            0.0
        }],
    );
    let time = median(&times);
    let bandwidth = median(&bandwidths);
    let floor = FLOOR_BYTES * weights as f64 / bandwidth;
    let times_floor = time / floor;

    let extra = |pruner: &Pruner| {
        let model = layers.clone();
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let model = model.prune(pruner).expect("it can be pruned");
        let peak = MEMORY.peak_usage() - before;
        drop(model);
        peak as f64 / bytes as f64
    };
    let (of_magnitude, of_random) = (extra(&magnitude), extra(&random));
    let (random_time, _) = seconds(|| prune(&random));

    let mut rows = vec![
        Row::new("global L1", format!("{time:.3} s")).limit(format!(
            "floor {floor:.3} s: {FLOOR_BYTES} bytes a weight at {:.1} GB/s",
            bandwidth / 1e9
        )),
        Row::new("times the floor", format!("{times_floor:.2}")).at_most(times_floor, 6.0),
        Row::new(
            "extra memory, L1",
            format!("{:.1} % of the weights", 100.0 * of_magnitude),
        )
        .at_most(of_magnitude, 0.1)
        .limit("6.25 %: the masks and their copy on the device"),
        Row::new(
            "extra memory, random",
            format!("{:.1} % of the weights", 100.0 * of_random),
        )
        .at_most(of_random, 1.1)
        .limit("106.25 %: one f32 score a weight besides"),
        Row::new("random", format!("{random_time:.3} s")),
    ];
    if let Some(peers) = Peers::run(options.python.as_deref(), "global_selection", options.quick) {
        for (name, peer, target) in [
            ("prune.global_unstructured", "global_unstructured_s", 100.0),
            ("torch.kthvalue by hand", "kthvalue_s", 10.0),
        ] {
            let times = peers.get(peer) / time;
            let measured = format!("{times:.0} times faster");
            rows.push(
                Row::new(format!("against {name}"), measured)
                    .at_least(times, target)
                    .limit(format!("{:.2} s", peers.get(peer))),
            );
        }
    }
    print(&format!("{} million weights", weights / 1_000_000), &rows);
}
