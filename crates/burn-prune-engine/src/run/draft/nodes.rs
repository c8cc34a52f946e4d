use super::convert::Drafter;
use super::{Kind, Operand, Reading};
use crate::plan::program::{Node, NodeKind, Product, ValueId};
use crate::run::place::{Form, Inside, Margins, Place, PlaceId};
use crate::window::Window;

impl Drafter<'_> {
    pub(super) fn node(&mut self, node: &Node) {
        let (inputs, outputs) = (&node.inputs, &node.outputs);
        match &node.kind {
            NodeKind::Product(product) => self.product(product, node),
            NodeKind::Pool(pool) => self.images(Kind::Pool(*pool), inputs, outputs[0]),
            NodeKind::GlobalAverage => self.images(Kind::GlobalAverage, inputs, outputs[0]),
            NodeKind::Upsample { factors } => {
                self.images(Kind::Upsample(*factors), inputs, outputs[0]);
            }
            NodeKind::Activation(activation) => {
                self.alike(Kind::Activate(*activation), inputs, outputs[0]);
            }
            NodeKind::Sum { activation } => {
                self.alike(Kind::Sum(*activation), inputs, outputs[0]);
            }
            NodeKind::Multiply => {
                if self.sizes.shape(inputs[0]) == self.sizes.shape(inputs[1]) {
                    self.alike(Kind::Multiply, inputs, outputs[0]);
                } else {
                    self.images(Kind::MultiplyChannels, inputs, outputs[0]);
                }
            }
            NodeKind::Affine { .. } => {
                let form = self.channel_form(inputs[0]);
                self.in_form(Kind::Affine, form, inputs, outputs[0]);
            }
            NodeKind::Concatenate => self.concatenate(inputs, outputs[0]),
            NodeKind::Channels { first, .. } => self.channels(inputs[0], outputs[0], *first),
            NodeKind::Reshape => self.reshape(inputs[0], outputs[0]),
            NodeKind::Burn { .. } => {
                let reads = inputs.iter().map(|&input| self.tensor(input)).collect();
                let write = outputs.first().copied().unwrap_or(ValueId(usize::MAX));
                self.push(Kind::Burn, reads, Operand::Tensor(write));
                for &output in outputs {
                    self.set_tensor(output);
                }
            }
        }
    }

    /// The form in which axis 1 is a channel.
    fn channel_form(&self, value: ValueId) -> Form {
        if self.sizes.shape(value).len() == 2 {
            Form::Matrix
        } else {
            Form::Image
        }
    }

    fn images(&mut self, kind: Kind, inputs: &[ValueId], output: ValueId) {
        self.in_form(kind, Form::Image, inputs, output);
    }

    /// All in the form that the first input has.
    fn alike(&mut self, kind: Kind, inputs: &[ValueId], output: ValueId) {
        let form = inputs
            .iter()
            .find(|&&input| self.image_of(input).is_some() || self.matrix_of(input).is_some())
            .unwrap_or(&inputs[0]);
        let form = self.handy(*form);
        self.in_form(kind, form, inputs, output);
    }

    fn in_form(&mut self, kind: Kind, form: Form, inputs: &[ValueId], output: ValueId) {
        let reads: Vec<PlaceId> = inputs.iter().map(|&input| self.form(input, form)).collect();
        let write = self.new_form(output, form);
        self.write(kind, &reads, write);
    }

    fn product(&mut self, product: &Product, node: &Node) {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let Some(window) = product.window else {
            let matrix = self.matrix(input);
            // Kernels for one position read nothing else.
            if self.places.get(matrix).width > 1 {
                self.want(matrix, Margins::default(), 1, 0);
            }
            let kind = Kind::Product(Reading::Features);
            return self.finish_product(kind, matrix, node, Form::Matrix);
        };
        let image = self.image(input);
        let channels = self.places.get(image).channels;
        let [(top, bottom), (left, right)] = window.padding;
        let margins = Margins {
            top,
            bottom,
            left,
            right,
        };
        debug_assert_eq!(self.sizes.image(output)[1], product.weight.rows);
        if is_depthwise(&window, channels) {
            self.places.widen(image, margins);
            return self.finish_product(Kind::Depthwise, image, node, Form::Image);
        }
        let taps = window.kernel[0] * window.kernel[1];
        if window.stride == [1, 1] {
            let [_, _, _, positions] = self.sizes.image(output);
            self.want(image, margins, taps, positions);
            let kind = Kind::Product(Reading::Taps(window));
            return self.finish_product(kind, image, node, Form::Image);
        }
        let phases = self.phase_planes(image, window.stride);
        self.want(phases, Margins::default(), taps, 0);
        let kind = Kind::Product(Reading::Phases(window));
        self.finish_product(kind, phases, node, Form::Image);
    }

    fn finish_product(&mut self, kind: Kind, input: PlaceId, node: &Node, form: Form) {
        let mut reads = vec![input];
        if let Some(&residual) = node.inputs.get(1) {
            reads.push(self.form(residual, form));
        }
        let write = self.new_form(node.outputs[0], form);
        self.write(kind, &reads, write);
    }

    /// Copies to the parts of one place; those that can be written there at once are found later.
    fn concatenate(&mut self, inputs: &[ValueId], output: ValueId) {
        let form = self.channel_form(output);
        let parts: Vec<PlaceId> = inputs.iter().map(|&input| self.form(input, form)).collect();
        let whole = self.new_form(output, form);
        let mut channel = 0;
        for part in parts {
            let place = Place {
                inside: Some(Inside {
                    of: whole,
                    channel,
                    is_vector: false,
                }),
                ..self.places.get(part).clone()
            };
            channel += place.channels;
            let place = self.places.add(place);
            self.write(Kind::Copy, &[part], place);
        }
    }

    /// A part of the place of the input.
    fn channels(&mut self, input: ValueId, output: ValueId, first: usize) {
        let form = self.channel_form(input);
        let whole = self.form(input, form);
        let part = self.new_form(output, form);
        self.places.get_mut(part).inside = Some(Inside {
            of: whole,
            channel: first,
            is_vector: false,
        });
    }

    fn reshape(&mut self, input: ValueId, output: ValueId) {
        let [positions, features] = self.sizes.matrix(output);
        let [images, channels, height, width] = self.sizes.image(input);
        let is_flat = positions == images && features == channels * height * width;
        match (self.image_of(input), self.matrix_of(input)) {
            (_, Some(matrix)) if self.sizes.matrix(input) == [positions, features] => {
                // Leading axes are positions in both.
                self.set_matrix(output, matrix);
            }
            (Some(image), _) if is_flat => {
                let matrix = self.new_matrix(output);
                self.write(Kind::Flatten, &[image], matrix);
            }
            (_, Some(matrix)) if positions == 1 && self.places.get(matrix).width == 1 => {
                self.set_matrix(output, matrix);
            }
            (_, Some(matrix)) if self.is_unflattening(input, output) => {
                let image = self.new_image(output);
                self.write(Kind::Unflatten, &[matrix], image);
            }
            _ => {
                let tensor = self.tensor(input);
                self.push(Kind::Reshape, vec![tensor], Operand::Tensor(output));
                self.set_tensor(output);
            }
        }
    }

    /// Whether the features of each position become the planes of an image.
    fn is_unflattening(&self, input: ValueId, output: ValueId) -> bool {
        let [positions, features] = self.sizes.matrix(input);
        let [images, channels, height, width] = self.sizes.image(output);
        self.sizes.shape(output).len() == 4
            && positions == images
            && features == channels * height * width
    }
}

/// Whether each group reads one channel.
pub(crate) fn is_depthwise(window: &Window, channels: usize) -> bool {
    window.groups == channels && channels > 1
}
