//! What is refused, with what message, and that nothing has changed.

use burn::module::{Lora, Module, ModuleMapper, Param, ParamGroup, Quantizer};
use burn::nn::LinearConfig;
use burn::tensor::quantization::{Calibration, QuantValue};
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Axis, Criterion, Magnitude, Mask, MaskSet, Pattern, Prunable, PruneError, Pruner,
    Scores, Units, Weight,
};

use crate::nets::{Net, linear, values};

/// Checks that the call is refused with this message and that the model is as it was.
fn refused(net: Net, prune: impl FnOnce(Net) -> Result<Net, burn_prune::Rejected<Net>>) -> String {
    let before = (
        net.masks(),
        values(net.fc1.weight.val()),
        values(net.conv.weight.base()),
    );
    let (net, error) = prune(net).unwrap_err().into_parts();
    let after = (
        net.masks(),
        values(net.fc1.weight.val()),
        values(net.conv.weight.base()),
    );
    assert_eq!(after, before);
    error.to_string()
}

fn net() -> Net {
    Net::new(&Device::flex()).l1_unstructured(0.1).unwrap()
}

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

#[test]
fn amounts_that_are_none() {
    for amount in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.1] {
        let message = refused(net(), |net| net.l1_unstructured(amount));
        assert_eq!(
            message,
            format!("the amount must be a fraction between 0 and 1, found {amount}")
        );
        let message = refused(net(), |net| net.prune(&l1().to_sparsity(amount)));
        assert!(message.contains(&format!("found {amount}")), "{message}");
        let own = [(ParamGroup::from_path("fc1.weight"), amount)];
        let pruner = l1().allocation(Allocation::per_layer(own));
        assert!(refused(net(), |net| net.prune(&pruner)).contains("found"));
    }
}

#[test]
fn an_amount_is_checked_before_anything_else() {
    let nothing_to_prune: Vec<burn::nn::Linear> = Vec::new();
    let error = l1().amount(2.0).masks(&nothing_to_prune).unwrap_err();
    assert_eq!(error, PruneError::InvalidFraction { found: 2.0 });
}

#[test]
fn counts_beyond_what_is_left() {
    let message = refused(net(), |net| net.l1_unstructured(161));
    // fc2.weight has 160 weights, 16 of them pruned; conv.weight comes first with 54, 5 pruned.
    assert!(
        message.contains("cannot prune 161 of `conv.weight`: only 49"),
        "{message}"
    );
    let message = refused(net(), |net| {
        net.global_unstructured(Magnitude::l1(), 1_000_000)
    });
    assert!(message.contains("`all parameters`"), "{message}");
}

#[test]
fn no_amount_at_all() {
    assert_eq!(l1().masks(&net()).unwrap_err(), PruneError::NoAmount);
}

#[test]
fn norms_that_are_none() {
    for n in [0.0, -2.0, f64::NAN] {
        let message = refused(net(), |net| net.ln_structured(0.5, n, Axis::Output));
        assert!(message.contains(&format!("found {n}")), "{message}");
    }
}

#[test]
fn channels_of_a_vector() {
    let pruner = l1().include(ParamGroup::from_path("fc1.bias")).amount(0.5);
    for axis in [Axis::Output, Axis::Input, Axis::Dim(0)] {
        let pruner = pruner.clone().pattern(Pattern::Channels(axis));
        let message = refused(net(), |net| net.prune(&pruner));
        assert!(message.contains("`fc1.bias` has shape [16]"), "{message}");
    }
}

#[test]
fn a_dimension_that_is_not_there() {
    let pruner = l1().pattern(Pattern::Channels(Axis::Dim(2))).amount(0.5);
    let message = refused(net(), |net| net.prune(&pruner));
    assert_eq!(
        message,
        "`fc1.weight` with shape [1014, 16] has no dimension 2"
    );
}

#[test]
fn groups_that_match_nothing() {
    let typo = || ParamGroup::from_path("fc3.weight");
    let axes = burn_prune::WeightAxes {
        output: 0,
        input: 1,
    };
    for (method, pruner) in [
        ("include", l1().include(typo())),
        ("only", l1().only(typo())),
        ("exclude", l1().exclude(typo())),
        ("weight_axes", l1().weight_axes(typo(), axes)),
        (
            "Allocation::per_layer",
            l1().allocation(Allocation::per_layer([(typo(), 0.5)])),
        ),
    ] {
        let message = refused(net(), |net| net.prune(&pruner.amount(0.5)));
        assert!(
            message.contains(&format!("`{method}` matches no")),
            "{message}"
        );
        assert!(
            message.contains("fc3.weight") && message.contains("fc2.weight"),
            "{message}"
        );
    }
    // Statistics cannot be selected by themselves.
    let statistics = l1().only(ParamGroup::from_predicate("running"));
    let message = refused(net(), |net| net.prune(&statistics.amount(0.5)));
    assert!(
        message.contains("`only` matches no prunable parameter"),
        "{message}"
    );
}

