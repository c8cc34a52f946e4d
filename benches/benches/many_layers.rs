//! Pruning 8,000 tiny layers: what it costs for each layer, whatever its size.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune::{Allocation, Magnitude, MaskSet, Prunable, Pruner};
use burn_prune_benches::{Options, Row, in_turns, median, print, seconds};

const WIDTH: usize = 4;

fn main() {
    let options = Options::get();
    let (count, rounds) = if options.quick { (100, 2) } else { (8000, 9) };
    let device = Device::flex();
    let linear = |_| -> Linear {
        let config = LinearConfig::new(WIDTH, WIDTH).with_bias(false);
        let mut linear = config.init(&device);
        let normal = Distribution::Normal(0.0, 0.1);
        linear.weight = Param::from_tensor(Tensor::random([WIDTH, WIDTH], normal, &device));
        linear
    };
    let layers: Vec<Linear> = (0..count).map(linear).collect();
    let half = layers.num_params() / 2;
    let l1 = || Pruner::new(Magnitude::l1());
    let own = (0..count).map(|layer| (ParamGroup::from_path(format!("{layer}.weight")), 0.5));
    let uniform = l1().amount(0.5);
    let global = l1().amount(0.5).allocation(Allocation::Global);
    let by_layer = l1().allocation(Allocation::per_layer(own));

    let prune = |pruner: &Pruner| {
        let model = layers.clone();
        let (time, model) = seconds(|| model.prune(pruner).expect("it can be pruned"));
        assert_eq!(pruned(&model.masks()), half);
        time
    };
    let masked = layers.clone().prune(&uniform).expect("it can be pruned");
    let masks = masked.masks();
    let attach = || {
        let model = layers.clone();
        seconds(|| model.with_masks(&masks).expect("they fit")).0
    };
    let read = || {
        let (time, masks) = seconds(|| masked.masks());
        assert_eq!(pruned(&masks), half);
        time
    };
    let report = || {
        let (time, report) = seconds(|| masked.sparsity_report());
        assert_eq!(report.zeros(), half);
        time
    };
    let times = in_turns(
        rounds,
        [
            &mut || prune(&uniform),
            &mut || prune(&global),
            &mut || prune(&by_layer),
            &mut || attach(),
            &mut || read(),
            &mut || report(),
        ],
    );
    let names = [
        "uniform",
        "global",
        "by layer",
        "with_masks",
        "masks",
        "sparsity_report",
    ];
    let rows = names.iter().zip(&times).map(|(name, times)| {
        let time = median(times);
        Row::new(*name, format!("{time:.3} s")).at_most(time, 0.2)
    });
    let rows: Vec<Row> = rows.collect();
    print(&format!("{count} layers of {WIDTH} by {WIDTH}"), &rows);
}

fn pruned(masks: &MaskSet) -> usize {
    masks.iter().map(|(_, mask)| mask.pruned()).sum()
}
