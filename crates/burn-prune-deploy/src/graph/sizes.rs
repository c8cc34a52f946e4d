//! Which sizes of a graph follow the batch.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Graph, OperationId, OperationKind, TensorId};

/// Which sizes of a graph follow the batch, and which are fixed and why.
///
/// Found by comparing two forward passes with different batches. So sizes that happen to be equal,
/// such as a batch of 4 and 4 heads, are never mistaken for each other.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// assert_eq!(graph.sizes().batch(), Some(1));
/// println!("{}", graph.sizes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Fixed(String),
    Followed(Followed),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Followed {
    /// The batch of the example.
    batch: usize,
    /// The batch that it was compared with.
    other: usize,
    powers: Powers,
    /// Other powers of what an operation reads: of a tensor that was to be repeated once.
    repeated: Vec<Repeated>,
}

/// By tensor and axis: which power of the batch the size is a multiple of; none when it depends on
/// the batch in another way.
type Powers = Vec<Vec<Option<u32>>>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repeated {
    pub operation: OperationId,
    pub place: usize,
    pub powers: Vec<Option<u32>>,
}

/// How the size of an axis follows the batch.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// use burn_prune_deploy::AxisSize;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let batch = AxisSize::Batch { times: 1, power: 1 };
/// assert_eq!(graph.axis_sizes(graph.inputs()[0]), [batch, AxisSize::Fixed(8)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AxisSize {
    /// It is the same for every batch.
    Fixed(usize),
    /// `times * batch^power`, the batch outermost where it is a product.
    Batch {
        /// The part that does not follow the batch.
        times: usize,
        /// Usually 1.
        power: u32,
    },
    /// It depends on the batch, and is not a multiple of it.
    Other,
}

impl AxisSize {
    /// The part that does not follow the batch.
    pub(crate) fn times(self) -> usize {
        match self {
            Self::Fixed(times) | Self::Batch { times, .. } => times,
            Self::Other => 1,
        }
    }
}

impl Sizes {
    pub(super) fn fixed(reason: impl Into<String>) -> Self {
        Self(Kind::Fixed(reason.into()))
    }

    pub(super) fn followed(
        [batch, other]: [usize; 2],
        powers: Powers,
        repeated: Vec<Repeated>,
    ) -> Self {
        Self(Kind::Followed(Followed {
            batch,
            other,
            powers,
            repeated,
        }))
    }

    /// The batch of the example; `None` when it is fixed.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.sizes().batch(), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(&self) -> Option<usize> {
        match &self.0 {
            Kind::Fixed(_) => None,
            Kind::Followed(followed) => Some(followed.batch),
        }
    }

    /// Why the batch is fixed, if it is: what is found of the channels may be due to sizes of the
    /// example that happen to be equal.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// use burn_prune_deploy::Batch;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.sizes().why_fixed(), None);
    /// let example = Tensor::<2>::ones([1, 8], &device);
    /// let fixed = Graph::capture_with(&model, example, Batch::Fixed, forward)?;
    /// assert!(fixed.sizes().why_fixed().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn why_fixed(&self) -> Option<&str> {
        match &self.0 {
            Kind::Fixed(reason) => Some(reason),
            Kind::Followed(_) => None,
        }
    }

    fn axes(&self, powers: &[Option<u32>], shape: &[usize]) -> Vec<AxisSize> {
        let batch = self.batch().unwrap_or(1).max(1);
        let axes = shape.iter().enumerate();
        let axes = axes.map(|(axis, size)| match powers.get(axis).copied().flatten() {
            Some(0) => AxisSize::Fixed(*size),
            Some(power) => AxisSize::Batch {
                times: size / batch.pow(power),
                power,
            },
            None => AxisSize::Other,
        });
        axes.collect()
    }
}

impl Default for Sizes {
    /// Of a graph that was saved by a version that did not look.
    fn default() -> Self {
        Self::fixed("the graph was saved before batches were compared")
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Fixed(reason) => write!(f, "batch: fixed, because {reason}"),
            Kind::Followed(followed) => write!(
                f,
                "batch: any, {} in the example, compared with {}",
                followed.batch, followed.other
            ),
        }
    }
}

