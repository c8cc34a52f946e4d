//! Networks for words, signals and sequences.

use burn::tensor::Device;
use examples_shared::nets::others::{Attention, Transformer};

use super::check;
use crate::nets::{Recurrent, Signal};
use crate::signals::{noise, words};

#[test]
fn transformer() {
    let model = Transformer::new(&Device::flex());
    check(
        model,
        |batch| words([batch, 5], 20, 7),
        Transformer::forward,
    );
}

#[test]
fn attention() {
    let model = Attention::new(16, 4, &Device::flex());
    check(model, |batch| noise([batch, 5, 16], 7), Attention::forward);
}

#[test]
fn convolutions_in_one_axis() {
    let model = Signal::new(&Device::flex());
    check(model, |batch| noise([batch, 4, 50], 7), Signal::forward);
}

#[test]
fn lstm_and_gru() {
    let model = Recurrent::new(&Device::flex());
    check(model, |batch| noise([batch, 4, 6], 7), Recurrent::forward);
}
