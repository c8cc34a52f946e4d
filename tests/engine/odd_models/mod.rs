//! Odd but legal forward passes, each with a few channels alive, dead or sparse, at several batch sizes.

mod features;
mod kinds;
mod linears;
mod outputs;
mod sums;
mod views;
mod windows;

use std::cell::Cell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig, PaddingConfig1d, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};
use examples_shared::nets::norm;

use crate::common::compile;
use crate::signals::{Outputs, difference, largest, noise};
use crate::trained::{masked, trained};

/// Copies of a layer: each use of it takes the next one, or all take the first.
#[derive(Module, Debug)]
struct Uses<L: Module> {
    copies: Vec<L>,
}

thread_local! {
    /// How many layers a forward pass has used; none where all uses are of one copy.
    static USED: Cell<Option<usize>> = const { Cell::new(None) };
}

impl<L: Module> Deref for Uses<L> {
    type Target = L;

    fn deref(&self) -> &L {
        let used = USED.get();
        USED.set(used.map(|used| used + 1));
        &self.copies[used.unwrap_or(0) % self.copies.len()]
    }
}

impl<L: Module> Uses<L> {
    fn new(layer: impl Fn() -> L) -> Self {
        Self {
            copies: (0..5).map(|_| layer()).collect(),
        }
    }
}

/// Layers for forward passes to use as they like. All channels but those of the input are 6.
#[derive(Module, Debug)]
struct Net {
    first: Uses<Conv2d>,
    padded: Uses<Conv2d>,
    inside: Uses<Conv2d>,
    point: Uses<Conv2d>,
    strided: Uses<Conv2d>,
    /// Two outputs for each channel.
    depthwise: Uses<Conv2d>,
    after: Uses<Conv2d>,
    line: Uses<Conv1d>,
    norm: Uses<BatchNorm>,
    linear: Uses<Linear>,
    plain: Uses<Linear>,
    scale: Param<Tensor<1>>,
}

impl Net {
    fn new() -> Self {
        let device = &Device::flex();
        let layer = |channels, kernel| Conv2dConfig::new(channels, [kernel; 2]);
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let padded = |channels| layer(channels, 3).with_padding(padding.clone());
        let line = Conv1dConfig::new(6, 6, 3).with_padding(PaddingConfig1d::Explicit(1, 1));
        let linear = LinearConfig::new(6, 6);
        Self {
            first: Uses::new(|| padded([3, 6]).init(device)),
            padded: Uses::new(|| padded([6, 6]).init(device)),
            inside: Uses::new(|| layer([6, 6], 3).init(device)),
            point: Uses::new(|| layer([6, 6], 1).init(device)),
            strided: Uses::new(|| padded([6, 6]).with_stride([2, 2]).init(device)),
            depthwise: Uses::new(|| padded([6, 12]).with_groups(6).init(device)),
            after: Uses::new(|| padded([12, 6]).init(device)),
            line: Uses::new(|| line.init(device)),
            norm: Uses::new(|| norm(6, device)),
            linear: Uses::new(|| linear.init(device)),
            plain: Uses::new(|| linear.clone().with_bias(false).init(device)),
            scale: Param::from_tensor(Tensor::ones([6], device)),
        }
    }
}

/// Which parts of all weights are zero.
#[derive(Debug, Clone, Copy)]
enum Zeros {
    None,
    /// Some of the weights.
    Some,
    /// All weights of every other output.
    Outputs,
    /// All weights of every other input.
    Inputs,
    All,
}

struct Zeroing(Zeros);

impl ModuleMapper for Zeroing {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D == 1 {
            return param;
        }
        param.map(|tensor| {
            // A Linear has its inputs first.
            let (output, input) = if D == 2 { (1, 0) } else { (0, 1) };
            let dims = tensor.dims();
            let axis = if matches!(self.0, Zeros::Outputs) {
                output
            } else {
                input
            };
            let behind: usize = dims[axis + 1..].iter().product();
            let is_zero = |at: usize| match self.0 {
                Zeros::All => true,
                _ => (at / behind % dims[axis]) % 2 == usize::from(dims[axis] > 1),
            };
            let values = tensor.to_data().iter::<f32>().collect::<Vec<f32>>();
            let values = values.into_iter().enumerate();
            let values = values.map(|(at, value)| if is_zero(at) { 0.0 } else { value });
            let data = TensorData::new(values.collect::<Vec<f32>>(), dims);
            Tensor::from_data(data, &tensor.device()).set_require_grad(tensor.is_require_grad())
        })
    }
}

fn with_zeros(model: Net, zeros: Zeros) -> Net {
    match zeros {
        Zeros::None => model,
        Zeros::Some => masked(&model, 0.7, 2),
        _ => model.map(&mut Zeroing(zeros)),
    }
}

/// Forward passes, and what was wrong with them.
#[derive(Default)]
struct Cases {
    wrong: Vec<String>,
}

impl Cases {
    /// Images of 3 channels, as high as the other layers have channels.
    fn images<O: Outputs>(&mut self, name: &str, forward: fn(&Net, Tensor<4>) -> O) {
        self.check(name, |batch, seed| noise([batch, 3, 6, 5], seed), forward);
    }

    fn check<const D: usize, O: Outputs>(
        &mut self,
        name: &str,
        input: fn(usize, u64) -> Tensor<D>,
        forward: fn(&Net, Tensor<D>) -> O,
    ) {
        let all = [
            Zeros::None,
            Zeros::Some,
            Zeros::Outputs,
            Zeros::Inputs,
            Zeros::All,
        ];
        for (zeros, used) in all.into_iter().flat_map(|it| [(it, None), (it, Some(0))]) {
            let forward = |net: &Net, x: Tensor<D>| {
                USED.set(used);
                forward(net, x)
            };
            let model = with_zeros(trained(Net::new(), 1), zeros);
            let dense = model.valid().materialize();
            for example in [1, 3] {
                let layers = if used.is_some() {
                    "several"
                } else {
                    "the same"
                };
                let case =
                    format!("{name}, {layers} layers, {zeros:?} zero, compiled for {example}");
                let engine = catch_unwind(AssertUnwindSafe(|| {
                    compile(&model, input(example, 7), forward, 1)
                }));
                let Ok(engine) = engine else {
                    self.wrong.push(format!("{case}: it does not compile"));
                    continue;
                };
                for batch in [example, 1, 2, 3, 6] {
                    let x = input(batch, 8 + batch as u64);
                    let expected = forward(&dense, x.clone()).values();
                    let found = catch_unwind(AssertUnwindSafe(|| engine.run(x)));
                    let problem = match found {
                        Err(_) => Some("it panics".to_string()),
                        Ok(Err(error)) => Some(error.to_string()),
                        Ok(Ok(found)) => wrong(&found.values(), &expected),
                    };
                    let problem =
                        problem.map(|problem| format!("{case}, run at {batch}: {problem}"));
                    self.wrong.extend(problem);
                }
            }
        }
        USED.set(None);
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        }
    }
}

fn wrong(found: &[Vec<f64>], expected: &[Vec<f64>]) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("{} outputs", found.len()));
    }
    let pairs = found.iter().zip(expected).enumerate();
    let mut problems = pairs.filter_map(|(output, (found, expected))| {
        if found.len() != expected.len() {
            return Some(format!("output {output} has {} values", found.len()));
        }
        let difference = difference(found, expected);
        let limit = 2e-5 * largest(expected).max(1e-3);
        let is_close = difference <= limit;
        (!is_close).then(|| format!("output {output} is off by {difference:e}"))
    });
    problems.next()
}