#[test]
fn a_selection_that_is_empty() {
    let pruner = l1()
        .exclude(ParamGroup::from_predicate("weight"))
        .amount(0.5);
    let message = refused(net(), |net| net.prune(&pruner));
    assert!(message.starts_with("nothing to prune"), "{message}");
}

#[test]
fn masks_that_fit_nothing_or_have_another_shape() {
    let with = |path: &str, shape: &[usize]| {
        let mut masks = MaskSet::new();
        masks.insert(
            "fc2.weight",
            Mask::from_kept([16, 10], &[false; 160]).unwrap(),
        );
        masks.insert(path, Mask::all_kept(shape));
        move |net: Net| net.with_masks(&masks)
    };
    let message = refused(net(), with("fc3.weight", &[2, 2]));
    assert!(
        message.contains("no parameter for the mask `fc3.weight`"),
        "{message}"
    );
    assert!(message.contains("conv.weight"), "{message}");
    let message = refused(net(), with("fc1.weight", &[16, 1014]));
    assert_eq!(
        message,
        "the mask of `fc1.weight` has shape [16, 1014], expected [1014, 16]"
    );
    let message = refused(net(), with("norm.running_mean", &[6]));
    assert!(
        message.contains("`norm.running_mean` is a running statistic"),
        "{message}"
    );
    let message = refused(net(), |net| net.with_masks(&MaskSet::new()));
    assert!(message.contains("empty"), "{message}");
}

#[test]
fn importance_that_fits_nothing() {
    let scores = || Tensor::<2>::ones([2, 2], &Device::flex());
    let pruner = l1().importance("fc2.weight", scores()).amount(0.5);
    let message = refused(net(), |net| net.prune(&pruner));
    assert!(
        message.contains("`fc2.weight` have shape [2, 2], expected [16, 10]"),
        "{message}"
    );
    let pruner = l1().importance("fc1.bias", scores()).amount(0.5);
    let message = refused(net(), |net| net.prune(&pruner));
    assert!(
        message.contains("`fc1.bias`") && message.contains("fc1.weight"),
        "{message}"
    );
    let nan = Tensor::<2>::full([16, 10], f32::NAN, &Device::flex());
    let message = refused(net(), |net| {
        net.prune(&l1().importance("fc2.weight", nan).amount(0.5))
    });
    assert!(message.contains("of `fc2.weight` is NaN"), "{message}");
}

#[test]
fn weights_that_are_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let layers = vec![linear([[1.0, 2.0]]), linear([[1.0, bad]])];
        let message = layers.clone().l1_unstructured(0.5).unwrap_err().to_string();
        assert!(message.contains("unit 1 of `1.weight`"), "{message}");
        for n in [1.0, 2.0, 3.5, f64::INFINITY] {
            let error = layers
                .clone()
                .ln_structured(1, n, Axis::Output)
                .unwrap_err();
            assert!(
                error.to_string().contains("unit 1 of `1.weight`"),
                "{error}"
            );
        }
        let (layers, _) = layers.l1_unstructured(0.5).unwrap_err().into_parts();
        assert!(!layers.is_pruned());
    }
}

#[test]
fn quantized_parameters() {
    let device = Device::flex();
    let scheme = device
        .settings()
        .quantization
        .scheme
        .with_value(QuantValue::Q8S);
    let mut quantizer = Quantizer::new(Calibration::MinMax, scheme);
    let layer = LinearConfig::new(32, 32)
        .init(&device)
        .quantize_weights(&mut quantizer);
    let rejected = layer.l1_unstructured(0.5).unwrap_err();
    assert!(
        rejected.to_string().contains("`weight` is quantized"),
        "{rejected}"
    );
    let layer = rejected.into_model();
    let mut masks = MaskSet::new();
    masks.insert("weight", Mask::all_kept([32, 32]));
    assert!(matches!(
        layer.clone().with_masks(&masks).unwrap_err().error(),
        PruneError::Quantized { .. }
    ));
    // A report only looks.
    assert_eq!(layer.sparsity_report().weights(), 32 * 32);
}

