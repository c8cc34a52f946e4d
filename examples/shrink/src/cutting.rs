//! Two ways from a dense network to one without a fraction of its channels, with as many epochs of
//! training: channels that go one after another while the network trains, and channels that go at once.

use std::error::Error;

use burn::module::Module;
use burn::tensor::Device;
use burn_prune::{Magnitude, Prunable, Pruner, Pruning, ScheduleConfig, Span, TrainingLength};
use burn_prune_deploy::{Groups, Selection, ShrinkPlan};

use crate::net::Net;
use crate::quantize::{Zeros, to_8_bits};
use crate::same::{TOLERANCE, same};
use crate::training::{Training, model_file};

const LEARNING_RATE: f64 = 3e-4;
/// How often channels go on the way.
const UPDATES: usize = 10;

/// A network without a fraction of the channels of each group.
pub(crate) struct Cut {
    /// In evaluation mode, after all of its training.
    pub model: Net,
    pub plan: ShrinkPlan,
    /// Of the test images, right after the cut.
    pub accuracy_before: f64,
}

/// The channels with the smallest L2 norm, over everything that belongs to them.
fn smallest(groups: &Groups) -> Pruner {
    Pruner::new(Magnitude::l2()).pattern(groups.pattern())
}

/// Prunes on a cubic schedule in Burn's `Learner`, for the first half of the epochs, and cuts the
/// checkpoint; a `Learner` of the small network resumes it, with what Adam knows, for the others.
///
/// # Errors
/// When something that should not change the outputs changes them, too.
pub(crate) fn gradually(
    dense: &Net,
    groups: &Groups,
    fraction: f64,
    epochs: usize,
    training: &Training<'_>,
) -> Result<(Cut, usize), Box<dyn Error>> {
    let pruning_epochs = epochs.div_ceil(2);
    let length = TrainingLength {
        epochs: pruning_epochs,
        steps_per_epoch: training.steps_per_epoch(),
    };
    // The last channels go when a quarter of the steps is left.
    let end = length.steps() * 3 / 4;
    let span = Span::steps(0, end, end.div_ceil(UPDATES).max(1));
    let schedule = ScheduleConfig::cubic(fraction, span).build(length)?;
    // Not a clone: that would share its running statistics.
    let pruning = Pruning::new(dense.valid().train(), smallest(groups), schedule)?;

    let percent = 100.0 * fraction;
    let [name, small_name] = ["", "-small"].map(|what| format!("gradual-{percent:.0}{what}"));
    training.pruning(&name, pruning, pruning_epochs, LEARNING_RATE);

    let [from, to] = [&name, &small_name].map(|name| training.checkpoints(name));
    let masked = Net::new(&Device::flex()).load_checkpoint(model_file(&from, pruning_epochs))?;
    let selection = Selection::from_masks(groups, &masked.masks())?;
    let plan = selection.plan();
    plan.shrink_checkpoint(&masked, &from, pruning_epochs, &to)?;

    let cut = plan.shrink(&masked, training.examples(1), Net::forward)?;
    let outputs = |model: &Net| model.forward(training.examples(500));
    same(
        "masked and cut",
        outputs(&masked),
        &outputs(&cut),
        TOLERANCE,
    )?;
    let (masked, small) = (to_8_bits(masked), to_8_bits(cut.valid()));
    let zeros = Zeros::of(&masked, &selection.masks());
    if zeros.came_back > 0 {
        let count = zeros.came_back;
        return Err(format!("{count} pruned weights are not 0 when quantized").into());
    }
    let (masked, small) = (outputs(&masked), outputs(&small));
    same("quantized, masked and cut", masked, &small, TOLERANCE)?;

    let accuracy_before = training.accuracy(&cut);
    let model = if pruning_epochs < epochs {
        let fresh = plan.apply(&Net::new(&Device::flex().autodiff()))?;
        let trained = training.resume(&small_name, fresh, pruning_epochs, epochs, LEARNING_RATE);
        trained.valid()
    } else {
        cut
    };
    let cut = Cut {
        model,
        plan,
        accuracy_before,
    };
    Ok((cut, zeros.pruned))
}

/// Cuts the same number of channels from the dense network, and trains what is left for all epochs.
pub(crate) fn at_once(
    dense: &Net,
    groups: &Groups,
    fraction: f64,
    epochs: usize,
    training: &Training<'_>,
) -> Result<Cut, Box<dyn Error>> {
    let masked = dense
        .valid()
        .prune(&smallest(groups).to_sparsity(fraction))?;
    let plan = Selection::from_masks(groups, &masked.masks())?.plan();
    let cut = plan.shrink(&masked, training.examples(1), Net::forward)?;
    let accuracy_before = training.accuracy(&cut);
    let name = format!("one-shot-{:.0}", 100.0 * fraction);
    let model = training.run(&name, cut.train(), epochs, LEARNING_RATE);
    Ok(Cut {
        model: model.valid(),
        plan,
        accuracy_before,
    })
}

/// Trains the dense network for as many epochs: what the others are compared with.
pub(crate) fn not_at_all(
    dense: &Net,
    groups: &Groups,
    epochs: usize,
    training: &Training<'_>,
) -> Cut {
    let accuracy_before = training.accuracy(&dense.valid());
    let model = training.run(
        "dense-trained-on",
        dense.valid().train(),
        epochs,
        LEARNING_RATE,
    );
    Cut {
        model: model.valid(),
        plan: Selection::new(groups).plan(),
        accuracy_before,
    }
}
