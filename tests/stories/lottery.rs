//! Lottery tickets: what is rewound, what is pruned, what is compared, and what survives.

use std::cell::{Cell as Slot, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use burn::module::{Module, Param, ParamGroup};
use burn::nn::BatchNorm;
use burn::optim::SgdConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::{Device, Tensor};
use burn_prune::lottery::{
    Cell, CellId, Control, Event, LearningCurve, LotteryError, LotteryTicketSearch, Method, Moment,
    Rewind, Shard, StudyReport, Ticket, Trained,
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
        // The seed is to decide over everything.
        let zeros = |count: usize| Some(Param::from_tensor(Tensor::zeros([count], &device)));
        net.conv.bias = zeros(6);
        net.fc1.bias = zeros(16);
        net.fc2.bias = zeros(10);
        net
    }

    fn train(&self, cell: &Cell<'_>, mut net: Net) -> Result<Trained<Net>, Failure> {
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

#[test]
fn every_round_begins_with_the_weights_that_its_method_says_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let early = Moment::Step(EARLY);
    let search = plain(folder.path())
        .fine_tuning_steps(3)
        .method(ticket())
        .method(Method::new("early", Rewind::weights(early)))
        .method(Method::new("rate", Rewind::learning_rate(early)))
        .method(Method::new("fine-tuning", Rewind::fine_tuning()));
    let report = lab.run(&search).unwrap();
    assert!(report.missing.is_empty());
    assert_eq!(lab.trained(), 1 + 4 * 2);

    let dense = lab.seen("dense", 0);
    assert!(dense.masks.is_empty());
    assert_eq!(dense.schedule, 0..STEPS);
    assert_ne!(dense.start, dense.end);
    assert_ne!(dense.start[3], dense.early[3], "the running mean moves");
    for round in [1, 2] {
        let before = |method| match round {
            1 => dense.clone(),
            _ => lab.seen(method, round - 1),
        };
        let check = |method: &str, from: &Weights, schedule| {
            let seen = lab.seen(method, round);
            assert!(
                seen.start == under(&seen.masks, from),
                "{method}, round {round}"
            );
            assert_eq!(seen.schedule, schedule, "{method}");
        };
        check("ticket", &dense.start, 0..STEPS);
        check("early", &dense.early, EARLY..STEPS);
        check("rate", &before("rate").end, EARLY..STEPS);
        check("fine-tuning", &before("fine-tuning").end, STEPS..STEPS + 3);
    }
}

#[test]
fn each_round_prunes_the_fraction_of_what_is_left_exactly_and_never_lets_a_weight_back() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).rounds(4).method(ticket()))
        .unwrap();
    // 54, 16224 and 160 weights, rounded half to even in each round.
    let left = |mut left: usize, fraction: f64, rounds: usize| {
        for _ in 0..rounds {
            left -= (fraction * left as f64).round_ties_even() as usize;
        }
        left
    };
    let mut before: Option<MaskSet> = None;
    for round in 1..=4 {
        let masks = lab.seen("ticket", round).masks;
        let kept = |path| masks.get(path).unwrap().kept();
        assert_eq!(kept("conv.weight"), left(54, 0.2, round));
        assert_eq!(kept("fc1.weight"), left(6 * 13 * 13 * 16, 0.2, round));
        assert_eq!(kept("fc2.weight"), left(160, 0.1, round));
        if let Some(before) = before {
            assert_eq!(before.intersect(&masks).unwrap(), masks);
        }
        before = Some(masks);
    }
}

#[test]
fn equal_magnitudes_do_not_cost_one_weight_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let search = plain(folder.path()).method(ticket());
    // Every weight of fc2 has the same magnitude, and is not trained.
    let equal = |seed| {
        let mut net = Lab::model(seed);
        let device = Device::flex().autodiff();
        let same = Tensor::full([16, 10], 0.25, &device);
        net.fc2.weight = Param::from_tensor(same).set_require_grad(false);
        net
    };
    search.run(equal, |cell, net| lab.train(cell, net)).unwrap();
    let kept = |round| {
        lab.seen("ticket", round)
            .masks
            .get("fc2.weight")
            .unwrap()
            .kept()
    };
    assert_eq!([kept(1), kept(2)], [144, 130]);
}

