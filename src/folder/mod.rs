//! A records folder as read: what its files say, before anything is judged.

pub mod files;
pub mod json;
pub mod ledger;
mod log_parser;
mod metric;
pub mod number;
pub mod run_log;

pub use number::Stated;
pub use run_log::{MetricLine, RunLog, read_log};
