//! Lottery tickets: what is rewound, what is pruned, what is compared, and what survives.

mod controls;
mod extending;
mod kills;
mod learner;
mod lineage;
mod mixing;
mod paper;
mod patterns;
mod refusals;
mod rehearsal;
mod report;
mod resuming;
mod rewinding;
mod rounds;
mod shards;
mod tickets;
mod tiny;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, Param, ParamGroup};
use burn::nn::BatchNorm;
use burn::optim::SgdConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::{Device, Tensor};
use burn_prune::lottery::{
    CellId, CellTraining, Control, LearningCurve, LotteryError, LotteryTicketSearch, Method,
    Rewind, StudyReport, Trained,
};
use burn_prune::{Allocation, Magnitude, MaskSet, Prunable, Pruner};
use examples_shared::ImageBatch;

use crate::nets::{Net, batches, seeded, values};

const STEPS: usize = 6;
const EARLY: usize = 2;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The weights and statistics that a training began or ended with, as bits.
type Weights = Vec<Vec<u32>>;

fn weights(net: &Net) -> Weights {
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    // Statistics of the last batch may be waiting; making an inference model takes them in.
    let net = net.valid();
    let norm = |of: fn(&BatchNorm) -> Tensor<1>| bits(values(of(net.norm.as_ref().unwrap())));
    vec![
        bits(values(net.conv.weight.val())),
        bits(values(net.fc1.weight.val())),
        bits(values(net.fc2.weight.val())),
        bits(net.running_mean().iter::<f32>().collect()),
        bits(values(net.conv.bias.as_ref().unwrap().val())),
        bits(values(net.fc1.bias.as_ref().unwrap().val())),
        bits(values(net.fc2.bias.as_ref().unwrap().val())),
        norm(|norm| norm.running_var.value_sync()),
        norm(|norm| norm.gamma.val()),
        norm(|norm| norm.beta.val()),
    ]
}

/// The same with zeros where the masks prune.
fn under(masks: &MaskSet, weights: &Weights) -> Weights {
    let mut weights = weights.clone();
    for (place, path) in ["conv.weight", "fc1.weight", "fc2.weight"]
        .iter()
        .enumerate()
    {
        if let Some(mask) = masks.get(path) {
            let pruned = mask.iter().enumerate().filter(|(_, kept)| !kept);
            pruned.for_each(|(index, _)| weights[place][index] = 0);
        }
    }
    weights
}

/// What a training saw.
#[derive(Clone)]
struct Seen {
    start: Weights,
    end: Weights,
    early: Weights,
    /// The masks that the pruner would cut early.
    early_masks: Option<MaskSet>,
    masks: MaskSet,
    schedule: std::ops::Range<usize>,
}

/// Trains little, and remembers what it saw.
struct Lab {
    batches: Vec<ImageBatch>,
    seen: RefCell<BTreeMap<CellId, Seen>>,
    order: RefCell<Vec<CellId>>,
}

impl Lab {
    fn new() -> Self {
        Self {
            batches: batches(4, &Device::flex().autodiff()),
            seen: RefCell::default(),
            order: RefCell::default(),
        }
    }

    fn model(seed: u64) -> Net {
        let device = Device::flex().autodiff();
        let mut net = seeded(Net::new(&device), seed);
        // The seed alone decides everything.
        let zeros = |count: usize| Some(Param::from_tensor(Tensor::zeros([count], &device)));
        net.conv.bias = zeros(6);
        net.fc1.bias = zeros(16);
        net.fc2.bias = zeros(10);
        net
    }

    fn train(&self, cell: &CellTraining<'_>, mut net: Net) -> Result<Trained<Net>, Failure> {
        let (start, masks) = (weights(&net), net.masks());
        let momentum = MomentumConfig::new();
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        let mut curve = LearningCurve::new();
        let (mut early, mut early_masks) = (Vec::new(), None);
        for step in cell.schedule() {
            let batch = &self.batches[(step + cell.seed() as usize) % self.batches.len()];
            let (loss, grads) = net.gradients(batch);
            curve.push(step + 1, loss);
            net = optimizer.step(0.05, net, grads);
            cell.after_step(step + 1, &net);
            if step + 1 == EARLY {
                early = weights(&net);
                early_masks = pruner().masks(&net).ok();
            }
        }
        self.order.borrow_mut().push(cell.id().clone());
        let seen = Seen {
            start,
            end: weights(&net),
            early,
            early_masks,
            masks,
            schedule: cell.schedule(),
        };
        self.seen.borrow_mut().insert(cell.id().clone(), seen);
        Ok(Trained {
            model: net,
            curve,
            test_accuracy: 0.5,
        })
    }

    fn run(&self, search: &LotteryTicketSearch<'_>) -> Result<StudyReport, LotteryError> {
        search.run(Self::model, |cell, net| self.train(cell, net))
    }

    fn seen(&self, method: &str, round: usize) -> Seen {
        self.seen.borrow()[&CellId::new(0, method, round)].clone()
    }

    fn trained(&self) -> usize {
        self.order.borrow().len()
    }
}

/// 20 % of each layer and 10 % of the last one.
fn pruner() -> Pruner {
    let output = ParamGroup::from_path("fc2.weight");
    let allocation = Allocation::per_layer([(output, 0.1)]);
    Pruner::new(Magnitude::l1())
        .amount(0.2)
        .allocation(allocation)
}

fn plain(dir: &Path) -> LotteryTicketSearch<'static> {
    LotteryTicketSearch::new(dir)
        .steps(STEPS)
        .rounds(2)
        .pruner(pruner())
}

fn ticket() -> Method {
    Method::new("ticket", Rewind::to_initialization())
}

fn controlled() -> Method {
    let controls = [
        Control::Reinitialized,
        Control::RandomMask,
        Control::ShuffledMask,
    ];
    let add = |method: Method, control| method.control(control, [1, 2]);
    controls.into_iter().fold(ticket(), add)
}

fn csv(dir: &Path, report: &StudyReport) -> String {
    report.save(dir).unwrap();
    fs::read_to_string(dir.join("results.csv")).unwrap()
}
