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

/// Where a cell belongs.
pub(super) struct Place {
    /// The folder of its method, which is that of its part as well.
    pub parent: PathBuf,
    /// The name of its own folder there.
    pub name: String,
}

impl Place {
    pub(super) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    fn prefix_of_parts(&self) -> String {
        format!(".part-{}-", self.name)
    }

    /// Whatever is or was being written for this cell.
    fn parts(&self) -> impl Iterator<Item = PathBuf> {
        let prefix = self.prefix_of_parts();
        let is_part = move |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(&prefix))
        };
        let beside = fs::read_dir(&self.parent).into_iter().flatten().flatten();
        beside.map(|entry| entry.path()).filter(is_part)
    }
}

/// A folder in which a cell is written; removed with all that is still in it.
pub(super) struct Part {
    /// Closed before its folder is removed.
    _lock: File,
    folder: TempDir,
}

impl Part {
    /// For the cell that will be at this place. To be called under the lock of the study.
    pub(super) fn new(place: &Place) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&place.prefix_of_parts())
            .tempdir_in(&place.parent)?;
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
pub(super) fn remove_stale(cell: &Place) {
    for part in cell.parts().filter(|part| is_stale(part)) {
        if let Err(error) = fs::remove_dir_all(&part) {
            // It is in nobody's way.
            log::warn!("{}: {error}", part.display());
        }
    }
}

/// Whether [`remove_stale`] has something to remove.
pub(super) fn has_stale(cell: &Place) -> bool {
    cell.parts().any(|part| is_stale(&part))
}

fn is_stale(part: &Path) -> bool {
    match File::options().write(true).open(part.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        // Killed before it had one.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_goes_when_its_writer_is_gone_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let cell = Place {
            parent: folder.path().to_path_buf(),
            name: "round-01".to_string(),
        };
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
