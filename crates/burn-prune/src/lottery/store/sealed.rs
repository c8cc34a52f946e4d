//! JSON files that carry the digest of their own text.
//!
//! The last field, `sha256`, is that of the text with 64 zeros in the place of the digest. So every
//! change is noticed, that of a number as well.

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::digest::Digest;
use crate::files;
use crate::lottery::error::{LotteryError, file_error};

/// The version of cells and studies that is written, and the newest one that is known.
pub(in crate::lottery) const VERSION: u32 = 2;
/// The first version whose files carry a digest.
pub(in crate::lottery) const SEALED: u32 = 2;

const FIELD: &str = "sha256";

/// A file as it is found.
pub(super) enum Opened<T> {
    Intact(T),
    /// And why.
    Damaged(&'static str),
}

/// What is written.
#[derive(Serialize)]
struct Sealed<'a, T> {
    #[serde(flatten)]
    content: &'a T,
    sha256: &'a str,
}

fn blank() -> String {
    "0".repeat(Digest::of("").as_str().len())
}

/// The text of this value, with its digest.
fn seal(content: &impl Serialize) -> serde_json::Result<String> {
    let blank = blank();
    let sha256 = blank.as_str();
    let text = serde_json::to_string_pretty(&Sealed { content, sha256 })?;
    let digest = Digest::of(&text);
    // The last one, as the field is.
    let at = text.rfind(&blank).expect("it has just been written");
    let (before, after) = (&text[..at], &text[at + blank.len()..]);
    Ok(format!("{before}{digest}{after}"))
}

/// Whether the text is the one that was written.
///
/// Line ends do not count, which version control changes on some systems.
fn is_intact(text: &str, digest: &str) -> bool {
    let text = text.replace("\r\n", "\n");
    match text.rfind(digest) {
        Some(at) if digest.len() == blank().len() => {
            let (before, after) = (&text[..at], &text[at + digest.len()..]);
            Digest::of(format!("{before}{}{after}", blank())).as_str() == digest
        }
        _ => false,
    }
}

/// Writes a value as a file with a digest, whole or not at all.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<(), LotteryError> {
    let text = seal(value).map_err(|error| file_error(path, error))?;
    files::write(path, text.as_bytes()).map_err(|error| file_error(path, error))
}

/// Reads what [`write`] wrote, or version 1, which has no digest.
///
/// # Errors
/// When it is of a newer version.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    bytes: &[u8],
) -> Result<Opened<T>, LotteryError> {
    let damaged = |why| Ok(Opened::Damaged(why));
    let Ok(text) = std::str::from_utf8(bytes) else {
        return damaged("it is not text");
    };
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return damaged("it is not JSON");
    };
    let version = value.get("version").and_then(Value::as_u64);
    let digest = value
        .as_object_mut()
        .and_then(|fields| fields.remove(FIELD));
    let is_intact = match digest {
        Some(digest) => digest.as_str().map(|digest| is_intact(text, digest)),
        None => None,
    };
    match (version, is_intact) {
        (Some(version), Some(true)) if version > u64::from(VERSION) => Err(newer(path, version)),
        // The digest may be another one there.
        (Some(version), None) if version > u64::from(VERSION) => Err(newer(path, version)),
        (_, Some(false)) => damaged("its checksum is wrong"),
        (Some(version), None) if version >= u64::from(SEALED) => damaged("it has no checksum"),
        (Some(version), Some(true)) if version < u64::from(SEALED) => {
            damaged("it has a checksum, but files of its version have none")
        }
        (None, _) => damaged("it has no version"),
        _ => match serde_json::from_value(value) {
            Ok(value) => Ok(Opened::Intact(value)),
            Err(error) => Err(file_error(path, error)),
        },
    }
}

fn newer(path: &Path, version: u64) -> LotteryError {
    let message =
        format!("version {version} is newer than {VERSION}, the newest that this release reads");
    file_error(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(version: u32) -> String {
        let files = json!({ "a.mask": { "sha256": Digest::of("a") } });
        let content = json!({ "version": version, "loss": 0.1, "files": files });
        seal(&content).unwrap()
    }

    fn read_text(text: &str) -> Result<Opened<Value>, LotteryError> {
        read(Path::new("cell.json"), text.as_bytes())
    }

    #[test]
    fn what_is_written_is_read() {
        let Ok(Opened::Intact(found)) = read_text(&text(VERSION)) else {
            panic!("it is as it was written");
        };
        assert_eq!(found["loss"], 0.1);
        assert!(found.get(FIELD).is_none());
        assert_eq!(
            serde_json::from_str::<Value>(&text(VERSION)).unwrap()["version"],
            VERSION
        );
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let text = text(VERSION);
        for place in 0..text.len() {
            for flip in [1, 2, 0x10] {
                let mut changed = text.clone().into_bytes();
                changed[place] ^= flip;
                let Ok(changed) = String::from_utf8(changed) else {
                    continue;
                };
                // A digit of the version may have become a larger one.
                if let Ok(Opened::Intact(_)) = read_text(&changed) {
                    panic!("byte {place}: {changed}");
                }
            }
        }
        let windows = text.replace('\n', "\r\n");
        assert!(matches!(read_text(&windows), Ok(Opened::Intact(_))));
        let older = text.replace("\"version\": 2", "\"version\": 1");
        assert!(matches!(read_text(&older), Ok(Opened::Damaged(_))));
    }

    #[test]
    fn newer_versions_are_refused_by_their_number_and_older_ones_have_no_digest() {
        for newer in [text(7), json!({ "version": 7 }).to_string()] {
            let error = read_text(&newer).err().unwrap().to_string();
            assert!(error.contains("version 7 is newer than 2"), "{error}");
        }
        let old = json!({ "version": 1, "loss": 0.1 }).to_string();
        assert!(matches!(read_text(&old), Ok(Opened::Intact(_))));
        let bare = json!({ "version": 2, "loss": 0.1 }).to_string();
        assert!(matches!(read_text(&bare), Ok(Opened::Damaged(_))));
    }
}
