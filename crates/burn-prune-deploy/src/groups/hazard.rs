use std::collections::BTreeSet;
use std::fmt;

use super::zeros::Hazard;
use super::{Group, Place};
use crate::graph::{Graph, OperationId};

/// An operation whose gradient may be NaN or infinite after a wholly masked channel, although both
/// the network without masks and the smaller one can be trained.
///
/// The square root of 0 has an infinite derivative, and 0 times infinity is NaN: after one training
/// step under the masks, all weights before it are lost. Cut such channels off before training, or
/// add a small number before the square root, the power or the logarithm.
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
/// // The derivative of a square root is infinite at 0.
/// let forward = |model: &Vec<Linear>, x| model[1].forward(model[0].forward(x).abs().sqrt());
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let groups = graph.groups()?;
/// assert_eq!(groups.gradient_hazards()[0].name, "sqrt");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GradientHazard {
    /// Number of the operation in [`Graph::operations`].
    pub operation: OperationId,
    /// Its name.
    pub name: String,
    /// Names of the groups whose units go through it.
    pub groups: Vec<String>,
    /// Dotted paths of the parameters of those groups.
    pub parameters: Vec<String>,
}

impl fmt::Display for GradientHazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "behind masked channels of {}, the gradient of operation {}, `{}`, may not be a finite \
             number: shrink before training, or add a small number before it",
            self.groups.join(", "),
            self.operation,
            self.name
        )
    }
}

/// One for each operation, with all groups that go through it.
pub(super) fn hazards(
    graph: &Graph,
    groups: &[Group],
    places: &[Vec<Vec<Place>>],
    found: &[Hazard],
) -> Vec<GradientHazard> {
    let mut hazards: Vec<GradientHazard> = Vec::new();
    let mut numbers: Vec<BTreeSet<u32>> = Vec::new();
    for hazard in found {
        let units: BTreeSet<u32> = places[hazard.axis.tensor.index()][hazard.axis.axis]
            .iter()
            .flatten()
            .map(|(group, _)| *group)
            .collect();
        if units.is_empty() {
            continue;
        }
        match hazards.last() {
            Some(last) if last.operation == hazard.operation => {
                let last = numbers.last_mut().expect("one for each hazard");
                last.extend(units);
            }
            _ => {
                hazards.push(GradientHazard {
                    operation: hazard.operation,
                    name: graph[hazard.operation].kind.name().to_string(),
                    groups: Vec::new(),
                    parameters: Vec::new(),
                });
                numbers.push(units);
            }
        }
    }
    for (hazard, numbers) in hazards.iter_mut().zip(numbers) {
        let mut parameters = BTreeSet::new();
        for number in numbers {
            let group = &groups[number as usize];
            hazard.groups.push(group.name.clone());
            parameters.extend(group.members().map(|member| member.parameter));
        }
        hazard.parameters = parameters
            .into_iter()
            .map(|parameter| graph[parameter].path.clone())
            .collect();
    }
    hazards
}
