//! A study on disk.
//!
//! ```text
//! study.json                                  seeds, rounds, methods, settings
//! cells/seed-0/dense/round-00/cell.json       what came out
//!                             weights-*.bpk   weights to go back to
//!                             masks.mask      masks that it was trained under
//!                             next-*.mask     masks of the next round
//! cells/seed-0/ticket/round-01/...
//! ```
//!
//! A cell is written beside its place, flushed to the disk, and renamed; see [`part`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::part::{self, Part};
use super::study::Study;
use super::{CellId, LearningCurve, LotteryError, Moment};
use crate::{MaskSet, files};

const STUDY: &str = "study.json";
const LOCK: &str = ".lock";
const CELL: &str = "cell.json";
const VERSION: u32 = 1;

/// What came out of a cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    pub version: u32,
    pub cell: CellId,
    pub settings: Value,
    /// Maskable weights, and those that the masks keep.
    pub weights: usize,
    pub kept: usize,
    pub iterations: usize,
    pub early_stop_iteration: usize,
    pub validation_loss: f64,
    pub censored: bool,
    pub test_accuracy: f64,
    /// Wall time of the training closure, and of the cell but for writing it.
    pub training_seconds: f64,
    pub seconds: f64,
    pub curve: LearningCurve,
    pub files: BTreeMap<String, Stored>,
}

impl Outcome {
    /// Fraction of the maskable weights that the masks keep.
    pub(super) fn remaining(&self) -> f64 {
        self.kept as f64 / self.weights.max(1) as f64
    }
}

/// By which a damaged file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    bytes: u64,
    crc32: u32,
}

/// A cell as it is found.
pub(super) enum Found {
    Nothing,
    Whole(Box<Outcome>),
    Damaged(String),
}

/// The masks that a cell was trained under.
pub(super) const MASKS: &str = "masks.mask";

/// Weights to go back to.
pub(super) fn weights_file(moment: &str) -> String {
    format!("weights-{}.bpk", moment.replace(' ', "-"))
}

