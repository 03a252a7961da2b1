//! (skeleton)

pub mod names;
