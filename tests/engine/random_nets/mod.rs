//! The law on random convolutional nets: pieces of all kinds in any order, on images of odd sizes, with any
//! share of zeros and of dead channels. `BURN_PRUNE_TEST_SCALE=10` tries ten times as many.

mod piece;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Tensor};
use burn_prune_engine::{FormatChoice, FormatKind, SparseEngine};
use chacha20::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::common::cases;
use crate::law::judge;
use crate::signals::{Outputs, largest, noise};
use crate::trained::{doubled, masked, trained, without_channels};
use examples_shared::nets::conv;
use piece::{KINDS, Piece};

const FORMATS: [FormatKind; 7] = [
    FormatKind::Dense,
    FormatKind::Blocked,
    FormatKind::Blocks4,
    FormatKind::Bitmask,
    FormatKind::Deltas,
    FormatKind::InputRows,
    FormatKind::InputMajor,
];

#[derive(Module, Debug)]
struct Net {
    stem: Conv2d,
    pieces: Vec<Piece>,
    head: Linear,
}

/// Random choices.
struct Choices(ChaCha8Rng);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next_u32() as usize % limit
    }
}

impl Net {
    fn new(choices: &mut Choices, input: &Tensor<4>) -> Self {
        let device = input.device();
        let width = 2 + choices.below(19);
        let stem = conv([input.dims()[1], width], 3, 1, &device);
        let mut x = stem.forward(input.clone());
        let mut pieces = Vec::new();
        for _ in 0..1 + choices.below(8) {
            let kind = choices.below(KINDS.len());
            let width = 2 + choices.below(19);
            if let Some(piece) = Piece::new(kind, width, x.dims(), choices, &device) {
                let y = piece.forward(x.clone());
                // A window may leave nothing of a small image.
                if !y.dims().contains(&0) {
                    x = y;
                    pieces.push(piece);
                }
            }
        }
        let [_, channels, height, width] = x.dims();
        Self {
            stem,
            pieces,
            head: LinearConfig::new(channels * height * width, 3).init(&device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<2>) {
        let pieces = self.pieces.iter();
        let x = pieces.fold(self.stem.forward(x), |x, piece| piece.forward(x));
        let y = self.head.forward(x.clone().flatten(1, 3));
        (x, y)
    }

    fn kinds(&self) -> Vec<String> {
        let pieces = self.pieces.iter();
        pieces
            .map(|piece| format!("{:?}", KINDS[piece.kind]))
            .collect()
    }
}

/// Says which net it was when something panics.
struct Seed(u64, Vec<String>);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {:?}", self.0, self.1);
        }
    }
}

fn check(seed: u64) {
    let mut choices = Choices(ChaCha8Rng::seed_from_u64(seed));
    let (height, width) = (3 + choices.below(14), 3 + choices.below(22));
    let image = |batch, seed| noise([batch, 2, height, width], seed);
    let net = trained(Net::new(&mut choices, &image(1, 1)), seed);
    let _seed = Seed(seed, net.kinds());
    let net = match seed % 3 {
        0 => without_channels(net, [0.1, 0.4, 0.8][choices.below(3)], seed),
        _ => net,
    };
    let sparsity = [0.0, 0.3, 0.7, 0.9, 0.97, 1.0][choices.below(6)];
    let net = masked(&net, sparsity, seed);
    let (threads, batch) = (1 + choices.below(3), 1 + choices.below(2));
    let mut builder = SparseEngine::builder().threads(threads);
    let example = || image(batch, 1);
    // Half of the nets are compiled as by default, and half with a format for each weight.
    if seed % 2 == 1 {
        builder = builder.choose_formats(FormatChoice::Table);
        let plan = builder
            .compile(&net, example(), Net::forward)
            .unwrap()
            .plan();
        for step in plan.steps.iter().filter(|step| step.weight.is_some()) {
            builder = builder.format(&step.name, FORMATS[choices.below(FORMATS.len())]);
        }
    }
    let engine = builder.compile(&net, example(), Net::forward).unwrap();
    let exact = doubled(&net);
    for batch in [1, 2 + choices.below(4), 1] {
        let x = image(batch, choices.below(100) as u64);
        let expected = net.forward(x.clone()).values();
        let found = engine.run(x.clone()).unwrap().values();
        if expected.iter().all(|values| largest(values).is_finite()) {
            judge(&found, &expected, || {
                exact.forward(x.cast(DType::F64)).values()
            });
        }
    }
}

#[test]
fn random_nets_follow_the_law() {
    (0..cases(150)).for_each(check);
}
