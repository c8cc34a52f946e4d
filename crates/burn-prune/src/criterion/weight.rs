use crate::model::Values;

/// What a criterion sees of a parameter: the effective weight, 0 where it is pruned already.
///
/// Importance scores that the caller supplied replace the weight; masks are not applied to them.
#[derive(Debug, Clone, Copy)]
pub struct Weight<'a> {
    path: &'a str,
    shape: &'a [usize],
    values: &'a Values,
}

impl<'a> Weight<'a> {
    pub(crate) fn new(path: &'a str, shape: &'a [usize], values: &'a Values) -> Self {
        Self {
            path,
            shape,
            values,
        }
    }

    /// The values, which a clone shares.
    pub(crate) fn values(&self) -> &Values {
        self.values
    }

    /// Dotted path of the parameter, `conv1.weight` for instance.
    pub fn path(&self) -> &str {
        self.path
    }

    /// Shape of the parameter.
    pub fn shape(&self) -> &[usize] {
        self.shape
    }

    /// Number of weights.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a tensor without entries is no case of its own"
    )]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The weight at a flat, row-major index.
    pub fn get(&self, index: usize) -> f64 {
        self.values.get(index)
    }

    /// The weights in flat, row-major order.
    pub fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter()
    }
}
