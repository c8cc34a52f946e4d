//! Models as people build them: lists, options, tuples, enums, shared and lazy parameters.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, LinearLayout, Lstm, LstmConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{Axis, Magnitude, Mask, MaskSet, Prunable, PruneError, Pruner};

use crate::nets::{kept, linear, values};

#[derive(Module, Debug)]
enum Block {
    Conv(Conv2d),
    Dense(Linear),
}

#[derive(Module, Debug)]
struct Nested {
    list: Vec<Linear>,
    maybe: Option<Linear>,
    nothing: Option<Linear>,
    pair: (Linear, Conv2d),
    array: [Linear; 2],
    blocks: Vec<Block>,
    recurrent: Lstm,
}

fn nested(device: &Device) -> Nested {
    let linear = || LinearConfig::new(4, 4).init(device);
    let conv = || Conv2dConfig::new([2, 3], [3, 3]).init(device);
    Nested {
        list: vec![linear(), linear()],
        maybe: Some(linear()),
        nothing: None,
        pair: (linear(), conv()),
        array: [linear(), linear()],
        blocks: vec![Block::Conv(conv()), Block::Dense(linear())],
        recurrent: LstmConfig::new(2, 2, true).init(device),
    }
}

#[test]
fn every_container_is_reached() {
    let model = nested(&Device::flex()).l1_unstructured(0.5).unwrap();
    let masks = model.masks();
    let paths: Vec<&str> = masks.iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths[..9],
        [
            "list.0.weight",
            "list.1.weight",
            "maybe.weight",
            "pair.0.weight",
            "pair.1.weight",
            "array.0.weight",
            "array.1.weight",
            "blocks.0.Conv.weight",
            "blocks.1.Dense.weight",
        ]
    );
    // The gates of an Lstm are Linear layers: four gates, an input and a hidden one each.
    assert_eq!(paths[9..].len(), 8);
    assert!(paths[9..].iter().all(|path| path.starts_with("recurrent.")));
    assert!(masks.iter().all(|(_, mask)| mask.sparsity() == 0.5));
    let report = model.sparsity_report();
    assert_eq!(report.parameters.len(), paths.len());
    assert_eq!(report.all_weights, model.num_params());
}

#[test]
fn a_nested_model_goes_through_a_record() {
    let device = Device::flex();
    let model = nested(&device).l1_unstructured(0.5).unwrap();
    let loaded = nested(&device)
        .load_masked_record(model.masked_record())
        .unwrap();
    assert_eq!(loaded.masks(), model.masks());
    let permanent = loaded.make_permanent().unwrap();
    assert_eq!(
        permanent.sparsity_report().zeros(),
        model.sparsity_report().zeros()
    );
}

#[derive(Module, Debug)]
struct Shared {
    first: Linear,
    second: Linear,
    own: Linear,
}

fn shared() -> Shared {
    let tied = linear([[1.0, 2.0], [3.0, 4.0]]);
    Shared {
        first: tied.clone(),
        second: tied,
        own: linear([[0.5, 5.0], [2.5, 3.5]]),
    }
}

#[test]
fn a_shared_parameter_counts_once_and_is_masked_everywhere() {
    let model = shared().global_unstructured(Magnitude::l1(), 0.5).unwrap();
    let masks = model.masks();
    assert_eq!(masks.len(), 2);
    assert_eq!(kept(&masks, "first.weight"), [0, 0, 1, 1]);
    assert_eq!(kept(&masks, "own.weight"), [0, 1, 0, 1]);
    for layer in [&model.first, &model.second] {
        assert_eq!(values(layer.weight.val()), [0.0, 0.0, 3.0, 4.0]);
    }
    let report = model.sparsity_report();
    assert_eq!((report.weights(), report.zeros()), (8, 4));

    let model = shared().load_masked_record(model.masked_record()).unwrap();
    assert_eq!(values(model.second.weight.val()), [0.0, 0.0, 3.0, 4.0]);
    let model = model.make_permanent().unwrap();
    assert_eq!(values(model.second.weight.val()), [0.0, 0.0, 3.0, 4.0]);
}

#[test]
fn a_mask_on_one_place_of_a_shared_parameter_is_not_forgotten() {
    let mut model = shared();
    model.second = model.second.l1_unstructured(1).unwrap();
    let model = model.l1_unstructured(1).unwrap();
    for layer in [&model.first, &model.second] {
        assert_eq!(values(layer.weight.val()), [0.0, 0.0, 3.0, 4.0]);
    }
}

