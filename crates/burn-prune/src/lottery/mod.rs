//! Lottery tickets: iterative pruning with rewinding, its controls, and what they show.
//!
//! [`LotteryTicketSearch`] trains, prunes, rewinds and repeats, and keeps each training as a cell
//! of a study, a directory that can be resumed and shared by several machines ([`Shard`]).
//! [`StudyReport`] is what came out, as CSV, JSON, table, plots and a page. A [`Ticket`] is initial
//! weights and a mask in one file.

mod cell;
mod controls;
mod curve;
mod error;
mod event;
mod lineage;
mod method;
mod moment;
mod plan;
mod reading;
mod report;
mod running;
mod search;
mod settings;
mod shard;
mod store;
mod ticket;

pub use cell::{Cell, CellId, Trained};
pub use curve::LearningCurve;
pub use error::LotteryError;
pub use event::Event;
pub use method::{Control, Method};
pub use moment::{Moment, Rewind};
pub use report::{Measure, StudyReport, StudyRow, Summary};
pub use search::LotteryTicketSearch;
pub use shard::Shard;
pub use ticket::Ticket;
