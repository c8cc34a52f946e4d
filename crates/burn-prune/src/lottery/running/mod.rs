//! A run of a search: cells that are there, cells that are waited for, cells that are trained.

mod checks;
mod keeping;
mod needs;
mod rehearsal;
mod start;
mod state;
mod training;

use serde_json::{Value, json};

use super::lineage::Sources;
use super::plan::Plan;
use super::{CellId, LotteryTicketSearch};

pub(super) use state::{Known, State};

/// A run of a search over its directory.
pub(super) struct Running<'a> {
    search: &'a LotteryTicketSearch<'a>,
    common: Value,
    shapes: Value,
    pub owners: Vec<(CellId, usize)>,
}

impl<'a> Running<'a> {
    pub(super) fn new(search: &'a LotteryTicketSearch<'a>, common: Value, shapes: Value) -> Self {
        Self {
            search,
            common,
            shapes,
            owners: search.owners(),
        }
    }
}

impl Running<'_> {
    fn settings(&self, cell: &CellId) -> Value {
        let mut settings = self.common.clone();
        if let Plan::Round {
            method, control, ..
        } = self.search.plan(cell)
        {
            settings["rewind"] = json!(method.rewind);
            settings["control"] = json!(control);
        }
        settings
    }

    /// What a cell is made from; nothing for a dense run.
    fn sources(&self, cell: &CellId) -> Option<Sources> {
        match self.search.plan(cell) {
            Plan::Dense { .. } => None,
            Plan::Round {
                method, control, ..
            } => Some(Sources::of(cell, method, control)),
        }
    }

    fn owner(&self, cell: &CellId) -> usize {
        let owner = self.owners.iter().find(|(known, _)| known == cell);
        owner.map_or(0, |(_, shard)| *shard)
    }

    fn is_own(&self, cell: &CellId) -> bool {
        self.owner(cell) == self.search.shard.index()
    }
}
