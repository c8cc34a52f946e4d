//! Where values lie, before it is known where in memory.

use crate::layout::Planes;
use crate::plan::program::ValueId;

/// Number of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PlaceId(pub usize);

/// Zeros that readers want around each plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Margins {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Margins {
    pub(crate) fn widest(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            bottom: self.bottom.max(other.bottom),
            left: self.left.max(other.left),
            right: self.right.max(other.right),
        }
    }
}

/// How the planes of a place follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Channels of images.
    Image,
    /// A plane of one line for each feature, with a value for each position.
    Matrix,
}

/// A value in the form that kernels read.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub form: Form,
    pub images: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub margins: Margins,
    /// Somebody reads all planes of an image as one vector.
    pub is_compact: bool,
    /// Somebody reads behind its end.
    pub is_read_behind: bool,
    /// Taps of a product read each line: loads are faster if all lines begin alike.
    pub has_taps: bool,
    /// Values that a line has at least, margins included.
    pub least_row: usize,
    /// A tensor of Burn that is read where it lies.
    pub tensor: Option<ValueId>,
    /// It is a part of another place.
    pub inside: Option<Inside>,
}

/// The part of another place that a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inside {
    pub of: PlaceId,
    /// The first channel.
    pub channel: usize,
    /// It is the vector of all values of an image.
    pub is_vector: bool,
}

/// All places of a plan.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Place>);

impl Place {
    pub(crate) fn image([images, channels, height, width]: [usize; 4]) -> Self {
        Self {
            form: Form::Image,
            images,
            channels,
            height,
            width,
            margins: Margins::default(),
            is_compact: false,
            is_read_behind: false,
            has_taps: false,
            least_row: 0,
            tensor: None,
            inside: None,
        }
    }

    pub(crate) fn matrix([positions, features]: [usize; 2]) -> Self {
        Self {
            form: Form::Matrix,
            ..Self::image([1, features, 1, positions])
        }
    }

    /// The planes of a place that is no part of another.
    pub(crate) fn planes(&self) -> Planes {
        let (height, width, margins) = (self.height, self.width, self.margins);
        if self.form == Form::Matrix {
            let row = match width {
                0 | 1 => 1,
                2..=8 => 8,
                _ => width.next_multiple_of(16),
            };
            return Planes {
                height,
                width,
                top: 0,
                left: 0,
                row,
                plane: row,
            };
        }
        // What is right of a line may be what is left of the next one, if there is a next one.
        let right = if margins.bottom > 0 {
            margins.right.saturating_sub(margins.left)
        } else {
            margins.right
        };
        let mut row = (margins.left + width + right).max(self.least_row);
        if self.has_taps {
            row = row.next_multiple_of(8);
        }
        let right = row - margins.left - width;
        let lines = margins.top + height + margins.bottom;
        let exact = lines * row + margins.right.saturating_sub(right);
        let plane = if self.is_compact || exact == 1 || self.tensor.is_some() {
            exact
        } else {
            // Each plane begins at a line of cache.
            exact.next_multiple_of(16)
        };
        Planes {
            height,
            width,
            top: margins.top,
            left: margins.left,
            row,
            plane,
        }
    }
}

