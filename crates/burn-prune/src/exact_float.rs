//! Floats in JSON that are read back as they were written.
//!
//! `serde_json` reads some numbers one unit in the last place off, unless a feature is on that would
//! build all of Burn anew. Such a float, and one that JSON has no number for, is written as text.
//! Both forms are read. For use with `#[serde(with = "crate::exact_float")]`.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let exact = || {
        let read = serde_json::from_str::<f64>(&serde_json::to_string(value).ok()?).ok()?;
        (read.to_bits() == value.to_bits()).then_some(())
    };
    if !serializer.is_human_readable() || exact().is_some() {
        return serializer.serialize_f64(*value);
    }
    serializer.collect_str(&format_args!("{value:?}"))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    if deserializer.is_human_readable() {
        return deserializer.deserialize_any(Float);
    }
    deserializer.deserialize_f64(Float)
}

/// The same for a float that may be missing, with `#[serde(with = "crate::exact_float::optional")]`.
pub(crate) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Exact(#[serde(with = "crate::exact_float")] f64);

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Exact).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let value = Option::<Exact>::deserialize(deserializer)?;
        Ok(value.map(|exact| exact.0))
    }
}

struct Float;

impl Visitor<'_> for Float {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or one as text")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<f64, E> {
        value
            .parse()
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(value), &self))
    }
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha8Rng;
    use rand::{Rng, SeedableRng};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Exact(#[serde(with = "crate::exact_float")] f64);

    fn read(json: &str) -> f64 {
        serde_json::from_str::<Exact>(json).unwrap().0
    }

    #[test]
    fn every_float_is_read_back_bit_for_bit() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut floats = vec![
            0.0,
            -0.0,
            1.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::INFINITY,
        ];
        floats.push(f64::NAN);
        floats.extend((0..20_000).map(|_| f64::from_bits(random.next_u64())));
        // As sparsities are.
        floats.extend((0..20_000).map(|_| random.next_u64() as f64 / u64::MAX as f64));
        let mut texts = 0;
        for float in floats {
            let json = serde_json::to_string(&Exact(float)).unwrap();
            texts += usize::from(json.starts_with('"'));
            let same = read(&json).to_bits() == float.to_bits() || float.is_nan();
            assert!(
                same && read(&json).is_nan() == float.is_nan(),
                "{float:?}: {json}"
            );
        }
        // Else this would not be needed.
        assert!(texts > 100, "{texts}");
    }

    #[test]
    fn plain_numbers_stay_numbers() {
        assert_eq!(serde_json::to_string(&Exact(0.9)).unwrap(), "0.9");
        assert_eq!(
            [read("1"), read("-2"), read("0.5"), read("\"0.5\"")],
            [1.0, -2.0, 0.5, 0.5]
        );
        for wrong in ["\"half\"", "true", "[0.5]"] {
            let error = serde_json::from_str::<Exact>(wrong).map(drop).unwrap_err();
            assert!(error.to_string().contains("a number"), "{error}");
        }
    }
}
