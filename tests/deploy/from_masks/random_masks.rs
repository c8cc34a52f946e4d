//! Masks of random kinds.

use std::collections::BTreeMap;

use burn_prune::{Mask, MaskSet};
use burn_prune_deploy::{Graph, Groups, Member};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

pub(crate) struct Masker {
    random: ChaCha8Rng,
    kept: BTreeMap<usize, Vec<bool>>,
}

impl Masker {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            kept: BTreeMap::new(),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.next_u32() % 100 < percent
    }

    /// Some units of some groups in some of their members, some channels of any weight, some single
    /// weights.
    pub(crate) fn masks(mut self, groups: &Groups) -> MaskSet {
        let graph = groups.graph();
        let strength = [15, 40, 70][self.random.next_u32() as usize % 3];
        for group in groups.groups() {
            let kind = self.random.next_u32() % 5;
            // The same members of all units, or other ones for each.
            let members: Vec<bool> = group.members().map(|_| self.chance(60)).collect();
            for unit in &group.units {
                if kind == 0 || !self.chance(strength) {
                    continue;
                }
                for (member, chosen) in unit.members.iter().zip(&members) {
                    let chosen = match kind {
                        1 => true,
                        2 => self.chance(50),
                        _ => *chosen,
                    };
                    if chosen && graph[member.parameter].can_be_masked() {
                        self.remove_member(graph, member);
                    }
                }
            }
        }
        for id in graph.parameter_ids() {
            let parameter = &graph[id];
            let shape = graph[parameter.tensor].shape.clone();
            if !parameter.can_be_masked() || shape.len() < 2 {
                continue;
            }
            // All weights of some outputs or inputs.
            if self.chance(15) {
                let axis = self.random.next_u32() as usize % 2;
                let indices: Vec<usize> = (0..shape[axis]).filter(|_| self.chance(40)).collect();
                let member = Member {
                    parameter: id,
                    axis,
                    indices,
                };
                self.remove_member(graph, &member);
            }
            if self.chance(15) {
                let share = [30, 60, 95][self.random.next_u32() as usize % 3];
                let elements = shape.iter().product();
                let mut kept = self
                    .kept
                    .remove(&id.index())
                    .unwrap_or(vec![true; elements]);
                for kept in &mut kept {
                    *kept &= !self.chance(share);
                }
                self.kept.insert(id.index(), kept);
            }
        }
        let kept = std::mem::take(&mut self.kept);
        kept.into_iter()
            .flat_map(|(number, kept)| {
                let parameter = &graph.parameters()[number];
                let mask = Mask::from_kept(graph[parameter.tensor].shape.clone(), &kept).unwrap();
                parameter
                    .paths()
                    .map(move |path| (path.to_string(), mask.clone()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    fn remove_member(&mut self, graph: &Graph, member: &Member) {
        let shape = &graph[graph[member.parameter].tensor].shape;
        let inner: usize = shape[member.axis + 1..].iter().product();
        let size = shape[member.axis];
        let elements: usize = shape.iter().product();
        let kept = self.kept.entry(member.parameter.index());
        let kept = kept.or_insert(vec![true; elements]);
        for block in 0..elements / (size * inner) {
            for index in &member.indices {
                let start = (block * size + index) * inner;
                kept[start..start + inner].fill(false);
            }
        }
    }
}
