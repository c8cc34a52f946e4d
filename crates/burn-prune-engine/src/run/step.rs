//! One step of a plan: what it reads, what it writes, and in which parts.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};

use crate::activation::Activation;
use crate::error::EngineError;
use crate::kernel::{
    Arena, Crew, Output, Read, Region, Scratch, Simd, Source, Split, Write, activate, affine,
    copy_planes, flatten, global_average, multiply, multiply_channels, phases, pool, sum,
    transpose, unflatten, upsample,
};
use crate::layout::Planes;
use crate::plan::program::ValueId;
use crate::run::burn::BurnStep;
use crate::run::product::{DepthwiseWork, ProductWork};
use crate::run::state::State;
use crate::run::tasks::Task;
use crate::window::Pool;

/// A step with all that is known before a run.
#[derive(Debug)]
pub(crate) struct Step {
    /// Of the program.
    pub node: Option<usize>,
    pub work: Work,
    pub reads: [Where; 2],
    pub write: Where,
    pub tasks: Vec<Task>,
    /// About how long it takes on one thread.
    pub nanoseconds: f64,
    /// Tensors that nobody reads afterwards.
    pub last_uses: Vec<ValueId>,
}

/// What a step reads or writes.
#[derive(Debug, Clone)]
pub(crate) enum Where {
    Nowhere,
    Arena { region: Region, planes: Planes },
    Tensor(TensorPlanes),
}

/// A tensor of Burn as planes.
#[derive(Debug, Clone)]
pub(crate) struct TensorPlanes {
    pub value: ValueId,
    pub shape: Vec<usize>,
    pub images: usize,
    pub planes: Planes,
    /// Values of each image before the first plane.
    pub skipped: usize,
}

#[derive(Debug)]
pub(crate) enum Work {
    Product(ProductWork),
    Depthwise(DepthwiseWork),
    Phases(Split),
    Pool(Pool),
    GlobalAverage,
    Upsample([usize; 2]),
    Copy,
    Transpose,
    /// All images at once: how many there are, and how far apart.
    Flatten {
        images: usize,
        image: usize,
    },
    Unflatten,
    Activate(Activation),
    Sum(Activation),
    Multiply,
    MultiplyChannels,
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
        activation: Activation,
    },
    Reshape {
        from: ValueId,
        to: ValueId,
        shape: Vec<usize>,
    },
    Burn(Box<BurnStep>),
}

impl Step {
    /// Whether Burn does it, with threads of its own. No team may be there meanwhile: a thread that waits for
    /// others of its pool takes whatever work they have, and that of a helper ends with the run.
    pub(super) fn is_burn(&self) -> bool {
        matches!(self.work, Work::Burn(_) | Work::Reshape { .. })
    }

    /// Makes the tensors of Burn contiguous that it reads, if they are there already. It is Burn that copies them, so
    /// this comes before the team.
    pub(super) fn prepare(&self, tensors: &mut [Option<FlexTensor>]) {
        for read in &self.reads {
            if let Where::Tensor(tensor) = read {
                let tensor = &mut tensors[tensor.value.0];
                if tensor.as_ref().is_some_and(|t| !t.is_contiguous()) {
                    *tensor = tensor.as_ref().map(FlexTensor::to_contiguous);
                }
            }
        }
    }

    /// Runs it on one thread or several, when it is [prepared](Self::prepare).
    pub(super) fn run(
        &self,
        state: &mut Memory<'_>,
        crew: &Crew<'_>,
        simd: Simd,
    ) -> Result<(), EngineError> {
        match &self.work {
            Work::Burn(step) => step.run(state.tensors, &self.last_uses)?,
            Work::Reshape { from, to, shape } => {
                let tensor = state.tensors[from.0].clone();
                let tensor = tensor.expect("a tensor is there before it is read");
                let shape = Shape::from(shape.clone());
                state.tensors[to.0] = Some(tensor.to_contiguous().reshape(shape));
            }
            _ => self.run_ours(state, crew, simd),
        }
        for value in &self.last_uses {
            state.tensors[value.0] = None;
        }
        Ok(())
    }

    fn run_ours(&self, state: &mut Memory<'_>, crew: &Crew<'_>, simd: Simd) {
        let regions = [self.reads[0].region(), self.reads[1].region()];
        match &self.write {
            Where::Nowhere => {}
            Where::Arena { region, planes } => {
                let (reads, write) = state.arena.open(regions, *region);
                let sources = self.sources(reads, state.tensors);
                self.run_tasks(&sources, write, *planes, state.scratch, crew, simd);
            }
            Where::Tensor(tensor) => {
                let mut values = vec![0.0; tensor.shape.iter().product()];
                let reads = regions.map(|region| state.arena.read(region));
                let sources = self.sources(reads, state.tensors);
                let write = Write::new(&mut values, tensor.images);
                self.run_tasks(&sources, write, tensor.planes, state.scratch, crew, simd);
                state.tensors[tensor.value.0] = Some(FlexTensor::new(
                    Bytes::from_elems(values),
                    Layout::contiguous(Shape::from(tensor.shape.clone())),
                    DType::F32,
                ));
            }
        }
    }

