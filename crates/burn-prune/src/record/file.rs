//! Records on disk: Burn's container with a digest of itself, which plain Burn passes over.
//!
//! Burn's own records (`.bpk`) have no checksum, and neither have those of burn-prune from before the
//! digest: a damaged byte there may go unnoticed. Files with a digest are checked byte by byte.
//!
//! The digest is among the metadata of the container: the SHA-256 of the whole file with zeros in
//! the place of the digest. A second entry, among the scalars, gives the version; so a file whose
//! entry for the digest is damaged is not mistaken for one without.

use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::store::ModuleRecord;
use burn::tensor::{BoolStore, Bytes, DType};
use burn_pack::{EXTENSION, Reader, Scalar, Writer};

use super::{catching, header};
use crate::digest::{Digest, Hasher};
use crate::error::PruneError;
use crate::files;

const DIGEST: &str = "burn-prune.sha256";
const VERSION: &str = "burn-prune.version";
/// The newest version that is known, and the one that is written.
const NEWEST: u64 = 1;
/// Digits of a digest, which are zeros while it is taken.
const DIGITS: usize = 64;

/// Writes a record with its digest: `.bpk` when the name has no extension.
pub(super) fn save(record: ModuleRecord, path: &Path) -> Result<(), PruneError> {
    let path = match path.extension() {
        Some(_) => path.to_path_buf(),
        None => path.with_extension(EXTENSION),
    };
    let bytes = with_digest(record).map_err(|message| in_file(&path, message))?;
    files::write(&path, bytes).map_err(|error| in_file(&path, error))
}

fn with_digest(record: ModuleRecord) -> Result<Vec<u8>, String> {
    let failed = |error: burn_pack::Error| error.to_string();
    let bytes = record.into_bytes().map_err(|error| error.to_string())?;
    let tensors = Reader::from_bytes(bytes).and_then(Reader::into_tensors);
    let writer = Writer::new(tensors.map_err(failed)?)
        .with_metadata(DIGEST, &"0".repeat(DIGITS))
        .with_scalar(VERSION, Scalar::UInt(NEWEST));
    let mut bytes = vec![0; writer.size().map_err(failed)?];
    writer.write_into(&mut bytes).map_err(failed)?;
    let place = place_of_digest(&bytes).ok_or("the digest has no place")?;
    let digest = digest(&bytes, &place);
    bytes[place].copy_from_slice(digest.as_str().as_bytes());
    Ok(bytes)
}

/// Where the digits are: after their name and the CBOR of a text of their length.
fn place_of_digest(bytes: &[u8]) -> Option<Range<usize>> {
    let before = [DIGEST.as_bytes(), &[0x78, DIGITS as u8]].concat();
    let metadata = header::place(bytes)?;
    let mut places = bytes[metadata.clone()].windows(before.len() + DIGITS);
    // The names of the tensors come first.
    let found = places.rposition(|window| window.starts_with(&before))?;
    let start = metadata.start + found + before.len();
    Some(start..start + DIGITS)
}

/// The digest of a file, with zeros where it is.
fn digest(bytes: &[u8], place: &Range<usize>) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(&bytes[..place.start]);
    hasher.update([b'0'; DIGITS]);
    hasher.update(&bytes[place.end..]);
    hasher.finish()
}

/// A record file that has been read as a whole, and checked.
pub(crate) struct RecordFile {
    path: PathBuf,
    bytes: Bytes,
}

impl RecordFile {
    /// Reads a file of [`save`], or of plain Burn.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is of a newer version.
    pub(crate) fn read(path: &Path) -> Result<Self, PruneError> {
        // As Burn does.
        let path = if path.extension().is_none() && !path.exists() {
            path.with_extension(EXTENSION)
        } else {
            path.to_path_buf()
        };
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        match read.and_then(checked) {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(message) => Err(in_file(&path, message)),
        }
    }

    /// The bytes of one tensor, and their type.
    #[cfg(feature = "optim")]
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<(DType, Vec<u8>)>, PruneError> {
        let tensors = Reader::from_bytes(self.bytes.clone()).and_then(Reader::into_tensors);
        let found = tensors.and_then(|tensors| {
            tensors
                .into_iter()
                .find(|tensor| tensor.name == name)
                .map(|found| Ok((found.dtype, found.into_bytes()?.to_vec())))
                .transpose()
        });
        found.map_err(|error| in_file(&self.path, error))
    }

