//! An identity as the integers of a tensor, as checkpoints keep it.

use serde_json::Value;

use super::canonical::{compact, text};

/// The version of the form in which a checkpoint keeps what it is.
pub(crate) const VERSION: u64 = 2;
/// Bytes of JSON, blanks included.
const BYTES: usize = 4 << 10;

/// Why a checkpoint does not say what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unreadable {
    /// It is of another version; of the one that had text instead of data, 1.
    Version(u64),
    /// It is not JSON.
    Damaged,
}

/// This much of an identity as a checkpoint can keep.
pub(crate) fn fit(identity: Value) -> Value {
    compact(identity, BYTES)
}

/// Always as many integers, so that every checkpoint of a model has tensors of the same shapes:
/// JSON with four bytes each, and blanks up to the end.
pub(crate) fn pack(identity: Value) -> Vec<i32> {
    let mut bytes = text(&fit(identity)).into_bytes();
    bytes.resize(BYTES, b' ');
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| i32::from_le_bytes(*word)).collect()
}

/// What [`pack`] has made these integers of.
pub(crate) fn unpack(words: &[i32]) -> Result<Value, Unreadable> {
    // The first version had a byte of text in each integer.
    if !words.is_empty() && words.iter().all(|word| (0..256).contains(word)) {
        return Err(Unreadable::Version(1));
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let identity: Value = serde_json::from_slice(&bytes).map_err(|_| Unreadable::Damaged)?;
    match identity["version"].as_u64() {
        Some(VERSION) => Ok(identity),
        Some(other) => Err(Unreadable::Version(other)),
        None => Err(Unreadable::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_packed_is_unpacked() {
        let identity = json!({ "version": VERSION, "path": "größe.weight", "paths": ["a", "b"] });
        let words = pack(identity.clone());
        assert_eq!(words.len(), 1024);
        assert_eq!(unpack(&words), Ok(identity));
        let long = json!({ "version": VERSION, "paths": vec!["a.long.path"; 10_000] });
        let words = pack(long);
        assert_eq!(words.len(), 1024);
        assert_eq!(unpack(&words).unwrap()["paths"]["count"], 10_000);
    }

    #[test]
    fn other_versions_and_damage_are_told_apart() {
        let text: Vec<i32> = "Pruner { criterion: ..".bytes().map(i32::from).collect();
        assert_eq!(unpack(&text), Err(Unreadable::Version(1)));
        assert_eq!(
            unpack(&pack(json!({ "version": 9 }))),
            Err(Unreadable::Version(9))
        );
        for damaged in [
            json!({}),
            json!([1]),
            json!({ "version": -1 }),
            json!("version"),
        ] {
            assert_eq!(unpack(&pack(damaged)), Err(Unreadable::Damaged));
        }
        assert_eq!(unpack(&[]), Err(Unreadable::Damaged));
        assert_eq!(unpack(&[-1; 1024]), Err(Unreadable::Damaged));
    }

    #[test]
    fn no_changed_bit_is_a_panic() {
        let words = pack(json!({ "version": VERSION, "pruner": { "criterion": "magnitude" } }));
        for word in 0..20 {
            for bit in 0..32 {
                let mut damaged = words.clone();
                damaged[word] ^= 1 << bit;
                let found = unpack(&damaged);
                assert_ne!(found, unpack(&words), "word {word}, bit {bit}");
            }
        }
    }
}
