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

/// The most bytes a second that all threads read, of this many f32, in the best of four access
/// patterns: pieces of 256 KiB or 4 MiB in turn, one piece a thread, and four streams a thread.
pub fn fastest_reading(len: usize) -> f64 {
    let values = vec![1.0_f32; len];
    let share = len / rayon::current_num_threads();
    let patterns: [&dyn Fn() -> f32; 4] = [
        &|| in_pieces(&values, CHUNK),
        &|| in_pieces(&values, 16 * CHUNK),
        &|| in_pieces(&values, share),
        &|| values.par_chunks(share).map(four_streams).sum(),
    ];
    let mut fastest: f64 = 0.0;
    for _ in 0..9 {
        for pattern in patterns {
            let (time, sum) = seconds(pattern);
            std::hint::black_box(sum);
            fastest = fastest.max(4.0 * len as f64 / time);
        }
    }
    fastest
}

fn in_pieces(values: &[f32], piece: usize) -> f32 {
    values.par_chunks(piece).map(sum).sum()
}

fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; 64];
    for values in values.chunks_exact(64) {
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum()
}

fn four_streams(values: &[f32]) -> f32 {
    let quarter = values.len() / 4;
    let (first, rest) = values.split_at(quarter);
    let (second, rest) = rest.split_at(quarter);
    let (third, fourth) = rest.split_at(quarter);
    let mut sums = [[0.0; 16]; 4];
    let streams = [first, second, third, fourth].map(|part| part.chunks_exact(16));
    let [first, second, third, fourth] = streams;
    for (((first, second), third), fourth) in first.zip(second).zip(third).zip(fourth) {
        for (sums, values) in sums.iter_mut().zip([first, second, third, fourth]) {
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        }
    }
    sums.as_flattened().iter().sum()
}

fn bandwidth(bytes: usize, mut work: impl FnMut()) -> f64 {
    work();
    let times: Vec<f64> = (0..9).map(|_| seconds(&mut work).0).collect();
    bytes as f64 / median(&times)
}
