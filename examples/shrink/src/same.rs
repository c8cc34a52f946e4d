use burn::tensor::Tensor;

/// How far outputs may be apart that are computed of the same numbers in another order, as a
/// fraction of the largest.
pub(crate) const TOLERANCE: f32 = 1e-4;

/// # Errors
/// When the outputs are further apart than this fraction of the largest.
pub(crate) fn same(
    what: &str,
    found: Tensor<2>,
    output: &Tensor<2>,
    tolerance: f32,
) -> Result<(), String> {
    let largest = output.clone().abs().max().into_scalar::<f32>();
    let difference = (found - output.clone()).abs().max().into_scalar::<f32>();
    // Also false for a NaN.
    if difference <= tolerance * largest {
        return Ok(());
    }
    Err(format!(
        "outputs of the model differ by {difference}, {what}; the largest is {largest}"
    ))
}
