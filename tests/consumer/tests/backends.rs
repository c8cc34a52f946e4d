//! The same masks and the same story on flex, ndarray and wgpu, and records that travel.
//!
//! wgpu needs an adapter; Mesa's software Vulkan is one. Without any, these tests fail.

use burn::module::{Module, Param, ParamGroup};
use burn::nn::LinearConfig;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, DeviceKind, Tensor, TensorData};
use burn_prune::lottery::{
    CellId, Control, LearningCurve, LotteryTicketSearch, Method, Rewind, Ticket, Trained,
};
use burn_prune::{
    Allocation, Axis, Blocks, Lamp, Magnitude, Mask, MaskMode, MaskSet, NM, Normalize, Pattern,
    Pooling, Prunable, Pruner, Random,
};
use burn_prune_deploy::{Graph, Selection};
use consumer::{Net, batch};

#[expect(
    deprecated,
    reason = "ndarray goes away after 0.22; until then it is supported"
)]
fn backends() -> [(&'static str, Device); 3] {
    [
        ("flex", Device::flex()),
        ("ndarray", Device::ndarray()),
        ("wgpu", Device::wgpu(DeviceKind::DefaultDevice)),
    ]
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected
        .iter()
        .fold(0f32, |largest, x| largest.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs();
        assert!(
            difference <= 1e-3 * largest,
            "{what}: {found} and {expected}"
        );
    }
}

fn pruners() -> Vec<Pruner> {
    let outputs = Pattern::Channels(Axis::Output);
    let inputs = Pattern::Channels(Axis::Input);
    vec![
        Pruner::new(Magnitude::l1())
            .allocation(Allocation::Global)
            .amount(0.6),
        Pruner::new(Magnitude::l2()).pattern(outputs).amount(0.25),
        Pruner::new(Magnitude::ln(3.0))
            .pattern(inputs)
            .allocation(Allocation::Global)
            .amount(5),
        Pruner::new(Random::new(4)).amount(0.3),
        Pruner::new(Magnitude::l1())
            .pattern(NM::new(2, 4))
            .exclude(ParamGroup::from_path("conv.weight")),
        Pruner::new(Magnitude::l1())
            .pattern(Blocks::new([2, 3]).pooling(Pooling::Mean))
            .amount(0.2),
        Pruner::new(Magnitude::l1())
            .allocation(Allocation::Erk)
            .to_sparsity(0.9),
        Pruner::new(Lamp).allocation(Allocation::Global).amount(0.2),
        Pruner::new(Magnitude::l1())
            .normalize(Normalize::Norm)
            .allocation(Allocation::Global)
            .min_density(0.01)
            .amount(0.1),
    ]
}

#[test]
fn masks_are_bit_equal_on_every_backend() {
    let masks = |device: &Device| -> Vec<MaskSet> {
        let mut net = Net::new(device);
        let mut masks = Vec::new();
        for pruner in pruners() {
            net = net.prune(&pruner).unwrap();
            masks.push(net.masks());
        }
        masks
    };
    let expected = masks(&Device::flex());
    assert!(expected.iter().all(|masks| masks.sparsity() > 0.2));
    for (name, device) in backends() {
        assert_eq!(masks(&device), expected, "{name}");
        assert_eq!(masks(&device.autodiff()), expected, "{name} with autodiff");
    }
}

#[test]
fn channels_are_cut_off_on_every_backend() {
    let mut stories = Vec::new();
    for (name, device) in backends() {
        let training = device.clone().autodiff();
        let (images, _) = batch(0, &training);
        let net = Net::new(&training);
        let graph = Graph::capture(&net, images.clone(), Net::forward).unwrap();
        let groups = graph.groups().unwrap();
        let pruner = Pruner::new(Magnitude::l1()).pattern(groups.pattern());
        let net = net.prune(&pruner.amount(0.5)).unwrap();
        let selection = Selection::from_masks(&groups, &net.masks()).unwrap();
        let net = net.train_on(&training);
        let plan = selection.plan();
        let small = plan.shrink(&net, images, Net::forward).unwrap();
        assert_eq!(small.hidden.weight.dims(), [2 * 6 * 6, 6]);
        assert_close(&small.logits(&device), &net.logits(&device), name);
        stories.push((name, plan, small.train_on(&training).logits(&device)));
    }
    let (_, plan, logits) = &stories[0];
    for (name, other, found) in &stories {
        assert_eq!(other, plan, "{name}");
        assert_close(found, logits, name);
    }
}

#[test]
fn prune_train_save_load_and_make_permanent() {
    let dir = tempfile::tempdir().unwrap();
    let mut stories = Vec::new();
    for (name, device) in backends() {
        let training = device.clone().autodiff();
        let net = Net::new(&training).prune(&pruners()[0]).unwrap();
        let untrained = net.logits(&device);
        let net = net.train_on(&training);
        assert_ne!(net.logits(&device), untrained);
        let masks = net.masks();

        let masked = dir.path().join(format!("{name}-masked.bpk"));
        net.save_masked(&masked).unwrap();
        let checkpoint = dir.path().join(format!("{name}-checkpoint.bpk"));
        net.clone().save_file(&checkpoint).unwrap();

        let logits = net.logits(&device);
        let zeros = net.sparsity_report().zeros();
        let permanent = net.valid().make_permanent().unwrap();
        assert!(!permanent.is_pruned());
        assert_eq!(permanent.sparsity_report().zeros(), zeros);
        assert_close(&permanent.logits(&device), &logits, name);
        stories.push((name, masks, logits, masked, checkpoint));
    }

    let (_, masks, logits, ..) = &stories[0];
    for (name, found, trained, ..) in &stories {
        assert_eq!(found, masks, "{name}");
        assert_close(trained, logits, name);
    }
    // What one backend saved, every other loads, by burn-prune and as a checkpoint by Burn.
    for (from, _, logits, masked, checkpoint) in &stories {
        for (to, device) in backends() {
            let way = format!("{from} to {to}");
            for file in [masked, checkpoint] {
                let loaded = Net::random(&device).load_masked(file).unwrap();
                assert_eq!(&loaded.masks(), masks, "{way}");
                assert_close(&loaded.logits(&device), logits, &way);
            }
            let other = Net::random(&device).random_unstructured(0.1, 1).unwrap();
            drop(other.logits(&device));
            let loaded = other.load_file(checkpoint);
            assert_eq!(&loaded.masks(), masks, "{way} by plain Burn");
            assert_close(&loaded.logits(&device), logits, &way);
            let trained = loaded.train().train_on(&device.autodiff());
            assert_eq!(&trained.masks(), masks, "{way}, trained on");
        }
    }
}

#[test]
fn masks_kept_after_the_step_give_the_weights_of_on_read() {
    for (name, device) in backends() {
        let training = device.clone().autodiff();
        let masked = || Net::new(&training).prune(&pruners()[0]).unwrap();
        let on_read = masked().train_on(&training);
        let after_step = masked().with_mask_mode(MaskMode::AfterStep).unwrap();
        let untrained = after_step.logits(&device);
        let after_step = after_step.train_after_step_on(&training);
        let logits = after_step.logits(&device);
        assert_ne!(logits, untrained, "{name}");
        assert_close(&logits, &on_read.logits(&device), name);
        assert_eq!(after_step.masks(), on_read.masks(), "{name}");
        // What is stored is zero where it is pruned, and nowhere else.
        let masks = after_step.masks();
        let mask = masks.get("hidden.weight").unwrap();
        let stored = after_step.hidden.weight.base().into_data();
        for (weight, kept) in stored.iter::<f32>().zip(mask.iter()) {
            assert_eq!(weight != 0.0, kept, "{name}");
        }
    }
}

#[test]
fn zeros_are_put_in_on_every_backend_whatever_the_shape_and_the_strides() {
    let check = |device: &Device, shape: [usize; 2], transposed: bool, name: &str| {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|i| 1.0 + (i % 97) as f32).collect();
        let weight = Tensor::<2>::from_data(TensorData::new(values, shape), device);
        let weight = if transposed {
            weight.transpose()
        } else {
            weight
        };
        let shape = weight.dims();
        let expected: Vec<f32> = weight.clone().into_data().iter::<f32>().collect();
        let kept: Vec<bool> = (0..len)
            .map(|i: usize| i.wrapping_mul(0x9e37_79b9) >> 7 & 3 == 0)
            .collect();
        let mut layer = LinearConfig::new(1, 1).with_bias(false).init(device);
        layer.weight = Param::from_tensor(weight.clone());
        let mask = Mask::from_kept(shape, &kept).unwrap();
        let layer = layer
            .with_masks(&MaskSet::from_iter([("weight".to_string(), mask)]))
            .unwrap();
        let masked = layer.weight.val().into_data();
        for ((found, expected), kept) in masked.iter::<f32>().zip(expected).zip(kept) {
            let expected = if kept { expected } else { 0.0 };
            assert_eq!(found.to_bits(), expected.to_bits(), "{name} {shape:?}");
        }
        // The tensor that was given in is still whole.
        assert!(weight.into_data().iter::<f32>().all(|weight| weight != 0.0));
    };
    for (name, device) in backends() {
        for shape in [[1, 1], [5, 7], [32, 32], [33, 65], [300, 411]] {
            for transposed in [false, true] {
                check(&device, shape, transposed, name);
            }
        }
    }
}

