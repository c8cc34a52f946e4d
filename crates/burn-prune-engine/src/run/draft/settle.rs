//! Copies that are not needed are taken out, and sizes that depend on all readers are worked out.

use super::rows;
use super::{Draft, DraftStep, Kind, Operand, Reading};
use crate::kernel::Split;
use crate::run::place::{Form, Inside, Margins, PlaceId, Places};
use crate::run::sizes::Sizes;
use crate::window::Window;

pub(super) fn settle(draft: &mut Draft, sizes: &Sizes) {
    settle_phases(draft);
    join_parts(draft);
    flatten_in_place(draft);
    read_tensors_in_place(draft, sizes);
    rows::align(draft);
}

/// Chooses the phases so that all readers of them are served.
fn settle_phases(draft: &mut Draft) {
    for at in 0..draft.steps.len() {
        let (Kind::Phases(split), Operand::Place(planes)) =
            (&draft.steps[at].kind, draft.steps[at].write)
        else {
            continue;
        };
        let stride = split.stride;
        let readers: Vec<(Window, [usize; 2])> = draft
            .steps
            .iter()
            .filter(|step| step.reads.first() == Some(&Operand::Place(planes)))
            .filter_map(|step| match (&step.kind, step.write) {
                (Kind::Product(Reading::Phases(window)), Operand::Place(output)) => {
                    let output = draft.places.get(output);
                    Some((*window, [output.height, output.width]))
                }
                _ => None,
            })
            .collect();
        let padding = [0, 1].map(|axis| {
            let before = readers.iter().map(|(window, _)| window.padding[axis].0);
            before.max().unwrap_or(0)
        });
        let (mut kept, mut size) = ([1, 1], [0, 0]);
        for (window, output) in &readers {
            for axis in [0, 1] {
                for tap in 0..window.kernel[axis] {
                    let split = Split {
                        stride,
                        padding,
                        kept,
                    };
                    let (phase, shift) = phase_of_tap(&split, window, axis, tap);
                    kept[axis] = kept[axis].max(phase + 1);
                    size[axis] = size[axis].max(output[axis] + shift);
                }
            }
        }
        draft.steps[at].kind = Kind::Phases(Split {
            stride,
            padding,
            kept,
        });
        let place = draft.places.get_mut(planes);
        place.channels *= kept[0] * kept[1];
        [place.height, place.width] = size;
    }
}

/// The phase of a tap, and how many of its lines (or columns) it is behind the first one.
pub(crate) fn phase_of_tap(
    split: &Split,
    window: &Window,
    axis: usize,
    tap: usize,
) -> (usize, usize) {
    let at = tap * window.dilation[axis] + split.padding[axis] - window.padding[axis].0;
    (at % split.stride[axis], at / split.stride[axis])
}

/// Lets the inputs of a concatenation be written into it at once.
fn join_parts(draft: &mut Draft) {
    for at in 0..draft.steps.len() {
        let step = &draft.steps[at];
        let (Kind::Copy, [Operand::Place(from)], Operand::Place(to)) =
            (&step.kind, &step.reads[..], step.write)
        else {
            continue;
        };
        let (from, to) = (*from, to);
        if draft.places.get(to).inside.is_some() {
            try_to_join(draft, from, to);
        }
    }
    let places = &draft.places;
    draft.steps.retain(|step| {
        let [Operand::Place(from)] = step.reads[..] else {
            return true;
        };
        let Operand::Place(to) = step.write else {
            return true;
        };
        !matches!(step.kind, Kind::Copy) || places.root(from) != places.root(to)
    });
}

/// Makes the root of `from` a part of the whole that `to` is a part of, where that is possible.
fn try_to_join(draft: &mut Draft, from: PlaceId, to: PlaceId) {
    let places = &draft.places;
    let Some(inside) = places.get(to).inside else {
        return;
    };
    let ((part, skipped), whole) = (places.root(from), inside.of);
    if part == places.root(whole).0 || inside.channel < skipped {
        return;
    }
    let first = inside.channel - skipped;
    let behind = first + places.get(part).channels;
    if behind > places.get(whole).channels {
        return;
    }
    // All that goes to these channels has to be of the same place, where it is there.
    let fits = draft.steps.iter().all(|step| {
        let (Kind::Copy, [Operand::Place(other)], Operand::Place(target)) =
            (&step.kind, &step.reads[..], step.write)
        else {
            return true;
        };
        let Some(other_inside) = places.get(target).inside else {
            return true;
        };
        if other_inside.of != whole {
            return true;
        }
        let (start, end) = (
            other_inside.channel,
            other_inside.channel + places.get(target).channels,
        );
        let (other_root, other_skipped) = places.root(*other);
        end <= first || behind <= start || (other_root == part && first + other_skipped == start)
    });
    if !fits {
        return;
    }
    draft.places.get_mut(part).inside = Some(Inside {
        of: whole,
        channel: first,
        is_vector: false,
    });
    if draft
        .steps
        .iter()
        .any(|step| conflicts(&draft.places, step))
    {
        draft.places.get_mut(part).inside = None;
        return;
    }
    inherit(&mut draft.places, part);
}

/// Whether it reads behind the end of a part of what it writes.
fn conflicts(places: &Places, step: &DraftStep) -> bool {
    let (Some(Operand::Place(input)), Operand::Place(output)) = (step.reads.first(), step.write)
    else {
        return false;
    };
    step.reads_behind(places) && places.root(*input).0 == places.root(output).0
}

/// What readers want of a part they want of the whole.
fn inherit(places: &mut Places, part: PlaceId) {
    let place = places.get(part).clone();
    places.widen(part, place.margins);
    let (root, _) = places.root(part);
    let root = places.get_mut(root);
    root.is_read_behind |= place.is_read_behind;
    root.has_taps |= place.has_taps;
    root.least_row = root.least_row.max(place.least_row);
}

/// One image without margins is its own vector.
fn flatten_in_place(draft: &mut Draft) {
    let Draft { places, steps } = draft;
    steps.retain(|step| {
        let (Kind::Flatten, [Operand::Place(image)], Operand::Place(vector)) =
            (&step.kind, &step.reads[..], step.write)
        else {
            return true;
        };
        let (root, _) = places.root(*image);
        let is_plain = places.get(root).margins == Margins::default()
            && !places.get(root).has_taps
            && places.get(root).form == Form::Image
            && !places.is_vector_of_another(*image);
        if places.get(*image).images > 1 || !is_plain || places.get(vector).inside.is_some() {
            return true;
        }
        places.get_mut(root).is_compact = true;
        places.get_mut(vector).inside = Some(Inside {
            of: *image,
            channel: 0,
            is_vector: true,
        });
        inherit(places, vector);
        false
    });
}

/// A tensor without margin, of which nobody reads more than it has, is read where it lies.
fn read_tensors_in_place(draft: &mut Draft, sizes: &Sizes) {
    let Draft { places, steps } = draft;
    steps.retain(|step| {
        let (Kind::Copy, [Operand::Tensor(tensor)], Operand::Place(place)) =
            (&step.kind, &step.reads[..], step.write)
        else {
            return true;
        };
        let of = places.get(place);
        let values: usize = sizes.shape(*tensor).iter().product();
        let is_plain = of.inside.is_none()
            && of.margins == Margins::default()
            && !of.is_read_behind
            && !of.has_taps
            && of.images * of.channels * of.height * of.width == values;
        if !is_plain {
            return true;
        }
        places.get_mut(place).tensor = Some(*tensor);
        false
    });
}
