//! The same masks by any number of threads, and by many at a time.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::{
    Allocation, Axis, Blocks, Lamp, Magnitude, MaskSet, NM, Normalize, Pattern, Prunable, Pruner,
    Random,
};

use crate::chance::{Chance, scale};

/// Large enough that the work is split, with scores of which thousands are equal.
#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    wide: Linear,
    narrow: Linear,
}

fn filled<const D: usize>(shape: [usize; D], chance: &mut Chance) -> Param<Tensor<D>> {
    let values = (0..shape.iter().product::<usize>()).map(|_| {
        let size = chance.below(1 << 12) as f32 / 4096.0;
        if chance.once_in(2) { size } else { -size }
    });
    let data = TensorData::new(values.collect::<Vec<_>>(), shape);
    Param::from_tensor(Tensor::from_data(data, &Device::flex()))
}

fn net() -> Net {
    let device = Device::flex();
    let mut chance = Chance::new(7);
    let mut net = Net {
        conv: Conv2dConfig::new([64, 96], [3, 3]).init(&device),
        wide: LinearConfig::new(300, 700).init(&device),
        narrow: LinearConfig::new(16, 8).init(&device),
    };
    net.conv.weight = filled([96, 64, 3, 3], &mut chance);
    net.wide.weight = filled([300, 700], &mut chance);
    net.narrow.weight = filled([16, 8], &mut chance);
    net
}

fn pruners() -> Vec<Pruner> {
    let l1 = || Pruner::new(Magnitude::l1());
    let global = |pruner: Pruner| pruner.allocation(Allocation::Global);
    vec![
        global(l1()).amount(0.37),
        global(l1())
            .normalize(Normalize::Norm)
            .min_density(0.2)
            .amount(0.6),
        global(Pruner::new(Lamp)).to_sparsity(0.9),
        Pruner::new(Random::new(3)).amount(0.5),
        l1().allocation(Allocation::Erk).to_sparsity(0.8),
        global(Pruner::new(Magnitude::l2()))
            .pattern(Pattern::Channels(Axis::Output))
            .amount(0.3),
        l1().pattern(Blocks::new([4, 4])).amount(0.5),
        l1().pattern(NM::new(2, 4)),
    ]
}

fn masks(net: &Net, pruners: &[Pruner]) -> Vec<MaskSet> {
    let masks = pruners.iter().map(|pruner| pruner.masks(net).unwrap());
    masks.collect()
}

#[test]
fn one_to_64_threads_give_the_same_masks() {
    let pruners = pruners();
    let expected = masks(&net(), &pruners);
    let again = net().prune(&pruners[0]).unwrap();
    let expected_again = masks(&again, &pruners[1..]);
    let counts = match scale() {
        1 => vec![1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 48, 64],
        _ => (1..=64).collect(),
    };
    for threads in counts {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.unwrap();
        let found = pool.install(|| masks(&net(), &pruners));
        assert!(found == expected, "{threads} threads");
        if threads.is_power_of_two() {
            let found = pool.install(|| masks(&again, &pruners[1..]));
            assert!(found == expected_again, "{threads} threads on masks");
        }
    }
}

#[test]
fn threads_that_prune_one_model_at_a_time_get_the_same_masks() {
    // Not initialized: the first to read it decides for all.
    let layer = LinearConfig::new(200, 300).init(&Device::flex());
    let pruner = Pruner::new(Magnitude::l1()).amount(0.5);
    let found: Vec<MaskSet> = std::thread::scope(|scope| {
        let prune = || pruner.masks(&layer).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(prune)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(found.iter().all(|masks| *masks == found[0]));
    assert_eq!(pruner.masks(&layer).unwrap(), found[0]);
}