#[test]
fn masks_are_cut_from_the_weights_of_the_moment_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let at = |prune_at| Rewind {
        prune_at,
        ..Rewind::to_initialization()
    };
    let search = plain(folder.path())
        .rounds(1)
        .method(Method::new("end", at(Moment::End)))
        .method(Method::new("step", at(Moment::Step(EARLY))))
        .method(Method::new("epoch", at(Moment::Epoch(1))))
        .steps_per_epoch(EARLY);
    let snapshot = RefCell::new(None);
    let train = |cell: &Cell<'_>, net: Net| {
        let trained = lab.train(cell, net)?;
        if cell.round() == 0 {
            *snapshot.borrow_mut() = Some(trained.model.clone());
        }
        Ok(trained)
    };
    search.run(Lab::model, train).unwrap();
    let trained = snapshot.into_inner().unwrap();
    assert_eq!(lab.seen("end", 1).masks, pruner().masks(&trained).unwrap());
    assert_ne!(lab.seen("step", 1).masks, lab.seen("end", 1).masks);
    assert_eq!(
        Some(lab.seen("step", 1).masks),
        lab.seen("dense", 0).early_masks
    );
    assert_eq!(lab.seen("step", 1).masks, lab.seen("epoch", 1).masks);
}

#[test]
fn controls_differ_from_the_ticket_in_one_thing_each() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).method(controlled())).unwrap();
    let dense = lab.seen("dense", 0);
    let counts = |masks: &MaskSet| {
        masks
            .iter()
            .map(|(_, mask)| mask.kept())
            .collect::<Vec<_>>()
    };
    for round in [1, 2] {
        let ticket = lab.seen("ticket", round);
        let fresh = lab.seen("ticket-reinitialized", round);
        assert_eq!(fresh.masks, ticket.masks);
        assert_eq!(fresh.start, under(&ticket.masks, &fresh.start));
        let same = fresh.start[1].iter().zip(&ticket.start[1]);
        let same = same.filter(|(a, b)| a == b && **a != 0).count();
        assert!(same < 100, "{same} of the fresh weights are the old ones");
        for method in ["ticket-random-mask", "ticket-shuffled-mask"] {
            let control = lab.seen(method, round);
            assert_ne!(control.masks, ticket.masks, "{method}");
            assert_eq!(counts(&control.masks), counts(&ticket.masks), "{method}");
            assert!(
                control.start == under(&control.masks, &dense.start),
                "{method}"
            );
        }
        for method in [
            "ticket-reinitialized",
            "ticket-random-mask",
            "ticket-shuffled-mask",
        ] {
            assert_eq!(lab.seen(method, round).schedule, 0..STEPS);
        }
    }
}

#[test]
fn a_study_that_was_stopped_goes_on_and_ends_as_if_it_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let search = |dir: &Path| plain(dir).seeds([3, 4]).method(controlled());
    let expected = csv(&whole, &Lab::new().run(&search(&whole)).unwrap());

    // By a closure that fails, by the flag that Ctrl-C sets, and not at all.
    let lab = Lab::new();
    let left = Slot::new(4i32);
    let failing = |cell: &Cell<'_>, net: Net| {
        left.set(left.get() - 1);
        match left.get() {
            ..=0 => Err("the machine is on fire".into()),
            _ => lab.train(cell, net),
        }
    };
    let error = search(&stopped).run(Lab::model, failing).unwrap_err();
    assert!(matches!(error, LotteryError::Training { .. }), "{error}");
    assert!(error.to_string().contains("on fire"), "{error}");
    assert_eq!(lab.trained(), 3);

    let stop = Arc::new(AtomicBool::new(false));
    let stopping = |cell: &Cell<'_>, net: Net| {
        stop.store(true, Ordering::Relaxed);
        lab.train(cell, net)
    };
    let paused = search(&stopped)
        .stop_when(Arc::clone(&stop))
        .run(Lab::model, stopping);
    let paused = paused.unwrap();
    assert_eq!(
        (lab.trained(), paused.rows.len(), paused.missing.len()),
        (4, 4, 14)
    );
    assert!(paused.to_string().contains("missing: 14 cells"), "{paused}");

    let report = lab.run(&search(&stopped)).unwrap();
    assert_eq!(lab.trained(), 18);
    assert_eq!(csv(&stopped, &report), expected);
    // Nothing is left to do.
    lab.run(&search(&stopped)).unwrap();
    assert_eq!(lab.trained(), 18);
}

