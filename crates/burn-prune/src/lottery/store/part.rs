//! A cell that is being written, and what a killed process leaves of one.
//!
//! ```text
//! cells/seed-0/ticket/.part-round-01-x7Qf2a/lock     locked by whoever writes the cell
//!                                           cell/    becomes round-01
//! ```
//!
//! A part is stale when nobody holds its lock. Only the shard to which the cell belongs looks: so
//! that the part of a live shard stays even on a network disk whose locks do not reach other
//! machines.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const LOCK: &str = "lock";
const CELL: &str = "cell";

/// Is removed with all that is still in it.
pub(super) struct Part {
    /// Closed before its folder is removed.
    _lock: File,
    folder: TempDir,
}

impl Part {
    /// For the cell that will be at this path. To be called under the lock of the study.
    pub(super) fn new(cell: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&prefix(cell))
            .tempdir_in(parent(cell))?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        fs::create_dir(folder.path().join(CELL))?;
        Ok(Self {
            _lock: lock,
            folder,
        })
    }

    /// Where the files of the cell are written.
    pub(super) fn cell(&self) -> PathBuf {
        self.folder.path().join(CELL)
    }
}

/// Removes what killed processes have left of this cell. To be called under the lock of the study,
/// by the shard to which the cell belongs.
pub(super) fn remove_stale(cell: &Path) {
    for part in parts(cell).filter(|part| is_stale(part)) {
        if let Err(error) = fs::remove_dir_all(&part) {
            // It is in nobody's way.
            log::warn!("{}: {error}", part.display());
        }
    }
}

/// Whether [`remove_stale`] has something to remove.
pub(super) fn has_stale(cell: &Path) -> bool {
    parts(cell).any(|part| is_stale(&part))
}

/// Whatever is or was being written for this cell.
fn parts(cell: &Path) -> impl Iterator<Item = PathBuf> {
    let prefix = prefix(cell);
    let is_part = move |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&prefix))
    };
    let beside = fs::read_dir(parent(cell)).into_iter().flatten().flatten();
    beside.map(|entry| entry.path()).filter(is_part)
}

fn is_stale(part: &Path) -> bool {
    match File::options().write(true).open(part.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        // Killed before it had one.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn prefix(cell: &Path) -> String {
    let name = cell.file_name().unwrap_or_default();
    format!(".part-{}-", name.display())
}

fn parent(cell: &Path) -> &Path {
    cell.parent().expect("a cell lies in a folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_when_its_writer_is_gone_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let cell = folder.path().join("round-01");
        let live = Part::new(&cell).unwrap();
        let killed = Part::new(&cell).unwrap();
        // As when the process ends without cleaning up.
        let Part {
            _lock,
            folder: killed,
        } = killed;
        drop(_lock);
        let killed = killed.keep();
        let early = folder.path().join(".part-round-01-early");
        let of_another = folder.path().join(".part-round-010-x");
        fs::create_dir(&early).unwrap();
        fs::create_dir(&of_another).unwrap();

        assert!(has_stale(&cell));
        remove_stale(&cell);
        assert!(!killed.exists() && !early.exists());
        assert!(live.cell().exists() && of_another.exists());
        assert!(!has_stale(&cell));
        drop(live);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
