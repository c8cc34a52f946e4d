//! Coupled channels: groups of units that lie in several parameters.

mod by_hand;
mod corners;
mod naive;
mod net;
mod random;
mod reference;
mod refusals;
mod rules;
mod sequences;
mod training;
