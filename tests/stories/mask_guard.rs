//! Which writes keep a mask and which drop it, and the guard that notices.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::{Linear, LinearConfig, LinearLayout};
use burn::tensor::{Device, Tensor};
use burn_prune::{MaskGuard, MaskMode, Prunable, PruneError};
use proptest::prelude::*;

use crate::nets::{Net, seeded, values};

fn layer(device: &Device, mode: MaskMode) -> Linear {
    let layer: Linear = seeded(LinearConfig::new(8, 4).init(device), 31);
    let layer = layer.l1_unstructured(0.5).unwrap();
    layer.with_mask_mode(mode).unwrap()
}

struct Clamp;

impl ModuleMapper for Clamp {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let require_grad = weight.is_require_grad();
            let weight = weight.detach().set_require_grad(false);
            weight.clamp(-0.1, 0.1).set_require_grad(require_grad)
        })
    }
}

/// What can be done to a field that holds a parameter.
type Write = (&'static str, fn(Param<Tensor<2>>) -> Param<Tensor<2>>);

/// Writes that Burn drops the mask in.
const DROPPING: [Write; 6] = [
    ("map", |weight| weight.map(|weight| weight.clamp(-0.1, 0.1))),
    ("set_require_grad(false)", |weight| {
        weight.set_require_grad(false)
    }),
    ("set_require_grad(true)", |weight| {
        weight.set_require_grad(true)
    }),
    ("init_mapper", |weight| {
        weight.init_mapper(|weight| weight * 2.0)
    }),
    ("consume", |weight| {
        let (id, value, mapper) = weight.consume();
        Param::from_mapped_value(id, value, mapper)
    }),
    ("another", |weight| {
        Param::initialized(ParamId::new(), weight.val())
    }),
];

/// Writes that keep it.
const KEEPING: [Write; 9] = [
    ("Module::map", |weight| Module::map(weight, &mut Clamp)),
    ("Module::set_require_grad", |weight| {
        Module::set_require_grad(weight, false)
    }),
    ("no_grad", |weight| weight.no_grad()),
    ("freeze", |weight| weight.freeze()),
    ("unfreeze", |weight| weight.unfreeze()),
    ("valid", |weight| weight.valid().train()),
    ("load_mapper", |weight| weight.load_mapper(|weight| weight)),
    ("save_mapper", |weight| weight.save_mapper(|weight| weight)),
    ("into_record", |weight| {
        let record = weight.clone().into_record();
        weight.load_record(record)
    }),
];

#[test]
fn a_write_to_one_field_drops_the_mask_and_the_guard_names_and_restores_it() {
    for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
        for device in [Device::flex(), Device::flex().autodiff()] {
            for (name, write) in DROPPING {
                let mut layer = layer(&device, mode);
                let (guard, masks) = (MaskGuard::of(&layer), layer.masks());
                guard.check(&layer).unwrap();
                layer.weight = write(layer.weight);
                assert!(
                    !layer.is_pruned(),
                    "{name} keeps the mask: say so in the docs"
                );
                let paths = vec!["weight".to_string()];
                assert_eq!(
                    guard.check(&layer),
                    Err(PruneError::MasksLost { paths }),
                    "{name}"
                );

                let restored = guard.restore(layer).unwrap();
                guard.check(&restored).unwrap();
                assert_eq!(restored.masks(), masks, "{name}");
                let weights = values(restored.weight.val());
                let read = masks.get("weight").unwrap().iter().zip(&weights);
                assert!(
                    read.into_iter()
                        .all(|(kept, weight)| kept || *weight == 0.0)
                );
                assert_eq!(restored.sparsity_report().zeros(), 16, "{name}");
                if mode == MaskMode::AfterStep {
                    assert_eq!(values(restored.weight.base()), weights, "{name}");
                }
                // It goes on to be used: moved, trained, saved.
                let moved = restored.valid().train().fork(&device).valid();
                assert_eq!(moved.masks(), masks, "{name}");
            }
            for (name, write) in KEEPING {
                let mut layer = layer(&device, mode);
                let (guard, masks) = (MaskGuard::of(&layer), layer.masks());
                layer.weight = write(layer.weight);
                guard.check(&layer).unwrap();
                assert_eq!(layer.masks(), masks, "{name}");
            }
        }
    }
}

#[test]
fn a_lazy_parameter_has_no_mask_to_lose() {
    // Attaching initializes it. So `set_require_grad`, which leaves a lazy one as it is, drops here.
    let layer = LinearConfig::new(8, 4).init(&Device::flex());
    assert!(!layer.weight.is_initialized());
    let layer = layer.l1_unstructured(0.5).unwrap();
    assert!(layer.weight.is_initialized());
}