#[test]
fn either_path_of_a_shared_parameter_names_it() {
    let mut masks = MaskSet::new();
    masks.insert(
        "second.weight",
        Mask::from_kept([2, 2], &[true, false, true, true]).unwrap(),
    );
    masks.insert(
        "first.weight",
        Mask::from_kept([2, 2], &[false, true, true, true]).unwrap(),
    );
    let model = shared().with_masks(&masks).unwrap();
    for layer in [&model.first, &model.second] {
        assert_eq!(values(layer.weight.val()), [0.0, 0.0, 3.0, 4.0]);
    }
    // Leaving out one of them is refused: nobody can tell which of the two is meant.
    let first = Pruner::new(Magnitude::l1()).amount(1);
    let one = ParamGroup::from_path("second.weight");
    let refused = first.clone().exclude(one).masks(&shared()).unwrap_err();
    assert!(matches!(refused, PruneError::PartOfShared { .. }));
    let both = ParamGroup::from_paths(vec!["first.weight", "second.weight"]);
    let masks = first.exclude(both).masks(&shared()).unwrap();
    assert_eq!(
        masks.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        ["own.weight"]
    );
}

#[test]
fn lazy_parameters_can_be_pruned_and_the_others_stay_lazy() {
    let device = Device::flex();
    let linear = || LinearConfig::new(4, 4).init(&device);
    let layers = vec![linear(), linear(), linear()];
    let mut masks = MaskSet::new();
    masks.insert("0.weight", Mask::from_kept([4, 4], &[false; 16]).unwrap());
    let layers = layers.with_masks(&masks).unwrap();
    let pruner = Pruner::new(Magnitude::l1())
        .only(ParamGroup::from_path("1.weight"))
        .amount(0.5);
    let layers = layers.prune(&pruner).unwrap();

    assert!(layers.is_pruned());
    assert_eq!(values(layers[0].weight.val()), [0.0; 16]);
    assert_eq!(layers.masks().get("1.weight").unwrap().pruned(), 8);
    assert!(
        !layers[2].weight.is_initialized() && !layers[1].bias.as_ref().unwrap().is_initialized()
    );
}

#[test]
fn a_lazy_layer_in_column_layout_is_pruned_by_the_shape_that_it_will_have() {
    let device = Device::flex();
    let config = LinearConfig::new(6, 3).with_layout(LinearLayout::Col);
    let layer = config
        .init(&device)
        .ln_structured(1, 1.0, Axis::Output)
        .unwrap();
    assert_eq!(layer.masks().get("weight").unwrap().shape(), [6, 3]);
    let report = layer.sparsity_report();
    let row = report.get("weight").unwrap();
    assert_eq!(
        (row.outputs.unwrap().dead, row.inputs.unwrap().dead),
        (1, 0)
    );
    assert_eq!(
        config.init(&device).sparsity_report().parameters[0].shape,
        [6, 3]
    );

    // So a mask of the other orientation is an error, lazy or not.
    let mut masks = MaskSet::new();
    masks.insert("weight", Mask::all_kept([3, 6]));
    assert!(config.init(&device).with_masks(&masks).is_err());
    masks.insert("weight", Mask::all_kept([6, 3]));
    assert!(config.init(&device).with_masks(&masks).is_ok());
}

#[test]
fn column_layout_reads_trains_and_records_as_row_layout_does() {
    let device = Device::flex();
    let config = LinearConfig::new(6, 3).with_layout(LinearLayout::Col);
    let layer = config.init(&device);
    let dense = values(layer.weight.val());
    let layer = layer.l1_unstructured(0.5).unwrap();

    // The mask is of the weight as it reads, `[d_input, d_output]`, whatever lies in memory.
    let mut row = LinearConfig::new(6, 3).init(&device);
    row.weight = Param::from_tensor(Tensor::from_data(
        burn::tensor::TensorData::new(dense, [6, 3]),
        &device,
    ));
    let row = row.l1_unstructured(0.5).unwrap();
    assert_eq!(layer.masks(), row.masks());
    assert_eq!(values(layer.weight.val()), values(row.weight.val()));

    let loaded = config
        .init(&device)
        .load_masked_record(layer.masked_record())
        .unwrap();
    assert_eq!(values(loaded.weight.val()), values(layer.weight.val()));
    assert_eq!(loaded.masks(), layer.masks());
    let permanent = layer.clone().make_permanent().unwrap();
    let loaded = config.init(&device).load_record(permanent.into_record());
    assert_eq!(values(loaded.weight.val()), values(layer.weight.val()));
}

#[test]
fn a_bare_parameter_can_be_pruned() {
    let weight = Param::from_tensor(Tensor::<1>::from_floats([3.0, 1.0, 2.0], &Device::flex()));
    let pruner = Pruner::new(Magnitude::l1())
        .only(ParamGroup::all())
        .amount(1);
    let weight = weight.prune(&pruner).unwrap();
    assert_eq!(values(weight.val()), [3.0, 0.0, 2.0]);
    let fresh = Param::from_tensor(Tensor::<1>::zeros([3], &Device::flex()));
    let loaded = fresh.load_masked_record(weight.masked_record()).unwrap();
    assert_eq!(values(loaded.val()), [3.0, 0.0, 2.0]);
    assert!(loaded.is_pruned());
}
