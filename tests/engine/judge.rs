use crate::signals::{difference, largest};

/// Compares each output tensor with that of Burn, and with that in double precision where it has to be.
pub(crate) fn judge(
    found: &[Vec<f64>],
    expected: &[Vec<f64>],
    exact: impl FnOnce() -> Vec<Vec<f64>>,
) {
    let is_close = |found: &Vec<f64>, expected: &Vec<f64>| {
        difference(found, expected) <= 1e-5 * largest(expected)
    };
    assert_eq!(found.len(), expected.len());
    let mut pairs = found.iter().zip(expected);
    if pairs.all(|(found, expected)| is_close(found, expected)) {
        return;
    }
    for ((found, expected), exact) in found.iter().zip(expected).zip(&exact()) {
        if is_close(found, expected) {
            continue;
        }
        let [ours, burns] = [found, expected].map(|values| difference(values, exact));
        assert!(
            ours <= 2.0 * burns,
            "off by {ours:e}, Burn by {burns:e}, where the largest is {:e}: {:?} instead of {:?}",
            largest(expected),
            &found[..found.len().min(8)],
            &expected[..expected.len().min(8)],
        );
    }
}
