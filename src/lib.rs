//! caddie carries a Parameter Golf entry from a recipe to a records folder that a reviewer accepts, and lets any
//! reviewer check any folder. What decides every trade-off: a number that caddie prints was derived from bytes on disk,
//! and says how.
#![forbid(unsafe_code)]

pub mod artifact;
pub mod audit;
pub mod checks;
pub mod cli;
pub mod code;
pub mod error;
pub mod fixture;
pub mod folder;
pub mod render;
pub mod report;
pub mod rulebook;
pub mod runner;
pub mod stats;

pub use error::{Error, Result};
