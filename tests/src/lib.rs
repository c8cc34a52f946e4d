//! The README and the pages of `docs/`, so that their code is compiled and run as doctests.
#![doc = include_str!("../../README.md")]

#[cfg(test)]
mod house;
#[cfg(test)]
mod pages;

#[doc = include_str!("../../crates/burn-prune/README.md")]
pub mod burn_prune_readme {}

#[doc = include_str!("../../crates/burn-prune-engine/README.md")]
pub mod burn_prune_engine_readme {}

#[doc = include_str!("../../docs/getting-started.md")]
pub mod getting_started {}

#[doc = include_str!("../../docs/choosing-what-to-prune.md")]
pub mod choosing_what_to_prune {}

#[doc = include_str!("../../docs/training.md")]
pub mod training {}

#[doc = include_str!("../../docs/lottery-tickets.md")]
pub mod lottery_tickets {}

#[doc = include_str!("../../docs/shrinking.md")]
pub mod shrinking {}

#[doc = include_str!("../../docs/faster.md")]
pub mod faster {}

#[doc = include_str!("../../docs/coming-from-pytorch.md")]
pub mod coming_from_pytorch {}

#[doc = include_str!("../../docs/files-and-formats.md")]
pub mod files_and_formats {}

#[doc = include_str!("../../docs/how-it-works.md")]
pub mod how_it_works {}

#[doc = include_str!("../../docs/masks-and-burn.md")]
pub mod masks_and_burn {}

#[doc = include_str!("../../docs/measurements.md")]
pub mod measurements {}