const CHILD: &str = "BURN_PRUNE_STUDY";

#[test]
fn the_study_process() {
    if let Ok(dir) = std::env::var(CHILD) {
        let search = plain(Path::new(&dir)).seeds([0, 1]).method(controlled());
        let said = search.on_event(|event| {
            if let Event::Step { .. } = event {
                println!("step");
            }
        });
        if let Err(error) = Lab::new().run(&said) {
            println!("failed: {error}");
        }
    }
}

fn child(dir: &Path, limits: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{limits} exec \"$0\" \"$@\"")]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["lottery::the_study_process", "--exact", "--nocapture"]);
    command
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn a_study_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    use std::io::{BufRead, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let expected = csv(
        &whole,
        &Lab::new()
            .run(&plain(&whole).seeds([0, 1]).method(controlled()))
            .unwrap(),
    );
    let mut kills = 0;
    loop {
        let mut process = child(&killed, "").spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // 18 cells of 6 steps: somewhere in the third.
        let mut steps = lines.filter(|line| line.as_ref().unwrap().ends_with("step"));
        if steps.nth(13 + kills % 4).is_none() {
            assert!(process.wait().unwrap().success());
            break;
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills += 1;
        assert!(kills < 20, "it never ends");
    }
    assert!(kills >= 3, "killed only {kills} times");
    assert_eq!(csv(&killed, &StudyReport::read(&killed).unwrap()), expected);
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_costs_no_finished_cell() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let lab = Lab::new();
    lab.run(&plain(&dir).rounds(1).method(ticket())).unwrap();
    let cells = || -> BTreeSet<_> {
        let files = walk(&dir.join("cells")).into_iter();
        files.map(|path| (fs::read(&path).unwrap(), path)).collect()
    };
    let before = cells();
    // No file may become larger than 16 KiB: masks are smaller, weights are not.
    let output = child(&dir, "trap '' XFSZ; ulimit -f 16;").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("failed: ") && said.contains("weights-start.bpk"),
        "{said}"
    );
    assert!(cells().is_superset(&before));
    let left = StudyReport::read(&dir).unwrap();
    assert_eq!(
        (left.rows.len(), left.missing.len(), left.damaged.len()),
        (9, 9, 0)
    );
    let whole = lab
        .run(&plain(&dir).seeds([0, 1]).method(controlled()))
        .unwrap();
    assert_eq!((whole.rows.len(), whole.missing.len()), (18, 0));
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => walk(&path),
        false => vec![path],
    });
    found.collect()
}

#[test]
fn shards_are_disjoint_and_together_the_whole_study() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let search = |dir: &Path| {
        plain(dir)
            .seeds([0, 1])
            .method(controlled())
            .method(Method::new("rate", Rewind::learning_rate(Moment::Start)))
    };
    let expected = csv(&whole, &Lab::new().run(&search(&whole)).unwrap());
    for count in [2, 3, 7] {
        let dir = folder.path().join(format!("{count}"));
        let mut done = BTreeSet::new();
        for index in 0..count {
            let lab = Lab::new();
            // In order, so none has to wait.
            let sharded = search(&dir).shard(Shard::new(index, count).unwrap());
            let report = lab.run(&sharded.patience(Duration::ZERO)).unwrap();
            let own = lab.order.borrow().clone();
            assert!(own.iter().all(|cell| done.insert(cell.clone())), "twice");
            assert_eq!(report.missing.len(), 22 - done.len());
        }
        assert_eq!(csv(&dir, &StudyReport::read(&dir).unwrap()), expected);
    }
}

