//! Cells that have to be there before another one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Running;
use crate::lottery::store::Outcome;
use crate::lottery::{CellId, Event, LotteryError};

/// How often a shard looks for the cell of another one.
const POLL: Duration = Duration::from_millis(500);

impl Running<'_> {
    /// The cells that have to be there before this one.
    pub(in crate::lottery) fn needs(&self, cell: &CellId) -> Vec<CellId> {
        let sources = self.sources(cell);
        let cells = sources.iter().flat_map(|sources| sources.cells());
        cells.cloned().collect()
    }

    /// Waits for cells that other shards make; `false` when the run was stopped meanwhile.
    pub(in crate::lottery) fn wait_for_needs(&self, cell: &CellId) -> Result<bool, LotteryError> {
        let mut since = Instant::now();
        let mut seen = usize::MAX;
        for needed in self.needs(cell) {
            if self.is_own(&needed) {
                // It came before; waiting would be for ourselves.
                self.needed(&needed)?;
                continue;
            }
            while self.finished(&needed)?.is_none() {
                if self.search.stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                let there = self.owners.iter().map(|(cell, _)| cell);
                let there = there.filter(|cell| self.search.directory.folder(cell).exists());
                let there = there.count();
                if there != seen {
                    (seen, since) = (there, Instant::now());
                }
                let shard = self.owner(&needed);
                if since.elapsed() > self.search.patience {
                    return Err(LotteryError::Waited {
                        cell: needed,
                        shard,
                        seconds: since.elapsed().as_secs(),
                    });
                }
                (self.search.on_event)(&Event::Waiting {
                    cell: &needed,
                    shard,
                });
                std::thread::sleep(POLL.min(self.search.patience));
            }
        }
        Ok(true)
    }

    /// A cell that has to be there by now.
    pub(super) fn needed(&self, cell: &CellId) -> Result<Arc<Outcome>, LotteryError> {
        let incomplete = || LotteryError::Incomplete {
            cell: cell.clone(),
            what: "result".to_string(),
        };
        self.finished(cell)?.ok_or_else(incomplete)
    }
}
