//! What a capture has that a graph has not: types, constants, settings, both passes.

use burn::backend::ir::{BaseOperationIr, ModuleOperationIr, OperationIr};
use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{Batch, Capture, Graph};
use examples_shared::nets::conv;
use examples_shared::nets::others::Transformer;

use crate::common::{values, vgg};
use crate::size_nets::linear;

#[test]
fn a_graph_is_that_of_its_capture() {
    let device = Device::flex();
    let (model, example) = vgg(&device);
    let capture = Capture::of(&model, example.clone(), |model, x| model.forward(x)).unwrap();
    let graph = Graph::capture(&model, example, |model, x| model.forward(x)).unwrap();
    assert_eq!(capture.graph().unwrap(), graph);
    assert_eq!(capture.ir.len(), graph.operations().len());
    let paths = capture.parameters.iter().map(|parameter| &parameter.path);
    assert!(paths.eq(graph.parameters().iter().map(|parameter| &parameter.path)));
}

#[test]
fn parameters_have_their_masks_folded_in() {
    let device = Device::flex();
    let model = linear([6, 4], &device);
    let model = model
        .prune(&Pruner::new(Magnitude::l1()).amount(0.75))
        .unwrap();
    let example = Tensor::<2>::ones([1, 6], &device);
    let capture = Capture::of(&model, example, Linear::forward).unwrap();
    let weight = &capture.values[&capture.parameters[0].tensor];
    let weight = weight.try_to_vec::<f32>().unwrap();
    assert_eq!(weight, values(model.weight.val()));
    assert_eq!(weight.iter().filter(|value| **value == 0.0).count(), 18);
}

#[derive(Module, Debug)]
struct Tied {
    first: Linear,
    second: Linear,
}

#[test]
fn a_shared_parameter_comes_once() {
    let device = Device::flex();
    let first = linear([4, 4], &device);
    let model = Tied {
        second: first.clone(),
        first,
    };
    let forward = |model: &Tied, x| model.second.forward(model.first.forward(x));
    let example = Tensor::<2>::ones([2, 4], &device);
    let capture = Capture::of(&model, example, forward).unwrap();
    let [weight, bias] = capture.parameters.as_slice() else {
        panic!("{:?}", capture.parameters);
    };
    assert_eq!(weight.shared_as, ["second.weight"]);
    assert_eq!(capture.values.len(), 2);
    for pass in [&capture.ir, &capture.other.as_ref().unwrap().ir] {
        let reads = |id| {
            let reads = pass.operations.iter().flat_map(OperationIr::inputs);
            reads.filter(|tensor| tensor.id == id).count()
        };
        assert_eq!([reads(weight.tensor), reads(bias.tensor)], [2, 2]);
    }
}

#[test]
fn constants_have_one_number_in_both_passes_where_they_are_the_same() {
    let device = Device::flex();
    let model = linear([3, 3], &device);
    let forward = |model: &Linear, x: Tensor<2>| {
        let device = x.device();
        let [rows, _] = x.dims();
        let steps: Vec<f32> = (0..rows).map(|row| row as f32).collect();
        let steps = Tensor::<1>::from_data(TensorData::new(steps, [rows]), &device);
        let scale = Tensor::<1>::from_floats([1.0, 2.0, 3.0], &device);
        model.forward(x) * scale.unsqueeze() + steps.unsqueeze_dim(1)
    };
    let example = Tensor::<2>::ones([2, 3], &device);
    let capture = Capture::of(&model, example, forward).unwrap();
    let other = capture.other.as_ref().unwrap();
    let of_both = |values: &[f32]| {
        let mut found = capture.values.values();
        found.any(|value| value.try_to_vec::<f32>().unwrap() == values)
    };
    assert!(of_both(&[1.0, 2.0, 3.0]) && of_both(&[0.0, 1.0]));
    // Weight, bias, and the two.
    assert_eq!(capture.values.len(), 4);
    let only_there: Vec<_> = other.values.values().collect();
    assert_eq!(only_there.len(), 1);
    assert_eq!(only_there[0].shape().to_vec(), [other.batch]);
    let mut read = other.ir.operations.iter().flat_map(OperationIr::inputs);
    let scale = capture.values.iter().find(|(_, value)| {
        value.shape().to_vec() == [3] && value.try_to_vec::<f32>().unwrap() == [1.0, 2.0, 3.0]
    });
    assert!(read.any(|tensor| tensor.id == *scale.unwrap().0));
}

#[test]
fn inputs_and_outputs_are_in_the_order_of_the_caller() {
    let device = Device::flex();
    let model = linear([3, 3], &device);
    let constant = |device: &Device| Tensor::<1, Bool>::from_bool([true, false], device);
    let forward = |model: &Linear, (rows, x): (Tensor<1, Int>, Tensor<2>)| {
        let device = x.device();
        let y = relu(model.forward(x.clone().select(0, rows)));
        (
            vec![y.clone(), x, y],
            constant(&device),
            model.bias.as_ref().unwrap().val(),
        )
    };
    let rows = Tensor::<1, Int>::from_data(TensorData::from([1i32, 0]), &device);
    let inputs = (rows, Tensor::<2>::ones([2, 3], &device));
    let capture = Capture::with(&model, inputs, Batch::Fixed, forward).unwrap();
    assert_eq!((capture.batch, capture.axes), (None, vec![None, None]));
    assert!(capture.other.unwrap_err().contains("captured so"));
    let types: Vec<DType> = capture.examples.iter().map(TensorData::dtype).collect();
    assert_eq!(types, [DType::I32, DType::F32]);
    let (inputs, outputs) = (&capture.ir.inputs, &capture.ir.outputs);
    assert_eq!((outputs[0], outputs[1]), (outputs[2], inputs[1]));
    assert_eq!(capture.values[&outputs[3]].shape().to_vec(), [2]);
    assert_eq!(outputs[4], capture.parameters[1].tensor);
    assert!(!capture.values.contains_key(&inputs[0]));
}

#[test]
fn settings_and_types_of_operations_are_kept() {
    let device = Device::flex();
    let model = conv([2, 2], 3, 2, &device);
    let example = Tensor::<4>::ones([1, 2, 8, 8], &device);
    let capture = Capture::of(&model, example, Conv2d::forward).unwrap();
    let [OperationIr::Module(ModuleOperationIr::Conv2d(conv))] = &*capture.ir.operations else {
        panic!("{:?}", capture.ir);
    };
    assert_eq!(
        (conv.options.stride, conv.options.padding),
        ([2, 2], [(1, 1); 2])
    );

    let model = Transformer::new(&device);
    let words = Tensor::<2, Int>::zeros([1, 5], &device);
    let capture = Capture::of(&model, words, Transformer::forward).unwrap();
    let operations = &capture.ir.operations;
    let is_init = |operation: &OperationIr| matches!(operation, OperationIr::Init(_));
    assert!(!operations.iter().any(is_init));
    let takes_words = operations.iter().any(|operation| match operation {
        OperationIr::Module(ModuleOperationIr::Embedding(op)) => op.indices.dtype.is_int(),
        OperationIr::BaseFloat(BaseOperationIr::Select(op)) => op.indices.dtype.is_int(),
        _ => false,
    });
    assert!(takes_words);
}
