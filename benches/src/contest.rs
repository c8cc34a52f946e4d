use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_prune_deploy::export_onnx;
use burn_prune_engine::SparseEngine;
use examples_shared::Peer;
use tempfile::TempDir;

use crate::{Options, seconds};

/// The fastest of many runs of each, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Fastest {
    /// The compiled model, Burn tensors in and out.
    pub engine: f64,
    /// The model as it is, in Burn.
    pub flex: Option<f64>,
    /// The dense model in ONNX Runtime, where there is a Python.
    pub onnxruntime: Option<f64>,
}

/// What the engine is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// Burn's backend.
    Flex,
    /// The same model in ONNX Runtime.
    OnnxRuntime,
}

/// Times the engine and others in turns: a few runs of each, many rounds, with a rest in between.
///
/// The zeros of a model are numbers to the others, so their outputs are those of the engine, which is
/// made sure of before.
#[derive(Debug)]
pub struct Contest {
    rounds: usize,
    /// Seconds of a turn, about.
    turn: f64,
    shows_profiles: bool,
    peer: Option<Peer>,
    folder: TempDir,
}

impl Contest {
    /// Starts ONNX Runtime when the options have a Python, and says so when they have not.
    ///
    /// # Panics
    /// When the Python cannot be started.
    pub fn new(options: &Options) -> Self {
        if options.python.is_none() {
            println!("without --python there are no rows with ONNX Runtime or PyTorch");
        }
        let peer = options.python.as_ref().map(|python| {
            let peer = Peer::start(python, "onnxruntime_dense.py", threads());
            peer.expect("the Python given can be run")
        });
        Self {
            rounds: if options.quick { 2 } else { 25 },
            turn: if options.quick { 1e-3 } else { 0.03 },
            shows_profiles: options.profiles,
            peer,
            folder: TempDir::new().expect("there is room for a model"),
        }
    }

    /// Whether there is an ONNX Runtime to compare with.
    pub fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    /// Compiles a model and times it against these, as far as they are there.
    ///
    /// # Panics
    /// When something fails, or the outputs differ by more than 1e-4 of the largest.
    pub fn race<M: Module, const I: usize, const O: usize>(
        &mut self,
        rivals: &[Rival],
        model: &M,
        input: &Tensor<I>,
        forward: fn(&M, Tensor<I>) -> Tensor<O>,
    ) -> Fastest {
        let engine = SparseEngine::compile(model, input.clone(), forward);
        let engine = engine.expect("the engine knows the layers of the bench");
        let run = || {
            engine
                .run(input.clone())
                .expect("it is the input it was compiled for")
        };
        let output = values(run());
        let expected = values(forward(model, input.clone()));
        assert_same("the engine", &output, &expected);
        if self.shows_profiles {
            let profile = engine.profile(input.clone());
            println!("{}", profile.expect("it has run before"));
        }

        let wants = |rival| rivals.contains(&rival);
        if let Some(peer) = self.peer.as_mut().filter(|_| wants(Rival::OnnxRuntime)) {
            let path = export(model, input, forward, &self.folder);
            peer.load(&path).expect("ONNX Runtime opens the model");
            let found = peer
                .run(&values(input.clone()))
                .expect("ONNX Runtime runs the model");
            assert_same("ONNX Runtime", &found, &expected);
        }
        let mut ours = || drop(run());
        let mut flex = || drop(forward(model, input.clone()));
        let mut entrants: Vec<Box<dyn FnMut() -> f64 + '_>> = vec![self.turn(&mut ours)];
        let mut places = [None; 2];
        if wants(Rival::Flex) {
            places[0] = Some(entrants.len());
            entrants.push(self.turn(&mut flex));
        }
        let turn = self.turn;
        if let Some(peer) = self.peer.as_mut().filter(|_| wants(Rival::OnnxRuntime)) {
            places[1] = Some(entrants.len());
            entrants.push(peer_turn(peer, turn));
        }
        let fastest = fastest(self.rounds, &mut entrants);
        let [flex, onnxruntime] = places.map(|place| place.map(|place| fastest[place]));
        Fastest {
            engine: fastest[0],
            flex,
            onnxruntime,
        }
    }