#[test]
fn a_shard_waits_for_cells_of_lower_ones_and_says_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let search = |shard| plain(folder.path()).method(controlled()).shard(shard);
    let last = Shard::new(2, 3).unwrap();
    let error = Lab::new()
        .run(&search(last).patience(Duration::from_millis(10)))
        .unwrap_err();
    assert!(error.to_string().contains("belongs to shard 0"), "{error}");

    // Side by side.
    std::thread::scope(|scope| {
        let shards = (0..3).map(|index| {
            scope.spawn(move || {
                let shard = Shard::new(index, 3).unwrap();
                Lab::new().run(&search(shard)).unwrap();
            })
        });
        // The last one first.
        let shards: Vec<_> = shards.rev().collect();
        shards.into_iter().for_each(|shard| shard.join().unwrap());
    });
    assert!(StudyReport::read(folder.path()).unwrap().missing.is_empty());
}

#[test]
fn a_directory_or_cell_of_other_settings_is_refused_and_says_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let described = |dir: &Path, rate: f64| {
        let training = serde_json::json!({ "learning_rate": rate });
        plain(dir).method(ticket()).describe(&training)
    };
    let lab = Lab::new();
    lab.run(&described(&dir, 0.05)).unwrap();
    let trained = lab.trained();
    let refused = |search: &LotteryTicketSearch<'_>| lab.run(search).unwrap_err().to_string();

    let found = refused(&described(&dir, 0.1));
    assert!(
        found.contains("training.learning_rate: there 0.05, here 0.1"),
        "{found}"
    );
    let found = refused(&described(&dir, 0.05).steps(7));
    assert!(found.contains("steps: there 6, here 7"), "{found}");
    let found = refused(&described(&dir, 0.05).pruner(pruner()));
    assert!(found.contains("pruners"), "{found}");

    let other = Method::new("ticket", Rewind::fine_tuning());
    let training = serde_json::json!({ "learning_rate": 0.05 });
    let found = refused(&plain(&dir).method(other).describe(&training));
    assert!(found.contains("ticket: there Rewind"), "{found}");

    let smaller = |seed| Net {
        norm: None,
        ..Lab::model(seed)
    };
    let found = described(&dir, 0.05).run(smaller, |cell, net| lab.train(cell, net));
    let found = found.unwrap_err().to_string();
    assert!(
        found.contains("model.norm.beta: there [6], here nothing"),
        "{found}"
    );
    assert_eq!(lab.trained(), trained);

    // A cell that somebody copied here.
    let elsewhere = folder.path().join("elsewhere");
    lab.run(&described(&elsewhere, 0.1)).unwrap();
    let cell = |dir: &Path| dir.join("cells/seed-0/ticket/round-02/cell.json");
    fs::copy(cell(&elsewhere), cell(&dir)).unwrap();
    let found = lab.run(&described(&dir, 0.05)).unwrap_err();
    assert!(matches!(found, LotteryError::OtherCell { .. }), "{found}");
    assert!(found.to_string().contains("learning_rate"), "{found}");
    let report = StudyReport::read(&dir).unwrap();
    assert_eq!(report.damaged, [CellId::new(0, "ticket", 2)]);
}

#[test]
fn a_study_can_be_extended_by_seeds_rounds_methods_and_controls() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).rounds(1).method(ticket()))
        .unwrap();
    let more = plain(folder.path()).seeds([0, 1]).method(controlled());
    let report = lab.run(&more).unwrap();
    assert_eq!((lab.trained(), report.rows.len()), (18, 18));
    // What the dense run did not keep cannot be had any more.
    let early = Method::new("early", Rewind::weights(Moment::Step(EARLY)));
    let error = lab.run(&more.method(early)).unwrap_err();
    assert!(error.to_string().contains("weights-step-2.bpk"), "{error}");
    // Nor is it part of the study now.
    assert!(StudyReport::read(folder.path()).unwrap().missing.is_empty());
}

