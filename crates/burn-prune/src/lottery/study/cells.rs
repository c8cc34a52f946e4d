//! Which cells a study has, which shard makes each, and how it is made.

use std::ops::Range;

use super::shard::in_order;
use super::{Control, Shard, Study, StudyMethod};
use crate::lottery::cell_id::CellId;
use crate::lottery::cell_id::DENSE;

/// A cell of a study, and how it is made.
#[derive(Clone)]
pub(in crate::lottery) struct PlannedCell<'a> {
    pub id: CellId,
    pub role: Role<'a>,
    /// Positions on the learning-rate schedule, a step each.
    pub schedule: Range<usize>,
    study: &'a Study,
}

/// What a cell is for.
#[derive(Clone, Copy)]
pub(in crate::lottery) enum Role<'a> {
    /// The run without masks.
    Dense,
    /// A round of a method.
    Round(&'a StudyMethod),
    /// What a round of a method is compared with.
    Control(&'a StudyMethod, Control),
}

impl<'a> PlannedCell<'a> {
    /// The cell with this id, which this one is made from.
    pub(in crate::lottery) fn before(&self, id: &CellId) -> Self {
        match self.role {
            Role::Round(method) | Role::Control(method, _) if id.method != DENSE => {
                self.study.round(id.seed, method, id.round)
            }
            _ => self.study.dense(id.seed),
        }
    }
}

impl Study {
    /// The dense run of a seed.
    pub(in crate::lottery) fn dense(&self, seed: u64) -> PlannedCell<'_> {
        PlannedCell {
            id: CellId::dense(seed),
            role: Role::Dense,
            schedule: 0..self.steps,
            study: self,
        }
    }

    fn round<'a>(&'a self, seed: u64, method: &'a StudyMethod, round: usize) -> PlannedCell<'a> {
        PlannedCell {
            id: CellId::new(seed, &method.method.name, round),
            role: Role::Round(method),
            schedule: method.schedule.clone(),
            study: self,
        }
    }

    fn control<'a>(
        &'a self,
        seed: u64,
        method: &'a StudyMethod,
        control: Control,
        round: usize,
    ) -> PlannedCell<'a> {
        PlannedCell {
            id: CellId::new(seed, method.method.name_of(control), round),
            role: Role::Control(method, control),
            schedule: method.schedule.clone(),
            study: self,
        }
    }

    /// Every cell of the study, those it needs first, and the number of the shard that makes it.
    pub(in crate::lottery) fn cells(&self, shard: Shard) -> Vec<(PlannedCell<'_>, usize)> {
        let units: Vec<Vec<PlannedCell<'_>>> = if shard.count() <= self.seeds().len() {
            let of_seeds = self.seeds().iter().map(|seed| self.of_seed(*seed).concat());
            of_seeds.collect()
        } else {
            self.by_depth()
        };
        let costs: Vec<usize> = units.iter().map(Vec::len).collect();
        let shards = in_order(&costs, shard.count());
        let units = units.into_iter().zip(shards);
        units
            .flat_map(|(unit, shard)| unit.into_iter().map(move |cell| (cell, shard)))
            .collect()
    }

    /// The dense run and the rounds of each method, then the controls one by one.
    fn of_seed(&self, seed: u64) -> Vec<Vec<PlannedCell<'_>>> {
        let rounds = |method| {
            let rounds = 1..=self.rounds;
            rounds.map(move |round| self.round(seed, method, round))
        };
        let mut units: Vec<Vec<_>> = Vec::new();
        for (place, method) in self.methods.iter().enumerate() {
            // The first method continues the dense run.
            let dense = (place == 0).then(|| self.dense(seed));
            units.push(dense.into_iter().chain(rounds(method)).collect());
        }
        let mut controls = Vec::new();
        for method in &self.methods {
            for (control, rounds) in &method.method.controls {
                let rounds = rounds.iter();
                controls.extend(rounds.map(|round| self.control(seed, method, *control, *round)));
            }
        }
        // In the order in which the rounds deliver their masks.
        controls.sort_by_key(|cell| cell.id.round);
        units.extend(controls.into_iter().map(|cell| vec![cell]));
        units
    }

    /// First methods of all seeds, other methods, controls.
    fn by_depth(&self) -> Vec<Vec<PlannedCell<'_>>> {
        let mut depths: [Vec<_>; 3] = Default::default();
        for seed in self.seeds() {
            for (place, unit) in self.of_seed(*seed).into_iter().enumerate() {
                let depth = match place {
                    0 => 0,
                    place if place < self.methods.len() => 1,
                    _ => 2,
                };
                depths[depth].push(unit);
            }
        }
        depths.concat()
    }
}
