//! The masks and seeds of the controls.

use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::criterion::fnv1a;
use crate::lottery::study::Control;
use crate::mask::{Mask, MaskSet};

/// The masks under which a control is trained.
pub(super) fn masks(control: Control, ticket: &MaskSet, seed: u64, round: usize) -> MaskSet {
    let of = |path: &str, mask: &Mask| match control {
        Control::Reinitialized => mask.clone(),
        Control::RandomMask => random(mask, &mut stream(seed, path)),
        Control::ShuffledMask => {
            let path = format!("{path} round {round}");
            shuffled(mask, &mut stream(seed, &path))
        }
    };
    let masks = ticket.iter();
    masks
        .map(|(path, mask)| (path.to_string(), of(path, mask)))
        .collect()
}

/// A seed for weights that are initialised anew, other than those of the study.
pub(super) fn fresh_seed(seed: u64, round: usize) -> u64 {
    stream(seed, &format!("fresh initialisation, round {round}")).next_u64()
}

fn stream(seed: u64, what: &str) -> ChaCha8Rng {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(fnv1a(what));
    stream
}

/// The first of one permutation go: with the same stream, a sparser mask lies within a denser one.
fn random(mask: &Mask, stream: &mut ChaCha8Rng) -> Mask {
    let mut random = Mask::all_kept(mask.shape());
    let permutation = permutation(mask.len(), stream);
    let pruned = permutation.into_iter().take(mask.pruned());
    pruned.for_each(|index| random.prune(index));
    random
}

fn shuffled(mask: &Mask, stream: &mut ChaCha8Rng) -> Mask {
    let mut shuffled = Mask::all_kept(mask.shape());
    let places = permutation(mask.len(), stream).into_iter().zip(mask.iter());
    let pruned = places.filter(|(_, kept)| !kept);
    pruned.for_each(|(index, _)| shuffled.prune(index));
    shuffled
}

/// Fisher and Yates's shuffle, written out so that it stays the same in every release.
fn permutation(len: usize, stream: &mut ChaCha8Rng) -> Vec<usize> {
    let mut permutation: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        // The high word of the product is below `last + 1`, and all but uniform.
        let other = (u128::from(stream.next_u64()) * (last as u128 + 1)) >> 64;
        permutation.swap(last, other as usize);
    }
    permutation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(kept: usize) -> MaskSet {
        let of = |len: usize| {
            let kept: Vec<bool> = (0..len).map(|index| index < kept).collect();
            Mask::from_kept([len], &kept).unwrap()
        };
        [("a", 1000), ("b", 600)]
            .map(|(path, len)| (path.to_string(), of(len)))
            .into_iter()
            .collect()
    }

    fn counts(masks: &MaskSet) -> Vec<usize> {
        masks.iter().map(|(_, mask)| mask.kept()).collect()
    }

    #[test]
    fn random_and_shuffled_masks_keep_the_counts_of_each_layer_and_nothing_else() {
        let ticket = ticket(200);
        for control in [Control::RandomMask, Control::ShuffledMask] {
            let masks = masks(control, &ticket, 7, 3);
            assert_eq!(counts(&masks), [200, 200]);
            // By chance alone 1/9 (layer a: 200 of 1000) and 1/5 (b: 200 of 600).
            let overlap = ticket.overlap(&masks).unwrap();
            assert!((0.1..0.22).contains(&overlap), "{control}: {overlap}");
            assert_eq!(masks, super::masks(control, &ticket, 7, 3));
            assert_ne!(masks, super::masks(control, &ticket, 8, 3));
        }
        assert_eq!(masks(Control::Reinitialized, &ticket, 7, 3), ticket);
    }

    #[test]
    fn random_masks_are_nested_over_the_rounds_and_shuffled_ones_are_not() {
        let [early, late] = [ticket(400), ticket(100)];
        let nested = |control| {
            let early = masks(control, &early, 7, 1);
            let late = masks(control, &late, 7, 2);
            late.clone().intersect(&early).unwrap() == late
        };
        assert!(nested(Control::RandomMask));
        assert!(!nested(Control::ShuffledMask));
    }

    #[test]
    fn fresh_seeds_differ_by_seed_and_round() {
        let seeds = [(0, 1), (0, 2), (1, 1)].map(|(seed, round)| fresh_seed(seed, round));
        assert!(seeds[0] != seeds[1] && seeds[0] != seeds[2] && seeds[1] != seeds[2]);
    }
}
