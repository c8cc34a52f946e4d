use rayon::prelude::*;

use crate::{median, seconds};

const CHUNK: usize = 1 << 16;

/// Bytes a second that all threads read, of this many f32.
pub fn read_bandwidth(len: usize) -> f64 {
    let values = vec![1.0_f32; len];
    let read = || {
        let sums = values.par_chunks(CHUNK).map(|chunk| {
            let mut sums = [0.0; 32];
            for values in chunk.chunks_exact(32) {
                sums.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
            }
            sums.iter().sum::<f32>()
        });
        std::hint::black_box(sums.sum::<f32>());
    };
    bandwidth(4 * len, read)
}

/// Bytes a second that all threads read and write, scaling this many f32 in place.
pub fn scale_bandwidth(values: &mut [f32]) -> f64 {
    let bytes = 8 * values.len();
    bandwidth(bytes, || {
        let chunks = values.par_chunks_mut(CHUNK);
        chunks.for_each(|chunk| chunk.iter_mut().for_each(|value| *value *= 0.999));
    })
}

fn bandwidth(bytes: usize, mut work: impl FnMut()) -> f64 {
    work();
    let times: Vec<f64> = (0..9).map(|_| seconds(&mut work).0).collect();
    bytes as f64 / median(&times)
}
