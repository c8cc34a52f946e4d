//! The metadata of Burn's container, of which Burn passes over what it does not know.
//!
//! A file starts with 4 bytes of magic, a version as u16, and the size of the metadata as u32, which
//! is CBOR (RFC 8949) as ciborium writes it: maps of text, with their lengths ahead.

use std::ops::Range;

/// Where the metadata starts.
const START: usize = 10;
/// How deep values may lie in each other; Burn's lie three deep.
const DEPTH: usize = 16;

/// Where the metadata is in a file.
pub(super) fn place(file: &[u8]) -> Option<Range<usize>> {
    let [.., a, b, c, d] = *file.first_chunk::<START>()?;
    let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    let end = START.checked_add(size)?;
    (end <= file.len()).then_some(START..end)
}

/// Whether the metadata has the fields of Burn's container and nothing else, each once, to its last
/// byte. Otherwise something in it may have been passed over.
pub(super) fn is_whole(file: &[u8]) -> bool {
    let metadata = place(file).map(|place| &file[place]);
    metadata.and_then(fields_of_container).is_some()
}

fn fields_of_container(metadata: &[u8]) -> Option<()> {
    let (fields, rest) = fields(metadata)?;
    let known = ["tensors", "metadata", "scalars"];
    for (name, value) in &fields {
        known.contains(name).then_some(())?;
        self::fields(value)?;
    }
    rest.is_empty().then_some(())
}

/// A field of a map: its name and its value.
type Field<'a> = (&'a str, &'a [u8]);

/// The fields of a map, each name once, and what follows the map.
fn fields(bytes: &[u8]) -> Option<(Vec<Field<'_>>, &[u8])> {
    let (MAP, count, mut rest) = head(bytes)? else {
        return None;
    };
    let mut fields = Vec::new();
    for _ in 0..count {
        let (TEXT, length, after) = head(rest)? else {
            return None;
        };
        let (name, value) = after.split_at_checked(usize::try_from(length).ok()?)?;
        rest = skip(value, DEPTH)?;
        fields.push((
            std::str::from_utf8(name).ok()?,
            &value[..value.len() - rest.len()],
        ));
    }
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    (names.len() == fields.len()).then_some((fields, rest))
}

const TEXT: u8 = 3;
const MAP: u8 = 5;

/// The major type of a value, its argument, and what follows.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, short) = (first >> 5, first & 31);
    let width = match short {
        ..24 => return Some((major, short.into(), rest)),
        24..28 => 1 << (short - 24),
        // Of a length that is not known ahead.
        _ => return None,
    };
    let (argument, rest) = rest.split_at_checked(width)?;
    let argument = argument
        .iter()
        .fold(0, |argument, byte| argument << 8 | u64::from(*byte));
    Some((major, argument, rest))
}

/// What follows a value.
fn skip(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    let (major, argument, mut rest) = head(bytes)?;
    let values = match major {
        // Whole numbers, floats and constants.
        0 | 1 | 7 => 0,
        2 | TEXT => return rest.get(usize::try_from(argument).ok()?..),
        4 => argument,
        MAP => argument.checked_mul(2)?,
        _ => 1,
    };
    for _ in 0..values {
        rest = skip(rest, depth.checked_sub(1)?)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(metadata: &[u8]) -> Vec<u8> {
        let size = u32::try_from(metadata.len()).unwrap();
        [b"NRUB\x01\0".as_slice(), &size.to_le_bytes(), metadata].concat()
    }

    #[test]
    fn the_fields_of_a_container_are_whole() {
        assert!(is_whole(&file(b"\xa1\x67tensors\xa0")));
        // A tensor with a list, a short float and a map in it; two fields.
        let nested = b"\xa2\x67tensors\xa1\x61w\x82\x18\xff\xf9\0\0\x68metadata\xa1\x61k\x61v";
        assert!(is_whole(&file(nested)));
        for end in 0..nested.len() {
            assert!(!is_whole(&file(&nested[..end])), "{end}");
        }
    }

    #[test]
    fn what_burn_passes_over_is_not() {
        let rest = b"\xa1\x67tensors\xa0\0";
        let unknown = b"\xa2\x67tensors\xa0\x64rest\xa0";
        let twice = b"\xa1\x67tensors\xa2\x61w\0\x61w\0";
        for metadata in [rest.as_slice(), unknown, twice, b"\xbf\x67tensors\xa0\xff"] {
            assert!(!is_whole(&file(metadata)));
        }
        assert!(!is_whole(b"NRUB"));
    }

    #[test]
    fn impossible_lengths_and_depths_end() {
        assert!(!is_whole(&file(b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff")));
        assert!(!is_whole(&file(
            b"\xa1\x67tensors\xbb\xff\xff\xff\xff\xff\xff\xff\xff"
        )));
        let deep = [b"\xa1\x67tensors\xa1\x61w".as_slice(), &[0x81; 100_000]].concat();
        assert!(!is_whole(&file(&deep)));
    }
}
