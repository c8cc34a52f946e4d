use crate::plan::program::{Program, ValueId};

/// The shapes of all values at one batch size.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    shapes: Vec<Vec<usize>>,
}

impl Sizes {
    pub(crate) fn new(program: &Program, batch: usize) -> Self {
        let shapes = program.values.iter().map(|value| value.at(batch));
        Self {
            shapes: shapes.collect(),
        }
    }

    pub(crate) fn shape(&self, value: ValueId) -> &[usize] {
        &self.shapes[value.0]
    }

    /// `[images, channels, height, width]`. What has less axes has height 1, and a matrix width 1 too.
    pub(crate) fn image(&self, value: ValueId) -> [usize; 4] {
        match *self.shape(value) {
            [images, channels, height, width] => [images, channels, height, width],
            [images, channels, width] => [images, channels, 1, width],
            [images, channels] => [images, channels, 1, 1],
            ref shape => [1, 1, 1, shape.iter().product()],
        }
    }

    /// Positions and features.
    pub(crate) fn matrix(&self, value: ValueId) -> [usize; 2] {
        let shape = self.shape(value);
        let features = shape.last().copied().unwrap_or(1);
        [shape.iter().product::<usize>() / features.max(1), features]
    }
}
