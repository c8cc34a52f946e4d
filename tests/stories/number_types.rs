//! Records in one type of float, models in another.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};
use burn_prune::{MaskMode, Prunable, PruneError};

use crate::nets::{Net, seeded};

const TYPES: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| {
            let (device, trained) = (weight.device(), weight.is_require_grad());
            let cast = Tensor::from_data(weight.into_data(), (&device, self.0));
            cast.set_require_grad(trained)
        })
    }
}

fn layer(seed: u64, dtype: DType, device: &Device) -> Linear {
    let layer = LinearConfig::new(5, 7).init(device);
    seeded(layer, seed).map(&mut Cast(dtype))
}

/// Type and values of everything; every type here fits into an `f64`.
fn content(layer: &Linear) -> Vec<(DType, Vec<f64>)> {
    let bias = layer.bias.as_ref().unwrap();
    let data = [layer.weight.val().into_data(), bias.val().into_data()];
    let content = data.map(|data| (data.dtype(), data.iter::<f64>().collect()));
    content.into()
}

fn holds(wide: DType, narrow: DType) -> bool {
    let bits = |dtype| match dtype {
        DType::F64 => (11, 52),
        DType::F32 => (8, 23),
        DType::BF16 => (8, 7),
        _ => (5, 10),
    };
    let (wide, narrow) = (bits(wide), bits(narrow));
    wide.0 >= narrow.0 && wide.1 >= narrow.1
}

#[test]
fn rewinding_keeps_the_type_of_the_model_and_the_values_of_the_record() {
    let mut exact = 0;
    for device in [Device::flex(), Device::flex().autodiff()] {
        for (here, there) in TYPES
            .iter()
            .flat_map(|here| TYPES.map(|there| (*here, there)))
        {
            for mode in [MaskMode::OnRead, MaskMode::AfterStep] {
                let start = layer(1, there, &Device::flex());
                let masked = layer(2, here, &device).l1_unstructured(0.4).unwrap();
                let masked = masked.with_mask_mode(mode).unwrap();
                let (before, masks) = (content(&masked), masked.masks());
                let rewound = masked.rewind(start.clone().into_record());
                if !holds(here, there) {
                    let (masked, error) = rewound.unwrap_err().into_parts();
                    let expected = PruneError::RecordType {
                        path: "weight".to_string(),
                        expected: format!("{here:?}"),
                        found: format!("{there:?}"),
                    };
                    assert_eq!(error, expected);
                    assert_eq!(content(&masked), before);
                    assert_eq!(masked.masks(), masks);
                    continue;
                }
                let rewound = rewound.unwrap();
                let expected = content(&start.with_masks(&masks).unwrap());
                let expected = expected.into_iter().map(|(_, values)| (here, values));
                assert_eq!(
                    content(&rewound),
                    expected.collect::<Vec<_>>(),
                    "{here:?} {there:?}"
                );
                assert_eq!(rewound.masks(), masks);
                assert_eq!(
                    rewound.weight.base().is_require_grad(),
                    device.is_autodiff()
                );
                exact += 1;
            }
        }
    }
    // Four types into themselves, three into f64, two into f32; two devices, two modes.
    assert_eq!(exact, 4 * (4 + 3 + 2));
}

#[test]
fn a_record_that_is_to_be_rounded_is() {
    let start = layer(1, DType::F32, &Device::flex());
    let masked = layer(2, DType::BF16, &Device::flex())
        .l1_unstructured(0.4)
        .unwrap();
    let masks = masked.masks();
    let rewound = masked.rewind(start.clone().into_record().cast_to_module_dtype());
    let rounded = start
        .map(&mut Cast(DType::BF16))
        .with_masks(&masks)
        .unwrap();
    assert_eq!(content(&rewound.unwrap()), content(&rounded));
}

#[test]
fn a_model_that_is_not_initialized_yet_is_rewound_in_the_type_of_its_device() {
    let start = layer(1, DType::F16, &Device::flex());
    let lazy = LinearConfig::new(5, 7).init(&Device::flex());
    let rewound = lazy.rewind(start.clone().into_record()).unwrap();
    let expected = content(&start)
        .into_iter()
        .map(|(_, values)| (DType::F32, values));
    assert_eq!(content(&rewound), expected.collect::<Vec<_>>());
    let wide = layer(1, DType::F64, &Device::flex());
    let lazy = LinearConfig::new(5, 7).init(&Device::flex());
    let error = lazy.rewind(wide.into_record()).unwrap_err();
    assert!(
        matches!(error.error(), PruneError::RecordType { .. }),
        "{error}"
    );
}

#[test]
fn statistics_are_rewound_in_the_type_of_the_model() {
    let start = Net::new(&Device::flex()).map(&mut Cast(DType::F16));
    let net = Net::new(&Device::flex()).l1_unstructured(0.5).unwrap();
    let rewound = net.rewind(start.into_record()).unwrap();
    assert_eq!(rewound.running_mean().dtype(), DType::F32);
    assert_eq!(rewound.conv.weight.val().dtype(), DType::F32);
}

/// As Burn's `load_record`: what was saved comes back as it was saved.
#[test]
fn loading_takes_the_type_of_the_file_unless_told_to_cast() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layer.bpk");
    for (here, there) in TYPES
        .iter()
        .flat_map(|here| TYPES.map(|there| (*here, there)))
    {
        let start = layer(1, there, &Device::flex());
        let saved = start.clone().l1_unstructured(0.4).unwrap();
        saved.save_masked(&file).unwrap();
        let loaded = layer(2, here, &Device::flex()).load_masked(&file).unwrap();
        assert_eq!(content(&loaded), content(&saved));
        assert_eq!(loaded.masks(), saved.masks());

        let record = saved.masked_record().cast_to_module_dtype();
        let loaded = layer(2, here, &Device::flex())
            .load_masked_record(record)
            .unwrap();
        let rounded = start.map(&mut Cast(here));
        assert_eq!(
            content(&loaded),
            content(&rounded.with_masks(&saved.masks()).unwrap())
        );
        assert_eq!(loaded.masks(), saved.masks());
    }
}
