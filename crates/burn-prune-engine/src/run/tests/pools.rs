//! Runs in a pool of threads that others use too.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use burn::tensor::TensorData;
use burn_flex::FlexTensor;

use super::program::{Build, Random};
use super::{close, naive};
use crate::activation::Activation;
use crate::format::{FormatKind, Precision};
use crate::run::{Plan, States, Threads, WeightSet};

/// Burn copies such an input on several threads. When all threads of a pool were helpers by then, each until its run
/// is over, nobody would copy.
#[test]
fn inputs_that_lie_otherwise_are_copied_before_helpers_take_all_threads() {
    let (size, channels, batch) = (256, 4, 6);
    let mut build = Build::new(9, 0.5);
    let x = build.input(&[channels, size, size]);
    let window = super::window(1, 1, 0);
    let y = build.convolution(x, 2, window, Activation::None, None);
    build.output(y);
    let program = build.program;
    let weights = WeightSet::pack(&program, Precision::F32, |_, _| FormatKind::Blocked);
    let plan = Arc::new(Plan::new(&program, &weights, batch).unwrap());
    // As images lie in files: channels last.
    let values = Random::new(4).values(batch * channels * size * size, 0.0);
    let data = TensorData::new(values, vec![batch, size, size, channels]);
    let image = FlexTensor::from_data(data).permute(&[0, 3, 1, 2]);
    let contiguous = image.to_contiguous();
    let contiguous = contiguous.as_slice::<f32>().unwrap().to_vec();
    let expected = naive::run(&program, batch, &[contiguous]);
    let states = Arc::new(States::default());
    let (sender, receiver) = mpsc::channel();
    for _ in 0..4 {
        let (plan, states) = (Arc::clone(&plan), Arc::clone(&states));
        let (image, sender) = (image.clone(), sender.clone());
        std::thread::spawn(move || {
            for _ in 0..20 {
                let run = |state: &mut _| {
                    plan.run(state, [image.clone()], &Threads::default())
                        .unwrap()
                };
                sender.send(states.with(run)).unwrap();
            }
        });
    }
    for _ in 0..80 {
        let found = receiver.recv_timeout(Duration::from_secs(60));
        let found = found.expect("all runs end");
        close(found[0].as_slice::<f32>().unwrap(), &expected[0], "at once");
    }
}
