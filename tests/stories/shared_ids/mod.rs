//! Places with one parameter id: shared ones, and models that only have the same ids.

mod pruning;
mod random;
mod training;

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use burn_prune::{Magnitude, Pruner};

use crate::nets::{seeded, values};

#[derive(Module, Debug)]
struct Model {
    hidden: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
struct Pair {
    teacher: Model,
    student: Model,
}

fn model(device: &Device, seed: u64) -> Model {
    let model = Model {
        hidden: LinearConfig::new(6, 8).init(device),
        output: LinearConfig::new(8, 4).init(device),
    };
    seeded(model, seed)
}

/// As if it had been trained: every parameter has moved.
fn moved<M: Module>(model: M, seed: u64) -> M {
    struct Shift;

    impl ModuleMapper for Shift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| {
                let is_trained = value.is_require_grad();
                (value.detach() + 0.125)
                    .detach()
                    .set_require_grad(is_trained)
            })
        }
    }

    seeded(model.map(&mut Shift), seed)
}

/// Teacher and student from one file; the student has been trained on since.
fn pair(device: &Device) -> Pair {
    let record = || model(device, 1).into_record().into_bytes().unwrap();
    // Ids are random: one record, read twice.
    let bytes = record();
    let load = || {
        let record = burn::store::ModuleRecord::from_bytes(bytes.clone()).unwrap();
        model(device, 2).load_record(record)
    };
    let pair = Pair {
        teacher: load(),
        student: moved(load(), 3),
    };
    assert_eq!(pair.teacher.hidden.weight.id, pair.student.hidden.weight.id);
    pair
}

fn weights(pair: &Pair) -> [Vec<f32>; 4] {
    let Pair { teacher, student } = pair;
    let layers = [
        &teacher.hidden,
        &teacher.output,
        &student.hidden,
        &student.output,
    ];
    layers.map(|layer| values(layer.weight.val()))
}

const PATHS: [&str; 4] = [
    "teacher.hidden.weight",
    "teacher.output.weight",
    "student.hidden.weight",
    "student.output.weight",
];

fn l1() -> Pruner {
    Pruner::new(Magnitude::l1())
}

#[derive(Module, Debug)]
struct Head {
    weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
struct Language {
    embedding: Embedding,
    hidden: Linear,
    head: Head,
}

fn language(device: &Device) -> Language {
    let embedding: Embedding = EmbeddingConfig::new(10, 4).init(device);
    let hidden = LinearConfig::new(4, 4).init(device);
    let head = Head {
        weight: embedding.weight.clone(),
    };
    let model = Language {
        embedding,
        hidden,
        head,
    };
    let mut model = seeded(model, 7);
    model.head.weight = model.embedding.weight.clone();
    model
}
