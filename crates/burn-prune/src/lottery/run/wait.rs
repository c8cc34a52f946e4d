//! Cells that have to be there before another one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Run;
use crate::lottery::error::LotteryError;
use crate::lottery::event::Event;
use crate::lottery::store::{Outcome, Sources};
use crate::lottery::study::PlannedCell;

/// How often a shard looks for the cell of another one.
const POLL: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// Waits for cells that other shards make; `false` when the run was stopped meanwhile.
    pub(super) fn wait_for_sources(&self, cell: &PlannedCell<'_>) -> Result<bool, LotteryError> {
        let mut since = Instant::now();
        let mut seen = None;
        let sources = self.sources(cell);
        for needed in sources.iter().flat_map(Sources::cells) {
            let needed = cell.before(needed);
            if self.is_own(&needed.id) {
                // It came before; waiting would be for ourselves.
                self.needed(&needed)?;
                continue;
            }
            while self.finished(&needed)?.is_none() {
                if self.search.stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                let there = Some(self.count_there());
                if there != seen {
                    (seen, since) = (there, Instant::now());
                }
                let shard = self.shard_of(&needed.id);
                if since.elapsed() > self.search.patience {
                    return Err(LotteryError::Waited {
                        cell: needed.id,
                        shard,
                        seconds: since.elapsed().as_secs(),
                    });
                }
                self.search.tell(&Event::Waiting {
                    cell: &needed.id,
                    shard,
                });
                std::thread::sleep(POLL.min(self.search.patience));
            }
        }
        Ok(true)
    }

    /// How many cells have appeared, of all shards.
    fn count_there(&self) -> usize {
        let folders = self
            .cells
            .iter()
            .map(|(cell, _)| self.search.directory.folder(&cell.id));
        folders.filter(|folder| folder.exists()).count()
    }

    /// A cell that has to be there by now.
    pub(super) fn needed(&self, cell: &PlannedCell<'_>) -> Result<Arc<Outcome>, LotteryError> {
        let incomplete = || LotteryError::Incomplete {
            cell: cell.id.clone(),
            what: "result".to_string(),
        };
        self.finished(cell)?.ok_or_else(incomplete)
    }
}
