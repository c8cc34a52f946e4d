//! The values of units.

use crate::graph::Graph;
use crate::groups::{Member, Unit};

/// The values of the part of a unit in one axis of one parameter.
pub(super) fn of_member<'a>(
    graph: &'a Graph,
    member: &'a Member,
) -> impl Iterator<Item = f64> + 'a {
    let parameter = &graph.parameters[member.parameter];
    let shape = graph.shape(parameter.tensor);
    let inner: usize = shape[member.axis + 1..].iter().product();
    let outer: usize = shape[..member.axis].iter().product();
    let size = shape[member.axis];
    let starts = (0..outer).flat_map(move |block| {
        let indices = member.indices.iter();
        indices.map(move |index| (block * size + index) * inner)
    });
    starts.flat_map(move |start| {
        let values = parameter.values[start..start + inner].iter();
        values.map(|value| f64::from(*value))
    })
}

/// The parts of a unit that masks make 0.
fn masked<'a>(graph: &'a Graph, unit: &'a Unit) -> impl Iterator<Item = &'a Member> + 'a {
    let members = unit.members.iter();
    members.filter(|member| graph.parameters[member.parameter].can_be_masked())
}

/// The values of a unit that masks make 0.
pub(super) fn of_unit<'a>(graph: &'a Graph, unit: &'a Unit) -> impl Iterator<Item = f64> + 'a {
    masked(graph, unit).flat_map(|member| of_member(graph, member))
}

/// Whether a unit is masked already, or might as well be: all of these values are 0.
/// Without values, as in the graph of a plan, none is.
pub(super) fn is_gone(graph: &Graph, unit: &Unit) -> bool {
    let has_values = |member: &Member| !graph.parameters[member.parameter].values.is_empty();
    masked(graph, unit).all(has_values) && of_unit(graph, unit).all(|value| value == 0.0)
}