    /// Times the engine and a sparse product in PyTorch, which has the weight; batch first.
    ///
    /// # Panics
    /// When something fails, or the outputs differ by more than 1e-4 of the largest.
    pub fn race_product<M: Module>(
        &mut self,
        peer: &mut Peer,
        model: &M,
        input: &Tensor<2>,
        forward: fn(&M, Tensor<2>) -> Tensor<2>,
    ) -> [f64; 2] {
        let engine = SparseEngine::compile(model, input.clone(), forward);
        let engine = engine.expect("the engine knows the layers of the bench");
        let run = || {
            engine
                .run(input.clone())
                .expect("it is the input it was compiled for")
        };
        let found = peer
            .run(&values(input.clone()))
            .expect("PyTorch runs the product");
        assert_same("PyTorch", &found, &values(run()));
        let mut ours = || drop(run());
        let mut entrants = [self.turn(&mut ours), peer_turn(peer, self.turn)];
        let fastest = fastest(self.rounds, &mut entrants);
        [fastest[0], fastest[1]]
    }

    /// A turn of runs in this process.
    fn turn<'a>(&self, work: &'a mut dyn FnMut()) -> Box<dyn FnMut() -> f64 + 'a> {
        let runs = runs(self.turn, seconds(&mut *work).0);
        Box::new(move || {
            let times = (0..runs).map(|_| seconds(&mut *work).0);
            times.fold(f64::MAX, f64::min)
        })
    }
}

/// A turn of runs in a peer.
pub fn peer_turn(peer: &mut Peer, turn: f64) -> Box<dyn FnMut() -> f64 + '_> {
    let mut time = move |runs| {
        let times = peer.time(runs).expect("the peer has run it before");
        times.into_iter().fold(f64::MAX, f64::min)
    };
    let runs = runs(turn, time(1));
    Box::new(move || time(runs))
}

/// The least that each has needed in so many rounds, after one that warms up.
///
/// Each round begins with another one, and each has a rest before it: threads that spin for work
/// would take a processor from the next one.
pub fn fastest(rounds: usize, entrants: &mut [Box<dyn FnMut() -> f64 + '_>]) -> Vec<f64> {
    let mut fastest = vec![f64::MAX; entrants.len()];
    for round in 0..=rounds {
        for turn in 0..entrants.len() {
            let entrant = (round + turn) % entrants.len();
            thread::sleep(REST);
            let time = entrants[entrant]();
            if round > 0 {
                fastest[entrant] = fastest[entrant].min(time);
            }
        }
    }
    fastest
}

const REST: Duration = Duration::from_millis(5);

/// Threads on both sides.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

fn runs(turn: f64, time: f64) -> usize {
    ((turn / time) as usize).clamp(1, 500)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("it is of f32")
}

fn export<M: Module, const I: usize, const O: usize>(
    model: &M,
    input: &Tensor<I>,
    forward: fn(&M, Tensor<I>) -> Tensor<O>,
    folder: &TempDir,
) -> PathBuf {
    let path = folder.path().join("model.onnx");
    export_onnx(model, input.clone(), forward, &path).expect("its layers can be exported");
    path
}

/// # Panics
/// When they are further apart than 1e-4 of the largest.
pub fn assert_same(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what} has other outputs");
    let largest = expected
        .iter()
        .fold(0_f32, |largest, value| largest.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let difference = differences.fold(0_f32, |most, difference| {
        // A NaN stays.
        if most.is_nan() || difference <= most {
            most
        } else {
            difference
        }
    });
    assert!(
        difference <= 1e-4 * largest,
        "{what} is off by {difference} of {largest}"
    );
}
