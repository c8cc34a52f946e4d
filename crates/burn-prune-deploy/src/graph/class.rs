//! The kinds of operations, without what they hold.

use super::named::named;
use super::{Along, Creation, Elementwise, Reduction, Spatial};

named! {
    /// The variants of [`OperationKind`](super::OperationKind).
    OperationClass {
        /// A convolution.
        Convolution => "convolution",
        /// A transposed convolution.
        TransposedConvolution => "transposed convolution",
        /// A matrix product.
        MatMul => "matmul",
        /// A linear layer that Burn has as one operation.
        Linear => "linear",
        /// A batch norm with running statistics.
        BatchNorm => "batch norm",
        /// A layer norm.
        LayerNorm => "layer norm",
        /// An embedding.
        Embedding => "embedding",
        /// Scaled dot-product attention.
        Attention => "attention",
        /// Pooling and up-sampling.
        Spatial => "spatial",
        /// Element by element.
        Elementwise => "elementwise",
        /// Along axes, to a size of 1.
        Reduce => "reduce",
        /// Along an axis, to the same size.
        Along => "along",
        /// Another shape.
        Reshape => "reshape",
        /// Axes in another order.
        Permute => "permute",
        /// A part of each axis.
        Slice => "slice",
        /// Concatenation.
        Concatenate => "concatenate",
        /// Axes of size 1 repeated.
        Expand => "expand",
        /// An axis several times.
        Repeat => "repeat",
        /// Axes reversed.
        Flip => "flip",
        /// Padding.
        Pad => "pad",
        /// Entries selected by index.
        Select => "select",
        /// A new tensor.
        Create => "create",
        /// One that this library does not understand.
        Other => "other",
    }
}

impl OperationClass {
    /// The names of all operations that a graph can have, except for those that are not understood.
    ///
    /// ```
    /// let names = burn_prune_deploy::OperationClass::operations();
    /// assert!(names.contains(&"convolution") && names.contains(&"sqrt"));
    /// ```
    pub fn operations() -> Vec<&'static str> {
        let mut names = Vec::new();
        for class in Self::ALL {
            match class {
                Self::Spatial => names.extend(Spatial::ALL.iter().map(|one| one.name())),
                Self::Elementwise => names.extend(Elementwise::ALL.iter().map(|one| one.name())),
                Self::Reduce => names.extend(Reduction::ALL.iter().map(|one| one.name())),
                Self::Along => names.extend(Along::ALL.iter().map(|one| one.name())),
                Self::Create => names.extend(Creation::NAMES),
                Self::Other => {}
                simple => names.push(simple.name()),
            }
        }
        names
    }
}