    /// The record of an optimizer, whose files have the same format.
    #[cfg(feature = "optim")]
    pub(crate) fn into_optimizer_record(self) -> Result<burn::optim::OptimizerRecord, PruneError> {
        let record = optimizer_record(self.bytes);
        record.map_err(|message| in_file(&self.path, message))
    }

    pub(crate) fn into_record(self) -> Result<ModuleRecord, PruneError> {
        record(self.bytes).map_err(|message| in_file(&self.path, message))
    }
}

/// The record in some bytes, of [`save`] or of Burn.
#[cfg(feature = "lottery")]
pub(crate) fn of_bytes(bytes: Vec<u8>) -> Result<ModuleRecord, String> {
    record(checked(bytes)?)
}

fn record(bytes: Bytes) -> Result<ModuleRecord, String> {
    catching(|| ModuleRecord::from_bytes(bytes))?.map_err(|error| error.to_string())
}

#[cfg(feature = "optim")]
fn optimizer_record(bytes: Bytes) -> Result<burn::optim::OptimizerRecord, String> {
    let reader = Reader::from_bytes(bytes.clone()).map_err(|error| error.to_string())?;
    for tensor in reader.into_tensors().map_err(|error| error.to_string())? {
        // Burn passes over any other name, and would start with fresh state.
        let id = tensor.param_id.map(|id| format!("{id}."));
        if !id.is_some_and(|id| tensor.name.starts_with(&id)) {
            return Err(format!(
                "it is no file of an optimizer: it has a tensor `{}`",
                tensor.name
            ));
        }
    }
    catching(|| burn::optim::OptimizerRecord::from_bytes(bytes))?.map_err(|error| error.to_string())
}

/// Bytes that Burn can read, and that are what was written where that can be known.
fn checked(bytes: Vec<u8>) -> Result<Bytes, String> {
    let bytes = Bytes::from_bytes_vec(bytes).shared();
    let reader = Reader::from_bytes(bytes.clone()).map_err(|error| error.to_string())?;
    if !header::is_whole(&bytes) {
        return Err("the file is damaged: its metadata is not that of a record".to_string());
    }
    let damaged = || "the file is damaged: its digest does not match its content".to_string();
    match (reader.metadata().get(DIGEST), reader.scalars().get(VERSION)) {
        (Some(expected), Some(Scalar::UInt(NEWEST))) => {
            let place = place_of_digest(&bytes).ok_or_else(damaged)?;
            if bytes[place.clone()] != *expected.as_bytes()
                || digest(&bytes, &place).as_str() != expected
            {
                return Err(damaged());
            }
        }
        (_, Some(Scalar::UInt(version))) if *version > NEWEST => {
            return Err(format!(
                "version {version} of a masked record is newer than {NEWEST}, the newest that this release reads"
            ));
        }
        // Of plain Burn, or of burn-prune before there were digests.
        (None, None) => {}
        _ => return Err(damaged()),
    }
    for tensor in reader.into_tensors().map_err(|error| error.to_string())? {
        let values = tensor.to_bytes().map_err(|error| error.to_string())?;
        // An empty tensor may be anywhere.
        let start = values.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        if !is_usable(tensor.dtype, &values, start) {
            let name = tensor.name;
            return Err(format!(
                "the file is damaged: it has no values for `{name}`"
            ));
        }
    }
    Ok(bytes)
}

/// Whether a tensor has values of its type, from `start` on in the file. Burn does not check, and
/// panics when they are used.
fn is_usable(dtype: DType, values: &[u8], start: usize) -> bool {
    match dtype {
        DType::QFloat(_) => true,
        DType::Bool(BoolStore::U32) => {
            let (words, _) = values.as_chunks::<4>();
            words.iter().all(|word| u32::from_le_bytes(*word) <= 1)
        }
        DType::Bool(_) => values.iter().all(|byte| *byte <= 1),
        _ => values.is_empty() || start.is_multiple_of(dtype.size()),
    }
}

fn in_file(path: &Path, error: impl std::fmt::Display) -> PruneError {
    PruneError::Record {
        message: format!("{}: {error}", path.display()),
    }
}
