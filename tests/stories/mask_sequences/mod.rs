//! Random sequences of everything that can be done to a masked model, checked after each.

mod deed;
mod small;
mod story;

use burn_prune::MaskMode;
use proptest::prelude::*;

use self::deed::deed;
use self::story::Story;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_done_what_is_read_is_masked_and_reported(
        seed in 0u64..1000,
        after_step in any::<bool>(),
        deeds in prop::collection::vec(deed(), 1..14),
    ) {
        let mode = if after_step { MaskMode::AfterStep } else { MaskMode::OnRead };
        let mut story = Story::new(seed, mode);
        story.check()?;
        for deed in deeds {
            story = story.act(deed);
            story.check()?;
        }
    }
}