impl Places {
    pub(crate) fn add(&mut self, place: Place) -> PlaceId {
        self.0.push(place);
        PlaceId(self.0.len() - 1)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = PlaceId> + use<> {
        (0..self.0.len()).map(PlaceId)
    }

    pub(crate) fn get(&self, id: PlaceId) -> &Place {
        &self.0[id.0]
    }

    pub(crate) fn get_mut(&mut self, id: PlaceId) -> &mut Place {
        &mut self.0[id.0]
    }

    /// The place that it is a part of in the end, and its first channel there.
    pub(crate) fn root(&self, id: PlaceId) -> (PlaceId, usize) {
        let (mut at, mut first) = (id, 0);
        while let Some(inside) = self.get(at).inside {
            at = inside.of;
            first += inside.channel;
        }
        (at, first)
    }

    /// Whether it is a vector of all values of an image that lies elsewhere.
    pub(crate) fn is_vector_of_another(&self, id: PlaceId) -> bool {
        let mut at = id;
        while let Some(inside) = self.get(at).inside {
            if inside.is_vector {
                return true;
            }
            at = inside.of;
        }
        false
    }

    /// Wants at least these margins around the planes.
    pub(crate) fn widen(&mut self, id: PlaceId, margins: Margins) {
        let (root, _) = self.root(id);
        let root = self.get_mut(root);
        root.margins = root.margins.widest(margins);
    }

    /// The planes, where they begin in the buffer of the root, and how far apart images are.
    pub(crate) fn layout(&self, id: PlaceId) -> (Planes, usize, usize) {
        let place = self.get(id);
        match place.inside {
            None => {
                let planes = place.planes();
                (planes, 0, place.channels * planes.plane)
            }
            Some(inside) => {
                let (planes, start, image) = self.layout(inside.of);
                let start = start + inside.channel * planes.plane;
                if inside.is_vector {
                    (place.planes(), start, place.channels)
                } else {
                    (planes, start, image)
                }
            }
        }
    }

    /// Values of a buffer that holds it.
    pub(crate) fn size(&self, id: PlaceId) -> usize {
        let (_, _, image) = self.layout(id);
        image * self.get(id).images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(top: usize, bottom: usize, left: usize, right: usize) -> Margins {
        Margins {
            top,
            bottom,
            left,
            right,
        }
    }

    fn planes(size: [usize; 4], margins: Margins) -> Planes {
        Place {
            margins,
            ..Place::image(size)
        }
        .planes()
    }

    #[test]
    fn the_margin_right_of_a_line_is_the_one_left_of_the_next() {
        let planes = planes([1, 3, 7, 7], margins(1, 1, 1, 1));
        assert_eq!((planes.row, planes.top, planes.left), (8, 1, 1));
        // Nine lines of eight values, and one value right of the last line.
        assert_eq!(planes.plane, 80);
    }

    #[test]
    fn lines_that_taps_read_begin_alike() {
        let place = Place {
            has_taps: true,
            margins: margins(1, 1, 1, 1),
            ..Place::image([1, 3, 14, 14])
        };
        assert_eq!((place.planes().row, place.planes().plane), (16, 256));
    }

    #[test]
    fn without_a_line_below_the_margin_is_there_on_both_sides() {
        assert_eq!(planes([2, 3, 1, 10], margins(0, 0, 2, 3)).row, 15);
    }

    #[test]
    fn planes_without_margin_begin_at_lines_of_cache_unless_they_are_read_as_a_vector() {
        assert_eq!(planes([1, 3, 7, 7], Margins::default()).plane, 64);
        let compact = Place {
            is_compact: true,
            ..Place::image([1, 3, 7, 7])
        };
        assert_eq!(compact.planes().plane, 49);
        assert_eq!(planes([1, 3, 1, 1], Margins::default()).plane, 1);
    }

    #[test]
    fn matrices_are_feature_major() {
        let planes = |positions| Place::matrix([positions, 5]).planes().plane;
        assert_eq!([1, 2, 8, 9, 16, 33].map(planes), [1, 8, 8, 16, 16, 48]);
    }

    #[test]
    fn a_part_has_the_planes_of_the_whole() {
        let mut places = Places::default();
        let whole = places.add(Place::image([2, 5, 3, 4]));
        let part = places.add(Place {
            inside: Some(Inside {
                of: whole,
                channel: 2,
                is_vector: false,
            }),
            ..Place::image([2, 3, 3, 4])
        });
        places.widen(part, margins(1, 1, 1, 1));
        let (planes, start, image) = places.layout(part);
        assert_eq!(planes, places.layout(whole).0);
        assert_eq!((start, image), (2 * planes.plane, 5 * planes.plane));
        assert_eq!(places.root(part), (whole, 2));
    }
}
