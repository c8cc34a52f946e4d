use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::time::Instant;

use burn_prune::lottery::Event;
use kdam::{Bar, BarExt, tqdm};

/// A bar on a terminal, and one line for each cell elsewhere.
pub(crate) struct Progress {
    bar: RefCell<Bar>,
    shown: bool,
    state: RefCell<State>,
}

struct State {
    started: Instant,
    cells: usize,
    cells_done: usize,
    steps: usize,
    steps_done: usize,
    in_cell: usize,
    waits: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let shown = stderr().is_terminal();
        Self {
            bar: RefCell::new(tqdm!(unit = " steps", disable = !shown)),
            shown,
            state: RefCell::new(State {
                started: Instant::now(),
                cells: 0,
                cells_done: 0,
                steps: 0,
                steps_done: 0,
                in_cell: 0,
                waits: false,
            }),
        }
    }

    pub(crate) fn on_event(&self, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        match event {
            Event::Planned { cells, steps } => {
                (state.cells, state.steps) = (*cells, *steps);
                state.started = Instant::now();
                self.bar.borrow_mut().total = *steps;
                self.line(&format!("{cells} trainings are missing, {steps} steps in all"));
            }
            Event::Started { cell, .. } => {
                (state.in_cell, state.waits) = (0, false);
                if self.shown {
                    // A bar that cannot be drawn does not stop the study.
                    let mut bar = self.bar.borrow_mut();
                    bar.set_description(cell.to_string());
                    drop(bar.refresh());
                }
            }
            Event::Step { done, .. } => {
                let more = done.saturating_sub(state.in_cell);
                state.in_cell = *done;
                state.steps_done += more;
                drop(self.bar.borrow_mut().update(more));
            }
            Event::Finished {
                cell,
                remaining,
                test_accuracy,
                validation_loss,
                early_stop_iteration,
            } => {
                state.cells_done += 1;
                let spent = state.started.elapsed().as_secs_f64();
                let left = spent / state.steps_done.max(1) as f64
                    * state.steps.saturating_sub(state.steps_done) as f64;
                self.line(&format!(
                    "{}/{} {cell}: {:.2} % remaining, test accuracy {:.2} %, lowest validation loss \
                     {validation_loss:.4} at {early_stop_iteration}; {} left",
                    state.cells_done,
                    state.cells,
                    100.0 * remaining,
                    100.0 * test_accuracy,
                    minutes(left),
                ));
            }
            Event::Waiting { cell, shard } if !state.waits => {
                state.waits = true;
                self.line(&format!("waiting for {cell}, which shard {shard} trains"));
            }
            Event::Damaged {
                cell,
                reason,
                moved_to,
            } => self.line(&format!(
                "{cell} is damaged ({reason}) and is trained again; the damaged one is in {}",
                moved_to.display()
            )),
            Event::Outdated {
                cell,
                reason,
                moved_to,
            } => self.line(&format!(
                "{cell} is trained again, as {reason}; the old one is in {}",
                moved_to.display()
            )),
            Event::OtherStart { cell } => self.line(&format!(
                "{cell} began with other weights than the model of this seed has now; its rounds go \
                 back to the weights of the dense run"
            )),
            _ => {}
        }
    }

    pub(crate) fn line(&self, line: &str) {
        if self.shown {
            // A line that cannot be drawn does not stop the study.
            drop(self.bar.borrow_mut().write(line));
        } else {
            println!("{line}");
        }
    }

    pub(crate) fn clear(&self) {
        if self.shown {
            drop(self.bar.borrow_mut().clear());
        }
    }
}

fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}
