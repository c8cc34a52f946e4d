//! Steps from a draft: places become regions of the arena, work is divided.

use std::sync::Arc;

use burn::tensor::DType;

use crate::error::EngineError;
use crate::format::{FormatKind, Packed};
use crate::kernel::{Region, SLACK};
use crate::layout::Planes;
use crate::plan::program::{NodeKind, Product, Program, ValueId};
use crate::run::burn::BurnStep;
use crate::run::draft::{Draft, DraftStep, Kind, Operand, Reading};
use crate::run::memory::Memory;
use crate::run::place::{Form, Place, PlaceId};
use crate::run::product::{self, DepthwiseWork, Path, ProductWork};
use crate::run::sizes::Sizes;
use crate::run::step::{Step, TensorPlanes, Where, Work};
use crate::run::tasks::{self, Task};
use crate::run::weights::WeightSet;

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

    fn step(&self, step: &DraftStep) -> Result<Step, EngineError> {
        let node = step.node.map(|node| &self.program.nodes[node]);
        if let (Kind::Burn, Some(node)) = (&step.kind, node) {
            let work = Work::Burn(Box::new(BurnStep::new(node, self.batch)?));
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
        let reads = [0, 1].map(|at| match step.reads.get(at) {
            None => Where::Nowhere,
            Some(operand) => self.operand(step, *operand, at == 0 && step.reads_behind()),
        });
        let write = self.operand(step, step.write, false);
        let product = node.and_then(|node| match &node.kind {
            NodeKind::Product(product) => Some(product),
            _ => None,
        });
        let work = self.work(step, product, &reads, &write);
        let (tasks, nanoseconds) = self.divide(step, &work, &reads, &write);
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

    /// Where an operand of one of our steps is.
    fn operand(&self, step: &DraftStep, operand: Operand, is_read_behind: bool) -> Where {
        match operand {
            Operand::Place(place) => self.place(place, is_read_behind),
            Operand::Tensor(value) => {
                let rows = |[positions, features]: [usize; 2]| {
                    (1, contiguous([positions, features]))
                };
                let (images, planes) = match step.kind {
                    Kind::ToFeatures | Kind::ToRows => {
                        let [_, features] = self.sizes.matrix(value);
                        rows([1, features])
                    }
                    _ => self.like_the_other(step, operand, value),
                };
                Where::Tensor(TensorPlanes {
                    value,
                    shape: self.sizes.shape(value).to_vec(),
                    images,
                    planes,
                })
            }
        }
    }

    /// A tensor as planes of the size that the other operand has.
    fn like_the_other(
        &self,
        step: &DraftStep,
        operand: Operand,
        value: ValueId,
    ) -> (usize, Planes) {
        let other = step.reads.iter().chain([&step.write]).find_map(|other| {
            if *other == operand { None } else { other.place() }
        });
        match other.map(|place| self.draft.places.get(place)) {
            Some(place) => (place.images, contiguous([place.height, place.width])),
            None => {
                let [images, _, height, width] = self.sizes.image(value);
                (images, contiguous([height, width]))
            }
        }
    }

    fn place(&self, id: PlaceId, is_read_behind: bool) -> Where {
        let places = &self.draft.places;
        let place = places.get(id);
        let (planes, skipped, image) = places.layout(id);
        let (root, _) = places.root(id);
        if let Some(value) = places.get(root).tensor {
            return self.place_in_tensor(value, root, place, planes, skipped);
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

    /// A place that is (a part of) a tensor of Burn.
    fn place_in_tensor(
        &self,
        value: ValueId,
        root: PlaceId,
        place: &Place,
        planes: Planes,
        skipped: usize,
    ) -> Where {
        Where::Tensor(TensorPlanes {
            value,
            shape: self.sizes.shape(value).to_vec(),
            images: place.images,
            skipped,
            planes,
        })
    }
}
