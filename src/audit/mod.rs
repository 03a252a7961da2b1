//! The audit of a script: what it would do, found on its syntax tree by following values, and which rules that touches.
//!
//! Nothing is executed. A finding is evidence with a confidence: the line, the way from the entry point to it, and what
//! would clear it.

pub mod config;
pub mod families;
mod machine;
pub mod taint;
pub mod trace;
mod value;

pub use config::Config;
pub use machine::follow;
