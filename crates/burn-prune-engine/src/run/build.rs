//! Steps from a draft: places become regions of the arena, work is divided.

use std::sync::Arc;

use crate::error::EngineError;
use crate::kernel::{Region, SLACK, Split};
use crate::layout::Planes;
use crate::plan::choice;
use crate::plan::program::{NodeKind, Product, Program};
use crate::run::burn::BurnStep;
use crate::run::draft::{Draft, DraftStep, Kind, Operand, Reading};
use crate::run::memory::Memory;
use crate::run::place::{Place, PlaceId};
use crate::run::product::{self, DepthwiseWork, Path, ProductWork};
use crate::run::sizes::Sizes;
use crate::run::step::{Step, TensorPlanes, Where, Work};
use crate::run::tasks::{self, Task};
use crate::run::weights::{NodeWeights, WeightSet};
use crate::window::Window;

/// What steps are made from.
pub(super) struct Builder<'a> {
    pub(super) program: &'a Program,
    pub(super) weights: &'a WeightSet,
    pub(super) sizes: &'a Sizes,
    pub(super) draft: &'a Draft,
    pub(super) memory: &'a Memory,
    pub(super) batch: usize,
}

impl Builder<'_> {
    pub(super) fn steps(&self) -> Result<Vec<Step>, EngineError> {
        let mut steps = Vec::with_capacity(self.draft.steps.len());
        for step in &self.draft.steps {
            steps.push(self.step(step)?);
        }
        Ok(steps)
    }

    /// The step of a product with another weight of the same values.
    pub(super) fn with_weights(
        &self,
        step: &DraftStep,
        weights: &Arc<NodeWeights>,
        path: Path,
    ) -> Option<Step> {
        let Kind::Product(reading) = step.kind else {
            return None;
        };
        let reads = self.reads(step);
        let write = self.operand(step, step.write, false);
        let work = self.product(step, reading, reads[0].planes(), weights, Some(path));
        let (tasks, nanoseconds) = self.divide(step, &work, &write);
        Some(Step {
            node: step.node,
            work,
            reads,
            write,
            tasks,
            nanoseconds,
            last_uses: Vec::new(),
        })
    }

    fn reads(&self, step: &DraftStep) -> [Where; 2] {
        [0, 1].map(|at| match step.reads.get(at) {
            None => Where::Nowhere,
            Some(operand) => self.operand(
                step,
                *operand,
                at == 0 && step.reads_behind(&self.draft.places),
            ),
        })
    }

    fn step(&self, step: &DraftStep) -> Result<Step, EngineError> {
        let node = step.node.map(|node| &self.program.nodes[node]);
        if let (Kind::Burn, Some(node)) = (&step.kind, node) {
            let burn = BurnStep::new(node, &self.program.batches, self.batch)?;
            let work = Work::Burn(Box::new(burn));
            return Ok(Step::on_tensors(step.node, work));
        }
        if let (Kind::Reshape, [Operand::Tensor(from)], Operand::Tensor(to)) =
            (&step.kind, &step.reads[..], step.write)
        {
            let shape = self.sizes.shape(to).to_vec();
            let work = Work::Reshape {
                from: *from,
                to,
                shape,
            };
            return Ok(Step::on_tensors(step.node, work));
        }
        self.check_offsets(step)?;
        let reads = self.reads(step);
        let write = self.operand(step, step.write, false);
        let images = |operand: &Operand| {
            let place = operand.place();
            place.map_or(1, |place| self.draft.places.get(place).images)
        };
        let (reads, work) = match (step.kind.clone(), reads) {
            (Kind::Flatten, [first, second]) => {
                let (first, image) = first.into_one_image();
                let images = step.reads.first().map_or(1, images);
                ([first, second], Work::Flatten { images, image })
            }
            (_, reads) => {
                let work = self.work(step, reads[0].planes());
                (reads, work)
            }
        };
        let (tasks, nanoseconds) = self.divide(step, &work, &write);
        Ok(Step {
            node: step.node,
            work,
            reads,
            write,
            tasks,
            nanoseconds,
            last_uses: Vec::new(),
        })
    }

    /// A product finds its inputs by offsets of 32 bits.
    fn check_offsets(&self, step: &DraftStep) -> Result<(), EngineError> {
        let (Kind::Product(_), Some(Operand::Place(place)), Some(node)) =
            (&step.kind, step.reads.first(), step.node)
        else {
            return Ok(());
        };
        let (_, _, values) = self.draft.places.layout(*place);
        if u32::try_from(values).is_ok() {
            return Ok(());
        }
        Err(EngineError::TooLarge {
            operation: self.program.nodes[node].name.clone(),
            values,
        })
    }

    /// Where an operand of one of our steps is.
    fn operand(&self, step: &DraftStep, operand: Operand, is_read_behind: bool) -> Where {
        let value = match operand {
            Operand::Place(place) => return self.place(place, is_read_behind),
            Operand::Tensor(value) => value,
        };
        let (images, planes) = match step.kind {
            Kind::ToFeatures | Kind::ToRows => {
                let [_, features] = self.sizes.matrix(value);
                (1, contiguous([1, features]))
            }
            _ => {
                let other = step.reads.iter().chain([&step.write]);
                let place = other.copied().find_map(Operand::place);
                let place = self
                    .draft
                    .places
                    .get(place.expect("one operand is a place"));
                (place.images, contiguous([place.height, place.width]))
            }
        };
        Where::Tensor(TensorPlanes {
            value,
            shape: self.sizes.shape(value).to_vec(),
            images,
            planes,
            skipped: 0,
        })
    }

    fn place(&self, id: PlaceId, is_read_behind: bool) -> Where {
        let places = &self.draft.places;
        let place = places.get(id);
        let (planes, skipped, image) = places.layout(id);
        let (root, _) = places.root(id);
        if let Some(value) = places.get(root).tensor {
            return Where::Tensor(TensorPlanes {
                value,
                shape: self.sizes.shape(value).to_vec(),
                images: place.images,
                planes,
                skipped,
            });
        }
        let start = self.memory.start(root).expect("a used place has memory");
        let len = place.channels * planes.plane;
        Where::Arena {
            region: Region {
                start: start + skipped,
                images: place.images,
                image,
                len: if is_read_behind { len + SLACK } else { len },
            },
            planes,
        }
    }

    fn work(&self, step: &DraftStep, input: Planes) -> Work {
        let node = || &self.program.nodes[step.node.expect("it belongs to a node")];
        match step.kind {
            Kind::Product(reading) => {
                let (_, weights) = self.weight(step);
                self.product(step, reading, input, &weights, None)
            }
            Kind::Depthwise => {
                let (product, weights) = self.weight(step);
                let window = product.window.expect("it is a convolution");
                Work::Depthwise(DepthwiseWork {
                    window,
                    multiplier: product.weight.rows / window.groups,
                    bias: Arc::from(&product.bias[..]),
                    activation: product.activation,
                    residual: product.residual,
                    weights,
                })
            }
            Kind::Phases(split) => Work::Phases(split),
            Kind::Pool(pool) => Work::Pool(pool),
            Kind::GlobalAverage => Work::GlobalAverage,
            Kind::Upsample(factors) => Work::Upsample(factors),
            Kind::Copy => Work::Copy,
            Kind::ToFeatures | Kind::ToRows => Work::Transpose,
            Kind::Unflatten => Work::Unflatten,
            Kind::Activate(activation) => Work::Activate(activation),
            Kind::Sum(activation) => Work::Sum(activation),
            Kind::Multiply => Work::Multiply,
            Kind::MultiplyChannels => Work::MultiplyChannels,
            Kind::Affine => match &node().kind {
                NodeKind::Affine {
                    scale,
                    shift,
                    activation,
                } => Work::Affine {
                    scale: scale.clone(),
                    shift: shift.clone(),
                    activation: *activation,
                },
                _ => unreachable!("an affine step is of an affine node"),
            },
            Kind::Flatten | Kind::Reshape | Kind::Burn => {
                unreachable!("these steps are made elsewhere")
            }
        }
    }

    fn weight(&self, step: &DraftStep) -> (&Product, Arc<NodeWeights>) {
        let node = step.node.expect("a product belongs to a node");
        let NodeKind::Product(product) = &self.program.nodes[node].kind else {
            unreachable!("a step with a weight is of a product");
        };
        let weights = self.weights.node(node).expect("a product has weights");
        (product, Arc::clone(weights))
    }

    fn product(
        &self,
        step: &DraftStep,
        reading: Reading,
        input: Planes,
        weights: &Arc<NodeWeights>,
        path: Option<Path>,
    ) -> Work {
        let (product, _) = self.weight(step);
        let groups = product.window.map_or(1, |window| window.groups);
        let columns = product.weight.columns;
        let channels = |window: &Window| columns / (window.kernel[0] * window.kernel[1]);
        let (offsets, group_planes) = match reading {
            Reading::Features => (product::feature_offsets(columns, input), columns),
            Reading::Taps(window) => {
                let channels = channels(&window);
                (product::tap_offsets(channels, &window, input), channels)
            }
            Reading::Phases(window) => {
                let split = self.split_of(step);
                let channels = channels(&window);
                (
                    product::phase_offsets(channels, &window, &split, input),
                    channels * split.kept[0] * split.kept[1],
                )
            }
        };
        let is_tap = |window: Window| window.kernel != [1, 1];
        let output = step.write.place().expect("a product writes a place");
        let output = self.draft.places.layout(output).0;
        let is_vector =
            input.plane == 1 && output.plane == 1 && !product.window.is_some_and(is_tap);
        let path = if is_vector {
            Path::Vector
        } else {
            match path.unwrap_or_else(|| choice::path(weights, output.height * output.width)) {
                // Measured where the same weight reads a vector.
                Path::Vector => Path::Product,
                path => path,
            }
        };
        let mut work = ProductWork {
            path,
            offsets: Vec::new(),
            group_values: group_planes * input.plane,
            group_rows: product.weight.rows / groups,
            bias: Arc::from(&product.bias[..]),
            activation: product.activation,
            residual: product.residual,
            weights: Arc::clone(weights),
        };
        let packed = work.groups().iter();
        work.offsets = packed.map(|packed| packed.offsets(&offsets)).collect();
        Work::Product(work)
    }

    /// How the phase planes were made that a step reads.
    fn split_of(&self, step: &DraftStep) -> Split {
        let made = self.draft.steps.iter().find_map(|made| match made.kind {
            Kind::Phases(split) if Some(&made.write) == step.reads.first() => Some(split),
            _ => None,
        });
        made.expect("phase planes are made before they are read")
    }

    fn divide(&self, step: &DraftStep, work: &Work, write: &Where) -> (Vec<Task>, f64) {
        let place = |operand: Option<&Operand>| {
            let place = operand.copied().and_then(Operand::place);
            place.map(|place| self.draft.places.get(place))
        };
        let (input, output) = (place(step.reads.first()), place(Some(&step.write)));
        let some = output.or(input).expect("one operand is a place");
        let lines = some.height;
        match work {
            Work::Product(work) => {
                let input = input.expect("a product reads a place");
                let bytes = self
                    .draft
                    .places
                    .size(step.reads[0].place().expect("as above"))
                    * 4;
                tasks::of_product(work, some, bytes / input.images.max(1))
            }
            Work::Depthwise(work) => {
                let taps = work.window.kernel[0] * work.window.kernel[1];
                let values = some.images * some.channels * lines * some.width;
                let nanoseconds = (values * taps) as f64 * 0.06;
                let tasks = tasks::of_planes(some.images, some.channels, lines, nanoseconds);
                (tasks, nanoseconds)
            }
            // All images at once: their values lie side by side.
            Work::Flatten { .. } => {
                let input = input.expect("it reads a place");
                let values = input.images * input.channels * lines * input.width;
                let nanoseconds = values as f64 * 0.4;
                let tasks = tasks::count(nanoseconds).min(input.channels);
                let tasks = tasks::split(0..input.channels, tasks);
                let task = |planes| Task {
                    images: 0..1,
                    group: 0,
                    planes,
                    lines: 0..lines,
                };
                (tasks.into_iter().map(task).collect(), nanoseconds)
            }
            _ => {
                let input = input.unwrap_or(some);
                let (images, channels) = match (work, write) {
                    (Work::Transpose, Where::Tensor(_)) => (1, input.width),
                    (Work::Phases(_), _) => (input.images, input.channels),
                    _ => (some.images, some.channels),
                };
                let each = match work {
                    Work::Transpose => 0.5,
                    Work::Pool(pool) => 0.1 * (pool.kernel[0] * pool.kernel[1]) as f64,
                    _ => 0.2,
                };
                let size =
                    |place: &Place| place.images * place.channels * place.height * place.width;
                let values = size(some).max(size(input));
                let nanoseconds = values as f64 * each;
                let tasks = tasks::of_planes(images, channels, lines, nanoseconds);
                (tasks, nanoseconds)
            }
        }
    }
}

impl Step {
    fn on_tensors(node: Option<usize>, work: Work) -> Self {
        Self {
            node,
            work,
            reads: [Where::Nowhere, Where::Nowhere],
            write: Where::Nowhere,
            tasks: Vec::new(),
            nanoseconds: 0.0,
            last_uses: Vec::new(),
        }
    }
}

/// Planes of a tensor of Burn.
fn contiguous([height, width]: [usize; 2]) -> Planes {
    Planes {
        height,
        width,
        top: 0,
        left: 0,
        row: width,
        plane: height * width,
    }
}