#[test]
fn a_model_moves_between_training_and_validation() {
    for (name, device) in backends() {
        let net = Net::new(&device.clone().autodiff())
            .l1_unstructured(0.5)
            .unwrap();
        let logits = net.logits(&device);
        let walked = net.clone().valid().train().train().valid().valid();
        assert_eq!(walked.masks(), net.masks(), "{name}");
        assert_close(&walked.logits(&device), &logits, name);
        let trained = walked.train().train_on(&device.clone().autodiff());
        assert_eq!(trained.masks(), net.masks(), "{name}");
        let forked = net.clone().fork(&device.autodiff());
        assert_eq!(forked.masks(), net.masks(), "{name}");
    }
}

#[test]
fn tickets_are_found_on_every_backend_and_travel_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut tickets = Vec::new();
    for (name, device) in backends() {
        let training = device.clone().autodiff();
        let method = Method::new("ticket", Rewind::to_initialization());
        let search = LotteryTicketSearch::new(folder.path().join(name))
            .steps(3)
            .rounds(2)
            .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
            .method(method.control(Control::ShuffledMask, [2]));
        let start = Net::new(&training);
        let train = |net: Net| {
            let mut curve = LearningCurve::new();
            curve.push(3, 1.0);
            Trained {
                model: net.train_on(&training),
                curve,
                test_accuracy: 0.5,
            }
        };
        let report = search.run(|_| start.clone().fork(&training), |_, net| Ok(train(net)));
        assert_eq!(report.unwrap().rows.len(), 4, "{name}");
        let file = folder.path().join(format!("{name}.ticket"));
        let cell = CellId::new(0, "ticket", 2);
        let ticket = Ticket::from_study(folder.path().join(name), &cell).unwrap();
        ticket.save(&file).unwrap();
        tickets.push(file);
    }
    let logits = |file: &std::path::Path, device: &Device| {
        let net = Ticket::load(file)
            .unwrap()
            .apply(Net::random(device))
            .unwrap();
        (net.masks(), net.logits(device))
    };
    let (_, expected) = logits(&tickets[0], &Device::flex());
    for file in &tickets {
        let (masks, _) = logits(file, &Device::flex());
        for (name, device) in backends() {
            let (found, logits) = logits(file, &device);
            assert_eq!(found, masks, "{name}");
            assert_eq!(found.get("hidden.weight").unwrap().kept(), 1106, "{name}");
            if file == &tickets[0] {
                assert_close(&logits, &expected, name);
            }
        }
    }
}

