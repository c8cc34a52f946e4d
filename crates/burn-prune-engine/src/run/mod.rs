//! From a program to steps in planned memory, and their execution.
//!
//! A [`Plan`] is made for one batch size: places for all values ([`place`], [`draft`]), memory that is
//! used again when a value is dead ([`memory`]), and steps that are divided into tasks ([`step`]). A
//! [`State`] is what one run needs; a pool of them serves runs at once.

mod build;
mod burn;
mod draft;
mod measure;
mod memory;
mod place;
mod plan;
mod product;
mod sizes;
mod state;
mod step;
mod tasks;
#[cfg(test)]
pub(crate) mod tests;
mod threads;
mod weights;

pub(crate) use measure::{Candidate, measure};
pub(crate) use plan::Plan;
pub(crate) use product::Path;
pub(crate) use state::States;
pub(crate) use step::{Step, Where, Work};
pub(crate) use threads::Threads;
pub(crate) use weights::{NodeWeights, Trial, WeightSet, drop_dense};
