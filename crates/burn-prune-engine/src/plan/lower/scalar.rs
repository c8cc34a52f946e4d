use burn::backend::ir::ScalarIr;

/// A scalar of an operation.
pub(super) fn number(scalar: &ScalarIr) -> f64 {
    match scalar {
        ScalarIr::Float(value) => *value,
        ScalarIr::Int(value) => *value as f64,
        ScalarIr::UInt(value) => *value as f64,
        ScalarIr::Bool(value) => f64::from(u8::from(*value)),
    }
}
