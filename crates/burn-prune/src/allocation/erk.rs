//! Erdős–Rényi-kernel densities.

/// The density of each layer, so that a fraction `density` of all weights is kept (Evci et al.
/// 2020, "Rigging the Lottery").
///
/// A layer of shape `s` is as dense as `Σ s / Π s` says, scaled by one factor for all layers. A
/// layer that would get more than all of its weights is dense, and the factor is found again for
/// the others.
pub(super) fn densities(shapes: &[&[usize]], density: f64) -> Vec<f64> {
    let sizes: Vec<f64> = shapes.iter().map(|s| product(s)).collect();
    let raw: Vec<f64> = shapes
        .iter()
        .zip(&sizes)
        .map(|(shape, size)| match *size {
            0.0 => 0.0,
            size => shape.iter().sum::<usize>() as f64 / size,
        })
        .collect();
    let mut dense = vec![false; shapes.len()];
    loop {
        let (mut to_keep, mut kept_at_one) = (0.0, 0.0);
        for ((size, raw), dense) in sizes.iter().zip(&raw).zip(&dense) {
            if *dense {
                to_keep -= size * (1.0 - density);
            } else {
                to_keep += size * density;
                kept_at_one += size * raw;
            }
        }
        let factor = match kept_at_one {
            0.0 => 0.0,
            kept => to_keep / kept,
        };
        let sparse = raw.iter().zip(&dense).filter(|(_, dense)| !**dense);
        let densest = sparse.map(|(raw, _)| *raw).fold(0.0, f64::max);
        if densest * factor <= 1.0 {
            let layers = raw.iter().zip(dense);
            return layers
                .map(|(raw, dense)| if dense { 1.0 } else { raw * factor })
                .collect();
        }
        for (raw, dense) in raw.iter().zip(&mut dense) {
            *dense |= *raw == densest;
        }
    }
}

fn product(shape: &[usize]) -> f64 {
    shape.iter().product::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_by_hand() {
        // Raw densities 20/100 and 40/400; 2.5 times them keeps 50 and 100 of 500.
        let found = densities(&[&[10, 10], &[20, 20]], 0.3);
        assert!((found[0] - 0.5).abs() < 1e-12 && (found[1] - 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_layer_that_would_be_overfull_is_dense_and_the_others_make_up_for_it() {
        // Raw 7/10 and 40/400. At 0.1 a factor of 41/47 fits; at 0.3 it is 123/47, too much for
        // the first, so the second keeps 123 - 10 of its 400.
        let found = densities(&[&[2, 5], &[20, 20]], 0.3);
        assert_eq!(found[0], 1.0);
        assert!((found[1] - 113.0 / 400.0).abs() < 1e-12);
    }

    #[test]
    fn all_and_nothing() {
        assert_eq!(densities(&[&[2, 5], &[3, 4]], 1.0), [1.0, 1.0]);
        assert_eq!(densities(&[&[2, 5], &[3, 4]], 0.0), [0.0, 0.0]);
        assert_eq!(densities(&[&[0, 4]], 0.5), [0.0]);
    }
}
