//! When stored zeros are trusted, so that a read costs nothing.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::Device;
use burn_prune::{Magnitude, Mask, MaskMode, MaskSet, Prunable, Pruner};

use super::{Add, drifted, pruned, trusts};
use crate::nets::{Net, batches, seeded};

#[test]
fn a_pass_makes_every_mask_clean_also_where_there_was_no_gradient() {
    // The mark is read off what `val` gives: after a pass it is what is stored, handed on as it is.
    let device = Device::flex().autodiff();
    let net = pruned(&device, MaskMode::AfterStep);
    let masks = net.masks();
    let Net {
        conv,
        fc1,
        fc2,
        norm,
    } = net;
    // No gradient reaches `conv`.
    let net = Net {
        conv: conv.no_grad(),
        fc1,
        fc2,
        norm,
    };
    let mut optimizer = SgdConfig::new().init();
    let gradients = net.gradients(&batches(1, &device)[0]).1;
    assert!(gradients.get::<4>(net.conv.weight.id).is_none());
    let net = optimizer.step(0.1, net, gradients);
    assert_eq!(trusts(&net), ["Unknown", "WalkedOnce", "WalkedOnce"]);
    let net = net.map(&mut Add(1.0)).zero_pruned();
    assert_eq!(trusts(&net), ["Zeroed"; 3]);
    assert_eq!(drifted(&net, &masks), 0);
}

#[test]
fn only_passes_of_our_own_are_trusted() {
    let device = Device::flex().autodiff();
    let net = || pruned(&device, MaskMode::AfterStep);
    let dense = || seeded(Net::new(&device), 25).into_record();
    let dirty = || net().map(&mut Add(1.0));
    let further = |net: Net| {
        net.prune(&Pruner::new(Magnitude::l1()).amount(0.1))
            .unwrap()
    };
    let one = MaskSet::from_iter([("fc2.weight".to_string(), Mask::all_kept([16, 10]))]);
    for (name, trusted) in [
        ("new", net()),
        ("pruned further", further(net())),
        ("pruned further, dirty", further(dirty())),
        ("one mask more", net().with_masks(&one).unwrap()),
        ("one mask more, dirty", dirty().with_masks(&one).unwrap()),
        ("replaced", net().replace_masks(&one).unwrap()),
        ("replaced, dirty", dirty().replace_masks(&one).unwrap()),
        ("rewound", dirty().rewind(dense()).unwrap()),
        (
            "loaded by us",
            dirty().load_masked_record(net().masked_record()).unwrap(),
        ),
        (
            "mode again",
            dirty().with_mask_mode(MaskMode::AfterStep).unwrap(),
        ),
    ] {
        assert_eq!(trusts(&trusted), ["Zeroed"; 3], "{name}");
        assert_eq!(drifted(&trusted, &trusted.masks()), 0, "{name}");
    }
    for (name, distrusted) in [
        ("record", net().load_record(net().into_record())),
        ("mapper", dirty()),
        ("frozen", net().freeze()),
        ("no_grad", net().no_grad()),
    ] {
        assert!(
            trusts(&distrusted).iter().all(|trust| trust != "Zeroed"),
            "{name}"
        );
    }
}
