//! The README of the project, so that its code is compiled and run as doctests.
#![doc = include_str!("../../README.md")]

#[doc = include_str!("../../docs/masks-and-burn.md")]
pub mod masks_and_burn {}