#[test]
fn a_half_written_cell_is_put_aside_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let lab = Lab::new();
    let said = RefCell::new(Vec::new());
    let search = plain(dir).method(ticket()).on_event(|event| {
        if let Event::Damaged { cell, reason, .. } = event {
            said.borrow_mut().push(format!("{cell}: {reason}"));
        }
    });
    let expected = csv(dir, &lab.run(&search).unwrap());
    let round = |round: usize| dir.join(format!("cells/seed-0/ticket/round-0{round}"));
    fs::write(round(1).join("next-end.mask"), b"half").unwrap();
    fs::remove_file(round(2).join("cell.json")).unwrap();
    let report = StudyReport::read(dir).unwrap();
    assert_eq!((report.rows.len(), report.damaged.len()), (1, 2));

    assert_eq!(csv(dir, &lab.run(&search).unwrap()), expected);
    assert_eq!(said.borrow().len(), 2);
    assert!(said.borrow()[0].contains("next-end.mask"), "{said:?}");
    assert!(round(1).with_extension("damaged-1").exists());

    // The size is right, but not the content: an error, as others may have been made of it.
    let path = round(1).join("next-end.mask");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::remove_dir_all(round(2)).unwrap();
    let error = lab.run(&search).unwrap_err().to_string();
    assert!(
        error.contains("next-end.mask") && error.contains("damaged"),
        "{error}"
    );
    // What a killed process was writing is in nobody's way.
    fs::create_dir(dir.join("cells/seed-0/ticket/.part-x")).unwrap();
    fs::remove_dir_all(round(1)).unwrap();
    assert_eq!(csv(dir, &lab.run(&search).unwrap()), expected);
}

#[test]
fn a_training_that_returns_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    lab.run(&plain(folder.path()).rounds(1).method(ticket()))
        .unwrap();
    let search = plain(folder.path()).method(ticket());
    let refused = |change: &dyn Fn(Trained<Net>) -> Trained<Net>| {
        let train = |cell: &Cell<'_>, net: Net| Ok(change(lab.train(cell, net)?));
        search.run(Lab::model, train).unwrap_err().to_string()
    };
    let found = refused(&|trained| Trained {
        model: trained.model.make_permanent().unwrap(),
        ..trained
    });
    assert!(
        found.contains("round 2") && found.contains("no masks"),
        "{found}"
    );
    let found = refused(&|trained| Trained {
        model: trained.model.l1_unstructured(0.1).unwrap(),
        ..trained
    });
    assert!(found.contains("its masks are others"), "{found}");
    let found = refused(&|trained| Trained {
        model: Net {
            norm: None,
            ..trained.model
        },
        ..trained
    });
    assert!(found.contains("norm.beta"), "{found}");
    let found = refused(&|trained| Trained {
        curve: LearningCurve::new(),
        ..trained
    });
    assert!(found.contains("no finite validation loss"), "{found}");
    let found = refused(&|trained| Trained {
        test_accuracy: f64::NAN,
        ..trained
    });
    assert!(found.contains("a test accuracy of NaN"), "{found}");
    let found = refused(&|trained| Trained {
        curve: {
            let mut curve = LearningCurve::new();
            curve.push(STEPS + 1, 1.0);
            curve
        },
        ..trained
    });
    assert!(found.contains("step 7, outside of 0..6"), "{found}");
    // None of these has become a cell.
    assert_eq!(StudyReport::read(folder.path()).unwrap().missing.len(), 1);

    let silent = tempfile::tempdir().unwrap();
    let early = Method::new("early", Rewind::weights(Moment::Step(EARLY)));
    let search = plain(silent.path()).method(early);
    let train = |cell: &Cell<'_>, net: Net| {
        let mut curve = LearningCurve::new();
        curve.push(cell.schedule().end, 1.0);
        // It trains nothing, and says nothing.
        Ok(Trained {
            model: net,
            curve,
            test_accuracy: 0.5,
        })
    };
    let found = search.run(Lab::model, train).unwrap_err().to_string();
    assert!(
        found.contains("did not call `after_step` at step 2"),
        "{found}"
    );
}

#[test]
fn pruners_in_any_order_do_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let of = |amount: f64| Pruner::new(Magnitude::l1()).amount(amount);
    let last = || ParamGroup::from_path("fc2.weight");
    let search = LotteryTicketSearch::new(folder.path())
        .steps(STEPS)
        .rounds(2)
        .pruner(of(0.1).only(last()))
        .pruner(of(0.2).exclude(last()).allocation(Allocation::Global))
        .method(ticket());
    assert!(lab.run(&search).unwrap().missing.is_empty());
    let masks = lab.seen("ticket", 2).masks;
    assert_eq!(masks.get("fc2.weight").unwrap().kept(), 130);
    // 16278 weights twice less 20 %.
    let others = ["conv.weight", "fc1.weight"].map(|path| masks.get(path).unwrap().kept());
    assert_eq!(others.iter().sum::<usize>(), 10418);
}

