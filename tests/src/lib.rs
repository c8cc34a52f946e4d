//! The README of the project, so that its code is compiled and run as doctests.
#![doc = include_str!("../../README.md")]
