//! A layer as our kernels run it: packed once, planned for each shape of its input.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::Flex;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{DType, Device, Tensor};
use burn_flex::FlexTensor;

use crate::activation::Activation;
use crate::format::Precision;
use crate::plan::choice::{self, Choosing, FormatChoice};
use crate::plan::program::{
    Batches, Node, NodeKind, Product, Program, Size, Value, ValueId, Weight,
};
use crate::run::{Plan, States, Threads, WeightSet};
use crate::window::Window;

/// Plans that are kept: sizes of images and batches that take turns.
const PLANS: usize = 16;

/// The packed form of a layer, made when it first runs and shared by its clones.
///
/// Whatever changes a parameter inside a module does so in [`Module::map`], which walks over this
/// field too: the packed form is made anew then.
#[derive(Clone, Default)]
pub(super) struct Kernels(Arc<Mutex<Option<Arc<Layer>>>>);

/// A weight on the host, row by row, and the bias.
pub(super) struct Dense {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// Sizes of a layer for one shape of its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub rows: usize,
    /// Inputs of a row.
    pub columns: usize,
    /// `None` for a Linear.
    pub window: Option<Window>,
    pub input: Vec<usize>,
    /// The first size is the batch, as that of the input.
    pub output: Vec<usize>,
}

struct Layer {
    weights: WeightSet,
    bias: Vec<f32>,
    states: States,
    threads: Threads,
    plans: Mutex<VecDeque<(Shape, Arc<Plan>)>>,
}

/// The tensor, if our kernels can read it.
pub(super) fn on_flex<const D: usize>(tensor: &Tensor<D>) -> Option<FlexTensor> {
    if tensor.is_autodiff() || tensor.dtype() != DType::F32 {
        return None;
    }
    tensor.clone().try_into_primitive::<Flex>().ok()
}

impl Dense {
    pub(super) fn new<const D: usize>(
        weight: Tensor<D>,
        bias: Option<&Tensor<1>>,
        rows: usize,
    ) -> Self {
        let bias = bias.map(|bias| bias.to_data().iter().collect());
        Self {
            weight: weight.into_data().iter().collect(),
            bias: bias.unwrap_or_else(|| vec![0.0; rows]),
        }
    }
}

impl Kernels {
    /// The output for an input of this shape; `None` where that is too large.
    pub(super) fn run(
        &self,
        input: FlexTensor,
        shape: &Shape,
        dense: impl FnOnce() -> Dense,
    ) -> Option<FlexTensor> {
        let known = self.lock().clone();
        let layer = known.unwrap_or_else(|| {
            // Made without the lock: a thread of a pool that waits for Burn here may take another task
            // that runs this layer.
            let layer = Arc::new(Layer::new(shape, dense()));
            self.lock().get_or_insert(layer).clone()
        });
        layer.run(input, shape)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Layer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layer {
    fn new(shape: &Shape, dense: Dense) -> Self {
        let bias = dense.bias.clone();
        let mut program = program(shape, dense);
        let choosing = Choosing {
            choice: FormatChoice::Table,
            ..Choosing::default()
        };
        let threads = Threads::default();
        let weights = choice::pack(
            &mut program,
            &choosing,
            Precision::F32,
            Vec::new(),
            &threads,
        );
        Self {
            weights: weights.expect("a table chooses without running anything"),
            bias,
            states: States::default(),
            threads,
            plans: Mutex::default(),
        }
    }

    fn run(&self, input: FlexTensor, shape: &Shape) -> Option<FlexTensor> {
        let plan = self.plan(shape)?;
        let outputs = self
            .states
            .with(|state| plan.run(state, [input], &self.threads));
        let mut outputs = outputs.expect("no step is Burn's");
        Some(outputs.remove(0))
    }

    fn plan(&self, shape: &Shape) -> Option<Arc<Plan>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = plans.iter().find(|(planned, _)| planned == shape) {
            return Some(plan.clone());
        }
        let empty = Dense {
            weight: Vec::new(),
            bias: self.bias.clone(),
        };
        let plan = Plan::new(&program(shape, empty), &self.weights, shape.input[0]);
        let plan = Arc::new(plan.ok()?);
        if plans.len() == PLANS {
            plans.pop_front();
        }
        plans.push_back((shape.clone(), plan.clone()));
        Some(plan)
    }
}

/// The layer alone.
fn program(shape: &Shape, dense: Dense) -> Program {
    let value = |sizes: &[usize]| Value {
        shape: std::iter::once(Size::Batch(1))
            .chain(sizes[1..].iter().copied().map(Size::Fixed))
            .collect(),
        dtype: DType::F32,
        constant: None,
    };
    let [input, output] = [0, 1].map(ValueId);
    let product = Product {
        weight: Arc::new(Weight {
            path: "weight".to_string(),
            values: dense.weight,
            rows: shape.rows,
            columns: shape.columns,
        }),
        bias: dense.bias,
        window: shape.window,
        activation: Activation::None,
        residual: None,
        is_behind_relu: false,
    };
    Program {
        values: vec![value(&shape.input), value(&shape.output)],
        nodes: vec![Node {
            operation: 0,
            name: "weight".to_string(),
            kind: NodeKind::Product(product),
            inputs: vec![input],
            outputs: vec![output],
        }],
        inputs: vec![input],
        outputs: vec![output],
        batches: Batches {
            example: shape.input[0],
            other: Ok(shape.input[0] + 1),
        },
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Kernels")
    }
}

impl Module for Kernels {
    fn map<Mapper: ModuleMapper>(self, _mapper: &mut Mapper) -> Self {
        Self::default()
    }

    fn visit<Visitor: ModuleVisitor>(&self, _visitor: &mut Visitor) {}

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _device: &Device) -> Self {
        self
    }

    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Kernels {
    fn content(&self, content: Content) -> Option<Content> {
        content.optional()
    }
}

impl ModuleDisplay for Kernels {}