#[test]
fn early_stopping_counts_from_the_start_of_the_training_and_knows_when_it_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let early = Method::new("early", Rewind::weights(Moment::Step(EARLY)));
    let search = plain(folder.path()).method(early);
    let train = |cell: &Cell<'_>, net: Net| {
        let mut trained = lab.train(cell, net)?;
        // Lowest at the third step of the schedule; in round 2, at the end.
        let mut curve = LearningCurve::new();
        for step in cell.schedule() {
            let low = if cell.round() == 2 { STEPS } else { 3 };
            curve.push(step + 1, if step + 1 == low { 0.25 } else { 1.0 });
        }
        trained.curve = curve;
        Ok(trained)
    };
    let report = search.run(Lab::model, train).unwrap();
    let found = report.rows.iter();
    let found: Vec<_> = found
        .map(|row| (row.early_stop_iteration, row.censored))
        .collect();
    assert_eq!(found, [(3, false), (1, false), (STEPS - EARLY, true)]);
    assert!(report.rows.iter().all(|row| row.validation_loss == 0.25));
}

#[test]
fn a_training_that_fails_costs_only_what_comes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let rate = Method::new("rate", Rewind::learning_rate(Moment::Start));
    let search = plain(folder.path())
        .seeds([0, 1])
        .method(ticket())
        .method(rate);
    let failing = CellId::new(0, "ticket", 1);
    let train = |cell: &Cell<'_>, net: Net| match *cell.id() == failing {
        true => Err("it diverged".into()),
        false => lab.train(cell, net),
    };
    let error = search.run(Lab::model, train).unwrap_err();
    assert!(
        error.to_string().contains("seed 0, ticket, round 1: "),
        "{error}"
    );
    let missing = search.report().unwrap().missing;
    assert_eq!(missing, [failing.clone(), CellId::new(0, "ticket", 2)]);
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("study");
    let refused = |search: LotteryTicketSearch<'_>, expected: &str| {
        let found = Lab::new().run(&search).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
        assert!(!dir.exists());
    };
    let search = || plain(&dir).method(ticket());
    refused(
        LotteryTicketSearch::new(&dir)
            .pruner(pruner())
            .method(ticket()),
        "steps: ",
    );
    refused(search().rounds(0), "rounds: ");
    let keys = std::collections::BTreeMap::from([([1, 2], 3)]);
    refused(search().describe(&keys), "description: ");
    refused(search().seeds([]), "seeds: ");
    refused(search().seeds([1, 1]), "seeds: ");
    refused(plain(&dir), "methods: ");
    refused(
        LotteryTicketSearch::new(&dir).steps(1).method(ticket()),
        "pruners: ",
    );
    refused(search().method(ticket()), "`ticket` twice");
    let named = |name: &str| Method::new(name, Rewind::to_initialization());
    refused(search().method(named("../elsewhere")), "lower-case letters");
    refused(search().method(named("dense")), "`dense`");
    let control = |round| named("other").control(Control::RandomMask, [round]);
    refused(search().method(control(3)), "a round from 1 to 2");
    refused(search().method(control(0)), "a round from 1 to 2");
    let with = |rewind| Method::new("other", rewind);
    let late = Rewind::weights(Moment::Step(STEPS + 1));
    refused(search().method(with(late)), "at most 6 steps");
    refused(
        search().method(with(Rewind::weights(Moment::Step(STEPS)))),
        "before the last step",
    );
    refused(
        search().method(with(Rewind::weights(Moment::Epoch(1)))),
        "steps per epoch",
    );
    refused(
        search().method(with(Rewind::weights(Moment::Step(0)))),
        "the start by its name",
    );
    let kept = with(Rewind::fine_tuning()).control(Control::RandomMask, [1]);
    refused(search().method(kept), "weights that go back");
    let before = Rewind {
        prune_at: Moment::Step(1),
        ..Rewind::weights(Moment::Step(2))
    };
    refused(search().method(with(before)), "after step 2");
    assert!(Shard::new(2, 2).is_err());
    let nothing = StudyReport::read(&dir).unwrap_err().to_string();
    assert!(nothing.contains("no study here"), "{nothing}");
}

