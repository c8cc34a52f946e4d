//! Files that are written whole or not at all.
//!
//! burn-prune and burn-prune-deploy write all of their files this way.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Random letters and digits in the name of a temporary file.
const RANDOM: usize = 6;
/// How much of the name of the file is in that of the temporary one, in bytes.
const NAME: usize = 120;
/// How often a file is written again after another process has mistaken it for a stale one.
const ATTEMPTS: usize = 3;

/// Writes these bytes to a file, whole or not at all.
///
/// They go into a temporary file beside it, which is flushed to the disk and renamed. A reader,
/// during the write or after a crash, finds the old content or the new.
///
/// # Errors
/// When the file cannot be written. A file that was there stays as it was.
///
/// ```
/// use burn_prune::files;
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("results.json");
/// files::write(&file, "{}")?;
/// assert_eq!(std::fs::read_to_string(&file)?, "{}");
/// assert!(files::write(folder.path().join("no such folder/results.json"), "{}").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let bytes = bytes.as_ref();
    replace(path.as_ref(), |file| file.as_file().write_all(bytes))
}

/// Replaces a file by what `fill` writes, whole or not at all: into a temporary file beside it with
/// the same extension, which is flushed to the disk and renamed.
///
/// Removes the temporary files of this file that killed processes have left.
pub(crate) fn replace(
    path: &Path,
    fill: impl Fn(&NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    remove_stale(path);
    let mut attempt = 1;
    loop {
        let file = beside(path)?;
        fill(&file)?;
        file.as_file().sync_all()?;
        match file.persist(path) {
            Ok(_) => return Ok(()),
            // Another process has looked for stale files before this one was locked.
            Err(error) if error.error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error.error),
        }
    }
}

/// A new file in the folder of a path, with the permissions of an ordinary file, unlike other
/// temporary files. It is locked until it is dropped, or its process ends.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder
        .prefix(&prefix(path))
        .rand_bytes(RANDOM)
        .suffix(&suffix(path))
        .tempfile_in(folder(path))?;
    // Elsewhere nobody else could write to it by its name. Without a lock it only stays when this
    // process is killed.
    #[cfg(unix)]
    drop(file.as_file().try_lock());
    Ok(file)
}

/// Removes the temporary files of this file that killed processes have left. What a live process is
/// writing is locked, and stays.
pub(crate) fn remove_stale(path: &Path) {
    for file in left(path).filter(|file| is_stale(file)) {
        if let Err(error) = fs::remove_file(&file) {
            // It does no harm.
            log::warn!("{}: {error}", file.display());
        }
    }
}

/// Whether [`remove_stale`] has something to remove.
#[cfg(feature = "lottery")]
pub(crate) fn has_stale(path: &Path) -> bool {
    left(path).any(|file| is_stale(&file))
}

/// The temporary files of this file.
fn left(path: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let (prefix, suffix) = (prefix(path), suffix(path));
    let is_ours = move |name: &str| {
        let random = name
            .strip_prefix(&prefix)
            .and_then(|rest| rest.strip_suffix(&suffix));
        random.is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|letter| letter.is_ascii_alphanumeric())
        })
    };
    let beside = fs::read_dir(folder(path)).into_iter().flatten().flatten();
    beside
        .filter(move |entry| entry.file_name().to_str().is_some_and(&is_ours))
        .map(|entry| entry.path())
}

#[cfg(unix)]
fn is_stale(file: &Path) -> bool {
    let opened = fs::File::options().write(true).open(file);
    opened.is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(not(unix))]
fn is_stale(_file: &Path) -> bool {
    false
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut prefix = ".".to_string();
    // A name may not be too long.
    for letter in name.chars() {
        if prefix.len() + letter.len_utf8() > NAME {
            break;
        }
        prefix.push(letter);
    }
    prefix.push('.');
    prefix
}

/// With the extension of the file, which tells its format.
fn suffix(path: &Path) -> String {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some(extension) if extension.len() <= NAME => format!(".tmp.{extension}"),
        _ => ".tmp".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_failed_write_leaves_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let failed = replace(&path, |file| {
            file.as_file().write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["a.json"]);
        // In the present folder, and with a long name.
        assert_eq!(super::folder(Path::new("a.json")), Path::new("."));
        write(folder.path().join("ü".repeat(120)), b"long").unwrap();
        assert!(write(folder.path().join("none/a.json"), b"").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_writer_left_goes_and_what_others_write_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.json");
        let live = beside(&path).unwrap();
        // As when the process ends without cleaning up.
        let (killed, _) = beside(&path).unwrap().keep().unwrap();
        drop(killed);
        let others = [
            ".study.json.abc.tmp.json",
            ".study.toml.abcdef.tmp.json",
            ".tmpabcdef",
        ];
        for other in others {
            fs::write(folder.path().join(other), b"").unwrap();
        }
        #[cfg(feature = "lottery")]
        assert!(has_stale(&path));
        write(&path, b"{}").unwrap();
        let mut expected = others.map(str::to_string).to_vec();
        let live_name = live.path().file_name().unwrap().to_str().unwrap();
        expected.extend([live_name.to_string(), "study.json".to_string()]);
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        drop(live);
        #[cfg(feature = "lottery")]
        assert!(!has_stale(&path));
    }
}
