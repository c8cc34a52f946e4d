//! Files that are written beside their place and renamed, so that what was there stays whole.

use std::io;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// A new file in the folder of a path, with this suffix and the permissions that files have, which
/// temporary ones have not.
pub(crate) fn beside(path: &Path, suffix: &str) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.suffix(suffix).tempfile_in(folder)
}
