//! Erdős–Rényi-kernel densities.

/// A layer to be shared out to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub shape: &'a [usize],
    /// Its units: weights, channels or blocks.
    pub total: usize,
    /// Those that are still unpruned.
    pub remaining: usize,
    /// Those that it keeps in any case.
    pub always_kept: usize,
}

/// How many units each layer keeps, `kept` in all (Evci et al. 2020, "Rigging the Lottery").
///
/// A layer of shape `s` is as dense as `Σ s / Π s` says, scaled by one factor for all layers. A
/// layer that would get more than it has left keeps all of that, and the factor is found again for
/// the others. Each count is rounded half to even; where the sum is off by a few, those that were
/// rounded the furthest the other way give or take one.
pub(super) fn kept(layers: &[Layer<'_>], kept: usize) -> Vec<usize> {
    let shares = shares(layers, kept);
    let mut counts: Vec<usize> = shares
        .iter()
        .zip(layers)
        .map(|(share, layer)| {
            let count = share.round_ties_even() as usize;
            count.clamp(layer.always_kept, layer.remaining)
        })
        .collect();
    while counts.iter().sum::<usize>() != kept {
        let short = counts.iter().sum::<usize>() < kept;
        let error = |layer: usize| {
            let error = shares[layer] - counts[layer] as f64;
            if short { error } else { -error }
        };
        let movable = |layer: &usize| {
            if short {
                counts[*layer] < layers[*layer].remaining
            } else {
                counts[*layer] > layers[*layer].always_kept
            }
        };
        let furthest = (0..layers.len()).filter(movable).max_by(|a, b| {
            // The first of equals.
            error(*a).total_cmp(&error(*b)).then(b.cmp(a))
        });
        let furthest = furthest.expect("no more are kept than there are");
        if short {
            counts[furthest] += 1;
        } else {
            counts[furthest] -= 1;
        }
    }
    counts
}

/// The same before rounding.
fn shares(layers: &[Layer<'_>], kept: usize) -> Vec<f64> {
    let raw: Vec<f64> = layers.iter().map(Layer::raw_density).collect();
    let mut full = vec![false; layers.len()];
    loop {
        let mut to_keep = kept as f64;
        let mut kept_at_one = 0.0;
        for ((layer, raw), full) in layers.iter().zip(&raw).zip(&full) {
            if *full {
                to_keep -= layer.remaining as f64;
            } else {
                kept_at_one += layer.total as f64 * raw;
            }
        }
        let factor = match kept_at_one {
            0.0 => 0.0,
            kept => to_keep / kept,
        };
        let share = |layer: usize| {
            if full[layer] {
                layers[layer].remaining as f64
            } else {
                factor * raw[layer] * layers[layer].total as f64
            }
        };
        // By how much a layer has too little left, relative to its own density.
        let excess = |layer: usize| match layers[layer].remaining {
            0 => f64::INFINITY,
            remaining => share(layer) / remaining as f64,
        };
        let sparse = (0..layers.len()).filter(|layer| !full[*layer]);
        let largest = sparse.map(excess).fold(0.0, f64::max);
        if largest <= 1.0 {
            return (0..layers.len()).map(share).collect();
        }
        let overfull: Vec<_> = (0..layers.len())
            .filter(|layer| !full[*layer] && excess(*layer) == largest)
            .collect();
        overfull.into_iter().for_each(|layer| full[layer] = true);
    }
}

impl Layer<'_> {
    fn raw_density(&self) -> f64 {
        match self.shape.iter().product::<usize>() {
            0 => 0.0,
            size => self.shape.iter().sum::<usize>() as f64 / size as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(shape: &[usize]) -> Layer<'_> {
        let total = shape.iter().product();
        Layer {
            shape,
            total,
            remaining: total,
            always_kept: 0,
        }
    }

    #[test]
    fn counts_by_hand() {
        // Raw densities 20/100 and 40/400; 2.5 times them keeps 50 and 100 of 500.
        assert_eq!(kept(&[layer(&[10, 10]), layer(&[20, 20])], 150), [50, 100]);
    }

    #[test]
    fn a_layer_that_would_be_overfull_is_dense_and_the_others_make_up_for_it() {
        // Raw 7/10 and 40/400. At 41 a factor of 41/47 fits; at 123 it is 123/47, too much for
        // the first, so the second keeps 123 - 10.
        assert_eq!(kept(&[layer(&[2, 5]), layer(&[20, 20])], 123), [10, 113]);
    }

    #[test]
    fn a_layer_that_has_lost_units_keeps_no_more_than_it_has() {
        let gone = Layer {
            remaining: 0,
            ..layer(&[10, 10])
        };
        let partly = Layer {
            remaining: 30,
            ..layer(&[10, 10])
        };
        assert_eq!(kept(&[gone, layer(&[10, 10])], 60), [0, 60]);
        assert_eq!(kept(&[partly, layer(&[10, 10])], 100), [30, 70]);
    }

    #[test]
    fn a_layer_keeps_what_it_always_keeps() {
        // Equally dense: 14 of 140 units are a tenth of each.
        let small = Layer {
            total: 40,
            remaining: 40,
            always_kept: 6,
            ..layer(&[10, 10])
        };
        let large = Layer {
            total: 100,
            remaining: 100,
            ..layer(&[10, 10])
        };
        assert_eq!(
            kept(
                &[
                    Layer {
                        always_kept: 0,
                        ..small
                    },
                    large
                ],
                14
            ),
            [4, 10]
        );
        assert_eq!(kept(&[small, large], 14), [6, 8]);
    }

    #[test]
    fn every_count_is_met() {
        let shapes: [&[usize]; 4] = [&[3, 7], &[5, 5, 3], &[4], &[11, 2]];
        let layers = shapes.map(layer);
        let total: usize = layers.iter().map(|layer| layer.total).sum();
        for count in 0..=total {
            let counts = kept(&layers, count);
            assert_eq!(counts.iter().sum::<usize>(), count);
            assert!(
                counts
                    .iter()
                    .zip(&layers)
                    .all(|(kept, layer)| *kept <= layer.total)
            );
        }
    }

    #[test]
    fn nothing_at_all() {
        assert_eq!(kept(&[layer(&[0, 4])], 0), [0]);
        assert_eq!(kept(&[], 0), [0usize; 0]);
    }
}
