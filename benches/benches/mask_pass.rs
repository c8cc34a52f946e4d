//! One pass of the masks over a model, in place.

use std::collections::HashMap;

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::nn::{Linear, LinearConfig, LinearLayout};
use burn::tensor::{Bool, Device, Tensor};
use burn_prune::{MaskMode, Prunable};
use burn_prune_benches::{Options, Row, in_turns, median, print, ratio, scale_bandwidth, seconds};

/// A weight read and written, and its bit read.
const BYTES: f64 = 8.125;

fn main() {
    let options = Options::get();
    let (width, rounds) = if options.quick { (256, 3) } else { (4096, 21) };
    let device = Device::flex();
    let masked = |layout| {
        let config = LinearConfig::new(width, width)
            .with_bias(false)
            .with_layout(layout);
        let layers: Vec<Linear> = (0..4).map(|_| config.init(&device)).collect();
        let layers = layers
            .random_unstructured(0.9, 0)
            .expect("it can be pruned");
        layers
            .with_mask_mode(MaskMode::AfterStep)
            .expect("it has masks")
    };
    let mut rows_first = Some(masked(LinearLayout::Row));
    let mut columns_first = Some(masked(LinearLayout::Col));
    let mut plain: Option<Vec<Linear>> = rows_first.clone().map(|model| {
        let model = model.make_permanent().expect("it has masks");
        // Weights of its own, so that nothing is copied.
        model
            .into_iter()
            .map(|linear| own(linear, &device))
            .collect()
    });
    let mut fill = Fill::of(plain.as_ref().expect("it is there"));
    let weights = 4 * width * width;
    let mut values = vec![1.0_f32; weights];

    let pass = |model: &mut Option<Vec<Linear>>| {
        let before = model.take().expect("it is there");
        let places = places(&before);
        let (time, after) = seconds(|| before.zero_pruned());
        assert_eq!(places, self::places(&after), "a buffer has moved");
        *model = Some(after);
        time
    };
    let [row, column, fill, scale] = in_turns(
        rounds,
        [
            &mut || pass(&mut rows_first),
            &mut || pass(&mut columns_first),
            &mut || {
                let before = plain.take().expect("it is there");
                let (time, after) = seconds(|| before.map(&mut fill));
                plain = Some(after);
                time
            },
            &mut || 8.0 * weights as f64 / scale_bandwidth(&mut values),
        ],
    );
    let gigabytes = |times: &[f64]| BYTES * weights as f64 / median(times) / 1e9;
    let share = ratio(&scale, &row) * BYTES / 8.0;
    let faster = ratio(&fill, &row);
    let rows = [
        Row::new("mask pass", format!("{:.2} ms", 1e3 * median(&row)))
            .limit(format!("in-place scale {:.2} ms", 1e3 * median(&scale))),
        Row::new(
            "share of the bandwidth of a scale",
            format!("{:.0} %, {:.1} GB/s", 100.0 * share, gigabytes(&row)),
        )
        .at_least(share, 0.6)
        .limit("100 %"),
        Row::new(
            "against Burn's mask_fill in place",
            format!("{faster:.1} times faster"),
        )
        .at_least(faster, 6.0)
        .limit(format!("{:.2} ms", 1e3 * median(&fill))),
        Row::new(
            "column layout",
            format!(
                "{:.2} ms, {:.1} GB/s",
                1e3 * median(&column),
                gigabytes(&column)
            ),
        ),
        Row::new("buffers", "none moved, in any pass"),
    ];
    print(&format!("{} million weights", weights / 1_000_000), &rows);
}

/// A copy in memory of its own.
fn own(mut linear: Linear, device: &Device) -> Linear {
    linear.weight = Param::from_data(linear.weight.val().into_data(), device);
    linear
}

/// Where the weights are.
fn places(layers: &[Linear]) -> Vec<*const u8> {
    let place = |linear: &Linear| {
        let weight = linear.weight.base().try_into_primitive::<Flex>();
        weight.expect("it is on flex").bytes().as_ptr()
    };
    layers.iter().map(place).collect()
}

/// What a user would write with Burn alone.
struct Fill(HashMap<ParamId, Tensor<2, Bool>>);

impl Fill {
    fn of(layers: &Vec<Linear>) -> Self {
        let mut fill = Self(HashMap::new());
        layers.visit(&mut fill);
        fill
    }
}

impl ModuleVisitor for Fill {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let pruned = param.val().equal_elem(0.0);
        self.0
            .insert(param.id, Tensor::from_dispatch(pruned.into_dispatch()));
    }
}

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let pruned = self.0[&param.id].clone();
        let pruned: Tensor<D, Bool> = Tensor::from_dispatch(pruned.into_dispatch());
        param.map(|weight| weight.mask_fill(pruned, 0.0))
    }
}
