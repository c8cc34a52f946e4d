//! Random views of a signal that mix its batch, its length and its channels.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::{gelu, relu, softmax};
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, Prunable, Pruner};
use burn_prune_deploy::{Batch, Graph};
use proptest::prelude::*;

use crate::common::{cases, select};
use crate::random::{assert_close, example, randomised};
use crate::size_nets::linear;

/// What an axis is made of, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Atom {
    Batch,
    Length,
    Heads,
    HeadSize,
}

const ATOMS: [Atom; 4] = [Atom::Batch, Atom::Length, Atom::Heads, Atom::HeadSize];

#[derive(Debug, Clone, Copy)]
enum Step {
    Swap(usize, usize),
    Merge(usize),
    Split(usize, usize),
    Gelu,
    Softmax(usize),
    /// Twice the batch, and half of it again.
    Double,
    /// Backwards along an axis.
    Flip(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..4, 0usize..4).prop_map(|(a, b)| Step::Swap(a, b)),
        4 => (0usize..4).prop_map(Step::Merge),
        3 => (0usize..4, 0usize..4).prop_map(|(a, b)| Step::Split(a, b)),
        1 => Just(Step::Gelu),
        1 => (0usize..4).prop_map(Step::Softmax),
        1 => Just(Step::Double),
        1 => (0usize..4).prop_map(Step::Flip),
    ]
}

/// Linear layers, and views between them.
#[derive(Module, Debug)]
struct Net {
    first: Linear,
    second: Linear,
    last: Linear,
    head_size: usize,
}

impl Net {
    fn new(heads: usize, head_size: usize, inner: usize, device: &Device) -> Self {
        let size = heads * head_size;
        Self {
            first: linear([3, size], device),
            second: linear([size, inner], device),
            last: linear([inner, 2], device),
            head_size,
        }
    }

    /// Takes `[batch, length, 3]`, or `[length, batch, 3]`.
    fn forward(&self, x: Tensor<3>, is_length_first: bool, steps: &[Step]) -> Tensor<3> {
        let x = self.first.forward(x);
        let [a, b, size] = x.dims();
        let (batch, length) = if is_length_first { (b, a) } else { (a, b) };
        let sizes = [batch, length, size / self.head_size, self.head_size];
        let mut axes = vec![vec![Atom::Batch], vec![Atom::Length], ATOMS[2..].to_vec()];
        if is_length_first {
            axes.swap(0, 1);
        }
        let start = axes.clone();
        let mut x = reshaped(x, &axes, sizes);
        for step in steps {
            x = taken(x, *step, &mut axes, sizes);
        }
        // Back to where it was.
        let single: Vec<Vec<Atom>> = axes.iter().flatten().map(|atom| vec![*atom]).collect();
        x = reshaped(x, &single, sizes);
        let wanted: Vec<Atom> = start.iter().flatten().copied().collect();
        let order = wanted.iter().map(|atom| {
            let place = single.iter().position(|axis| axis == &[*atom]);
            place.expect("it is somewhere") as isize
        });
        let order: Vec<isize> = order.collect();
        let x = x.permute([order[0], order[1], order[2], order[3], 4]);
        let x = x.reshape([a, b, size]);
        self.last.forward(relu(self.second.forward(x)))
    }
}

/// The same elements with axes of these atoms, and ones behind.
fn reshaped<const D: usize>(x: Tensor<D>, axes: &[Vec<Atom>], sizes: [usize; 4]) -> Tensor<5> {
    let mut shape = [1; 5];
    for (size, axis) in shape.iter_mut().zip(axes) {
        *size = axis.iter().map(|atom| sizes[*atom as usize]).product();
    }
    x.reshape(shape)
}

fn taken(x: Tensor<5>, step: Step, axes: &mut Vec<Vec<Atom>>, sizes: [usize; 4]) -> Tensor<5> {
    let count = axes.len();
    match step {
        Step::Swap(a, b) => {
            axes.swap(a % count, b % count);
            x.swap_dims(a % count, b % count)
        }
        Step::Merge(axis) if count > 1 => {
            let axis = axis % (count - 1);
            let next = axes.remove(axis + 1);
            axes[axis].extend(next);
            reshaped(x, axes, sizes)
        }
        Step::Split(axis, place) if axes[axis % count].len() > 1 => {
            let axis = axis % count;
            let place = 1 + place % (axes[axis].len() - 1);
            let next = axes[axis].split_off(place);
            axes.insert(axis + 1, next);
            reshaped(x, axes, sizes)
        }
        Step::Gelu => gelu(x),
        Step::Softmax(axis) => x.clone() + softmax(x, axis % count),
        Step::Double => match axes.iter().position(|axis| axis.contains(&Atom::Batch)) {
            Some(axis) => {
                let size = x.dims()[axis];
                let doubled = Tensor::cat(vec![x.clone() * 0.5, x], axis);
                doubled.clone().narrow(axis, 0, size) + doubled.narrow(axis, size, size)
            }
            None => x,
        },
        Step::Flip(axis) => x.clone() * 0.5 + x.flip([axis % count]),
        _ => x,
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn views_of_the_batch_change_no_groups_and_keep_the_law(
        steps in prop::collection::vec(step(), 0..8),
        heads in 2usize..6,
        head_size in 2usize..5,
        length in 1usize..5,
        inner in 2usize..9,
        is_length_first in any::<bool>(),
        seed in 0u64..100,
    ) {
        let device = Device::flex();
        let model = randomised(Net::new(heads, head_size, inner, &device), seed);
        let forward = |model: &Net, x| model.forward(x, is_length_first, &steps);
        let axis = usize::from(is_length_first);
        let mut expected = None;
        for batch in [1, 2, 3, 4, 8] {
            let shape = if is_length_first {
                [length, batch, 3]
            } else {
                [batch, length, 3]
            };
            let input = example(shape, &device);
            let axes = Batch::axes([axis]);
            let graph = Graph::capture_with(&model, input.clone(), axes, forward).unwrap();
            prop_assert_eq!(graph.sizes().batch(), Some(batch), "{}", graph.sizes());
            let groups = graph.groups().unwrap();
            let frozen = groups.frozen().iter();
            let frozen: Vec<_> = frozen
                .map(|frozen| (frozen.parameter.clone(), frozen.axis, frozen.entries))
                .collect();
            let found = (groups.groups().to_vec(), frozen);
            prop_assert_eq!(&found, expected.get_or_insert(found.clone()), "batch {}", batch);
            // Of the second layer at least.
            prop_assert!(!groups.groups().is_empty());
            let selection = select(Pruner::new(Magnitude::l2()).amount(0.5), &model, &groups);
            let masked = model.clone().with_masks(&selection.masks()).unwrap();
            let small = selection.plan().shrink(&masked, input.clone(), forward);
            let small = small.unwrap();
            assert_close(&forward(&small, input.clone()), &forward(&masked, input));
        }
    }
}
