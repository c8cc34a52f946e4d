//! What the masks cost a training step, by mode, against a dense step.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{
    AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig,
};
use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_prune::{MaskMode, Prunable};
use burn_prune_benches::{Options, Peers, Row, in_turns, median, print, ratio, seconds};
use examples_shared::Cnn;
use examples_shared::nets::convolutional::Mlp;

fn main() {
    let options = Options::get();
    let device = Device::flex().autodiff();
    let peers = Peers::run(options.python.as_deref(), "training_step", options.quick);
    let rounds = |full| if options.quick { 2 } else { full };
    let uniform = |shape| Tensor::<2>::random(shape, Distribution::Default, &device);
    let cross_entropy = |output: Tensor<2>, batch: usize| {
        let labels = Tensor::<1, Int>::arange(0..batch as i64, &device) % 10;
        CrossEntropyLossConfig::new()
            .init(&output.device())
            .forward(output, labels)
    };
    let momentum = || {
        SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new()))
            .init()
    };
    let adam = || AdamConfig::new().init();

    let width = if options.quick { 128 } else { 2048 };
    let input = uniform([32, width]);
    Contest {
        name: "4 x Linear 2048², batch 32, SGD with momentum",
        key: "mlp",
        model: Mlp::new(&[width; 5], &device),
        optimizer: &momentum,
        loss: &|model| model.forward(input.clone()).square().mean(),
        rounds: rounds(120),
    }
    .run(peers.as_ref());

    let input = uniform([60, 784]);
    Contest {
        name: "LeNet-300-100, batch 60, Adam",
        key: "lenet",
        model: Mlp::new(&[784, 300, 100, 10], &device),
        optimizer: &adam,
        loss: &|model| cross_entropy(model.forward(input.clone()), 60),
        rounds: rounds(600),
    }
    .run(peers.as_ref());

    let images = Tensor::<4>::random([64, 1, 28, 28], Distribution::Default, &device);
    Contest {
        name: "the CNN of prune-and-finetune, batch 64, Adam",
        key: "cnn",
        model: Cnn::new(&device),
        optimizer: &adam,
        loss: &|model| cross_entropy(model.forward(images.clone()), 64),
        rounds: rounds(150),
    }
    .run(peers.as_ref());
}

/// One network, trained in every mode side by side.
struct Contest<'a, M> {
    name: &'static str,
    /// What the peers call it.
    key: &'static str,
    model: M,
    optimizer: &'a dyn Fn() -> ModuleOptimizer,
    loss: &'a dyn Fn(&M) -> Tensor<1>,
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Passes {
    None,
    Parameters,
    GradientsAndParameters,
}

impl<M: Module> Contest<'_, M> {
    fn run(self, peers: Option<&Peers>) {
        let masked = || {
            let model = self.model.clone().random_unstructured(0.9, 0);
            model.expect("it can be pruned")
        };
        let after_step = || {
            let model = masked().with_mask_mode(MaskMode::AfterStep);
            model.expect("it has masks")
        };
        let mut dense = self.trainee(self.model.clone(), Passes::None);
        let mut parameters = self.trainee(after_step(), Passes::Parameters);
        let mut both = self.trainee(after_step(), Passes::GradientsAndParameters);
        let mut on_read = self.trainee(masked(), Passes::None);
        let [dense_times, parameter_times, both_times, read_times] = in_turns(
            self.rounds,
            [
                &mut || dense.step(),
                &mut || parameters.step(),
                &mut || both.step(),
                &mut || on_read.step(),
            ],
        );
        let milliseconds = |times: &[f64]| format!("{:.3} ms", 1e3 * median(times));
        let row = |name: &str, times: &[f64]| {
            let ratio = ratio(times, &dense_times);
            let measured = format!("{ratio:.3}, {}", milliseconds(times));
            (Row::new(name, measured), ratio)
        };
        let (of_parameters, ratio_of_parameters) =
            row("after step, parameter pass", &parameter_times);
        let (of_both, ratio_of_both) = row("after step, both passes", &both_times);
        let (of_reading, ratio_of_reading) = row("on read", &read_times);
        // Where the time goes: masked copies in the forward pass, masked gradients in the backward.
        let parts = on_read.parts.iter().zip(&dense.parts).map(|(part, dense)| {
            let more = 1e3 * (median(part) - median(dense));
            format!("{more:+.3}")
        });
        let parts = parts.collect::<Vec<_>>().join(", ");
        let spent = format!("forward, backward, optimizer: {parts} ms");
        let mut rows = vec![
            Row::new("dense", milliseconds(&dense_times)),
            of_parameters.at_most(ratio_of_parameters, 1.03),
            of_both.at_most(ratio_of_both, 1.06),
        ];
        match peers {
            Some(peers) => {
                let of_peer = peers.get(&format!("{}_prune_over_dense", self.key));
                let of_peer = (1e3 * of_peer).round() / 1e3;
                rows.push(of_reading.at_most(ratio_of_reading, of_peer).limit(spent));
                let dense = peers.get(&format!("{}_dense_ms", self.key));
                rows.push(
                    Row::new("PyTorch's prune hooks", format!("{of_peer:.3}"))
                        .limit(format!("its dense step {dense:.3} ms")),
                );
            }
            None => rows.push(of_reading.limit(spent)),
        }
        print(self.name, &rows);
    }

    fn trainee(&self, model: M, passes: Passes) -> Trainee<'_, M> {
        Trainee {
            model: Some(model),
            optimizer: (self.optimizer)(),
            loss: self.loss,
            passes,
            parts: Default::default(),
        }
    }
}

struct Trainee<'a, M> {
    model: Option<M>,
    optimizer: ModuleOptimizer,
    loss: &'a dyn Fn(&M) -> Tensor<1>,
    passes: Passes,
    /// Seconds of the forward pass, the backward pass and the optimizer, by step.
    parts: [Vec<f64>; 3],
}

impl<M: Module> Trainee<'_, M> {
    /// Seconds of a whole step.
    fn step(&mut self) -> f64 {
        let model = self.model.take().expect("it is there");
        let (forward, loss) = seconds(|| (self.loss)(&model));
        let (backward, grads) = seconds(|| GradientsParams::from_grads(loss.backward(), &model));
        let (optimizer, model) = seconds(|| {
            let grads = match self.passes {
                Passes::GradientsAndParameters => model.zero_pruned_gradients(grads),
                _ => grads,
            };
            let model = self.optimizer.step(1e-4, model, grads);
            match self.passes {
                Passes::None => model,
                _ => model.zero_pruned(),
            }
        });
        self.model = Some(model);
        let parts = [forward, backward, optimizer];
        let times = self.parts.iter_mut().zip(parts);
        times.for_each(|(times, time)| times.push(time));
        parts.iter().sum()
    }
}
