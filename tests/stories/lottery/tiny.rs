//! A study that takes milliseconds, and what its trainings began with.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use burn_prune::lottery::{
    CellId, CellTraining, Control, LearningCurve, LotteryError, LotteryTicketSearch, Method,
    Moment, Rewind, StudyReport, Trained,
};
use burn_prune::{Magnitude, MaskSet, Prunable, Pruner};

use super::Failure;
use crate::chance::Chance;

pub(super) const STEPS: usize = 3;

/// Weights that depend on nothing but the seed.
pub(super) fn model(seed: u64) -> Linear {
    let device = Device::flex().autodiff();
    let mut chance = Chance::new(seed);
    let weights = (0..80).map(|_| chance.fraction() as f32 - 0.5).collect();
    let weights = TensorData::new::<f32, _>(weights, [10, 8]);
    let mut linear = LinearConfig::new(10, 8).init(&device);
    linear.weight = Param::from_tensor(Tensor::<2>::from_data(weights, &device));
    linear.bias = Some(Param::from_tensor(Tensor::<1>::zeros([8], &device)));
    linear
}

/// Masks and weights, as bits.
pub(super) type Start = (MaskSet, Vec<u32>);

pub(super) fn start(model: &Linear) -> Start {
    let weights = model.clone().valid().weight.val();
    let bits = weights
        .into_data()
        .iter::<f32>()
        .map(f32::to_bits)
        .collect();
    (model.masks(), bits)
}

/// What each training began with, in their order.
#[derive(Default)]
pub(super) struct Trainings(RefCell<Vec<(CellId, Start)>>);

impl Trainings {
    pub(super) fn cells(&self) -> Vec<String> {
        let cells = self.0.borrow();
        cells.iter().map(|(cell, _)| cell.to_string()).collect()
    }

    pub(super) fn starts(&self) -> BTreeMap<CellId, Start> {
        self.0.borrow().iter().cloned().collect()
    }

    pub(super) fn train(
        &self,
        rate: f64,
        cell: &CellTraining<'_>,
        mut model: Linear,
    ) -> Result<Trained<Linear>, Failure> {
        self.0.borrow_mut().push((cell.id().clone(), start(&model)));
        let mut optimizer = SgdConfig::new().init();
        let mut curve = LearningCurve::new();
        for step in cell.schedule() {
            let mut chance = Chance::new(1000 * cell.seed() + step as u64);
            let input = (0..10).map(|_| chance.fraction() as f32).collect();
            let input = TensorData::new::<f32, _>(input, [1, 10]);
            let input = Tensor::<2>::from_data(input, &Device::flex().autodiff());
            let loss = model.forward(input).square().sum();
            curve.push(step + 1, loss.clone().into_scalar::<f64>());
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(rate, model, grads);
            cell.after_step(step + 1, &model);
        }
        let (_, loss) = curve.lowest().ok_or("it diverged")?;
        Ok(Trained {
            model,
            curve,
            test_accuracy: 1.0 / (1.0 + loss),
        })
    }

    pub(super) fn run(
        &self,
        search: &LotteryTicketSearch<'_>,
    ) -> Result<StudyReport, LotteryError> {
        search.run(model, |cell, model| self.train(0.05, cell, model))
    }
}

pub(super) fn search(dir: &Path) -> LotteryTicketSearch<'static> {
    let ticket = Method::new("ticket", Rewind::to_initialization());
    LotteryTicketSearch::new(dir)
        .steps(STEPS)
        .rounds(2)
        .seeds([0, 1])
        .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
        .method(ticket.control(Control::ShuffledMask, [2]))
        .method(Method::new("rate", Rewind::learning_rate(Moment::Start)))
}

pub(super) fn folder(dir: &Path, cell: &CellId) -> PathBuf {
    let seed = dir.join(format!("cells/seed-{}", cell.seed));
    seed.join(&cell.method)
        .join(format!("round-{:02}", cell.round))
}

pub(super) fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files = paths.into_iter().flat_map(|path| {
        if path.is_dir() {
            all_files(&path)
        } else {
            vec![path]
        }
    });
    files.collect()
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    for file in all_files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
}

/// A study of one pruner that is to be told its methods.
pub(super) fn plain(dir: &Path) -> LotteryTicketSearch<'static> {
    LotteryTicketSearch::new(dir)
        .steps(STEPS)
        .rounds(2)
        .pruner(Pruner::new(Magnitude::l1()).amount(0.2))
}
