use std::collections::HashMap;

use super::{Draft, DraftStep, Kind, Operand};
use crate::kernel::Split;
use crate::plan::program::{Program, ValueId};
use crate::run::place::{Form, Margins, Place, PlaceId, Places};
use crate::run::sizes::Sizes;

/// Makes a draft, node by node.
pub(super) struct Drafter<'a> {
    pub(super) program: &'a Program,
    pub(super) sizes: &'a Sizes,
    pub(super) places: Places,
    pub(super) steps: Vec<DraftStep>,
    /// What there is of each value so far.
    forms: Vec<Forms>,
    /// Phase planes of a place, for each stride.
    phases: HashMap<(PlaceId, [usize; 2]), PlaceId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Forms {
    image: Option<PlaceId>,
    matrix: Option<PlaceId>,
    is_tensor: bool,
}

impl<'a> Drafter<'a> {
    pub(super) fn new(program: &'a Program, sizes: &'a Sizes) -> Self {
        let mut forms = vec![Forms::default(); program.values.len()];
        for input in &program.inputs {
            forms[input.0].is_tensor = true;
        }
        for (value, forms) in program.values.iter().zip(&mut forms) {
            forms.is_tensor |= value.constant.is_some();
        }
        Self {
            program,
            sizes,
            places: Places::default(),
            steps: Vec::new(),
            forms,
            phases: HashMap::new(),
        }
    }

    pub(super) fn draft(mut self) -> Draft {
        for (at, node) in self.program.nodes.iter().enumerate() {
            let first = self.steps.len();
            self.node(node);
            for step in &mut self.steps[first..] {
                step.node = Some(at);
            }
        }
        for &output in &self.program.outputs {
            self.tensor(output);
        }
        Draft {
            places: self.places,
            steps: self.steps,
        }
    }

    pub(super) fn push(&mut self, kind: Kind, reads: Vec<Operand>, write: Operand) {
        self.steps.push(DraftStep {
            node: None,
            kind,
            reads,
            write,
        });
    }

    /// A step that writes a place.
    pub(super) fn write(&mut self, kind: Kind, reads: &[PlaceId], write: PlaceId) {
        let reads = reads.iter().map(|&place| Operand::Place(place)).collect();
        self.push(kind, reads, Operand::Place(write));
    }

    /// The value as channels of images.
    pub(super) fn image(&mut self, value: ValueId) -> PlaceId {
        if let Some(place) = self.forms[value.0].image {
            return place;
        }
        let tensor = self.tensor(value);
        let place = self.new_image(value);
        self.push(Kind::Copy, vec![tensor], Operand::Place(place));
        place
    }

    /// The value as a matrix of features.
    pub(super) fn matrix(&mut self, value: ValueId) -> PlaceId {
        if let Some(place) = self.forms[value.0].matrix {
            return place;
        }
        let tensor = self.tensor(value);
        let place = self.new_matrix(value);
        let is_vector = self.places.get(place).width == 1;
        let kind = if is_vector {
            Kind::Copy
        } else {
            Kind::ToFeatures
        };
        self.push(kind, vec![tensor], Operand::Place(place));
        place
    }

    /// The value as a tensor of Burn.
    pub(super) fn tensor(&mut self, value: ValueId) -> Operand {
        let forms = self.forms[value.0];
        if !forms.is_tensor {
            let (kind, place) = match (forms.image, forms.matrix) {
                (Some(image), _) => (Kind::Copy, image),
                (None, Some(matrix)) if self.places.get(matrix).width == 1 => (Kind::Copy, matrix),
                (None, Some(matrix)) => (Kind::ToRows, matrix),
                (None, None) => unreachable!("a value is read before a node has made it"),
            };
            self.push(kind, vec![Operand::Place(place)], Operand::Tensor(value));
            self.forms[value.0].is_tensor = true;
        }
        Operand::Tensor(value)
    }

    /// The form in which a step that takes any reads a value without a copy.
    pub(super) fn handy(&self, value: ValueId) -> Form {
        let forms = self.forms[value.0];
        let is_image = match (forms.image, forms.matrix) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => self.sizes.shape(value).len() == 4,
        };
        if is_image { Form::Image } else { Form::Matrix }
    }

    pub(super) fn form(&mut self, value: ValueId, form: Form) -> PlaceId {
        match form {
            Form::Image => self.image(value),
            Form::Matrix => self.matrix(value),
        }
    }

    pub(super) fn new_form(&mut self, value: ValueId, form: Form) -> PlaceId {
        match form {
            Form::Image => self.new_image(value),
            Form::Matrix => self.new_matrix(value),
        }
    }

    pub(super) fn new_image(&mut self, value: ValueId) -> PlaceId {
        let place = self.places.add(Place::image(self.sizes.image(value)));
        self.forms[value.0].image = Some(place);
        place
    }

    pub(super) fn new_matrix(&mut self, value: ValueId) -> PlaceId {
        let place = self.places.add(Place::matrix(self.sizes.matrix(value)));
        self.forms[value.0].matrix = Some(place);
        place
    }

    pub(super) fn set_matrix(&mut self, value: ValueId, place: PlaceId) {
        self.forms[value.0].matrix = Some(place);
    }

    pub(super) fn set_tensor(&mut self, value: ValueId) {
        self.forms[value.0].is_tensor = true;
    }

    pub(super) fn image_of(&self, value: ValueId) -> Option<PlaceId> {
        self.forms[value.0].image
    }

    pub(super) fn matrix_of(&self, value: ValueId) -> Option<PlaceId> {
        self.forms[value.0].matrix
    }

    /// A product reads a place: with zeros around the planes, at so many taps, for so many positions a line, and behind
    /// its end.
    pub(super) fn want(&mut self, place: PlaceId, margins: Margins, taps: usize, positions: usize) {
        self.places.widen(place, margins);
        let (root, _) = self.places.root(place);
        let root = self.places.get_mut(root);
        root.is_read_behind = true;
        root.has_taps |= taps > 1;
        root.least_row = root.least_row.max(positions);
    }

    /// The phase planes of a place for readers of this stride; their size is settled when all readers are known.
    pub(super) fn phase_planes(&mut self, image: PlaceId, stride: [usize; 2]) -> PlaceId {
        if let Some(&place) = self.phases.get(&(image, stride)) {
            return place;
        }
        let of = self.places.get(image);
        let place = Place::image([of.images, of.channels, of.height, of.width]);
        let place = self.places.add(place);
        let split = Split {
            stride,
            padding: [0, 0],
            kept: [1, 1],
        };
        self.write(Kind::Phases(split), &[image], place);
        self.phases.insert((image, stride), place);
        place
    }
}
