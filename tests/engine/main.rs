//! Stories of the sparse engine: models with zeros in them, compiled.

mod layers;
mod signals;
mod trained;
mod law {
    include!("judge.rs");
}
