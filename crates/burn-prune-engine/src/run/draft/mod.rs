//! The steps of a program, on places: what has to be done in which form, before memory is planned.

mod convert;
mod nodes;
mod rows;
mod settle;

pub(crate) use settle::phase_of_tap;

use crate::activation::Activation;
use crate::kernel::Split;
use crate::plan::program::{Program, ValueId};
use crate::run::place::{PlaceId, Places};
use crate::run::sizes::Sizes;
use crate::window::{Pool, Window};

/// Steps in their order, and the places that they read and write.
#[derive(Debug)]
pub(crate) struct Draft {
    pub places: Places,
    pub steps: Vec<DraftStep>,
}

#[derive(Debug)]
pub(crate) struct DraftStep {
    /// Of the program.
    pub node: Option<usize>,
    pub kind: Kind,
    pub reads: Vec<Operand>,
    pub write: Operand,
}

/// What a step reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    Place(PlaceId),
    /// A tensor of Burn.
    Tensor(ValueId),
}

/// What a step does.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// The product of this node, by tensors of stride 1.
    Product(Reading),
    Depthwise,
    /// Planes of each stride and phase.
    Phases(Split),
    Pool(Pool),
    GlobalAverage,
    Upsample([usize; 2]),
    /// The same planes elsewhere.
    Copy,
    /// A tensor of rows to a matrix of features.
    ToFeatures,
    /// And back.
    ToRows,
    /// Images to a matrix with a position for each of them.
    Flatten,
    /// And back.
    Unflatten,
    Activate(Activation),
    Sum(Activation),
    Multiply,
    /// By one factor a channel.
    MultiplyChannels,
    Affine,
    /// The tensor with another shape.
    Reshape,
    Burn,
}

/// How a product reads its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// One column for each feature.
    Features,
    /// Taps of a window that moves by 1.
    Taps(Window),
    /// Taps of a window in phase planes.
    Phases(Window),
}

impl Draft {
    /// The steps of a program, with as few copies as possible.
    pub(crate) fn new(program: &Program, sizes: &Sizes) -> Self {
        let mut draft = convert::Drafter::new(program, sizes).draft();
        settle::settle(&mut draft, sizes);
        draft
    }
}

impl DraftStep {
    /// Whether it may read behind the end of its first input. Kernels for one position do not.
    pub(crate) fn reads_behind(&self, places: &Places) -> bool {
        let reads_one = |place: PlaceId| places.get(place).width == 1;
        match (&self.kind, self.reads.first()) {
            (Kind::Product(Reading::Features), Some(Operand::Place(place))) => !reads_one(*place),
            (kind, _) => matches!(kind, Kind::Product(_)),
        }
    }
}

impl Operand {
    pub(crate) fn place(self) -> Option<PlaceId> {
        match self {
            Self::Place(place) => Some(place),
            Self::Tensor(_) => None,
        }
    }
}
