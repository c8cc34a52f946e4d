use std::fmt::Debug;

/// Which axes of the inputs are the batch.
///
/// [`Graph::capture`](crate::Graph::capture) takes the first axis of every input; others are named
/// in [`Graph::capture_with`](crate::Graph::capture_with).
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_deploy::{Batch, Graph};
///
/// /// Adds a mean over the sequence, which comes first: `[length, batch, size]`.
/// fn forward(model: &Linear, (x, offset): (Tensor<3>, Tensor<1>)) -> Tensor<3> {
///     let mean = x.clone().mean_dim(0);
///     model.forward(x + mean) + offset.unsqueeze()
/// }
///
/// let device = Device::flex();
/// let model = LinearConfig::new(4, 6).init(&device);
/// let inputs = (Tensor::ones([7, 2, 4], &device), Tensor::ones([6], &device));
/// // Axis 1 of the first input; the second has none.
/// let graph = Graph::capture_with(&model, inputs, Batch::axes([Some(1), None]), forward)?;
/// assert_eq!(graph.sizes().batch(), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Batch {
    /// The first axis of every input, when they have the same size.
    #[default]
    First,
    /// An axis of each input, in their order; none where an input is the same for every batch.
    Axes(Vec<Option<usize>>),
    /// No batch axis: the graph holds for the sizes of the example only.
    Fixed,
}

impl Batch {
    /// An axis of each input: `Batch::axes([1, 1])`, or `Batch::axes([Some(1), None])` where an input
    /// has none.
    ///
    /// ```
    /// use burn_prune_deploy::Batch;
    ///
    /// assert_eq!(Batch::axes([0, 1]), Batch::Axes(vec![Some(0), Some(1)]));
    /// assert_eq!(Batch::axes([Some(1), None]), Batch::Axes(vec![Some(1), None]));
    /// ```
    pub fn axes(axes: impl IntoIterator<Item = impl Into<Option<usize>>>) -> Self {
        Self::Axes(axes.into_iter().map(Into::into).collect())
    }

    /// The axis of each input of these shapes, and the size of the batch.
    pub(super) fn of(&self, shapes: &[Vec<usize>]) -> Result<Found, NoBatch> {
        let axes = match self {
            Self::First => vec![Some(0); shapes.len()],
            Self::Axes(axes) => axes.clone(),
            Self::Fixed => return Err(NoBatch::Fixed("it was captured so".to_string())),
        };
        let is_named = *self != Self::First;
        let wrong = |message: String| {
            if is_named {
                NoBatch::Wrong(message)
            } else {
                NoBatch::Fixed(message)
            }
        };
        if shapes.is_empty() {
            return Err(NoBatch::Fixed(
                "the sizes of its inputs are not known".into(),
            ));
        }
        if axes.len() != shapes.len() {
            return Err(wrong(format!(
                "{} batch axes are given for {} inputs",
                axes.len(),
                shapes.len()
            )));
        }
        let mut sizes = Vec::new();
        for (number, (shape, axis)) in shapes.iter().zip(&axes).enumerate() {
            let Some(axis) = axis else { continue };
            match shape.get(*axis) {
                Some(size) => sizes.push(*size),
                None => {
                    return Err(wrong(format!(
                        "input {number} of {shape:?} has no axis {axis}"
                    )));
                }
            }
        }
        let Some(size) = sizes.first().copied() else {
            return Err(NoBatch::Fixed("no input has a batch axis".to_string()));
        };
        if sizes.iter().any(|other| *other != size) {
            let hint = if is_named {
                ""
            } else {
                "; `Graph::capture_with` takes other batch axes"
            };
            return Err(wrong(format!(
                "the inputs have sizes {sizes:?} along the batch axes{hint}"
            )));
        }
        if size == 0 {
            return Err(NoBatch::Fixed("the batch is empty".to_string()));
        }
        Ok(Found { axes, size })
    }
}

/// The batch of an example.
pub(super) struct Found {
    pub axes: Vec<Option<usize>>,
    pub size: usize,
}

/// Why an example has no batch that could be another.
pub(super) enum NoBatch {
    /// The caller named axes that are not there.
    Wrong(String),
    /// The sizes of the example are the only ones.
    Fixed(String),
}

/// The smallest prime from 5 on that divides none of these sizes.
pub(super) fn other_size(sizes: impl Iterator<Item = usize> + Clone) -> usize {
    let is_prime = |number: &usize| (2..*number).all(|divisor| !number.is_multiple_of(divisor));
    let divides = |prime: usize| sizes.clone().any(|size| size.is_multiple_of(prime));
    let mut primes = (5..).filter(is_prime);
    primes.find(|prime| !divides(*prime)).unwrap_or(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_batch_divides_no_size() {
        assert_eq!(other_size([1, 2, 3].into_iter()), 5);
        assert_eq!(other_size([4, 10, 49].into_iter()), 11);
        assert_eq!(other_size([5 * 7 * 11 * 13].into_iter()), 17);
    }
}
