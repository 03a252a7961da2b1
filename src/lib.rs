//! caddie carries a Parameter Golf entry from a recipe to a records folder that a reviewer accepts, and lets any
//! reviewer check any folder. What decides every trade-off: a number that caddie prints was derived from bytes on disk,
//! and says how.

pub mod ablate;
pub mod artifact;
pub mod caseops;
pub mod checks;
pub mod cli;
pub mod error;
pub mod fixture;
pub mod probe;
pub mod project;
pub mod rehearse;
pub mod render;
pub mod report;
pub mod runner;
pub mod stop;

pub use error::{Error, Result};
