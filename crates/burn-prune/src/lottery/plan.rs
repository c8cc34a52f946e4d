//! Which cells a study has, which shard makes each, and where it comes from.

use std::ops::Range;

use super::method::DENSE;
use super::shard::in_order;
use super::{CellId, Control, LotteryTicketSearch, Method, Moment};

/// The name of a control in the results.
pub(super) fn control_name(method: &str, control: Control) -> String {
    format!("{method}-{control}")
}

/// The method, and the control of it, with this name.
pub(super) fn find_method<'a>(
    methods: &'a [Method],
    name: &str,
) -> Option<(&'a Method, Option<Control>)> {
    methods.iter().find_map(|method| {
        if method.name == name {
            return Some((method, None));
        }
        let mut controls = method.controls.iter().map(|(control, _)| *control);
        let control = controls.find(|of| control_name(&method.name, *of) == name)?;
        Some((method, Some(control)))
    })
}

/// Where a cell comes from.
#[derive(Clone, Copy)]
pub(super) enum Plan<'a> {
    Dense {
        steps: usize,
    },
    Round {
        method: &'a Method,
        control: Option<Control>,
        /// On the schedule.
        start: usize,
        end: usize,
    },
}

impl Plan<'_> {
    pub(super) fn schedule(&self) -> Range<usize> {
        match self {
            Self::Dense { steps } => 0..*steps,
            Self::Round { start, end, .. } => *start..*end,
        }
    }
}

impl LotteryTicketSearch<'_> {
    /// The step on the schedule.
    pub(super) fn step(&self, moment: Moment) -> usize {
        match moment {
            Moment::Start => 0,
            Moment::Step(step) => step,
            Moment::Epoch(epoch) => {
                let steps = self.steps_per_epoch.unwrap_or(usize::MAX);
                epoch.saturating_mul(steps)
            }
            Moment::End => self.steps,
        }
    }

    /// How this cell is made.
    pub(super) fn plan(&self, cell: &CellId) -> Plan<'_> {
        if cell.method == DENSE {
            return Plan::Dense { steps: self.steps };
        }
        let named = find_method(&self.methods, &cell.method);
        let (method, control) = named.expect("cells are made of the methods");
        let start = self.step(method.rewind.schedule_to);
        let end = match method.rewind.schedule_to {
            // Not rewound: the training goes on beyond the end.
            Moment::End => start + self.fine_tuning_steps.unwrap_or(self.steps),
            // Nothing would be left of a schedule that goes back to its end.
            _ => self.steps,
        };
        Plan::Round {
            method,
            control,
            start,
            end,
        }
    }

    /// Every cell of the study, those it needs first, and the shard that makes it.
    pub(super) fn owners(&self) -> Vec<(CellId, usize)> {
        let units = match self.shard.count() <= self.seeds.len() {
            true => self
                .seeds
                .iter()
                .map(|seed| self.of_seed(*seed).concat())
                .collect(),
            false => self.by_depth(),
        };
        let costs: Vec<usize> = units.iter().map(Vec::len).collect();
        let parts = in_order(&costs, self.shard.count());
        let cells = units.into_iter().zip(parts);
        let cells = cells.flat_map(|(unit, part)| unit.into_iter().map(move |cell| (cell, part)));
        cells.collect()
    }

    /// The dense run and the rounds of each method, then the controls one by one.
    fn of_seed(&self, seed: u64) -> Vec<Vec<CellId>> {
        let cell = |method: String, round| CellId {
            seed,
            method,
            round,
        };
        let mut units = vec![vec![CellId::dense(seed)]];
        for method in &self.methods {
            let rounds = 1..=self.rounds;
            units.push(
                rounds
                    .map(|round| cell(method.name.clone(), round))
                    .collect(),
            );
        }
        // The first method continues the dense run.
        let first = units.remove(1);
        units[0].extend(first);
        // In the order in which the rounds deliver their masks.
        let mut controls = Vec::new();
        for method in &self.methods {
            for (control, rounds) in &method.controls {
                let name = control_name(&method.name, *control);
                controls.extend(rounds.iter().map(|round| (*round, name.clone())));
            }
        }
        controls.sort_by_key(|(round, _)| *round);
        units.extend(
            controls
                .into_iter()
                .map(|(round, name)| vec![cell(name, round)]),
        );
        units
    }

    /// First methods of all seeds, other methods, controls.
    fn by_depth(&self) -> Vec<Vec<CellId>> {
        let mut depths: [Vec<Vec<CellId>>; 3] = Default::default();
        for seed in &self.seeds {
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
