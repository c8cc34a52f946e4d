//! The masks of a model, and those that pruners choose for the next round.

use std::collections::HashSet;

use burn::module::Module;

use crate::error::PruneError;
use crate::mask::MaskSet;
use crate::model::{Inventory, ModelReading, Parameter, Sharing};
use crate::pruner::{Pruner, Wanted};

/// The masks of a model, and what pruners make of them.
pub(super) struct Masks {
    pub now: MaskSet,
    /// The masks of the next round; empty without pruners.
    pub next: Result<MaskSet, PruneError>,
}

impl Masks {
    /// Reads all masks, and the weights that the pruners rank, with one read-back.
    pub(super) fn of<M: Module>(model: &M, pruners: &[Pruner]) -> Self {
        let (reading, refused) = Self::read(model, pruners);
        Self {
            now: reading.masks(),
            next: match refused {
                Some(error) => Err(error),
                None => next(pruners, &reading),
            },
        }
    }

    /// With the reason for which one of the pruners cannot be asked at all.
    fn read<M: Module>(model: &M, pruners: &[Pruner]) -> (ModelReading, Option<PruneError>) {
        let inventory = Inventory::of(model);
        let of_all: Result<Vec<Wanted>, PruneError> = pruners
            .iter()
            .map(|pruner| pruner.wanted(&inventory))
            .collect();
        let (wanted, refused) = match of_all {
            Ok(wanted) => (wanted, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let (mut selected, mut weights) = (HashSet::new(), HashSet::new());
        for wanted in wanted {
            selected.extend(wanted.selected);
            weights.extend(wanted.weights);
        }
        let parameters = inventory.parameters.iter();
        let masked = parameters.filter(|known| known.is_masked());
        selected.extend(masked.map(Parameter::place));
        let reading = inventory.read(model, weights, &selected, Sharing::OneMask);
        (reading, refused)
    }
}

/// Prunes the weights of a model this often without training in between, on the host.
///
/// # Errors
/// The round whose masks cannot be made, and why. Scores that are not finite are no reason when the
/// weights are: a criterion that looks at what training does to them may have nothing to go by yet.
pub(super) fn rehearse<M: Module>(
    model: &M,
    pruners: &[Pruner],
    rounds: usize,
) -> Result<(), (usize, PruneError)> {
    let tried = rehearse_with(model, pruners, rounds);
    let Err((_, PruneError::NonFiniteScore { .. })) = &tried else {
        return tried;
    };
    let by_magnitude: Vec<Pruner> = pruners.iter().map(Pruner::by_magnitude).collect();
    match rehearse_with(model, &by_magnitude, rounds) {
        Ok(()) => Ok(()),
        Err(_) => tried,
    }
}

fn rehearse_with<M: Module>(
    model: &M,
    pruners: &[Pruner],
    rounds: usize,
) -> Result<(), (usize, PruneError)> {
    let (mut reading, refused) = Masks::read(model, pruners);
    if let Some(error) = refused {
        return Err((1, error));
    }
    for round in 1..=rounds {
        let masks = next(pruners, &reading).map_err(|error| (round, error))?;
        reading.put_masks(&masks);
    }
    Ok(())
}

fn next(pruners: &[Pruner], reading: &ModelReading) -> Result<MaskSet, PruneError> {
    let mut masks = MaskSet::new();
    for pruner in pruners {
        masks = masks.intersect(&pruner.masks_of(reading)?)?;
    }
    // In the order of the model, whatever that of the pruners is.
    let paths = reading.inventory().parameters.iter().map(Parameter::path);
    let ordered = paths.filter_map(|path| Some((path.to_string(), masks.get(path)?.clone())));
    Ok(ordered.collect())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device};

    use super::*;
    use crate::allocation::Allocation;
    use crate::criterion::{Criterion, Lamp, Magnitude, Weight};
    use crate::lottery::{
        CellTraining, Control, Event, LearningCurve, LotteryTicketSearch, Method, Moment, Rewind,
        Trained,
    };
    use crate::pattern::Units;
    use crate::prunable::Prunable;
    use crate::read_back::count;
    use crate::scores::Scores;

    /// The read-backs of each cell, but for those in the training.
    fn read_backs(method: Method) -> Vec<(String, usize)> {
        let folder = tempfile::tempdir().unwrap();
        let counted = RefCell::new(Vec::new());
        // f32 weights of flex would be borrowed, not read.
        let model = |_| -> Linear {
            let mut linear = LinearConfig::new(8, 8).init(&Device::flex());
            linear.weight = Param::from_tensor(linear.weight.val().cast(DType::F64));
            linear
        };
        let train = |cell: &CellTraining<'_>, model: Linear| {
            let mut curve = LearningCurve::new();
            for step in cell.schedule() {
                curve.push(step + 1, 1.0);
                cell.after_step(step + 1, &model);
            }
            Ok(Trained {
                model,
                curve,
                test_accuracy: 0.5,
            })
        };
        let done = |event: &Event<'_>| match event {
            // The pruners have been tried.
            Event::Planned { .. } => assert_eq!(count::take(), 1),
            Event::Finished { cell, .. } => {
                counted.borrow_mut().push((cell.to_string(), count::take()));
            }
            _ => {}
        };
        let search = LotteryTicketSearch::new(folder.path())
            .steps(2)
            .rounds(2)
            .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
            .pruner(Pruner::new(Magnitude::l2()).amount(0.1))
            .method(method)
            .on_event(done);
        count::take();
        search.run(model, train).unwrap();
        drop(search);
        counted.into_inner()
    }

    fn expected(cells: &[(&str, usize)]) -> Vec<(String, usize)> {
        cells
            .iter()
            .map(|(cell, count)| (format!("seed 0, {cell}"), *count))
            .collect()
    }

    #[test]
    fn a_cell_reads_weights_and_masks_with_one_read_back_however_many_pruners_there_are() {
        let ticket = Method::new("ticket", Rewind::to_initialization());
        assert_eq!(
            read_backs(ticket.control(Control::ShuffledMask, [1])),
            expected(&[
                ("dense", 1),
                ("ticket, round 1", 1),
                ("ticket, round 2", 1),
                ("ticket-shuffled-mask, round 1", 1),
            ])
        );
    }

    #[test]
    fn masks_that_are_cut_within_the_training_cost_one_more() {
        let early = Rewind {
            prune_at: Moment::Step(1),
            ..Rewind::to_initialization()
        };
        assert_eq!(
            read_backs(Method::new("early", early)),
            expected(&[("dense", 1), ("early, round 1", 2), ("early, round 2", 2)])
        );
    }

    #[test]
    fn a_rehearsal_prunes_as_the_rounds_do_and_says_which_one_cannot() {
        let net = LinearConfig::new(10, 8).init(&Device::flex());
        let counted = Pruner::new(Magnitude::l1()).amount(30);
        let counted = std::slice::from_ref(&counted);
        assert_eq!(rehearse(&net, counted, 2), Ok(()));
        let Err((round, error)) = rehearse(&net, counted, 3) else {
            panic!("30 of 20 are too many");
        };
        assert_eq!(round, 3);
        assert!(error.to_string().contains("30"), "{error}");
        // The model is as it was.
        assert!(!net.is_pruned());
        // As when the masks are attached in between.
        let global = Pruner::new(Lamp).allocation(Allocation::Global);
        let global = global.amount(0.3);
        let (mut reading, _) = Masks::read(&net, std::slice::from_ref(&global));
        let mut attached = net.clone();
        for _ in 0..3 {
            let masks = next(std::slice::from_ref(&global), &reading).unwrap();
            reading.put_masks(&masks);
            attached = attached.prune(&global).unwrap();
            assert_eq!(masks, attached.masks());
        }
    }

    #[test]
    fn a_criterion_that_has_nothing_to_go_by_before_training_is_let_through() {
        #[derive(Debug)]
        struct Moved(f64);
        impl Criterion for Moved {
            fn scores(&self, weight: &Weight<'_>, units: &Units) -> Result<Scores, PruneError> {
                // Before the first step 0 / 0.
                Ok(units.sum(weight.iter().map(|w| w * self.0 / self.0)).into())
            }
        }
        let net = LinearConfig::new(10, 8).init(&Device::flex());
        let moved = [Pruner::new(Moved(0.0)).amount(30)];
        assert_eq!(rehearse(&net, &moved, 2), Ok(()));
        assert!(rehearse(&net, &moved, 3).is_err());
        let mut broken = net;
        broken.weight = Param::from_tensor(broken.weight.val() * f32::NAN);
        assert!(matches!(
            rehearse(&broken, &moved, 1),
            Err((1, PruneError::NonFiniteScore { .. }))
        ));
    }

    #[test]
    fn masks_of_a_model_are_read_together_with_the_weights_of_a_pruner() {
        let net = LinearConfig::new(8, 8).init(&Device::flex());
        let net = net.l1_unstructured(0.5).unwrap();
        count::take();
        let pruner = Pruner::new(Magnitude::l1()).amount(0.5);
        let read = Masks::of(&net, std::slice::from_ref(&pruner));
        assert_eq!(count::take(), 1);
        assert_eq!(read.now, net.masks());
        assert_eq!(read.next.unwrap(), pruner.masks(&net).unwrap());
        assert!(Masks::of(&net, &[]).next.unwrap().is_empty());
    }
}