impl Graph {
    /// Which sizes follow the batch, and which are fixed and why.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.sizes().batch(), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The sizes of a tensor, as far as they follow the batch.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// use burn_prune_deploy::AxisSize;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let output = graph.outputs()[0];
    /// assert_eq!(graph.axis_sizes(output)[1], AxisSize::Fixed(4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn axis_sizes(&self, tensor: TensorId) -> Vec<AxisSize> {
        let shape = self.shape(tensor);
        match &self.sizes.0 {
            Kind::Fixed(_) => shape.iter().copied().map(AxisSize::Fixed).collect(),
            Kind::Followed(followed) => match followed.powers.get(tensor.index()) {
                Some(powers) => self.sizes.axes(powers, shape),
                None => shape.iter().copied().map(AxisSize::Fixed).collect(),
            },
        }
    }

    /// The same of what an operation reads.
    fn axis_sizes_read(&self, operation: OperationId, place: usize) -> Vec<AxisSize> {
        let tensor = self[operation].inputs[place];
        if let Kind::Followed(followed) = &self.sizes.0 {
            let mut repeated = followed.repeated.iter();
            let read = (operation, place);
            let found = repeated.find(|found| (found.operation, found.place) == read);
            if let Some(found) = found {
                return self.sizes.axes(&found.powers, self.shape(tensor));
            }
        }
        self.axis_sizes(tensor)
    }

    /// Whether the size of an axis is another for another batch.
    pub(crate) fn follows_batch(&self, tensor: TensorId, axis: usize) -> bool {
        let Kind::Followed(followed) = &self.sizes.0 else {
            return false;
        };
        let powers = followed.powers.get(tensor.index());
        powers.is_some_and(|powers| powers.get(axis) != Some(&Some(0)))
    }

    /// The graph for a single entry of the batch, but with the operations of this one.
    pub(crate) fn without_batch(&self) -> WithoutBatch<'_> {
        let reshapes = self.operation_ids().map(|index| {
            let operation = &self[index];
            let is_reshape = operation.kind == OperationKind::Reshape;
            is_reshape.then(|| Reshape {
                before: self.axis_sizes_read(index, 0),
                after: self.axis_sizes(operation.outputs[0]),
            })
        });
        let reshapes = reshapes.collect();
        if self.sizes.batch().is_none() {
            return WithoutBatch {
                graph: Cow::Borrowed(self),
                reshapes,
            };
        }
        let mut graph = self.clone();
        for (tensor, info) in self.tensor_ids().zip(&mut graph.tensors) {
            let sizes = self.axis_sizes(tensor);
            info.shape = sizes.into_iter().map(AxisSize::times).collect();
        }
        for operation in &mut graph.operations {
            let OperationKind::Slice { ranges } = &mut operation.kind else {
                continue;
            };
            let tensor = operation.inputs[0];
            let sizes = self.axis_sizes(tensor).into_iter();
            for ((axis, range), size) in ranges.iter_mut().enumerate().zip(sizes) {
                if let AxisSize::Fixed(_) = size {
                    continue;
                }
                *range = if *range == (0, self.shape(tensor)[axis], 1) {
                    (0, size.times(), 1)
                } else {
                    // Some entries of the batch, which are no part of a channel.
                    NO_PART
                };
            }
        }
        WithoutBatch {
            graph: Cow::Owned(graph),
            reshapes,
        }
    }
}

/// A range that is never one of equal parts.
const NO_PART: (usize, usize, isize) = (1, 0, 1);

/// A graph for a single entry of the batch.
pub(crate) struct WithoutBatch<'a> {
    pub graph: Cow<'a, Graph>,
    /// Of each operation that is one.
    pub reshapes: Vec<Option<Reshape>>,
}

/// The sizes before and after a reshape.
pub(crate) struct Reshape {
    pub before: Vec<AxisSize>,
    pub after: Vec<AxisSize>,
}
