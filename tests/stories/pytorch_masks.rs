//! State dicts of PyTorch with any names, and masks of any type and value.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn::tensor::{bf16, f16};
use burn_prune::{Prunable, PruneError};
use proptest::prelude::*;

use crate::nets::{kept, values};
use crate::torch_file::TorchFile;

const WEIGHTS: [f32; 6] = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0];
const MASK: [f64; 6] = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];

fn layer() -> Linear {
    let config = LinearConfig::new(3, 2).with_bias(false);
    config.init(&Device::flex())
}

/// A layer of 2 outputs and 3 inputs, as PyTorch stores it.
fn weight(file: TorchFile) -> TorchFile {
    file.floats("weight_orig", &[2, 3], &WEIGHTS)
}

fn load<M: Module>(model: M, file: &TorchFile) -> Result<M, burn_prune::Rejected<M>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    file.save(&path);
    model.load_pytorch(&path)
}

/// PyTorch's name for a type, and how it stores a number.
type Storage = (&'static str, fn(f64) -> Vec<u8>);

const FLOATS: [Storage; 4] = [
    ("FloatStorage", |x| (x as f32).to_le_bytes().to_vec()),
    ("DoubleStorage", |x| x.to_le_bytes().to_vec()),
    ("HalfStorage", |x| f16::from_f64(x).to_le_bytes().to_vec()),
    ("BFloat16Storage", |x| {
        bf16::from_f64(x).to_le_bytes().to_vec()
    }),
];
const INTEGERS: [Storage; 5] = [
    ("LongStorage", |x| (x as i64).to_le_bytes().to_vec()),
    ("IntStorage", |x| (x as i32).to_le_bytes().to_vec()),
    ("ShortStorage", |x| (x as i16).to_le_bytes().to_vec()),
    ("CharStorage", |x| (x as i8).to_le_bytes().to_vec()),
    ("ByteStorage", |x| (x as u8).to_le_bytes().to_vec()),
];
const BOOL: Storage = ("BoolStorage", |x| vec![u8::from(x != 0.0)]);

fn with_mask(file: TorchFile, storage: Storage, mask: &[f64]) -> TorchFile {
    let (name, store) = storage;
    let bytes = mask.iter().flat_map(|value| store(*value)).collect();
    file.tensor("weight_mask", name, &[2, 3], bytes)
}

#[test]
fn masks_of_every_type_load() {
    for storage in FLOATS.into_iter().chain(INTEGERS).chain([BOOL]) {
        let file = with_mask(weight(TorchFile::default()), storage, &MASK);
        let layer = load(layer(), &file).unwrap();
        // Burn has inputs first.
        let expected = [1.0, -4.0, 0.0, 5.0, 0.0, 0.0];
        assert_eq!(values(layer.weight.val()), expected, "{}", storage.0);
        assert_eq!(kept(&layer.masks(), "weight"), [1, 1, 0, 1, 0, 0]);
    }
}

#[test]
fn a_mask_of_anything_but_0_and_1_is_named_with_its_value() {
    let floats = [
        0.5,
        -1.0,
        2.0,
        f64::NAN,
        f64::INFINITY,
        1.0 + f64::EPSILON,
        -0.25,
        1e-300,
    ];
    let integers = [-1.0, 2.0, 127.0];
    let of_floats = FLOATS
        .iter()
        .flat_map(|storage| floats.map(|value| (*storage, value)));
    let of_integers = INTEGERS
        .iter()
        .flat_map(|storage| integers.map(|value| (*storage, value)));
    let mut refused = 0;
    for (storage, value) in of_floats.chain(of_integers) {
        for place in [0, 4] {
            let mut mask = MASK;
            mask[place] = value;
            // Some of these values are 0 or 1 in a narrower type.
            let stored = (storage.1)(value);
            if stored == (storage.1)(0.0) || stored == (storage.1)(1.0) {
                continue;
            }
            let before = layer();
            let weights = values(before.weight.val());
            let file = with_mask(weight(TorchFile::default()), storage, &mask);
            let (after, error) = load(before, &file).unwrap_err().into_parts();
            let PruneError::MaskValue { path, index, found } = error else {
                panic!("{}: {error}", storage.0);
            };
            assert_eq!((path.as_str(), index), ("weight", place));
            assert!(found != 0.0 && found != 1.0, "{found}");
            assert_eq!(values(after.weight.val()), weights);
            assert!(!after.is_pruned());
            refused += 1;
        }
    }
    assert!(refused >= 70, "{refused}");
    // Both zeros are 0.
    let mut mask = MASK;
    mask[1] = -0.0;
    let file = with_mask(weight(TorchFile::default()), FLOATS[0], &mask);
    assert_eq!(load(layer(), &file).unwrap().masks().sparsity(), 0.5);
}

/// Names that mean something in a regular expression, in a replacement, in a path, or nowhere.
fn name() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "conv(1", "a[0", "a]", "*", "+x", "x?", "^", "$", "$1", "${name}", "\\", "\\d", "{2}", "|",
        ".", "..", "a.b", "0", "1.2", "_orig", "_mask", "ß", "層", "\u{0}", "\n", " ", "🦀",
        "(?i)", "weight",
    ]);
    let any = prop::collection::vec(any::<char>(), 1..4).prop_map(String::from_iter);
    let part = prop_oneof![special.prop_map(str::to_string), any];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What fits nothing is left out as burn-store does; a mask of it is named.
    #[test]
    fn names_may_be_anything(names in prop::collection::btree_set(name(), 1..4), masked: bool) {
        prop_assume!(names.iter().all(|name| !["weight", "weight_orig", "weight_mask"].contains(&name.as_str())));
        let mut file = with_mask(weight(TorchFile::default()), FLOATS[0], &MASK);
        for name in &names {
            if masked {
                file = file.floats(&format!("{name}_orig"), &[2], &[1.0, 2.0]);
                file = file.floats(&format!("{name}_mask"), &[2], &[1.0, 0.0]);
            } else {
                file = file.floats(name, &[2], &[1.0, 2.0]);
            }
        }
        let loaded = load(layer(), &file);
        if masked {
            let error = loaded.unwrap_err().to_string();
            let named = names.iter().any(|name| error.contains(name.as_str()));
            let renumbered = error.contains("no parameter for the mask");
            prop_assert!(named || renumbered, "{}", error);
        } else {
            // `x_orig` and `x_mask` among them make a masked `x`.
            match loaded {
                Ok(layer) => prop_assert_eq!(kept(&layer.masks(), "weight"), [1, 1, 0, 1, 0, 0]),
                Err(error) => prop_assert!(names.iter().any(|name| name.ends_with("_mask")), "{}", error),
            }
        }
    }
}

