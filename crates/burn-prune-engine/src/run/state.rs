use std::sync::{Mutex, PoisonError};

use burn_flex::FlexTensor;

use crate::kernel::{Arena, Scratch, Team};

/// What one run needs beside the plan: its memory. It is used again by later runs, of any batch size.
pub(crate) struct State {
    pub(super) arena: Arena,
    /// By value: what is a tensor of Burn at the moment.
    pub(super) tensors: Vec<Option<FlexTensor>>,
    /// One for each thread.
    pub(super) scratch: Vec<Mutex<Scratch>>,
    pub(super) team: Team,
}

/// States that no run uses at the moment.
#[derive(Default)]
pub(crate) struct States(Mutex<Vec<State>>);

impl State {
    pub(super) fn new() -> Self {
        Self {
            arena: Arena::new(0),
            tensors: Vec::new(),
            scratch: Vec::new(),
            team: Team::new(1),
        }
    }

    /// Makes it large enough.
    pub(super) fn fit(&mut self, arena: usize, values: usize, threads: usize) {
        if self.arena.len() < arena {
            self.arena = Arena::new(arena);
        }
        if self.tensors.len() < values {
            self.tensors.resize(values, None);
        }
        if self.scratch.len() < threads {
            self.scratch
                .resize_with(threads, || Mutex::new(Scratch::new()));
            self.team = Team::new(threads);
        }
    }
}

impl States {
    /// Lends a state for as long as `run` takes. One that has seen a panic is not used again.
    pub(crate) fn with<R>(&self, run: impl FnOnce(&mut State) -> R) -> R {
        let free = self.lock().pop();
        let mut state = free.unwrap_or_else(State::new);
        let result = run(&mut state);
        self.lock().push(state);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
