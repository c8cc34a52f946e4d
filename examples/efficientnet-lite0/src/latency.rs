use std::time::{Duration, Instant};

use burn::tensor::Tensor;

use examples_shared::nets::efficientnet_lite0::EfficientNetLite0;

/// Rounds at least, and time at least.
const ROUNDS: usize = 9;
const TIME: Duration = Duration::from_secs(10);

/// The median time of a forward pass of each network, in milliseconds.
///
/// They take turns, so that whatever else the machine does meets all of them.
pub(crate) fn in_turns<const N: usize>(
    models: [&EfficientNetLite0; N],
    images: &Tensor<4>,
) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    let begin = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS || begin.elapsed() < TIME {
        for (model, times) in models.iter().zip(&mut times) {
            let start = Instant::now();
            // Reading the result back waits for the device.
            drop(model.forward(images.clone()).into_data());
            times.push(1e3 * start.elapsed().as_secs_f64());
        }
        rounds += 1;
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
