//! Lines of equal length in what a convolution reads and writes: then a kernel stores its sums as they are.

use super::{Draft, Kind, Operand, Reading};
use crate::run::place::{Form, PlaceId, Places};

/// Longer lines than these, in parts of a place's own, cost more than they save.
const LONGEST: (usize, usize) = (11, 8);

/// Gives linked places the longest row of each other, where that is not much longer than their own.
pub(super) fn align(draft: &mut Draft) {
    let Draft { places, steps } = draft;
    let links: Vec<[PlaceId; 2]> = steps
        .iter()
        .filter(|step| {
            matches!(
                step.kind,
                Kind::Product(Reading::Taps(_) | Reading::Phases(_))
            )
        })
        .flat_map(|step| {
            let output = step.write.place();
            let reads = step.reads.iter().copied().filter_map(Operand::place);
            reads.filter_map(move |read| Some([read, output?]))
        })
        .map(|link| link.map(|place| places.root(place).0))
        .filter(|link| link.iter().all(|&place| can_grow(places, place)))
        .collect();
    // A row that has grown makes others grow, until all are alike or too long.
    let mut has_changed = true;
    while has_changed {
        has_changed = false;
        for link in &links {
            has_changed |= grow(places, link[0], link[1]);
            has_changed |= grow(places, link[1], link[0]);
        }
    }
}

fn can_grow(places: &Places, place: PlaceId) -> bool {
    let place = places.get(place);
    place.form == Form::Image && !place.is_compact && place.tensor.is_none()
}

/// Makes the row of a place as long as that of another; whether it was shorter.
fn grow(places: &mut Places, place: PlaceId, other: PlaceId) -> bool {
    let (row, longest) = (
        places.get(place).planes().row,
        places.get(other).planes().row,
    );
    let (times, of) = LONGEST;
    if row >= longest || longest * of > natural_row(places, place) * times {
        return false;
    }
    places.get_mut(place).least_row = longest;
    places.get(place).planes().row > row
}

/// The row of a place that nothing else is linked to.
fn natural_row(places: &Places, place: PlaceId) -> usize {
    let place = places.get(place);
    place.width + place.margins.left.max(place.margins.right)
}
