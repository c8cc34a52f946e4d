//! A run of a search: for each round, rewind, train and prune.

mod controls;
mod keep;
mod masks;
mod missing;
mod prune;
mod rehearsal;
mod rewind;
mod shapes;
mod state;
mod train;
mod wait;

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Instant;

use burn::module::Module;
use serde_json::{Value, json};

use super::cell_id::CellId;
use super::error::LotteryError;
use super::event::Event;
use super::report::StudyReport;
use super::search::LotteryTicketSearch;
use super::store::{Sources, StudyFile};
use super::study::{PlannedCell, Role, Study};
use crate::error::PruneError;

pub use train::{CellTraining, Trained};

/// What a training closure returns.
type TrainingResult<M> = Result<Trained<M>, Box<dyn Error + Send + Sync>>;

impl LotteryTicketSearch<'_> {
    /// Runs what is missing of the study, and reports what is there.
    ///
    /// `model` makes the model of a seed: the same weights for the same seed, and a new model each
    /// time, as clones of one model share its running statistics. `train` trains it over
    /// [`CellTraining::schedule`], calling [`CellTraining::after_step`]. The model comes with its
    /// masks in the mode [`OnRead`](crate::MaskMode::OnRead), that of the dense run without.
    ///
    /// # Errors
    /// See [`LotteryError`]. Cells that were finished before the error stay. When a training fails,
    /// the cells that do not need it are still run, and the error is that of the first.
    pub fn run<M: Module>(
        &self,
        model: impl Fn(u64) -> M,
        mut train: impl FnMut(&CellTraining<'_>, M) -> TrainingResult<M>,
    ) -> Result<StudyReport, LotteryError> {
        let study = self.settings().validate()?;
        let first = model(study.first_seed());
        let run = Run::new(self, &study, &first)?;
        let file = StudyFile::new(&study, run.common.clone());
        let is_joined = self.directory.has(&file)?;
        let mut missing = run.missing()?;
        if missing.is_empty() && is_joined {
            run.clean_up();
            self.tell(&Event::Planned { cells: 0, steps: 0 });
            return self.report();
        }
        run.rehearse_all(&mut missing, first, &model)?;
        self.directory.join(file)?;
        self.directory.remove_stale(run.own())?;
        self.tell(&missing.planned());

        let mut failures = Failures::default();
        // The dense run of a seed, then round after round.
        for cell in missing.cells() {
            // What it was made from may have come out as before.
            if !run.is_to_do(cell)? || failures.prevent(&run, cell) {
                continue;
            }
            if self.stop.load(Ordering::Relaxed) || !run.wait_for_sources(cell)? {
                break;
            }
            // Its sources are there now, and another process may have made it.
            if run.finished(cell)?.is_none() {
                failures.collect(cell, run.round(cell, &model, &mut train))?;
            }
        }
        failures.into_result()?;
        self.report()
    }
}

/// A run of a search over its directory.
struct Run<'a> {
    search: &'a LotteryTicketSearch<'a>,
    study: &'a Study,
    /// The settings that all cells have in common.
    common: Value,
    /// The shapes of the model.
    shapes: Value,
    /// All cells of the study, those that others need first, and the shard that makes each.
    cells: Vec<(PlannedCell<'a>, usize)>,
}

impl<'a> Run<'a> {
    fn new<M: Module>(
        search: &'a LotteryTicketSearch<'a>,
        study: &'a Study,
        first: &M,
    ) -> Result<Self, LotteryError> {
        let shapes = shapes::of(first);
        let pruners = study
            .pruners()
            .iter()
            .map(|pruner| pruner.identity(first))
            .collect::<Result<Vec<Value>, PruneError>>()
            .map_err(|error| LotteryError::CannotPrune {
                seed: study.first_seed(),
                round: 1,
                error,
            })?;
        Ok(Self {
            search,
            study,
            common: study.settings(&pruners, &shapes),
            shapes,
            cells: study.cells(search.shard),
        })
    }

    /// One round of the search: the model goes back to where the round begins, is trained, and the
    /// masks of the next round are chosen.
    fn round<M: Module>(
        &self,
        cell: &PlannedCell<'_>,
        model: &impl Fn(u64) -> M,
        train: &mut impl FnMut(&CellTraining<'_>, M) -> TrainingResult<M>,
    ) -> Result<(), LotteryError> {
        let begun = Instant::now();
        self.search.tell(&Event::Started {
            cell: &cell.id,
            steps: cell.schedule.len(),
        });
        let (model, start) = self.rewind(cell, model)?;
        let trained = self.train(cell, model, train)?;
        let pruned = self.prune(cell, &start.masks, &trained)?;
        self.keep(cell, start, trained, pruned, begun)
    }
}

impl Run<'_> {
    fn settings(&self, cell: &PlannedCell<'_>) -> Value {
        let mut settings = self.common.clone();
        let (method, control) = match cell.role {
            Role::Dense => return settings,
            Role::Round(method) => (method, None),
            Role::Control(method, control) => (method, Some(control)),
        };
        settings["rewind"] = json!(method.method().rewind);
        settings["control"] = json!(control);
        settings
    }

    /// What a cell is made from; nothing for a dense run.
    fn sources(&self, cell: &PlannedCell<'_>) -> Option<Sources> {
        match cell.role {
            Role::Dense => None,
            Role::Round(method) => Some(Sources::of(&cell.id, method.method(), None)),
            Role::Control(method, control) => {
                Some(Sources::of(&cell.id, method.method(), Some(control)))
            }
        }
    }

    /// The cells of this shard.
    fn own(&self) -> impl Iterator<Item = &CellId> {
        let own = self.search.shard.index();
        let cells = self.cells.iter();
        cells
            .filter(move |(_, shard)| *shard == own)
            .map(|(cell, _)| &cell.id)
    }

    fn shard_of(&self, cell: &CellId) -> usize {
        let known = self.cells.iter().find(|(known, _)| known.id == *cell);
        known.map_or(0, |(_, shard)| *shard)
    }

    fn is_own(&self, cell: &CellId) -> bool {
        self.shard_of(cell) == self.search.shard.index()
    }
}

/// Trainings that have failed, and the cells that cannot be had without them.
#[derive(Default)]
struct Failures {
    first: Option<LotteryError>,
    cells: Vec<CellId>,
}

impl Failures {
    /// Whether a cell that this one is made from has failed; then this one has as well.
    fn prevent(&mut self, run: &Run<'_>, cell: &PlannedCell<'_>) -> bool {
        let sources = run.sources(cell);
        let mut needed = sources.iter().flat_map(Sources::cells);
        let is_prevented = needed.any(|needed| self.cells.contains(needed));
        if is_prevented {
            self.cells.push(cell.id.clone());
        }
        is_prevented
    }

    /// Keeps the failure of a training, as other cells do not need it. Other failures, such as a
    /// full disk, end the run.
    fn collect(
        &mut self,
        cell: &PlannedCell<'_>,
        round: Result<(), LotteryError>,
    ) -> Result<(), LotteryError> {
        match round {
            Err(error) if error.is_of_training() => {
                self.cells.push(cell.id.clone());
                self.first.get_or_insert(error);
                Ok(())
            }
            round => round,
        }
    }

    fn into_result(self) -> Result<(), LotteryError> {
        self.first.map_or(Ok(()), Err)
    }
}
