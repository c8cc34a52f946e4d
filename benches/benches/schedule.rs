//! A whole training on a schedule, updates included, against dense training.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_prune::{Allocation, Magnitude, Pruner, Pruning, ScheduleConfig, Span, TrainingLength};
use burn_prune_benches::{Options, Row, in_turns, median, print, ratio, seconds};
use examples_shared::Cnn;

fn main() {
    let options = Options::get();
    let (steps, rounds) = if options.quick { (4, 2) } else { (100, 9) };
    let device = Device::flex().autodiff();
    let images = Tensor::<4>::random([64, 1, 28, 28], Distribution::Default, &device);
    let labels = Tensor::<1, Int>::arange(0..64, &device) % 10;
    let gradients = |model: &Cnn| {
        let loss = CrossEntropyLossConfig::new().init(&device);
        let loss = loss.forward(model.forward(images.clone()), labels.clone());
        GradientsParams::from_grads(loss.backward(), model)
    };
    // An update in each round, and the same number of steps between them.
    let run = TrainingLength {
        epochs: 1 + rounds,
        steps_per_epoch: steps,
    };
    let schedule = ScheduleConfig::cubic(0.9, Span::steps(steps, run.steps(), steps)).build(run);
    let pruner = Pruner::new(Magnitude::l1()).allocation(Allocation::Global);
    let schedule = schedule.expect("it is a schedule");
    let start = Cnn::new(&device);
    let pruning = Pruning::new(start.clone(), pruner, schedule).expect("it can be pruned");

    let mut dense = Some((start, AdamConfig::new().init()));
    let mut pruned = Some((pruning, AdamConfig::new().init()));
    let [dense_times, pruned_times] = in_turns(
        rounds,
        [
            &mut || {
                train(&mut dense, steps, |model, optimizer| {
                    let grads = gradients(&model);
                    optimizer.step(1e-4, model, grads)
                })
            },
            &mut || {
                train(&mut pruned, steps, |pruning, optimizer| {
                    let grads = gradients(pruning.model());
                    pruning.step(optimizer, 1e-4, grads)
                })
            },
        ],
    );
    let (pruning, _) = pruned.expect("it is there");
    assert!((pruning.sparsity() - 0.9).abs() < 1e-3);
    let (model, _) = dense.expect("it is there");
    let ratio = ratio(&pruned_times, &dense_times);
    let seconds = |times: &[f64]| format!("{:.2} s", median(times));
    let rows = [
        Row::new("dense", seconds(&dense_times)),
        Row::new(
            "cubic schedule",
            format!("{ratio:.3}, {}", seconds(&pruned_times)),
        )
        .at_most(ratio, 1.05)
        .limit("1: one read-back of the scores at each update, none between"),
    ];
    let title = format!(
        "{steps} steps and an update, CNN of {} parameters, batch 64",
        model.num_params()
    );
    print(&title, &rows);
}

/// Seconds of so many steps.
fn train<M>(
    state: &mut Option<(M, ModuleOptimizer)>,
    steps: usize,
    step: impl Fn(M, &mut ModuleOptimizer) -> M,
) -> f64 {
    let (mut model, mut optimizer) = state.take().expect("it is there");
    let (time, model) = seconds(|| {
        for _ in 0..steps {
            model = step(model, &mut optimizer);
        }
        model
    });
    *state = Some((model, optimizer));
    time
}
