use std::fmt;
use std::sync::Arc;

use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::values;
use crate::DeployError;
use crate::graph::{Graph, Role};
use crate::groups::{Groups, Unit};

type Custom = Arc<dyn Fn(&Graph, &Unit) -> f64 + Send + Sync>;

/// How important a unit is, from all its parameters; the least important go first.
#[derive(Clone)]
pub struct Importance(Kind);

#[derive(Clone)]
enum Kind {
    Norm { order: i32 },
    Scale,
    Random { seed: u64 },
    Custom(Custom),
}

impl Importance {
    /// The sum of the magnitudes of all weights of the unit, `sum |w|` (Li et al. 2017, over the
    /// whole group as in Fang et al. 2023).
    pub fn l1() -> Self {
        Self(Kind::Norm { order: 1 })
    }

    /// The Euclidean norm of all weights of the unit, `sqrt(sum w^2)`.
    pub fn l2() -> Self {
        Self(Kind::Norm { order: 2 })
    }

    /// The mean magnitude of the scales of the norms that the unit goes through (Liu et al. 2017,
    /// "Network Slimming"). Any vector of parameters that channels are multiplied with is a scale.
    /// An error for a group without one that is to lose units.
    pub fn batch_norm_scale() -> Self {
        Self(Kind::Scale)
    }

    /// A random number for each unit, the same for the same seed.
    pub fn random(seed: u64) -> Self {
        Self(Kind::Random { seed })
    }

    /// The caller's own; the values of parameters are in [`Parameter::values`], which are empty in
    /// a graph that was loaded. Asked for groups that are to lose units.
    ///
    /// [`Parameter::values`]: crate::Parameter::values
    pub fn custom(score: impl Fn(&Graph, &Unit) -> f64 + Send + Sync + 'static) -> Self {
        Self(Kind::Custom(Arc::new(score)))
    }

    /// Scores by group and unit; 0 for groups that are not ranked.
    pub(super) fn scores(
        &self,
        groups: &Groups,
        is_ranked: &[bool],
    ) -> Result<Vec<Vec<f64>>, DeployError> {
        let graph = groups.graph();
        let mut random = match self.0 {
            Kind::Random { seed } => Some(ChaCha8Rng::seed_from_u64(seed)),
            _ => None,
        };
        let scales = scales(graph);
        let mut all = Vec::new();
        for (group, is_ranked) in groups.groups().iter().zip(is_ranked) {
            let mut scores = Vec::new();
            for (number, unit) in group.units.iter().enumerate() {
                let score = match &self.0 {
                    // Drawn for every group, so that one's numbers do not depend on the others.
                    Kind::Random { .. } => {
                        let random = random.as_mut().expect("it is there for this kind");
                        random.next_u64() as f64
                    }
                    _ if !is_ranked => 0.0,
                    Kind::Norm { order } => norm(graph, unit, *order)?,
                    Kind::Scale => {
                        scale(graph, unit, &scales)?.ok_or_else(|| DeployError::NoScale {
                            group: group.name.clone(),
                        })?
                    }
                    Kind::Custom(custom) => custom(graph, unit),
                };
                if !score.is_finite() {
                    return Err(DeployError::NotANumber {
                        group: group.name.clone(),
                        unit: number,
                    });
                }
                scores.push(score);
            }
            all.push(scores);
        }
        Ok(all)
    }
}

impl fmt::Debug for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Norm { order: 1 } => "Importance::l1",
            Kind::Norm { .. } => "Importance::l2",
            Kind::Scale => "Importance::batch_norm_scale",
            Kind::Random { .. } => "Importance::random",
            Kind::Custom(_) => "Importance::custom",
        })
    }
}

fn norm(graph: &Graph, unit: &Unit, order: i32) -> Result<f64, DeployError> {
    values::check(graph, values::masked(graph, unit))?;
    let values = values::of_unit(graph, unit);
    let sum: f64 = values.map(|value| value.abs().powi(order)).sum();
    Ok(match order {
        1 => sum,
        _ => sum.sqrt(),
    })
}

/// For each parameter, whether it scales what goes through a norm. Burn composes some norms of
/// other operations; their scales are vectors that something is multiplied with.
fn scales(graph: &Graph) -> Vec<bool> {
    let mut scales = vec![false; graph.parameters.len()];
    for operation in &graph.operations {
        for (place, input) in operation.inputs.iter().enumerate() {
            if operation.kind.role(place) == Role::Scale
                && let Some(parameter) = graph.source(*input)
            {
                let shape = graph.shape(graph[parameter].tensor);
                scales[parameter.index()] |= shape.iter().filter(|size| **size > 1).count() <= 1;
            }
        }
    }
    scales
}

fn scale(graph: &Graph, unit: &Unit, scales: &[bool]) -> Result<Option<f64>, DeployError> {
    let members = || {
        let members = unit.members.iter();
        members.filter(|member| scales[member.parameter.index()])
    };
    values::check(graph, members())?;
    let values = members().flat_map(|member| values::of_member(graph, member));
    let (count, sum) = values.fold((0, 0.0), |(count, sum), value| {
        (count + 1, sum + value.abs())
    });
    Ok((count > 0).then(|| sum / f64::from(count)))
}
