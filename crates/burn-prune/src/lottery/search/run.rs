//! The order of a run.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::atomic::Ordering;

use burn::module::Module;
use serde_json::{Value, json};

use super::LotteryTicketSearch;
use crate::PruneError;
use crate::lottery::running::{Known, Running, State};
use crate::lottery::store::Study;
use crate::lottery::{Cell, CellId, Event, LotteryError, StudyReport, Trained, settings};

impl LotteryTicketSearch<'_> {
    /// Runs what is missing of the study, and reports what is there.
    ///
    /// `model` makes the model from a seed, the same one from the same seed, and anew each time: clones
    /// of one model share its running statistics. `train` trains it over
    /// [`Cell::schedule`], calling [`Cell::after_step`]; the model comes with its masks in the mode
    /// [`OnRead`](crate::MaskMode::OnRead), that of the dense run without.
    ///
    /// # Errors
    /// See [`LotteryError`]. Cells that were finished before the error stay. When a training fails,
    /// the cells that do not need it are still run, and the error is that of the first.
    pub fn run<M: Module>(
        &self,
        model: impl Fn(u64) -> M,
        mut train: impl FnMut(&Cell<'_>, M) -> Result<Trained<M>, Box<dyn Error + Send + Sync>>,
    ) -> Result<StudyReport, LotteryError> {
        self.validate()?;
        let first = model(self.seeds[0]);
        let shapes = settings::shapes(&first);
        let common = self.common(&first, &shapes)?;
        let run = Running::new(self, common.clone(), shapes);
        let study = Study::new(&self.seeds, self.rounds, &self.methods, common);
        let is_joined = self.directory.has(&study)?;
        let mut known = Known::new();
        let first_rounds = run.owners.iter().map(|(cell, _)| cell);
        run.check_complete(first_rounds.filter(|cell| cell.round == 1), &mut known)?;
        let own = run.owners.iter();
        let own = own.filter(|(_, owner)| *owner == self.shard.index());
        let own: Vec<&CellId> = own.map(|(cell, _)| cell).collect();
        let mut unfinished = Vec::new();
        let mut planned = Vec::new();
        for cell in &own {
            match run.state(cell, &mut known)? {
                State::Finished(_) => {}
                State::Open => unfinished.push(*cell),
                State::Missing | State::Unfit(..) => {
                    unfinished.push(*cell);
                    planned.push(*cell);
                }
            }
        }
        run.check_complete(unfinished.iter().copied(), &mut known)?;
        if unfinished.is_empty() && is_joined {
            // A finished study may be on a disk that cannot be written.
            if self.directory.has_stale(own.iter().copied())
                && let Err(error) = self.directory.remove_stale(own.iter().copied())
            {
                log::warn!("{error}");
            }
            (self.on_event)(&Event::Planned { cells: 0, steps: 0 });
            return self.report();
        }
        let seeds: BTreeSet<u64> = unfinished.iter().map(|cell| cell.seed).collect();
        for seed in seeds {
            if seed == self.seeds[0] {
                run.rehearse(seed, &first, &mut known)?;
            } else {
                run.rehearse(seed, &model(seed), &mut known)?;
            }
        }
        drop(first);
        self.directory.join(study)?;
        self.directory.remove_stale(own.iter().copied())?;
        let steps = planned.iter().map(|cell| self.plan(cell).schedule().len());
        (self.on_event)(&Event::Planned {
            cells: planned.len(),
            steps: steps.sum(),
        });
        let mut failed: Vec<(&CellId, LotteryError)> = Vec::new();
        for cell in unfinished {
            match run.state(cell, &mut Known::new())? {
                State::Missing | State::Unfit(..) => {}
                // What it was made from has come out as before, or is not there to be compared.
                State::Finished(_) | State::Open => continue,
            }
            let needs = run.needs(cell);
            if failed.iter().any(|(failed, _)| needs.contains(failed)) {
                // What comes after it cannot be had either.
                let error = LotteryError::NeedsFailed { cell: cell.clone() };
                failed.push((cell, error));
                continue;
            }
            if self.stop.load(Ordering::Relaxed) || !run.wait_for_needs(cell)? {
                break;
            }
            // What it is made from is there now. Another process may have been here as well.
            if run.finished(cell)?.is_some() {
                continue;
            }
            match run.cell(cell, &model, &mut train) {
                Ok(()) => {}
                // The others do not need it; a disk that is full, they do.
                Err(error) if error.is_of_training() => failed.push((cell, error)),
                Err(error) => return Err(error),
            }
        }
        match failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => self.report(),
        }
    }

    /// Reports what is there of the study, without running anything.
    ///
    /// # Errors
    /// When the directory holds no study.
    pub fn report(&self) -> Result<StudyReport, LotteryError> {
        StudyReport::read(self.directory.root())
    }

    /// What all cells have in common.
    fn common<M: Module>(&self, model: &M, shapes: &Value) -> Result<Value, LotteryError> {
        let pruners = self.pruners.iter().map(|pruner| pruner.identity(model));
        let pruners: Result<Vec<Value>, PruneError> = pruners.collect();
        let pruners = pruners.map_err(|error| LotteryError::CannotPrune {
            seed: self.seeds[0],
            round: 1,
            error,
        })?;
        Ok(json!({
            "steps": self.steps,
            "steps_per_epoch": self.steps_per_epoch,
            "fine_tuning_steps": self.fine_tuning_steps,
            "pruners": pruners,
            "model": shapes,
            "training": self.training.as_ref().ok(),
        }))
    }
}
