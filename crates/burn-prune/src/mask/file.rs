//! Mask sets on disk.
//!
//! Little-endian: 8 bytes of magic, the version as u32, the number of masks as u32; for each mask
//! the length of its path as u32 and the path in UTF-8, its rank as u32, its shape as u64s, and its
//! words as u32s; and at the end the CRC-32 of everything before it as u32.

use std::path::Path;

use super::set::MaskSet;
use super::value::{Mask, entries};
use crate::error::PruneError;
use crate::files;

const MAGIC: &[u8; 8] = b"BURNMASK";
/// The newest version that is known, and the one that is written.
const VERSION: u32 = 1;
const HEADER: usize = MAGIC.len() + 4;
const CHECKSUM: usize = 4;

impl MaskSet {
    /// Writes the masks to a file: one bit per weight, versioned, with a checksum.
    ///
    /// # Errors
    /// When the file cannot be written. A file that was there stays whole: the new one is written
    /// beside it and renamed.
    ///
    /// ```
    /// use burn_prune::{Mask, MaskSet};
    ///
    /// let mut masks = MaskSet::new();
    /// masks.insert("fc1.weight", Mask::from_kept([2, 2], &[true, false, true, false])?);
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let file = folder.path().join("model.mask");
    /// masks.save(&file)?;
    /// assert_eq!(MaskSet::load(&file)?, masks);
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        let path = path.as_ref();
        files::write(path, self.to_bytes()).map_err(|error| broken(path, error))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, is no mask file, or is of a newer version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PruneError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| broken(path, error))?;
        match bytes.get(MAGIC.len()..HEADER) {
            Some(version) if bytes.starts_with(MAGIC) => {
                let found = u32::from_le_bytes(version.try_into().expect("it is 4 bytes"));
                if found > VERSION {
                    return Err(PruneError::MaskFileVersion {
                        file: path.display().to_string(),
                        found,
                        supported: VERSION,
                    });
                }
            }
            _ => return Err(broken(path, "this is not a mask file of burn-prune")),
        }
        Self::from_bytes(&bytes).ok_or_else(|| {
            broken(
                path,
                "the mask file is damaged: its checksum or content is wrong; save it again",
            )
        })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let number = |bytes: &mut Vec<u8>, number: usize| {
            let number = u32::try_from(number).expect("there are fewer than 2³² of them");
            bytes.extend(number.to_le_bytes());
        };
        bytes.extend(VERSION.to_le_bytes());
        number(&mut bytes, self.len());
        for (path, mask) in self.iter() {
            number(&mut bytes, path.len());
            bytes.extend(path.as_bytes());
            number(&mut bytes, mask.shape().len());
            for size in mask.shape() {
                bytes.extend((*size as u64).to_le_bytes());
            }
            for word in mask.words() {
                bytes.extend(word.to_le_bytes());
            }
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    /// `None` for anything that `to_bytes` does not write.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let mut reader = Reader(content.strip_prefix(MAGIC)?);
        if reader.u32()? != VERSION {
            return None;
        }
        let mut masks = Self::new();
        for _ in 0..reader.u32()? {
            let length = reader.u32()?.try_into().ok()?;
            let path = std::str::from_utf8(reader.take(length)?).ok()?;
            let rank = reader.u32()?;
            let shape: Vec<usize> = (0..rank)
                .map(|_| reader.u64()?.try_into().ok())
                .collect::<Option<_>>()?;
            let len = entries(&shape)?;
            let words = reader.take(len.div_ceil(u32::BITS as usize).checked_mul(4)?)?;
            let (words, _) = words.as_chunks();
            let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
            let mask = Mask::from_words(shape, words.clone())?;
            if mask.words() != words || masks.get(path).is_some() {
                return None;
            }
            masks.insert(path, mask);
        }
        reader.0.is_empty().then_some(masks)
    }
}

fn broken(path: &Path, message: impl std::fmt::Display) -> PruneError {
    PruneError::MaskFile {
        file: path.display().to_string(),
        message: message.to_string(),
    }
}

/// Bytes that have not been read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