/// Masks of the next round.
pub(super) fn next_masks_file(moment: Moment) -> String {
    format!("next-{}.mask", moment.to_string().replace(' ', "-"))
}

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

    pub(super) fn study(&self) -> Result<Option<Study>, LotteryError> {
        let path = self.root.join(STUDY);
        match fs::read(&path) {
            Ok(bytes) => parse(&path, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error(&path, error)),
        }
    }

    /// Refuses a study that cannot join what is there.
    pub(super) fn check(&self, study: &Study) -> Result<(), LotteryError> {
        match self.study()? {
            Some(there) => self.joined(there, study.clone()).map(drop),
            None => Ok(()),
        }
    }

    /// Writes what the study is, or adds to what is there.
    pub(super) fn join(&self, study: Study) -> Result<(), LotteryError> {
        fs::create_dir_all(&self.root).map_err(|error| file_error(&self.root, error))?;
        let locked = self.lock()?;
        let path = self.root.join(STUDY);
        let done = match self.study()? {
            None => write_json(&path, &study),
            Some(there) => {
                let joined = self.joined(there.clone(), study)?;
                match joined == there {
                    true => Ok(()),
                    false => write_json(&path, &joined),
                }
            }
        };
        drop(locked);
        done
    }

    fn joined(&self, there: Study, here: Study) -> Result<Study, LotteryError> {
        let joined = there.joined(here);
        joined.map_err(|differences| LotteryError::OtherStudy {
            dir: self.root.clone(),
            differences,
        })
    }

    /// Held while something is looked at and changed, as several shards may run at once.
    fn lock(&self) -> Result<File, LotteryError> {
        let lock = self.root.join(LOCK);
        let locked = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| file_error(&lock, error))
    }

    /// Removes what killed processes have left of these cells, which are this shard's.
    pub(super) fn remove_stale<'a>(
        &self,
        cells: impl Iterator<Item = &'a CellId>,
    ) -> Result<(), LotteryError> {
        let locked = self.lock()?;
        cells.for_each(|cell| part::remove_stale(&self.folder(cell)));
        drop(locked);
        Ok(())
    }

    pub(super) fn folder(&self, cell: &CellId) -> PathBuf {
        let CellId {
            seed,
            method,
            round,
        } = cell;
        let seed = self.root.join("cells").join(format!("seed-{seed}"));
        seed.join(method).join(format!("round-{round:02}"))
    }

    /// The cell as it is found.
    ///
    /// Only what a killed process or a full disk leaves counts as damage. A disk that cannot be read
    /// now, and a newer version, are errors.
    pub(super) fn find(&self, cell: &CellId) -> Result<Found, LotteryError> {
        let folder = self.folder(cell);
        if !folder.exists() {
            return Ok(Found::Nothing);
        }
        let damaged =
            |path: &Path, what: &str| Ok(Found::Damaged(format!("{}: {what}", path.display())));
        let path = folder.join(CELL);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return damaged(&path, "there is no such file");
            }
            Err(error) => return Err(file_error(&path, error)),
        };
        if serde_json::from_slice::<Value>(&bytes).is_err() {
            return damaged(&path, "this is no JSON");
        }
        let outcome: Outcome = parse(&path, &bytes)?;
        if outcome.cell != *cell {
            return damaged(&path, &format!("this is {}", outcome.cell));
        }
        for (name, stored) in &outcome.files {
            let path = folder.join(name);
            let bytes = match fs::metadata(&path) {
                Ok(file) => file.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(file_error(&path, error)),
            };
            if bytes != stored.bytes {
                return damaged(&path, &format!("{bytes} bytes of {}", stored.bytes));
            }
        }
        Ok(Found::Whole(Box::new(outcome)))
    }

    /// Moves a damaged cell out of the way; nothing is deleted.
    pub(super) fn set_aside(&self, cell: &CellId) -> Result<PathBuf, LotteryError> {
        let folder = self.folder(cell);
        let aside = (1..).map(|number| folder.with_extension(format!("damaged-{number}")));
        let mut aside = aside.filter(|path| !path.exists());
        let aside = aside.next().expect("some number is free");
        match fs::rename(&folder, &aside) {
            // Another process has done it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(aside),
            Err(error) => Err(file_error(&folder, error)),
            Ok(()) => Ok(aside),
        }
    }

    /// Reads a file of a cell that is whole, after checking it.
    pub(super) fn weights(
        &self,
        outcome: &Outcome,
        name: &str,
    ) -> Result<ModuleRecord, LotteryError> {
        let path = self.checked(outcome, name)?;
        ModuleRecord::load(&path).map_err(|error| file_error(&path, error))
    }

    pub(super) fn masks(&self, outcome: &Outcome, name: &str) -> Result<MaskSet, LotteryError> {
        let path = self.checked(outcome, name)?;
        MaskSet::load(&path).map_err(|error| file_error(&path, error))
    }

    fn checked(&self, outcome: &Outcome, name: &str) -> Result<PathBuf, LotteryError> {
        let Some(stored) = outcome.files.get(name) else {
            return Err(LotteryError::Incomplete {
                cell: outcome.cell.clone(),
                what: format!("file `{name}`"),
            });
        };
        let path = self.folder(&outcome.cell).join(name);
        let found = stored_at(&path).map_err(|error| file_error(&path, error))?;
        match found == *stored {
            true => Ok(path),
            false => Err(file_error(
                &path,
                "the file is damaged; move its folder away to have the cell made anew",
            )),
        }
    }

    /// Writes a cell, whole or not at all.
    pub(super) fn write(
        &self,
        mut outcome: Outcome,
        weights: Vec<(String, ModuleRecord)>,
        masks: Vec<(String, MaskSet)>,
    ) -> Result<(), LotteryError> {
        let folder = self.folder(&outcome.cell);
        let parent = folder.parent().expect("a cell lies in a folder");
        fs::create_dir_all(parent).map_err(|error| file_error(parent, error))?;
        let locked = self.lock()?;
        let part = Part::new(&folder).map_err(|error| file_error(parent, error))?;
        drop(locked);
        let cell = part.cell();
        for (name, record) in weights {
            let path = cell.join(&name);
            let saved = record.save(&path).map_err(|error| error.to_string());
            saved.map_err(|error| file_error(&path, error))?;
            outcome.files.insert(name, keep(&path)?);
        }
        for (name, masks) in masks {
            let path = cell.join(&name);
            masks
                .save(&path)
                .map_err(|error| file_error(&path, error))?;
            outcome.files.insert(name, keep(&path)?);
        }
        write_json(&cell.join(CELL), &outcome)?;
        sync_folder(&cell);
        match fs::rename(&cell, &folder) {
            Ok(()) => sync_folder(parent),
            // Another process was faster, with the same cell.
            Err(_) if matches!(self.find(&outcome.cell), Ok(Found::Whole(_))) => {}
            Err(error) => return Err(file_error(&folder, error)),
        }
        Ok(())
    }
}

/// Flushes a file that has been written, and says how to know it again.
fn keep(path: &Path) -> Result<Stored, LotteryError> {
    let flushed = File::options().write(true).open(path);
    let flushed = flushed.and_then(|file| file.sync_all());
    let stored = flushed.and_then(|()| stored_at(path));
    stored.map_err(|error| file_error(path, error))
}

fn stored_at(path: &Path) -> io::Result<Stored> {
    let bytes = fs::read(path)?;
    Ok(Stored {
        bytes: bytes.len() as u64,
        crc32: crc32fast::hash(&bytes),
    })
}

/// So that a power cut cannot undo a rename. Where folders cannot be opened, the system does it.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        drop(folder.sync_all());
    }
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LotteryError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| file_error(path, error))?;
    write_file(path, &text)
}

/// Writes a file beside its place and renames it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), LotteryError> {
    let write = || {
        let mut file = files::beside(path, "")?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error: io::Error| file_error(path, error))
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, LotteryError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| file_error(path, error))?;
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version > u64::from(VERSION) => Err(file_error(
            path,
            format!("version {version} is newer than {VERSION}, which is known here"),
        )),
        _ => serde_json::from_value(value).map_err(|error| file_error(path, error)),
    }
}

pub(super) fn file_error(path: &Path, message: impl ToString) -> LotteryError {
    LotteryError::File {
        path: path.to_path_buf(),
        message: message.to_string(),
    }
}
