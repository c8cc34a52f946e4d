//! What the benches have in common: timing side by side, the limits of the machine, a table, and the
//! figures of others.
//!
//! A figure is worth little by itself on a machine that does other things. So what is compared is
//! timed in turns in one process, and the result is a ratio.

mod contest;
mod limits;
mod options;
mod peers;
mod table;
mod timing;
mod zeros;

pub use contest::{Contest, Fastest, Rival, assert_same, fastest, peer_turn, threads};
pub use limits::{fastest_reading, read_bandwidth, scale_bandwidth};
pub use options::Options;
pub use peers::Peers;
pub use table::{Row, print};
pub use timing::{in_turns, median, ratio, seconds};
pub use zeros::Zeros;