#[derive(Module, Debug)]
struct Größen {
    größe: Linear,
    layers: Vec<Linear>,
}

#[test]
fn names_beyond_ascii_and_numbers_with_gaps_find_their_layers() {
    let mut file = TorchFile::default();
    // As of a `Sequential` with activations between.
    for name in ["größe", "layers.0", "layers.2", "layers.10"] {
        file = file.floats(&format!("{name}.weight_orig"), &[2, 3], &WEIGHTS);
        let mask = MASK.map(|value| value as f32);
        file = file.floats(&format!("{name}.weight_mask"), &[2, 3], &mask);
    }
    let net = Größen {
        größe: layer(),
        layers: vec![layer(), layer(), layer()],
    };
    let net = load(net, &file).unwrap();
    let masks = net.masks();
    let paths: Vec<&str> = masks.iter().map(|(path, _)| path).collect();
    let expected = [
        "größe.weight",
        "layers.0.weight",
        "layers.1.weight",
        "layers.2.weight",
    ];
    assert_eq!(paths, expected);
    assert_eq!(masks.sparsity(), 0.5);
}

#[test]
fn two_tensors_or_masks_for_one_weight_are_refused() {
    let file = with_mask(weight(TorchFile::default()), FLOATS[0], &MASK);
    let both = file.floats("weight", &[2, 3], &WEIGHTS);
    let error = load(layer(), &both).unwrap_err().to_string();
    assert!(error.contains("both `weight` and `weight_orig`"), "{error}");

    // Both are names of one parameter of a norm.
    let norm = || burn::nn::LayerNormConfig::new(2).init(&Device::flex());
    let file = |second: [f32; 2]| {
        let file = TorchFile::default().floats("bias", &[2], &[0.0, 0.0]);
        let masks = [("gamma", [1.0, 0.0]), ("weight", second)];
        masks.iter().fold(file, |file, (name, mask)| {
            let file = file.floats(&format!("{name}_orig"), &[2], &[1.0, 2.0]);
            file.floats(&format!("{name}_mask"), &[2], mask)
        })
    };
    let expected = PruneError::MasksDiffer {
        path: "gamma".to_string(),
        other: "weight".to_string(),
    };
    let refused = load(norm(), &file([0.0, 1.0])).unwrap_err();
    assert_eq!(*refused.error(), expected);
    let loaded = load(norm(), &file([1.0, 0.0])).unwrap();
    assert_eq!(kept(&loaded.masks(), "gamma"), [1, 0]);
}

#[test]
fn masks_that_differ_between_the_names_of_a_shared_parameter_are_refused() {
    let named = |file: TorchFile, layer: usize, mask: Option<[f32; 6]>| match mask {
        Some(mask) => file
            .floats(&format!("{layer}.weight_orig"), &[2, 3], &WEIGHTS)
            .floats(&format!("{layer}.weight_mask"), &[2, 3], &mask),
        None => file.floats(&format!("{layer}.weight"), &[2, 3], &WEIGHTS),
    };
    let one = Some([1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    let other = Some([1.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
    let shared = layer();
    let shared = vec![shared.clone(), shared];
    for masks in [[one, other], [one, None], [None, one], [one, one]] {
        let file = named(named(TorchFile::default(), 0, masks[0]), 1, masks[1]);
        let loaded = load(shared.clone(), &file);
        if masks[0] == masks[1] {
            let loaded = loaded.unwrap();
            for layer in &loaded {
                let expected = [1.0, -4.0, 0.0, 5.0, 3.0, -6.0];
                assert_eq!(values(layer.weight.val()), expected);
            }
            continue;
        }
        let (model, error) = loaded.unwrap_err().into_parts();
        let error = error.to_string();
        assert!(error.contains("`0.weight` and `1.weight`"), "{error}");
        assert!(!model.is_pruned());
        let weights = |layers: &[Linear]| layers.iter().map(|l| values(l.weight.val())).collect();
        let weights: [Vec<Vec<f32>>; 2] = [&model, &shared].map(|layers| weights(layers));
        assert_eq!(weights[0], weights[1]);
        // Two parameters may have two masks.
        let apart = load(vec![layer(), layer()], &file).unwrap();
        let zeros = |layer: &Linear| values(layer.weight.val()).contains(&0.0);
        assert_eq!(
            [zeros(&apart[0]), zeros(&apart[1])],
            masks.map(|mask| mask.is_some())
        );
    }
}
