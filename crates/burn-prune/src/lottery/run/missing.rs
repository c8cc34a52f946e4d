//! What is missing of a study.

use std::collections::BTreeSet;

use burn::module::Module;

use super::Run;
use super::state::{Known, State};
use crate::lottery::error::LotteryError;
use crate::lottery::event::Event;
use crate::lottery::store::Source;
use crate::lottery::study::PlannedCell;

/// The cells of this shard that are not finished.
pub(super) struct Missing<'a> {
    /// Those that others need first. Some of them may turn out to be finished.
    cells: Vec<PlannedCell<'a>>,
    /// How many of them are to be trained for certain, and over how many steps.
    planned: (usize, usize),
    known: Known,
}

impl<'a> Missing<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(super) fn cells(&self) -> &[PlannedCell<'a>] {
        &self.cells
    }

    pub(super) fn planned(&self) -> Event<'static> {
        let (cells, steps) = self.planned;
        Event::Planned { cells, steps }
    }
}

impl<'a> Run<'a> {
    /// Looks at what is there of this shard.
    ///
    /// # Errors
    /// When a cell was made with other settings, cannot be read, or has not kept what others need.
    pub(super) fn missing(&self) -> Result<Missing<'a>, LotteryError> {
        let mut known = Known::new();
        let all = self.cells.iter().map(|(cell, _)| cell);
        self.check_complete(all.filter(|cell| cell.id.round == 1), &mut known)?;
        let mut cells = Vec::new();
        let (mut planned, mut steps) = (0, 0);
        for (cell, _) in self.cells.iter().filter(|(cell, _)| self.is_own(&cell.id)) {
            match self.state(cell, &mut known)? {
                State::Finished(_) => continue,
                State::Open => {}
                State::Missing | State::Unfit(..) => {
                    planned += 1;
                    steps += cell.schedule.len();
                }
            }
            cells.push(cell.clone());
        }
        self.check_complete(cells.iter(), &mut known)?;
        Ok(Missing {
            cells,
            planned: (planned, steps),
            known,
        })
    }

    /// Refuses cells that need more of a finished one than it has kept.
    fn check_complete<'c>(
        &self,
        cells: impl Iterator<Item = &'c PlannedCell<'c>>,
        known: &mut Known,
    ) -> Result<(), LotteryError> {
        for cell in cells {
            let Some(sources) = self.sources(cell) else {
                continue;
            };
            for Source { cell: of, file } in sources.weights.iter().chain([&sources.masks]) {
                if let State::Finished(outcome) = self.state(&cell.before(of), known)?
                    && outcome.content(file).is_none()
                {
                    return Err(LotteryError::Incomplete {
                        cell: of.clone(),
                        what: format!("file `{file}`"),
                    });
                }
            }
        }
        Ok(())
    }

    /// Tries the pruners on the initial weights of each seed of which something is missing.
    pub(super) fn rehearse_all<M: Module>(
        &self,
        missing: &mut Missing<'_>,
        first: M,
        model: &impl Fn(u64) -> M,
    ) -> Result<(), LotteryError> {
        let seeds: BTreeSet<u64> = missing.cells.iter().map(|cell| cell.id.seed).collect();
        let mut first = Some(first);
        for seed in seeds {
            let made = if seed == self.study.first_seed() {
                first.take()
            } else {
                None
            };
            let model = made.unwrap_or_else(|| model(seed));
            self.rehearse(&self.study.dense(seed), &model, &mut missing.known)?;
        }
        Ok(())
    }

    /// Removes what killed processes have left. A finished study may be on a read-only disk, so a
    /// failure is only logged.
    pub(super) fn clean_up(&self) {
        let directory = &self.search.directory;
        if directory.has_stale(self.own())
            && let Err(error) = directory.remove_stale(self.own())
        {
            log::warn!("{error}");
        }
    }
}
