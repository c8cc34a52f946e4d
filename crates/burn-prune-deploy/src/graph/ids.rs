//! Numbers of tensors, operations and parameters, each a type of its own.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use super::{Graph, Operation, Parameter, TensorInfo};

/// A number that indexes a list of a graph. It is serialized as a plain number.
macro_rules! id {
    ($(#[$attribute:meta])* $name:ident, $entry:ty, $list:ident) => {
        $(#[$attribute])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(usize);

        impl $name {
            pub(crate) const fn new(index: usize) -> Self {
                Self(index)
            }

            /// The number itself: the position in the list.
            pub const fn index(self) -> usize {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Index<$name> for [$entry] {
            type Output = $entry;

            fn index(&self, id: $name) -> &$entry {
                &self[id.0]
            }
        }

        impl IndexMut<$name> for [$entry] {
            fn index_mut(&mut self, id: $name) -> &mut $entry {
                &mut self[id.0]
            }
        }

        impl Index<$name> for Graph {
            type Output = $entry;

            fn index(&self, id: $name) -> &$entry {
                &self.$list[id.0]
            }
        }
    };
}

id! {
    /// Number of a tensor in [`Graph::tensors`].
    TensorId, TensorInfo, tensors
}

id! {
    /// Number of an operation in [`Graph::operations`].
    OperationId, Operation, operations
}

id! {
    /// Number of a parameter in [`Graph::parameters`].
    ParameterId, Parameter, parameters
}
