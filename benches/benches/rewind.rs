//! Putting 100 million weights back under their masks.

use burn::backend::Flex;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn_prune::{MaskMode, Prunable};
use burn_prune_benches::{Options, Row, in_turns, median, print, ratio, scale_bandwidth, seconds};

/// A snapshot weight read and the weight written, and the bit read.
const FLOOR_BYTES: f64 = 8.125;

fn main() {
    let options = Options::get();
    let (width, rounds) = if options.quick { (500, 2) } else { (5000, 9) };
    let device = Device::flex();
    let config = LinearConfig::new(width, width).with_bias(false);
    let layers: Vec<Linear> = (0..4).map(|_| config.init(&device)).collect();
    let weights = layers.num_params();
    // Records share nothing with the model that they were made of.
    let snapshot = layers.clone().into_record();
    let masked = |mode| {
        let layers = layers
            .clone()
            .l1_unstructured(0.9)
            .expect("it can be pruned");
        layers.with_mask_mode(mode).expect("it has masks")
    };
    let mut on_read = Some(masked(MaskMode::OnRead));
    let mut after_step = Some(masked(MaskMode::AfterStep));
    let rewind = |model: &mut Option<Vec<Linear>>| {
        let before = model.take().expect("it is there");
        let record = snapshot.clone();
        let (time, after) = seconds(|| before.rewind(record).expect("it fits"));
        *model = Some(after);
        time
    };
    let mut values = vec![1.0_f32; weights];
    let [after, read, scale] = in_turns(
        rounds,
        [
            &mut || rewind(&mut after_step),
            &mut || rewind(&mut on_read),
            &mut || 8.0 * weights as f64 / scale_bandwidth(&mut values),
        ],
    );
    check(&layers, after_step.as_ref().expect("it is there"));
    check(&layers, on_read.as_ref().expect("it is there"));

    let times_floor = ratio(&after, &scale) / (FLOOR_BYTES / 8.0);
    let floor = median(&scale) * FLOOR_BYTES / 8.0;
    let rows = [
        Row::new("after-step mode", format!("{:.1} ms", 1e3 * median(&after))).limit(format!(
            "floor {:.1} ms: {FLOOR_BYTES} bytes a weight",
            1e3 * floor
        )),
        Row::new("times the floor", format!("{times_floor:.2}")).at_most(times_floor, 3.0),
        Row::new("on-read mode", format!("{:.1} ms", 1e3 * median(&read)))
            .limit("nothing is written: the record's memory becomes the weights'"),
    ];
    print(&format!("{} million weights", weights / 1_000_000), &rows);
}

/// The weights must be those of the snapshot, but for the zeros.
fn check(snapshot: &[Linear], rewound: &[Linear]) {
    for (snapshot, rewound) in snapshot.iter().zip(rewound) {
        let snapshot = snapshot.weight.val().try_into_primitive::<Flex>();
        let rewound = rewound.weight.val().try_into_primitive::<Flex>();
        let (snapshot, rewound) = (snapshot.expect("on flex"), rewound.expect("on flex"));
        let pairs = snapshot
            .storage::<f32>()
            .iter()
            .zip(rewound.storage::<f32>());
        let kept = pairs.filter(|(_, rewound)| **rewound != 0.0);
        let (same, kept) = kept.fold((0, 0), |(same, kept), (a, b)| {
            (same + usize::from(a == b), kept + 1)
        });
        assert_eq!(same, kept, "a weight is not as it was");
        assert!(
            kept * 10 == snapshot.storage::<f32>().len(),
            "{kept} are kept"
        );
    }
}
