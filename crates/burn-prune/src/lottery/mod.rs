//! Lottery tickets: iterative pruning with rewinding, its controls, and what they show.
//!
//! [`LotteryTicketSearch`] trains, prunes, rewinds and repeats, and keeps each training as a cell
//! of a study, a directory that can be resumed and shared by several machines ([`Shard`]).
//! [`StudyReport`] gives the results as CSV, JSON, table, plots and a page. A [`Ticket`] is initial
//! weights and a mask in one file.

// Each uses only those to its right: run, search, report, store, study, error, cell_id. A ticket
// uses the store, and events and errors name cells.
mod cell_id;
mod curve;
mod error;
mod event;
mod report;
mod run;
mod search;
mod store;
mod study;
mod ticket;

pub use cell_id::CellId;
pub use curve::LearningCurve;
pub use error::LotteryError;
pub use event::Event;
pub use report::{Measure, StudyReport, StudyRow, Summary};
pub use run::{CellTraining, Trained};
pub use search::LotteryTicketSearch;
pub use study::{Control, Method, Moment, Rewind, Shard};
pub use ticket::Ticket;
