//! Files of the first format, from before records had digests and identities were data: they load,
//! or are refused by their version.

use std::fs;
use std::path::{Path, PathBuf};

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::lottery::{
    CellTraining, Control, LotteryTicketSearch, Method, Rewind, StudyReport, Ticket, Trained,
};
use burn_prune::{Magnitude, MaskSet, Prunable, Pruner, Recipe, TrainingLength};

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    output: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(6, 5).init(device),
            output: LinearConfig::new(5, 3).init(device),
        }
    }

    /// Zeros among the weights that a forward pass reads, by layer.
    fn zeros(&self) -> [usize; 2] {
        [&self.hidden, &self.output].map(|layer| {
            let weights: Tensor<2> = layer.weight.val();
            let weights = weights.try_into_vec_as::<f32>().unwrap();
            weights.into_iter().filter(|weight| *weight == 0.0).count()
        })
    }
}

fn pruned(masks: &MaskSet) -> usize {
    masks.iter().map(|(_, mask)| mask.pruned()).sum()
}

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/first_format");
    folder.join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_masked_model_loads() {
    let net = Net::new(&Device::flex());
    let net = net.load_masked(fixture("masked.bpk")).unwrap();
    assert_eq!(net.masks(), MaskSet::load(fixture("masks.mask")).unwrap());
    // Half of 15, rounded half to even.
    assert_eq!(net.zeros(), [15, 8]);
}

#[test]
fn a_checkpoint_gives_its_weights_and_masks() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let net = net.load_checkpoint(fixture("checkpoint.bpk")).unwrap();
    let masks = MaskSet::load(fixture("checkpoint.mask")).unwrap();
    assert_eq!(net.masks(), masks);
    assert_eq!(net.zeros().iter().sum::<usize>(), pruned(&masks));
}

#[test]
fn a_recipe_loads_and_its_checkpoint_fits_or_is_refused_by_its_version() {
    let device = Device::flex().autodiff();
    let recipe = Recipe::load(fixture("recipe.json")).unwrap();
    let run = TrainingLength {
        epochs: 1,
        steps_per_epoch: 6,
    };
    let pruning = recipe.wrap(Net::new(&device), run).unwrap();
    if let Err(error) = pruning.check_checkpoint(fixture("checkpoint.bpk")) {
        assert!(error.to_string().contains("version"), "{error}");
    }
}

#[test]
fn a_study_is_reported() {
    let report = StudyReport::read(fixture("study")).unwrap();
    assert_eq!(report.rows.len(), 5);
    assert!(report.missing.is_empty() && report.damaged.is_empty());
    let table = fs::read_to_string(fixture("study/results.csv")).unwrap();
    let line = table.lines().find(|line| line.starts_with("0,ticket,2,"));
    let loss: f64 = line.unwrap().split(',').nth(5).unwrap().parse().unwrap();
    let mut rows = report.rows_of("ticket", 2);
    assert_eq!(rows.next().unwrap().validation_loss, loss);
}

#[test]
fn a_finished_study_is_not_trained_again() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("study"), folder.path());
    let device = Device::flex().autodiff();
    let search = LotteryTicketSearch::new(folder.path())
        .seeds([0])
        .steps(4)
        .rounds(2)
        .pruner(Pruner::new(Magnitude::l1()).amount(0.3))
        .method(
            Method::new("ticket", Rewind::to_initialization())
                .control(Control::Reinitialized, [2])
                .control(Control::RandomMask, [2]),
        )
        .describe(&"Adam 1e-2");
    let found = search.run(
        |_| Net::new(&device),
        |cell: &CellTraining<'_>, _| -> Result<Trained<Net>, _> {
            panic!("{} is trained", cell.id())
        },
    );
    match found {
        Ok(report) => assert_eq!(report.rows.len(), 5),
        Err(error) => assert!(error.to_string().contains("version"), "{error}"),
    }
}

#[test]
fn a_ticket_loads() {
    let ticket = Ticket::load(fixture("winning.ticket")).unwrap();
    let masks = MaskSet::load(fixture("study/cells/seed-0/ticket/round-02/masks.mask"));
    assert_eq!(*ticket.masks(), masks.unwrap());
    let net = ticket.apply(Net::new(&Device::flex())).unwrap();
    assert_eq!(net.zeros().iter().sum::<usize>(), pruned(&net.masks()));
}
