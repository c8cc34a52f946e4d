//! A study on disk.
//!
//! ```text
//! study.json                                  seeds, rounds, methods, settings
//! cells/seed-0/dense/round-00/cell.json       its result, what it was made from, and digests
//!                             weights-*.bpk   weights to go back to
//!                             masks.mask      masks that it was trained under
//!                             next-*.mask     masks of the next round
//! cells/seed-0/ticket/round-01/...
//! ```
//!
//! A cell is written beside its place, flushed to the disk, and renamed; see [`part`]. The JSON
//! files carry a digest of themselves; see [`sealed`]. Weights and masks are known by two digests:
//! that of the file tells whether it is damaged, that of the [`content`] whether two are the same.

mod cells;
pub(super) mod content;
mod lineage;
mod outcome;
mod part;
mod sealed;
mod study_file;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{LotteryError, file_error};
use sealed::Opened;

pub(super) use cells::Aside;
pub(super) use lineage::{Source, Sources};
pub(super) use outcome::{MASKS, MadeFrom, Outcome, next_masks_file, weights_file};
pub(super) use sealed::{SEALED, VERSION};
pub(super) use study_file::StudyFile;

const STUDY: &str = "study.json";
const LOCK: &str = ".lock";

/// A cell as it is found.
pub(super) enum Found {
    Nothing,
    Whole(Box<Outcome>),
    Damaged(String),
}

/// The directory of a study.
pub(super) struct Directory {
    root: PathBuf,
}

impl Directory {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn study_file(&self) -> PathBuf {
        self.root.join(STUDY)
    }

    pub(super) fn study(&self) -> Result<Option<StudyFile>, LotteryError> {
        let path = self.study_file();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error(&path, error)),
        };
        match sealed::read(&path, &bytes)? {
            Opened::Intact(study) => Ok(Some(study)),
            Opened::Damaged(why) => {
                let cure = "move this file away, and the next run writes another one";
                Err(file_error(&path, format!("it is damaged, {why}; {cure}")))
            }
        }
    }

    /// Whether a study is there already, with all that this one has.
    ///
    /// # Errors
    /// When it cannot join what is there.
    pub(super) fn has(&self, study: &StudyFile) -> Result<bool, LotteryError> {
        match self.study()? {
            Some(there) => Ok(self.joined(there.clone(), study.clone())? == there),
            None => Ok(false),
        }
    }

    /// Writes what the study is, or adds to what is there.
    pub(super) fn join(&self, study: StudyFile) -> Result<(), LotteryError> {
        fs::create_dir_all(&self.root).map_err(|error| file_error(&self.root, error))?;
        let locked = self.lock()?;
        let joined = match self.study()? {
            None => Some(study),
            Some(there) => {
                let joined = self.joined(there.clone(), study)?;
                (joined != there).then_some(joined)
            }
        };
        if let Some(joined) = joined {
            sealed::write(&self.study_file(), &joined)?;
        }
        drop(locked);
        Ok(())
    }

    fn joined(&self, there: StudyFile, here: StudyFile) -> Result<StudyFile, LotteryError> {
        if there.version < SEALED {
            return Err(LotteryError::OldStudy {
                dir: self.root.clone(),
                version: there.version,
            });
        }
        let joined = there.joined(here);
        joined.map_err(|differences| LotteryError::StudyMismatch {
            dir: self.root.clone(),
            differences,
        })
    }

    /// Held while something is looked at and changed, as several shards may run at once.
    pub(super) fn lock(&self) -> Result<File, LotteryError> {
        let lock = self.root.join(LOCK);
        let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| file_error(&lock, error))
    }
}
