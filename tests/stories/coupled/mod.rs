//! Coupled channels: groups of units that lie in several parameters.

mod by_hand;
mod net;
mod random;
mod reference;
mod refusals;
mod rules;
mod training;
