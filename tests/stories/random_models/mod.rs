//! Random models and random pruners, one after the other, against masks that are made by sorting.

mod erk;
mod models;
mod reference;
mod scoring;
mod settings;

use burn::tensor::Device;
use burn_prune::{MaskMode, Prunable};

use crate::chance::for_seeds;
use reference::{Masks, as_plain, masks, places};
use settings::Settings;

#[test]
fn masks_are_those_of_the_reference() {
    let (mut pruned, mut refused) = (0, 0);
    for_seeds(300, |_, chance| {
        let device = Device::flex();
        let device = if chance.once_in(2) {
            device.autodiff()
        } else {
            device
        };
        let mut model = models::model(chance, &device);
        // Reading initializes a clone here, and the model itself once it has been pruned.
        let of_clone = places(&model.clone());
        let mut of_model = None;
        let mut before = Masks::new();
        for _ in 0..chance.between(1, 4) {
            let settings = Settings::random(chance, &of_clone);
            let found = settings.pruner().masks(&model);
            let places = of_model.get_or_insert_with(|| places(&model));
            let expected = masks(places, &before, &settings);
            let (Ok(found), Some(expected)) = (&found, &expected) else {
                let (found, expected) = (found.is_ok(), expected.is_some());
                assert_eq!(found, expected, "{settings:?}");
                refused += 1;
                continue;
            };
            let plain = as_plain(found);
            let paths_of = |masks: &Masks| masks.keys().cloned().collect::<Vec<_>>();
            assert_eq!(paths_of(&plain), paths_of(expected), "{settings:?}");
            for (path, mask) in &plain {
                assert_eq!(mask, &expected[path], "{path} by {settings:?}");
            }
            pruned += 1;
            model = model.with_masks(found).unwrap();
            before.extend(plain);
            assert_eq!(as_plain(&model.masks()), before, "{settings:?}");
            if chance.once_in(3) {
                let mode = *chance.pick(&[MaskMode::OnRead, MaskMode::AfterStep]);
                model = model.with_mask_mode(mode).unwrap();
            }
        }
    });
    assert!(
        pruned > 300 && refused > 30,
        "{pruned} pruned, {refused} refused"
    );
}
