//! The cells of a study on disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use burn::store::ModuleRecord;
use burn::tensor::Bytes;

use super::content;
use super::outcome::{Outcome, Stored};
use super::part::{self, Part, Place};
use super::sealed::{self, Opened};
use super::{Directory, Found};
use crate::digest::Digest;
use crate::files;
use crate::lottery::cell_id::CellId;
use crate::lottery::error::{LotteryError, file_error};
use crate::mask::MaskSet;

const CELL: &str = "cell.json";

/// Why a cell is moved away.
#[derive(Debug, Clone, Copy)]
pub(in crate::lottery) enum Aside {
    /// It is not whole.
    Damaged,
    /// What it was made from is no longer there.
    Outdated,
}

impl Directory {
    pub(in crate::lottery) fn folder(&self, cell: &CellId) -> PathBuf {
        self.place_of(cell).path()
    }

    fn place_of(&self, cell: &CellId) -> Place {
        let CellId {
            seed,
            method,
            round,
        } = cell;
        let seed = self.root().join("cells").join(format!("seed-{seed}"));
        Place {
            parent: seed.join(method),
            name: format!("round-{round:02}"),
        }
    }

    /// The cell as it is found.
    ///
    /// Only what a killed process, a full disk or a bad one leaves counts as damage. A disk that
    /// cannot be read now, and a newer version, are errors.
    pub(in crate::lottery) fn find(&self, cell: &CellId) -> Result<Found, LotteryError> {
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
        let outcome: Outcome = match sealed::read(&path, &bytes)? {
            Opened::Intact(outcome) => outcome,
            Opened::Damaged(why) => return damaged(&path, why),
        };
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
            if bytes != stored.len() {
                return damaged(&path, &format!("{bytes} bytes of {}", stored.len()));
            }
        }
        Ok(Found::Whole(Box::new(outcome)))
    }

    /// Moves a cell out of the way; nothing is deleted. To be called under the lock of the study.
    pub(in crate::lottery) fn set_aside(
        &self,
        cell: &CellId,
        why: Aside,
    ) -> Result<PathBuf, LotteryError> {
        let folder = self.folder(cell);
        let why = match why {
            Aside::Damaged => "damaged",
            Aside::Outdated => "outdated",
        };
        let mut number = 1;
        let aside = loop {
            let path = folder.with_extension(format!("{why}-{number}"));
            if !path.exists() {
                break path;
            }
            number += 1;
        };
        match fs::rename(&folder, &aside) {
            // Another process has done it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(aside),
            Err(error) => Err(file_error(&folder, error)),
            Ok(()) => Ok(aside),
        }
    }

    /// Reads weights of a cell that is whole, after checking them.
    pub(in crate::lottery) fn weights(
        &self,
        outcome: &Outcome,
        name: &str,
    ) -> Result<ModuleRecord, LotteryError> {
        let (path, bytes) = self.checked(outcome, name)?;
        let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes));
        record.map_err(|error| file_error(&path, error))
    }

    /// Reads masks of a cell that is whole, after checking them.
    pub(in crate::lottery) fn masks(
        &self,
        outcome: &Outcome,
        name: &str,
    ) -> Result<MaskSet, LotteryError> {
        let (path, bytes) = self.checked(outcome, name)?;
        let masks = MaskSet::from_bytes(&bytes);
        masks.ok_or_else(|| file_error(&path, "the mask file is damaged, or of another version"))
    }

    /// The bytes of a file, when they are those that the cell has left.
    fn checked(&self, outcome: &Outcome, name: &str) -> Result<(PathBuf, Vec<u8>), LotteryError> {
        let Some(stored) = outcome.files.get(name) else {
            return Err(LotteryError::Incomplete {
                cell: outcome.cell.clone(),
                what: format!("file `{name}`"),
            });
        };
        let path = self.folder(&outcome.cell).join(name);
        let bytes = fs::read(&path).map_err(|error| file_error(&path, error))?;
        if stored.is_of(&bytes) {
            return Ok((path, bytes));
        }
        Err(file_error(
            &path,
            "the file is damaged, or that of another cell; move its folder away to train the cell \
             again",
        ))
    }

    /// Writes a cell, whole or not at all.
    pub(in crate::lottery) fn write(
        &self,
        mut outcome: Outcome,
        weights: Vec<(String, ModuleRecord)>,
        masks: Vec<(String, MaskSet)>,
    ) -> Result<(), LotteryError> {
        let place = self.place_of(&outcome.cell);
        let failed = |error| file_error(&place.parent, error);
        fs::create_dir_all(&place.parent).map_err(failed)?;
        let locked = self.lock()?;
        let part = Part::new(&place).map_err(failed)?;
        drop(locked);
        let cell = part.cell();
        for (name, record) in weights {
            let path = cell.join(&name);
            record
                .save(&path)
                .map_err(|error| file_error(&path, error))?;
            let bytes = flushed(&path).map_err(|error| file_error(&path, error))?;
            let (length, sha256) = (bytes.len() as u64, Digest::of(&bytes));
            let content = content::of_record(Bytes::from_bytes_vec(bytes));
            let stored = Stored::Digests {
                bytes: length,
                sha256,
                content: content.map_err(|error| file_error(&path, error))?,
            };
            outcome.files.insert(name, stored);
        }
        for (name, masks) in masks {
            let path = cell.join(&name);
            let bytes = masks.to_bytes();
            files::write(&path, &bytes).map_err(|error| file_error(&path, error))?;
            let stored = Stored::Digests {
                bytes: bytes.len() as u64,
                sha256: Digest::of(&bytes),
                content: content::of_masks(&masks),
            };
            outcome.files.insert(name, stored);
        }
        sealed::write(&cell.join(CELL), &outcome)?;
        sync_folder(&cell);
        let locked = self.lock()?;
        let placed = self.place(&cell, &outcome);
        drop(locked);
        placed
    }

    /// Moves a cell that has been written to its place. To be called under the lock of the study.
    fn place(&self, cell: &Path, outcome: &Outcome) -> Result<(), LotteryError> {
        let place = self.place_of(&outcome.cell);
        let folder = place.path();
        match self.find(&outcome.cell)? {
            // Another process was faster, with the same cell.
            Found::Whole(there) if there.made_from == outcome.made_from => Ok(()),
            Found::Whole(_) | Found::Damaged(_) => Err(file_error(
                &folder,
                "another process has written this cell in the meantime, from other weights or masks",
            )),
            Found::Nothing => {
                fs::rename(cell, &folder).map_err(|error| file_error(&folder, error))?;
                sync_folder(&place.parent);
                Ok(())
            }
        }
    }

    /// Removes what killed processes have left of these cells, which are this shard's, and of the
    /// study.
    pub(in crate::lottery) fn remove_stale<'a>(
        &self,
        cells: impl Iterator<Item = &'a CellId>,
    ) -> Result<(), LotteryError> {
        let locked = self.lock()?;
        files::remove_stale(&self.study_file());
        cells.for_each(|cell| part::remove_stale(&self.place_of(cell)));
        drop(locked);
        Ok(())
    }

    /// Whether [`remove_stale`](Self::remove_stale) has something to remove.
    pub(in crate::lottery) fn has_stale<'a>(
        &self,
        mut cells: impl Iterator<Item = &'a CellId>,
    ) -> bool {
        files::has_stale(&self.study_file())
            || cells.any(|cell| part::has_stale(&self.place_of(cell)))
    }
}

/// Flushes a file that has been written, and reads it.
fn flushed(path: &Path) -> io::Result<Vec<u8>> {
    File::options().write(true).open(path)?.sync_all()?;
    fs::read(path)
}

/// So that a power cut cannot undo a rename. Where folders cannot be opened, the system does it.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        drop(folder.sync_all());
    }
}
