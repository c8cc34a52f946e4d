//! Plans of what is cut, as files and for other models.

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::relu};
use burn_prune_deploy::{Graph, OperationKind, ShrinkPlan};

use examples_shared::nets::convolutional::{LeNet5, Mlp, Vgg11};

use crate::common::{halved, values, vgg};
use crate::random::example;

#[test]
fn a_saved_plan_makes_a_fresh_model_take_the_small_weights() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input.clone(), Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = halved(&model, &groups);
    let small = plan.shrink(&model, input.clone(), Vgg11::forward).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    std::fs::write(&file, serde_json::to_vec(&plan).unwrap()).unwrap();
    let plan: ShrinkPlan = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let fresh = plan.apply(&Vgg11::new(4, &device)).unwrap();
    let weights = folder.path().join("small.bpk");
    small.clone().save_file(&weights).unwrap();
    let loaded = fresh.load_file(&weights);
    assert_eq!(
        values(loaded.forward(input.clone())),
        values(small.forward(input))
    );
}

#[test]
fn a_plan_of_another_model_is_refused_by_name() {
    let device = Device::flex();
    let (model, input) = vgg(&device);
    let graph = Graph::capture(&model, input, Vgg11::forward).unwrap();
    let groups = graph.groups().unwrap();
    let plan = halved(&model, &groups);
    let error = plan.apply(&Vgg11::new(8, &device)).unwrap_err();
    let expected = "this plan is of another model: `blocks.0.conv.weight` should be 4x3x3x3, found \
                    8x3x3x3";
    assert_eq!(error.to_string(), expected);
    let error = plan.apply(&LeNet5::new(&device)).unwrap_err();
    assert!(error.to_string().contains("found nothing"), "{error}");
}

#[test]
fn a_plan_keeps_every_number_exactly() {
    let device = Device::flex();
    let model = Mlp::new(&[6, 8, 3], &device);
    let input = example([2, 6], &device);
    for fill in [f32::NEG_INFINITY, f32::INFINITY, f32::NAN] {
        let forward = |model: &Mlp, x: Tensor<2>| {
            let x = model.layers[0].forward(x) * f64::from(0.1f32);
            let is_small = x.clone().lower_elem(-0.0);
            model.layers[1].forward(relu(x.mask_fill(is_small, fill)))
        };
        let graph = Graph::capture(&model, input.clone(), forward).unwrap();
        let groups = graph.groups().unwrap();
        let plan = halved(&model, &groups);
        let json = serde_json::to_string(&plan).unwrap();
        for number in ["0.10000000149011612", "-0", &fill.to_string()] {
            assert!(
                json.contains(&format!("[\"{number}\"]")),
                "{number} in {json}"
            );
        }
        let loaded: ShrinkPlan = serde_json::from_str(&json).unwrap();
        assert_eq!(loaded, plan);
        let small = loaded.shrink(&model, input.clone(), forward).unwrap();
        assert_eq!(small.layers[0].weight.dims(), [6, 4]);
    }
}

#[test]
fn operations_of_the_first_plans_are_read() {
    let saved = [
        r#"{"Elementwise":{"name":"add scalar","scalars":["0.10000000149011612"]}}"#,
        r#"{"Elementwise":{"name":"p relu","scalars":[]}}"#,
        r#"{"Reduce":{"name":"max dim with indices","axes":[2]}}"#,
        r#"{"Along":{"name":"log softmax","axis":1}}"#,
        r#"{"Spatial":{"name":"max pool2d","options":"kernel size [2, 2]"}}"#,
        r#"{"Pad":{"padding":[[0,0],[1,2]],"mode":"Constant(Float(-inf))"}}"#,
        r#"{"Pad":{"padding":[[0,0],[1,2]],"mode":"Reflect"}}"#,
        r#"{"Create":{"name":"full of 3"}}"#,
        r#"{"Create":{"name":"zeros"}}"#,
        r#"{"Other":{"name":"slice assign"}}"#,
    ];
    for saved in saved {
        let kind: OperationKind = serde_json::from_str(saved).unwrap();
        assert_eq!(serde_json::to_string(&kind).unwrap(), saved);
    }
    let unknown = r#"{"Elementwise":{"name":"mul mul","scalars":[]}}"#;
    let error = serde_json::from_str::<OperationKind>(unknown).unwrap_err();
    assert!(error.to_string().contains("mul mul"), "{error}");
}
