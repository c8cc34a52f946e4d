//! What the two studies are.

use std::time::Duration;

use burn::module::ParamGroup;
use burn_prune::lottery::{Control, LotteryTicketSearch, Method, Moment, Rewind};
use burn_prune::{Allocation, Magnitude, Pruner};

use crate::args::{Preset, RunArgs};
use crate::data::Data;
use crate::training::{Optimizer, Training};

/// Rounds in which the controls of LeNet are run.
const CONTROLLED: [usize; 6] = [3, 7, 9, 11, 13, 15];

pub(crate) struct Study {
    pub training: Training,
    pub steps: usize,
    pub rounds: usize,
    pub seeds: Vec<u64>,
    pub images: usize,
}

impl Study {
    pub(crate) fn of(args: &RunArgs) -> Self {
        let (steps, rounds) = match (args.study, args.quick, args.paper) {
            (_, true, _) => (60, 2),
            (Preset::LeNet, _, true) => (50_000, 20),
            (Preset::LeNet, _, false) => (15_000, 15),
            (Preset::Conv, ..) => (CONV_STEPS, 8),
        };
        let steps = args.steps.unwrap_or(steps);
        let seeds = match (args.seeds, args.quick, args.paper) {
            (Some(seeds), ..) => seeds,
            (_, true, _) => 1,
            (_, _, true) => 5,
            _ => 3,
        };
        let training = match args.study {
            Preset::LeNet => Training {
                network: "LeNet-300-100, Gaussian Glorot",
                optimizer: Optimizer::Adam {
                    beta_1: 0.9,
                    beta_2: 0.999,
                    epsilon: 1e-8,
                },
                batch_size: 60,
                learning_rates: vec![(0, 1.2e-3)],
                validate_every: 100.min(steps),
            },
            Preset::Conv => Training {
                network: "convolutions of 8 and 16 channels with batch normalisation",
                optimizer: Optimizer::SgdWithMomentum { momentum: 0.9 },
                batch_size: 60,
                learning_rates: vec![(0, 0.05), (steps / 2, 0.005), (steps * 3 / 4, 0.0005)],
                validate_every: 50.min(steps),
            },
        };
        Self {
            training,
            steps,
            rounds: args.rounds.unwrap_or(rounds),
            seeds: (args.seed..args.seed + seeds).collect(),
            images: if args.quick { 2_000 } else { usize::MAX },
        }
    }

    pub(crate) fn search(&self, args: &RunArgs, data: &Data) -> LotteryTicketSearch<'static> {
        let search = LotteryTicketSearch::new(&args.out)
            .steps(self.steps)
            .rounds(self.rounds)
            .seeds(self.seeds.iter().copied())
            .shard(args.shard)
            // A queue may hold the machines of lower shards back for long.
            .patience(Duration::from_secs(24 * 3600))
            .describe(&serde_json::json!({
                "training": self.training,
                "train_images": data.train.len(),
                "validation_images": data.validation.len(),
                "test_images": data.test.len(),
                "data": data.name(),
                "data_crc32": data.crc32,
            }));
        match args.study {
            Preset::LeNet => {
                let output = ParamGroup::from_path("fc3.weight");
                let pruner = Pruner::new(Magnitude::l1())
                    .amount(0.2)
                    .allocation(Allocation::per_layer([(output, 0.1)]));
                let controlled = || {
                    let rounds = CONTROLLED.into_iter();
                    rounds.filter(|round| *round <= self.rounds)
                };
                let ticket = Method::new("ticket", Rewind::to_initialization())
                    .control(Control::Reinitialized, controlled())
                    .control(Control::RandomMask, controlled())
                    .control(Control::ShuffledMask, controlled());
                search.pruner(pruner).method(ticket)
            }
            Preset::Conv => {
                let early_step = (self.steps / 20).max(1);
                let early = Moment::Step(early_step);
                search
                    .pruner(
                        Pruner::new(Magnitude::l1())
                            .amount(0.35)
                            .allocation(Allocation::Global),
                    )
                    .method(Method::new("rewind-to-start", Rewind::to_initialization()))
                    .method(Method::new("rewind-to-early", Rewind::weights(early)))
                    .method(Method::new("learning-rate", Rewind::learning_rate(early)))
                    .method(Method::new("fine-tuning", Rewind::fine_tuning()))
                    // As long as the others train in a round.
                    .fine_tuning_steps(self.steps - early_step)
            }
        }
    }
}

const CONV_STEPS: usize = 1_000;