    /// What it reads, in the arena or in tensors of Burn.
    fn sources<'a>(
        &self,
        reads: [Read<'a>; 2],
        tensors: &'a [Option<FlexTensor>],
    ) -> [Images<'a>; 2] {
        [0, 1].map(|at| match &self.reads[at] {
            Where::Nowhere => Images {
                read: reads[at],
                planes: Planes::NONE,
            },
            Where::Arena { planes, .. } => Images {
                read: reads[at],
                planes: *planes,
            },
            Where::Tensor(tensor) => {
                let values = tensors[tensor.value.0]
                    .as_ref()
                    .and_then(|tensor| tensor.as_slice::<f32>())
                    .expect("a contiguous f32 tensor is there before it is read");
                Images {
                    read: Read::new(values, tensor.images).behind(tensor.skipped),
                    planes: tensor.planes,
                }
            }
        })
    }

    fn run_tasks(
        &self,
        sources: &[Images<'_>; 2],
        write: Write<'_>,
        planes: Planes,
        scratch: &[Mutex<Scratch>],
        crew: &Crew<'_>,
        simd: Simd,
    ) {
        crew.run(self.tasks.len(), &|task, thread| {
            let task = &self.tasks[task];
            let mut scratch = scratch[thread]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for image in task.images.clone() {
                self.run_task(task, image, sources, write, planes, &mut scratch, simd);
            }
        });
    }

    #[expect(clippy::too_many_arguments, reason = "all that a task needs")]
    fn run_task(
        &self,
        task: &Task,
        image: usize,
        sources: &[Images<'_>; 2],
        write: Write<'_>,
        planes: Planes,
        scratch: &mut Scratch,
        simd: Simd,
    ) {
        let range = task.planes.clone();
        let to = |image: usize| -> Output<'_> { write.image(image, 0, planes) };
        if let Work::Unflatten = self.work {
            return unflatten(range, image, sources[0].image(0), &to(image));
        }
        let first = sources[0].image(image);
        let second = || sources[1].image(image);
        match &self.work {
            Work::Product(work) => work.run(task, image, sources, write, planes, scratch, simd),
            Work::Depthwise(work) => work.run(task, image, sources, write, planes, simd),
            Work::Phases(split) => phases(simd, split, range, first, &to(image)),
            Work::Pool(window) => pool(simd, window, range, first, &to(image), scratch),
            Work::GlobalAverage => global_average(simd, range, first, &to(image)),
            Work::Upsample(factors) => upsample(*factors, range, first, &to(image)),
            Work::Copy => copy_planes(range, first, &to(image)),
            Work::Transpose => transpose(simd, range, first, &to(image)),
            Work::Flatten {
                images,
                image: apart,
            } => {
                flatten(range, *images, *apart, first, &to(image));
            }
            Work::Activate(activation) => activate(simd, *activation, range, first, &to(image)),
            Work::Sum(activation) => sum(simd, *activation, range, first, second(), &to(image)),
            Work::Multiply => multiply(simd, range, first, second(), &to(image)),
            Work::MultiplyChannels => multiply_channels(simd, range, first, second(), &to(image)),
            Work::Affine {
                scale,
                shift,
                activation,
            } => affine(simd, scale, shift, *activation, range, first, &to(image)),
            Work::Unflatten | Work::Reshape { .. } | Work::Burn(_) => {
                unreachable!("done above, or without tasks")
            }
        }
    }
}

impl Where {
    /// All images as one, and how far apart they are.
    pub(super) fn into_one_image(self) -> (Self, usize) {
        match self {
            Self::Nowhere => (self, 0),
            Self::Arena { region, planes } => {
                let one = Region {
                    images: 1,
                    len: region.end() - region.start,
                    ..region
                };
                let region = one;
                (Self::Arena { region, planes }, one.image)
            }
            Self::Tensor(tensor) => {
                let image = tensor.shape.iter().product::<usize>() / tensor.images.max(1);
                (
                    Self::Tensor(TensorPlanes {
                        images: 1,
                        ..tensor
                    }),
                    image,
                )
            }
        }
    }

    pub(super) fn planes(&self) -> Planes {
        match self {
            Self::Nowhere => Planes::NONE,
            Self::Arena { planes, .. } => *planes,
            Self::Tensor(tensor) => tensor.planes,
        }
    }

    fn region(&self) -> Region {
        match self {
            Self::Arena { region, .. } => *region,
            Self::Nowhere | Self::Tensor(_) => Region::EMPTY,
        }
    }
}

/// Images that a step reads.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    pub(super) read: Read<'a>,
    pub(super) planes: Planes,
}

impl<'a> Images<'a> {
    pub(super) fn image(&self, image: usize) -> Source<'a> {
        Source {
            values: self.read.image(image),
            planes: self.planes,
        }
    }
}

/// The parts of a state that steps use.
pub(super) struct Memory<'a> {
    pub(super) arena: &'a mut Arena,
    pub(super) tensors: &'a mut [Option<FlexTensor>],
    pub(super) scratch: &'a [Mutex<Scratch>],
}

impl State {
    /// Its team, and the rest.
    pub(super) fn parts(&mut self) -> (&mut crate::kernel::Team, Memory<'_>) {
        (
            &mut self.team,
            Memory {
                arena: &mut self.arena,
                tensors: &mut self.tensors,
                scratch: &self.scratch,
            },
        )
    }
}