/// What something else than the loop has done to the weights, on each backend.
#[test]
fn masks_that_are_kept_after_the_step_hold_without_the_call() {
    for (name, device) in backends() {
        let training = device.clone().autodiff();
        let net = Net::new(&training).prune(&pruners()[0]).unwrap();
        let net = net.with_mask_mode(MaskMode::AfterStep).unwrap();
        let zeros = net.sparsity_report().zeros();
        let raised = net.raised();
        let read = |net: &Net| {
            let weight = net.hidden.weight.val();
            weight.try_into_vec_as::<f32>().unwrap()
        };
        let hidden = read(&raised);
        assert_eq!(raised.sparsity_report().zeros(), zeros, "{name}");
        let mask = raised.masks().get("hidden.weight").unwrap().clone();
        for (weight, kept) in hidden.iter().zip(mask.iter()) {
            assert_eq!(*weight != 0.0, kept, "{name}: {weight}");
        }

        // The gradient is the dense one, as where zeros are stored.
        let gradient = |net: &Net| {
            let (images, _) = batch(0, &training);
            let loss = net.forward(images).square().sum();
            let gradients = GradientsParams::from_grads(loss.backward(), net);
            let gradient = gradients.get::<2>(net.hidden.weight.id).unwrap();
            gradient.try_into_vec_as::<f32>().unwrap()
        };
        let before = gradient(&raised);
        let zeroed = raised.zero_pruned();
        assert_eq!(read(&zeroed), hidden, "{name}");
        assert_close(&before, &gradient(&zeroed), name);
        let mut of_pruned = before.iter().zip(mask.iter()).filter(|(_, kept)| !kept);
        assert!(of_pruned.any(|(gradient, _)| *gradient != 0.0));
    }
}

#[test]
fn half_precision_where_the_device_has_it() {
    let on = |device: &Device, dtype| {
        let mut layer = LinearConfig::new(16, 16).init(device);
        let values: Vec<f32> = (0..256).map(|index| (index as f32 * 0.71).sin()).collect();
        let data = burn::tensor::TensorData::new(values, [16, 16]);
        let weight = burn::tensor::Tensor::<2>::from_data(data, device).cast(dtype);
        layer.weight = Param::from_tensor(weight);
        let layer = layer.l1_unstructured(0.6).unwrap();
        assert_eq!(layer.weight.val().dtype(), dtype);
        assert_eq!(layer.sparsity_report().zeros(), 154);
        layer.masks()
    };
    let expected = on(&Device::flex(), DType::F16);
    let mut tried = 0;
    for (_, device) in backends() {
        if device.supports_dtype(DType::F16) {
            assert_eq!(on(&device, DType::F16), expected);
            tried += 1;
        }
    }
    assert!(tried >= 1, "flex has f16");
}
