//! The forward pass of a shrunk model, against the model it was, and how long shrinking takes.
//!
//! `share` is the speed-up over the reduction in multiply-adds: 1 when all that was cut is saved.

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use burn_prune::{Magnitude, Pruner};
use burn_prune_benches::{Options, Row, in_turns, median, print, ratio, seconds};
use burn_prune_deploy::{Graph, Selection};
use examples_shared::nets::convolutional::Vgg11;
use examples_shared::nets::residual::ResNet18;

fn main() {
    let options = Options::get();
    let device = Device::flex();
    device.seed(0);
    let rounds = if options.quick { 1 } else { 15 };
    let (vgg, resnet, size) = if options.quick {
        (8, 8, 64)
    } else {
        (64, 64, 224)
    };
    let mut rows = Vec::new();
    for batch in [1, 32] {
        let model = Vgg11::new(vgg, &device);
        let input = Tensor::random([batch, 3, 32, 32], Distribution::Default, &device);
        rows.extend(compare(
            "VGG-11, 32²",
            &model,
            input,
            Vgg11::forward,
            rounds,
        ));
    }
    for batch in [1, 32] {
        if options.quick && batch > 1 {
            break;
        }
        let rounds = if batch > 1 { rounds.min(5) } else { rounds };
        let model = ResNet18::new(resnet, 1_000, &device);
        let input = Tensor::random([batch, 3, size, size], Distribution::Default, &device);
        let name = format!("ResNet-18, {size}²");
        rows.extend(compare(&name, &model, input, ResNet18::forward, rounds));
    }
    print("Half of the channels of each group gone", &rows);
}

/// Half of the channels go; both models take turns.
fn compare<M: Module>(
    name: &str,
    model: &M,
    input: Tensor<4>,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2> + Copy,
    rounds: usize,
) -> Vec<Row> {
    let example = input.clone().slice(0..1);
    let (planning, (plan, before)) = seconds(|| {
        let graph = Graph::capture(model, example.clone(), forward).expect("it is a plain net");
        let groups = graph.groups().expect("all of it is understood");
        let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern());
        let masks = pruner.amount(0.5).masks(model).expect("half can go");
        let selection = Selection::from_masks(&groups, &masks).expect("they are of this model");
        let plan = selection.plan();
        (plan, graph.cost().multiply_adds())
    });
    let (cutting, small) = seconds(|| plan.shrink(model, example, forward));
    let small = small.expect("it is the same model");
    let time = |model: &M| {
        let work = || drop(forward(model, input.clone()).into_data());
        seconds(work).0
    };
    let [dense, shrunk] = in_turns(rounds, [&mut || time(model), &mut || time(&small)]);
    let faster = ratio(&dense, &shrunk);
    let fewer = before as f64 / plan.graph.cost().multiply_adds() as f64;
    let [batch, ..] = input.dims();
    let milliseconds = |times: &[f64]| 1e3 * median(times);
    let share = faster / fewer;
    vec![
        Row::new(
            format!("{name}, batch {batch}"),
            format!(
                "{share:.2}: {faster:.2} times faster, {:.1} and {:.1} ms",
                milliseconds(&dense),
                milliseconds(&shrunk)
            ),
        )
        .at_least(share, 0.7)
        .limit(format!("1: {fewer:.2} times fewer multiply-adds")),
        Row::new("  planned and cut", format!("{:.2} s", planning + cutting)),
    ]
}
