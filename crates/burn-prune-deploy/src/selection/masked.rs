//! What masks make 0, parameter by parameter.

use burn_prune::{Mask, MaskSet};

use crate::error::DeployError;
use crate::graph::{Graph, ParameterId, dims};
use crate::groups::{Member, Unit};

/// For each parameter, which of its entries masks make 0; nothing where it has no mask.
#[derive(Debug, Clone)]
pub(super) struct Masked(Vec<Option<Vec<bool>>>);

impl Masked {
    /// No masks.
    pub(super) fn nothing(graph: &Graph) -> Self {
        Self(vec![None; graph.parameters().len()])
    }

    /// What a set of masks makes 0. A shared parameter may be named by any of its paths; where
    /// several are named, what all of their masks make 0 counts.
    ///
    /// # Errors
    /// When a path is no parameter of the graph, or a mask has another shape.
    pub(super) fn of(graph: &Graph, masks: &MaskSet) -> Result<Self, DeployError> {
        let mut masked = Self::nothing(graph);
        for (path, mask) in masks.iter() {
            let mut parameters = graph.parameter_ids();
            let found = parameters.find(|id| graph[*id].paths().any(|other| other == path));
            let Some(parameter) = found else {
                return Err(DeployError::MaskMismatch {
                    path: path.to_string(),
                    expected: dims(mask.shape()),
                    found: "nothing".to_string(),
                });
            };
            let shape = graph.shape(graph[parameter].tensor);
            if mask.shape() != shape {
                return Err(DeployError::MaskMismatch {
                    path: path.to_string(),
                    expected: dims(mask.shape()),
                    found: dims(shape),
                });
            }
            let removed = mask.iter().map(|is_kept| !is_kept);
            match &mut masked.0[parameter.index()] {
                Some(known) => {
                    for (known, removed) in known.iter_mut().zip(removed) {
                        *known &= removed;
                    }
                }
                empty => *empty = Some(removed.collect()),
            }
        }
        Ok(masked)
    }

    /// Which entries of a parameter are made 0, in row-major order; `None` when none are.
    pub(super) fn removed(&self, parameter: ParameterId) -> Option<&[bool]> {
        self.0[parameter.index()].as_deref()
    }

    /// Whether all that a member holds is made 0.
    pub(super) fn has_member(&self, graph: &Graph, member: &Member) -> bool {
        self.removed(member.parameter)
            .is_some_and(|removed| entries(graph, member).all(|entry| removed[entry]))
    }

    /// Whether all of a unit that can be masked is made 0.
    pub(super) fn has_unit(&self, graph: &Graph, unit: &Unit) -> bool {
        let mut members = maskable(graph, unit).peekable();
        members.peek().is_some() && members.all(|member| self.has_member(graph, member))
    }

    /// Also makes these entries of a parameter 0.
    pub(super) fn remove(
        &mut self,
        graph: &Graph,
        parameter: ParameterId,
        entries: impl Iterator<Item = usize>,
    ) {
        // A mask of ones would mark the parameter as pruned.
        let mut entries = entries.peekable();
        if entries.peek().is_none() {
            return;
        }
        let elements = graph[graph[parameter].tensor].elements();
        let removed = self.0[parameter.index()].get_or_insert_with(|| vec![false; elements]);
        entries.for_each(|entry| removed[entry] = true);
    }

    /// As masks, a shared parameter's at all of its paths.
    pub(super) fn to_masks(&self, graph: &Graph) -> MaskSet {
        let parameters = graph.parameters().iter().zip(&self.0);
        parameters
            .filter_map(|(parameter, removed)| Some((parameter, removed.as_ref()?)))
            .flat_map(|(parameter, removed)| {
                let kept: Vec<bool> = removed.iter().map(|removed| !removed).collect();
                let mask = Mask::from_kept(graph.shape(parameter.tensor), &kept);
                let mask = mask.expect("one value an entry");
                parameter
                    .paths()
                    .map(move |path| (path.to_string(), mask.clone()))
            })
            .collect()
    }
}

/// The members of a unit that masks may make 0.
pub(super) fn maskable<'a>(
    graph: &'a Graph,
    unit: &'a Unit,
) -> impl Iterator<Item = &'a Member> + 'a {
    let members = unit.members.iter();
    members.filter(|member| graph[member.parameter].can_be_masked())
}

/// The entries of a parameter that a member holds, in row-major order.
pub(super) fn entries<'a>(
    graph: &'a Graph,
    member: &'a Member,
) -> impl Iterator<Item = usize> + 'a {
    let shape = graph.shape(graph[member.parameter].tensor);
    let inner: usize = shape[member.axis + 1..].iter().product();
    let outer: usize = shape[..member.axis].iter().product();
    let size = shape[member.axis];
    (0..outer).flat_map(move |block| {
        member.indices.iter().flat_map(move |index| {
            let start = (block * size + index) * inner;
            start..start + inner
        })
    })
}
