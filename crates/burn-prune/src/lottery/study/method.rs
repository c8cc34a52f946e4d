use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Rewind;

/// A way to find tickets, and the controls that its tickets are compared with.
///
/// ```
/// use burn_prune::lottery::{Control, Method, Rewind};
///
/// let method = Method::new("ticket", Rewind::to_initialization())
///     .control(Control::Reinitialized, [3, 7])
///     .control(Control::RandomMask, [3, 7]);
/// assert_eq!(method.controls.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// In the results and as a folder: lower-case letters, digits and `-`.
    pub name: String,
    /// What is rewound between two rounds.
    pub rewind: Rewind,
    /// The controls, and the rounds in which they are run.
    pub controls: Vec<(Control, Vec<usize>)>,
}

impl Method {
    /// A method without controls.
    pub fn new(name: impl Into<String>, rewind: Rewind) -> Self {
        Self {
            name: name.into(),
            rewind,
            controls: Vec::new(),
        }
    }

    /// Runs a control beside the tickets of these rounds. Only for methods whose weights go back: a
    /// control has no trained weights of its own to keep.
    #[must_use]
    pub fn control(mut self, control: Control, rounds: impl IntoIterator<Item = usize>) -> Self {
        let rounds: BTreeSet<usize> = rounds.into_iter().collect();
        self.controls.push((control, rounds.into_iter().collect()));
        self
    }

    /// The name of a control of this method in the results.
    pub(in crate::lottery) fn name_of(&self, control: Control) -> String {
        format!("{}-{control}", self.name)
    }

    /// The names of the method and its controls in the results.
    pub(in crate::lottery) fn names(&self) -> impl Iterator<Item = String> + '_ {
        let controls = self.controls.iter();
        let of_controls = controls.map(|(control, _)| self.name_of(*control));
        std::iter::once(self.name.clone()).chain(of_controls)
    }
}

/// The method, and the control of it, with this name in the results.
pub(in crate::lottery) fn find_method<'a>(
    methods: &'a [Method],
    name: &str,
) -> Option<(&'a Method, Option<Control>)> {
    methods.iter().find_map(|method| {
        if method.name == name {
            return Some((method, None));
        }
        let mut controls = method.controls.iter().map(|(control, _)| *control);
        let control = controls.find(|control| method.name_of(*control) == name)?;
        Some((method, Some(control)))
    })
}

/// What a ticket is compared with, trained for as long as the ticket. The dense run is a control
/// of every study.
///
/// `RandomMask` and `ShuffledMask` are both uniform over the masks with the ticket's counts: two
/// draws of one distribution, the first nested over the rounds, the second fresh in each. Both are
/// over single weights, also where the ticket's pattern is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Control {
    /// The ticket's mask on weights that are initialised anew: is it the mask alone?
    Reinitialized,
    /// The ticket's weights under random masks with as many kept weights in each layer: is it the
    /// counts alone? The masks of later rounds lie within those of earlier ones, as the ticket's.
    RandomMask,
    /// The ticket's weights under its mask shuffled within each layer, anew in each round.
    ShuffledMask,
}

impl Control {
    fn name(self) -> &'static str {
        match self {
            Self::Reinitialized => "reinitialized",
            Self::RandomMask => "random-mask",
            Self::ShuffledMask => "shuffled-mask",
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
