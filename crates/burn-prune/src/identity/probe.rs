//! What a criterion or a schedule is known by that does not say what it is: its type, and what it
//! does.

/// A score to 24 bits, so that the last bits of a logarithm, which differ between machines, and of a
/// sum over a map, which has another order each time, do not count.
pub(crate) fn rounded(score: f64) -> [u8; 8] {
    const DROPPED: u32 = 53 - 24;
    // Not a half: weights of 24 bits times a plain number, as 3.6, often lie right between two
    // scores of 24 bits, where the last bit decides. They are far from the golden section of the
    // way.
    const OFFSET: u64 = (0.618_033_988_749_894_9 * (1u64 << DROPPED) as f64) as u64;
    if score.is_nan() {
        return [0xff; 8];
    }
    // -0.0 is 0.0.
    let bits = (score + 0.0).to_bits();
    (bits.saturating_add(OFFSET) >> DROPPED).to_le_bytes()
}

/// The name of a type without the modules that it is in.
pub(crate) fn short_name(name: &str) -> String {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let mut short = String::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = if is_name(first) {
            rest.find(|letter| !is_name(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (part, after) = rest.split_at(end);
        short.push_str(part.rsplit("::").next().unwrap_or(part));
        rest = after;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_without_their_modules() {
        assert_eq!(short_name("crate::a::Mine"), "Mine");
        assert_eq!(short_name("a::B<c::D, &[e::F]>"), "B<D, &[F]>");
        assert_eq!(short_name("Plain"), "Plain");
    }

    #[test]
    fn the_last_bits_of_a_score_do_not_count() {
        let next = |score: f64| f64::from_bits(score.to_bits() + 1);
        for score in [0.1, 1.5, 1e-200, 7e250] {
            assert_eq!(rounded(score), rounded(next(score)), "{score}");
            assert_ne!(rounded(score), rounded(score * (1.0 + 1e-6)), "{score}");
        }
        assert_eq!(rounded(0.0), rounded(-0.0));
        assert_ne!(rounded(f64::NAN), rounded(f64::INFINITY));
    }
}