#[test]
fn parameters_with_a_lora_adapter() {
    let net = Net::new(&Device::flex());
    let lora = Lora::new(2, 4.0).set_param_group(ParamGroup::from_path("fc1.weight"));
    let net = net.apply_lora(lora);
    let rejected = net.l1_unstructured(0.5).unwrap_err();
    assert!(
        rejected
            .to_string()
            .contains("`fc1.weight` already carries"),
        "{rejected}"
    );
    assert!(rejected.to_string().contains("`lora`"), "{rejected}");

    // Beside an adapter all is well, but Burn would merge it along with the masks.
    let net = rejected.into_model();
    let pruner = l1()
        .exclude(ParamGroup::from_path("fc1.weight"))
        .amount(0.5);
    let net = net.prune(&pruner).unwrap();
    assert!(net.fc1.weight.adapter().is_some());
    assert_eq!(net.masks().len(), 2);
    let rejected = net.make_permanent().unwrap_err();
    assert!(rejected.to_string().contains("`fc1.weight`"), "{rejected}");
    let net = rejected.into_model();
    assert!(net.fc1.weight.adapter().is_some() && net.is_pruned());
    // The factors are no parameters of their own, whatever the group.
    let pruner = l1().only(ParamGroup::from_predicate("lora")).amount(0.5);
    assert!(pruner.masks(&net).is_err());
    // Merged, it can be pruned.
    assert!(net.materialize().l1_unstructured(0.5).is_ok());
}

#[derive(Debug)]
struct Broken(Vec<f64>);

impl Criterion for Broken {
    fn scores(&self, _weight: &Weight<'_>, _units: &Units) -> Result<Scores, PruneError> {
        Ok(self.0.clone().into())
    }
}

#[test]
fn criteria_that_return_nonsense() {
    let layer = linear([[1.0, 2.0]]);
    let pruner = Pruner::new(Broken(vec![1.0])).amount(0.5);
    let error = layer.clone().prune(&pruner).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the criterion returned 1 scores for `weight`, which has 2 units"
    );
    let pruner = Pruner::new(Broken(vec![1.0, f64::INFINITY])).amount(0.5);
    let error = layer.prune(&pruner).unwrap_err();
    assert!(error.to_string().contains("unit 1 of `weight` is inf"));
}

#[test]
fn what_a_user_presents_as_a_statistic_is_found_out() {
    use burn::module::RunningState;

    #[derive(Module, Debug)]
    struct Linear {
        weight: RunningState<Tensor<2>>,
    }
    // Called and shaped like a weight that is pruned by default.
    let layer = Linear {
        weight: RunningState::new(Tensor::ones([2, 2], &Device::flex())),
    };
    let error = l1().amount(0.5).masks(&layer).unwrap_err();
    assert!(
        matches!(error, PruneError::NothingToPrune { .. }),
        "{error}"
    );
    assert_eq!(layer.sparsity_report().parameters, []);
}

#[test]
fn errors_do_not_need_the_model_to_be_of_a_kind() {
    // `?` works in functions that return a boxed error, and in those that return a `PruneError`.
    fn boxed(layer: burn::nn::Linear) -> Result<burn::nn::Linear, Box<dyn std::error::Error>> {
        Ok(layer.l1_unstructured(0.5)?)
    }
    fn plain(layer: burn::nn::Linear) -> Result<burn::nn::Linear, PruneError> {
        Ok(layer.l1_unstructured(0.5)?)
    }
    assert!(boxed(linear([[1.0, 2.0]])).is_ok() && plain(linear([[1.0, 2.0]])).is_ok());
}

#[test]
fn an_empty_tensor_is_nothing_to_be_afraid_of() {
    struct Empty;
    impl ModuleMapper for Empty {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weight| weight.slice(0..0))
        }
    }
    let layers = vec![linear([[1.0, 2.0]]), linear([[1.0, 2.0]]).map(&mut Empty)];
    let layers = layers.global_unstructured(Magnitude::l1(), 0.5).unwrap();
    assert_eq!(layers.masks().get("1.weight").unwrap().len(), 0);
    assert_eq!(layers.sparsity_report().zeros(), 1);
    assert_eq!(layers[1].weight.val().dims(), [0, 2]);
}

#[test]
fn excluding_all_that_is_selected_is_told_from_a_model_without_layers() {
    let everything = ParamGroup::from_predicate("weight");
    let message = refused(net(), |net| {
        net.prune(&l1().amount(0.5).exclude(everything.clone()))
    });
    assert_eq!(
        message,
        "nothing to prune: `exclude` leaves out everything that is selected, [conv.weight, \
         fc1.weight, fc2.weight]; exclude less, or select more with `include` or `only`"
    );
    let only = l1().amount(0.5).only(ParamGroup::from_path("fc1.weight"));
    let message = refused(net(), |net| net.prune(&only.exclude(everything)));
    assert!(message.contains("selected, [fc1.weight];"), "{message}");
}
