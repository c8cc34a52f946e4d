//! The IDX files in which MNIST and Fashion-MNIST are published, plain or `.gz`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// A data directory or file that is not as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Neither the file nor its compressed form is there.
    #[error("{}: no such file, nor with `.gz`; expected the four IDX files of (Fashion-)MNIST", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The file is not an IDX file of the expected kind.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
}

/// An array of unsigned bytes.
pub(crate) struct Idx {
    pub path: PathBuf,
    pub shape: Vec<usize>,
    pub values: Vec<u8>,
}

/// Reads an array of `rank` dimensions from `dir/name` or `dir/name.gz`.
pub(crate) fn read(dir: &Path, name: &str, rank: u8) -> Result<Idx, DataError> {
    let path = find(dir, name)?;
    let bytes = contents(&path).map_err(|error| DataError::Read {
        path: path.clone(),
        error,
    })?;
    let malformed = |expected: String, found: String| DataError::Malformed {
        path: path.clone(),
        expected,
        found,
    };

    let header_len = 4 + 4 * usize::from(rank);
    let Some((header, values)) = bytes.split_at_checked(header_len) else {
        let expected = format!("an IDX header of {header_len} bytes");
        return Err(malformed(expected, format!("{} bytes", bytes.len())));
    };
    // Two zero bytes, the type (8: unsigned byte), the number of dimensions.
    let magic = [0, 0, 8, rank];
    if header[..4] != magic {
        let (expected, found) = (format!("magic {magic:?}"), format!("{:?}", &header[..4]));
        return Err(malformed(expected, found));
    }
    let sizes = header[4..].as_chunks::<4>().0;
    let shape: Vec<usize> = sizes
        .iter()
        .map(|size| u32::from_be_bytes(*size) as usize)
        .collect();
    let len = shape
        .iter()
        .try_fold(1usize, |len, size| len.checked_mul(*size));
    if len != Some(values.len()) {
        let expected = format!("{shape:?} values, as its header says");
        return Err(malformed(expected, format!("{} values", values.len())));
    }
    let values = values.to_vec();
    Ok(Idx {
        path,
        shape,
        values,
    })
}

fn find(dir: &Path, name: &str) -> Result<PathBuf, DataError> {
    let candidates = [dir.join(name), dir.join(format!("{name}.gz"))];
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| DataError::Missing {
        path: dir.join(name),
    })
}

fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).read_to_end(&mut bytes)?;
    } else {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
