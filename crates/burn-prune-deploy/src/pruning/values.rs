//! The values of units.

use crate::DeployError;
use crate::graph::Graph;
use crate::groups::{Member, Unit};

/// The values of the parameter that a member lies in.
fn known<'a>(graph: &'a Graph, member: &Member) -> Option<&'a [f32]> {
    graph.values().map(|values| values.of(member.parameter))
}

/// Makes sure that the values of all these are known.
pub(super) fn check<'a>(
    graph: &Graph,
    members: impl IntoIterator<Item = &'a Member>,
) -> Result<(), DeployError> {
    let mut members = members.into_iter();
    match members.find(|member| known(graph, member).is_none()) {
        None => Ok(()),
        Some(member) => Err(DeployError::NoValues {
            path: graph[member.parameter].path.clone(),
        }),
    }
}

/// The values of the part of a unit in one axis of one parameter, which are known.
pub(super) fn of_member<'a>(
    graph: &'a Graph,
    member: &'a Member,
) -> impl Iterator<Item = f64> + 'a {
    let parameter = known(graph, member).expect("its values are known");
    let shape = graph.shape(graph[member.parameter].tensor);
    let inner: usize = shape[member.axis + 1..].iter().product();
    let outer: usize = shape[..member.axis].iter().product();
    let size = shape[member.axis];
    let starts = (0..outer).flat_map(move |block| {
        let indices = member.indices.iter();
        indices.map(move |index| (block * size + index) * inner)
    });
    starts.flat_map(move |start| {
        let values = parameter[start..start + inner].iter();
        values.map(|value| f64::from(*value))
    })
}

/// The parts of a unit that masks make 0.
pub(super) fn masked<'a>(
    graph: &'a Graph,
    unit: &'a Unit,
) -> impl Iterator<Item = &'a Member> + 'a {
    let members = unit.members.iter();
    members.filter(|member| graph[member.parameter].can_be_masked())
}

/// The values of a unit that masks make 0, which are known.
pub(super) fn of_unit<'a>(graph: &'a Graph, unit: &'a Unit) -> impl Iterator<Item = f64> + 'a {
    masked(graph, unit).flat_map(|member| of_member(graph, member))
}

/// Whether a unit is masked already, or might as well be: all of these values are 0.
/// Without values, as in the graph of a plan, none is.
pub(super) fn is_gone(graph: &Graph, unit: &Unit) -> bool {
    let has_values = |member: &Member| known(graph, member).is_some();
    masked(graph, unit).all(has_values) && of_unit(graph, unit).all(|value| value == 0.0)
}