#[test]
fn a_ticket_travels_to_a_fresh_model_and_trains_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::new();
    let search = plain(&folder.path().join("study"))
        .method(ticket())
        .method(Method::new("rate", Rewind::learning_rate(Moment::Start)));
    lab.run(&search).unwrap();
    for method in ["ticket", "rate"] {
        let cell = CellId::new(0, method, 2);
        let file = folder.path().join(method);
        let ticket = Ticket::from_study(folder.path().join("study"), &cell).unwrap();
        ticket.save(&file).unwrap();
        let ticket = Ticket::load(&file).unwrap();
        let description = ticket.description();
        assert_eq!(description["cell"], serde_json::to_value(&cell).unwrap());
        assert_eq!(description["test_accuracy"], 0.5);
        let remaining = description["remaining"].as_f64().unwrap();
        assert!((remaining + ticket.masks().sparsity() - 1.0).abs() < 1e-12);
        let net = ticket.clone().apply(Lab::model(99)).unwrap();
        let seen = lab.seen(method, 2);
        assert_eq!(net.masks(), seen.masks);
        assert!(weights(&net) == seen.start, "{method}");
        let mut optimizer = SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new()))
            .init();
        let mut trained = net.clone();
        for step in 0..STEPS {
            let (_, grads) = trained.gradients(&lab.batches[step % lab.batches.len()]);
            trained = optimizer.step(0.05, trained, grads);
        }
        assert!(weights(&trained) == seen.end, "{method}");

        // Another shape: the model is as it was.
        let other = Net {
            norm: None,
            ..Lab::model(5)
        };
        let before = values(other.fc1.weight.val());
        let (other, error) = ticket.clone().apply(other).unwrap_err().into_parts();
        assert!(error.to_string().contains("norm"), "{error}");
        assert!(!other.is_pruned() && values(other.fc1.weight.val()) == before);
        let error = ticket.apply(net).unwrap_err().to_string();
        assert!(error.contains("masks already"), "{error}");
    }
    let missing = Ticket::from_study(folder.path().join("study"), &CellId::new(0, "ticket", 3));
    assert!(missing.unwrap_err().to_string().contains("no such cell"));
    let dense = Ticket::from_study(folder.path().join("study"), &CellId::new(0, "dense", 0));
    assert!(dense.unwrap_err().to_string().contains("no ticket"));

    let file = folder.path().join("ticket");
    let mut bytes = fs::read(&file).unwrap();
    for (place, expected) in [(0, "no ticket"), (8, "newer"), (40, "damaged")] {
        bytes[place] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        bytes[place] ^= 0x10;
        let error = Ticket::load(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::write(&file, &bytes[..11]).unwrap();
    assert!(
        Ticket::load(&file)
            .unwrap_err()
            .to_string()
            .contains("damaged")
    );
}

#[test]
fn the_report_has_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let report = Lab::new()
        .run(&plain(folder.path()).seeds([0, 1]).method(controlled()))
        .unwrap();
    let out = folder.path().join("out");
    let csv = csv(&out, &report);
    let mut lines = csv.lines();
    let header = "seed,method,round,remaining,test_accuracy,validation_loss,early_stop_iteration";
    assert_eq!(lines.next(), Some(header));
    assert_eq!(lines.count(), 18);
    for file in [
        "results.json",
        "accuracy.svg",
        "accuracy.png",
        "early-stop.svg",
        "early-stop.png",
    ] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 500, "{file}");
    }
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert_eq!(page.matches("<tr>").count(), 2 + 9 + 18);
    // Nothing is fetched. The only addresses are names of XML spaces.
    for address in page.match_indices("http") {
        assert!(
            page[address.0..].starts_with("http://www.w3.org/"),
            "{}",
            &page[address.0..][..60]
        );
    }
    for fetched in ["<script", "<link", "<img", "@import", "url("] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    let json = fs::read_to_string(out.join("results.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), 18);
    assert_eq!(json["settings"]["steps"], STEPS);
    assert!(report.to_string().contains("ticket-shuffled-mask"));
}
