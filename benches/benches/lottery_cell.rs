//! A cell of a lottery study, against the bare training loop in it.

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_prune::lottery::{
    CellTraining, LearningCurve, LotteryTicketSearch, Method, Rewind, Trained,
};
use burn_prune::{Magnitude, MaskMode, Prunable, Pruner};
use burn_prune_benches::{Options, Row, in_turns, median, print, ratio, seconds};
use examples_shared::nets::convolutional::Mlp;

fn main() {
    let options = Options::get();
    let (steps, rounds) = if options.quick { (20, 2) } else { (1_000, 7) };
    let device = Device::flex().autodiff();
    device.seed(0);
    let start = Mlp::new(&[784, 300, 100, 10], &device);
    let input = Tensor::<2>::random([60, 784], Distribution::Default, &device);
    let labels = Tensor::<1, Int>::arange(0..60, &device) % 10;
    // The same loop alone and in a cell, but for the call after each step.
    let train = |mut model: Mlp, after_step: &dyn Fn(usize, &Mlp)| {
        let mut optimizer = AdamConfig::new().init();
        let mut curve = LearningCurve::new();
        for step in 1..=steps {
            let loss = CrossEntropyLossConfig::new().init(&device);
            let loss = loss.forward(model.forward(input.clone()), labels.clone());
            if step == steps {
                curve.push(step, loss.clone().into_scalar::<f64>());
            }
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-4, model, grads).zero_pruned();
            after_step(step, &model);
        }
        Trained {
            model,
            curve,
            test_accuracy: 0.0,
        }
    };
    let after_step = |model: Mlp| {
        if model.is_pruned() {
            (model.with_mask_mode(MaskMode::AfterStep)).expect("it has masks")
        } else {
            model
        }
    };
    // A dense run and two rounds, as three loops.
    let bare = || {
        let masked = start
            .clone()
            .l1_unstructured(0.2)
            .expect("it can be pruned");
        let models = [start.clone(), masked.clone(), masked];
        let (time, _) = seconds(|| models.map(|model| train(after_step(model), &|_, _| {})));
        time
    };
    let study = || {
        let folder = tempfile::tempdir().expect("there is room for a study");
        let search = LotteryTicketSearch::new(folder.path())
            .steps(steps)
            .rounds(2)
            .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
            .method(Method::new("ticket", Rewind::to_initialization()));
        let (time, report) = seconds(|| {
            search.run(
                |_| start.clone(),
                |cell: &CellTraining<'_>, model| {
                    Ok(train(after_step(model), &|step, model| {
                        cell.after_step(step, model)
                    }))
                },
            )
        });
        assert_eq!(report.expect("it runs").rows.len(), 3);
        time
    };
    let [bare, study] = in_turns(rounds, [&mut || bare(), &mut || study()]);
    let ratio = ratio(&study, &bare);
    let each = |times: &[f64]| format!("{:.0} ms", 1e3 * median(times) / 3.0);
    let rows = [
        Row::new("the loop", each(&bare)),
        Row::new("a cell", format!("{ratio:.3}, {}", each(&study)))
            .at_most(ratio, 1.1)
            .limit("1; and one read-back, a file of masks, a flush of the disk"),
    ];
    print(
        &format!("LeNet-300-100, batch 60, {steps} steps a cell"),
        &rows,
    );
}