#[test]
fn a_restored_column_layout_has_the_mask_it_had() {
    let device = Device::flex();
    let config = LinearConfig::new(8, 4).with_layout(LinearLayout::Col);
    let mut layer = config.init(&device).l1_unstructured(0.5).unwrap();
    let (guard, masks) = (MaskGuard::of(&layer), layer.masks());
    layer.weight = layer.weight.map(|weight| weight * 2.0);
    let layer = guard.restore(layer).unwrap();
    assert_eq!(layer.masks(), masks);
}

#[test]
fn restoring_a_whole_model_is_as_it_came() {
    let net = seeded(Net::new(&Device::flex()), 32);
    let net = net.l1_unstructured(0.5).unwrap();
    let guard = MaskGuard::of(&net);
    let before = values(net.fc1.weight.val());
    let net = guard.restore(net).unwrap();
    assert_eq!(values(net.fc1.weight.val()), before);
}

#[test]
fn what_cannot_be_restored_is_refused_and_handed_back() {
    use burn::module::{Lora, ParamGroup};
    let device = Device::flex();
    let net = || seeded(Net::new(&device), 33).l1_unstructured(0.5).unwrap();
    let guard = MaskGuard::of(&net());

    // Another shape.
    let mut other = net();
    other.fc2 = LinearConfig::new(16, 12).init(&device);
    let refused = guard.restore(other).unwrap_err();
    assert!(matches!(
        refused.error(),
        PruneError::MaskShape { path, expected, found }
            if path == "fc2.weight" && *expected == [16, 12] && *found == [16, 10]
    ));
    assert!(!refused.into_model().fc2.is_pruned());

    // An adapter where the mask was.
    let fc1 = ParamGroup::from_path("fc1.weight");
    let mut other = net();
    other.fc1.weight = other.fc1.weight.map(|weight| weight);
    let other = other.apply_lora(Lora::new(2, 4.0).set_param_group(fc1));
    let refused = guard.restore(other).unwrap_err();
    let PruneError::Reparameterized { path, name } = refused.error() else {
        panic!("{}", refused.error());
    };
    assert_eq!((path.as_str(), name.as_str()), ("fc1.weight", "lora"));
    assert!(refused.into_model().fc1.weight.adapter().is_some());

    // A model without that weight, and a guard of nothing.
    let layer = LinearConfig::new(4, 4).init(&device);
    let refused = guard.restore(layer).unwrap_err();
    assert!(
        matches!(refused.error(), PruneError::MaskFitsNothing { path, .. } if path == "conv.weight")
    );
    MaskGuard::of(&refused.into_model()).check(&net()).unwrap();
}

#[test]
fn the_error_says_which_and_what_to_do() {
    let mut net = seeded(Net::new(&Device::flex()), 34)
        .l1_unstructured(0.5)
        .unwrap();
    let guard = MaskGuard::of(&net);
    net.conv.weight = net.conv.weight.set_require_grad(false);
    net.fc2.weight = net.fc2.weight.set_require_grad(false);
    let error = guard.check(&net).unwrap_err().to_string();
    assert!(
        error.starts_with("the masks of `conv.weight`, `fc2.weight` are gone"),
        "{error}"
    );
    assert!(error.contains("MaskGuard::restore"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any of the fields may be written to, in any way.
    #[test]
    fn the_guard_names_exactly_the_fields_that_were_written_to(
        writes in prop::collection::vec(0usize..=DROPPING.len() + KEEPING.len(), 4),
        after_step in any::<bool>(),
        autodiff in any::<bool>(),
    ) {
        let device = if autodiff { Device::flex().autodiff() } else { Device::flex() };
        let mode = if after_step { MaskMode::AfterStep } else { MaskMode::OnRead };
        let mut layers: Vec<Linear> = (0..4).map(|_| layer(&device, mode)).collect();
        let (guard, masks) = (MaskGuard::of(&layers), layers.masks());
        let mut lost = Vec::new();
        for (index, write) in writes.into_iter().enumerate() {
            let all = DROPPING.iter().chain(&KEEPING);
            let Some((_, write_to)) = all.clone().nth(write) else {
                continue;
            };
            let layer = &mut layers[index];
            layer.weight = write_to(layer.weight.clone());
            if write < DROPPING.len() {
                lost.push(format!("{index}.weight"));
            }
        }
        let expected = if lost.is_empty() { Ok(()) } else { Err(PruneError::MasksLost { paths: lost }) };
        prop_assert_eq!(guard.check(&layers), expected);
        let layers = guard.restore(layers).unwrap();
        prop_assert_eq!(layers.masks(), masks);
        prop_assert_eq!(guard.check(&layers), Ok(()));
        prop_assert_eq!(layers.sparsity_report().zeros(), 64);
    }
}
