use std::time::{Duration, Instant};

use burn::tensor::Tensor;

use crate::net::Net;

/// Rounds at least, however long they take.
const ROUNDS: usize = 9;

/// The median time of a forward pass of each model, in milliseconds.
///
/// The models take turns, so that whatever else the machine does meets all of them.
pub(crate) fn in_turns(models: &[&Net], images: &Tensor<4>, time: Duration) -> Vec<f64> {
    let mut times = vec![Vec::new(); models.len()];
    let begin = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS || begin.elapsed() < time {
        for (model, times) in models.iter().zip(&mut times) {
            let start = Instant::now();
            // Reading the result back waits for the device.
            drop(model.forward(images.clone()).into_data());
            times.push(1e3 * start.elapsed().as_secs_f64());
        }
        rounds += 1;
    }
    times.into_iter().map(median).collect()
}

/// To a hundredth of a microsecond.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    (1e5 * times[times.len() / 2]).round() / 1e5
}
