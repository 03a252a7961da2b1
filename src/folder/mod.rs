//! A records folder as read: what its files say, before anything is judged.

pub mod ledger;
pub mod run_log;

pub use run_log::{RunLog, read_log};
