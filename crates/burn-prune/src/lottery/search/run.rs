//! The order of a run.

use std::error::Error;
use std::sync::atomic::Ordering;

use burn::module::Module;
use serde_json::{Value, json};

use super::LotteryTicketSearch;
use crate::lottery::running::Running;
use crate::lottery::study::Study;
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
        let shapes = settings::shapes(&model(self.seeds[0]));
        let common = self.common(shapes.clone());
        let run = Running::new(self, common.clone(), shapes);
        let study = Study {
            version: 1,
            seeds: self.seeds.clone(),
            rounds: self.rounds,
            methods: self.methods.clone(),
            settings: common,
        };
        self.directory.check(&study)?;
        run.check_dense()?;
        self.directory.join(study)?;
        let own = run.owners.iter();
        let own = own.filter(|(_, owner)| *owner == self.shard.index());
        let own: Vec<&CellId> = own.map(|(cell, _)| cell).collect();
        self.directory.remove_stale(own.iter().copied())?;
        let mut missing = Vec::new();
        for cell in own {
            if run.finished(cell)?.is_none() {
                missing.push(cell.clone());
            }
        }
        let steps = missing.iter().map(|cell| self.plan(cell).schedule().len());
        (self.on_event)(&Event::Planned {
            cells: missing.len(),
            steps: steps.sum(),
        });
        let mut failed: Vec<(&CellId, LotteryError)> = Vec::new();
        for cell in &missing {
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
            // Another process may have been here in the meantime.
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

    fn common(&self, shapes: Value) -> Value {
        let pruners = self.pruners.iter().map(|pruner| format!("{pruner:?}"));
        json!({
            "steps": self.steps,
            "steps_per_epoch": self.steps_per_epoch,
            "fine_tuning_steps": self.fine_tuning_steps,
            "pruners": pruners.collect::<Vec<_>>(),
            "model": shapes,
            "training": self.training.as_ref().ok(),
        })
    }
}
