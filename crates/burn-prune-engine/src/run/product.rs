//! Steps that multiply by a weight.

use std::sync::Arc;

use crate::activation::Activation;
use crate::format::Packed;
use crate::kernel::{
    Epilogue, Input, Part, Residual, ResidualPlace, Scratch, Simd, Split, Write, depthwise,
};
use crate::layout::Planes;
use crate::run::draft::phase_of_tap;
use crate::run::step::Images;
use crate::run::tasks::Task;
use crate::run::weights::{NodeWeights, WeightKind};
use crate::window::Window;

/// Which loop computes a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// One position.
    Vector,
    /// Nonzero by nonzero, for many positions.
    Product,
    /// Dense tiles, expanded into cache.
    Expanded,
}

/// A Linear or a convolution.
#[derive(Debug)]
pub(crate) struct ProductWork {
    pub weights: Arc<NodeWeights>,
    pub path: Path,
    /// For each group and each of its columns, from the first value of the group on.
    pub offsets: Vec<Vec<u32>>,
    /// From the values of one group to those of the next one.
    pub group_values: usize,
    /// Rows of a group.
    pub group_rows: usize,
    pub bias: Arc<[f32]>,
    pub activation: Activation,
    pub residual: Option<ResidualPlace>,
}

/// A convolution whose groups read one channel each.
#[derive(Debug)]
pub(crate) struct DepthwiseWork {
    pub weights: Arc<NodeWeights>,
    pub window: Window,
    /// Outputs of a channel.
    pub multiplier: usize,
    pub bias: Arc<[f32]>,
    pub activation: Activation,
    pub residual: Option<ResidualPlace>,
}

impl ProductWork {
    pub(super) fn groups(&self) -> &[Packed] {
        match self.path {
            Path::Vector => self.weights.groups(),
            Path::Product | Path::Expanded => self.weights.groups_for_positions(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that a task needs")]
    pub(super) fn run(
        &self,
        task: &Task,
        image: usize,
        sources: &[Images<'_>; 2],
        write: Write<'_>,
        planes: Planes,
        scratch: &mut Scratch,
        simd: Simd,
    ) {
        let first_row = task.group * self.group_rows;
        let packed = &self.groups()[task.group];
        let input = &sources[0].image(image);
        let values = &input.values[task.group * self.group_values..];
        let epilogue = Epilogue {
            bias: &self.bias[first_row..first_row + self.group_rows],
            activation: self.activation,
            residual: residual(self.residual, &sources[1], image, first_row),
        };
        let output = write.image(image, first_row, planes);
        let part = Part {
            rows: task.planes.clone(),
            lines: task.lines.clone(),
        };
        let input = Input {
            values,
            offsets: &self.offsets[task.group],
            row: input.planes.row,
        };
        match self.path {
            Path::Vector => packed.vector(simd, part.rows, values, &epilogue, &output, scratch),
            Path::Product => packed.product(simd, &part, &input, &epilogue, &output, scratch),
            Path::Expanded => {
                packed.product_expanded(simd, &part, &input, &epilogue, &output, scratch);
            }
        }
    }
}

impl DepthwiseWork {
    pub(super) fn run(
        &self,
        task: &Task,
        image: usize,
        sources: &[Images<'_>; 2],
        write: Write<'_>,
        planes: Planes,
        simd: Simd,
    ) {
        let WeightKind::Depthwise(weights) = &self.weights.kind else {
            return;
        };
        let epilogue = Epilogue {
            bias: &self.bias,
            activation: self.activation,
            residual: residual(self.residual, &sources[1], image, 0),
        };
        let part = Part {
            rows: task.planes.clone(),
            lines: task.lines.clone(),
        };
        depthwise(
            simd,
            &self.window,
            weights,
            self.multiplier,
            &part,
            sources[0].image(image),
            &epilogue,
            &write.image(image, 0, planes),
        );
    }
}

fn residual<'a>(
    place: Option<ResidualPlace>,
    images: &Images<'a>,
    image: usize,
    first_row: usize,
) -> Option<Residual<'a>> {
    let source = place.map(|place| (place, images.image(image)));
    source.map(|(place, source)| Residual {
        values: &source.values[first_row * source.planes.plane..],
        planes: source.planes,
        place,
    })
}

/// Where the input of each column is, for position 0.
pub(super) fn feature_offsets(columns: usize, planes: Planes) -> Vec<u32> {
    (0..columns)
        .map(|column| (column * planes.plane) as u32)
        .collect()
}

/// The same for the taps of a window that moves by 1.
pub(super) fn tap_offsets(channels: usize, window: &Window, planes: Planes) -> Vec<u32> {
    each_tap(channels, window, |channel, [y, x]| {
        let line = planes.top + y * window.dilation[0] - window.padding[0].0;
        let column = planes.left + x * window.dilation[1] - window.padding[1].0;
        channel * planes.plane + line * planes.row + column
    })
}

/// The same in phase planes.
pub(super) fn phase_offsets(
    channels: usize,
    window: &Window,
    split: &Split,
    planes: Planes,
) -> Vec<u32> {
    each_tap(channels, window, |channel, [y, x]| {
        let (phase_y, line) = phase_of_tap(split, window, 0, y);
        let (phase_x, column) = phase_of_tap(split, window, 1, x);
        let plane = (channel * split.kept[0] + phase_y) * split.kept[1] + phase_x;
        plane * planes.plane + line * planes.row + column
    })
}

fn each_tap(
    channels: usize,
    window: &Window,
    offset: impl Fn(usize, [usize; 2]) -> usize,
) -> Vec<u32> {
    let [height, width] = window.kernel;
    (0..channels * height * width)
        .map(|column| {
            let (channel, tap) = (column / (height * width), column % (height * width));
            offset(channel, [tap / width, tap % width]) as u32
        })
        .collect()
}
