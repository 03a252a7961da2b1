//! Ablations: what each part of a system is worth. A study varies settings of a recipe or of somebody's own script, switches
//! components off, runs every variant with the same seeds, and puts the differences to the reference into one table.
//!
//! A trial is one run of one variant: it lies where `submit` would put it (`runs/<name>/seed-<n>`), is kept when it is
//! finished, and goes on, or starts over where a script cannot go on, when it is not.

pub mod choice;
#[cfg(feature = "engine")]
pub mod components;
pub mod csv;
pub mod figure;
pub mod knob;
pub mod markdown;
mod place;
pub mod plain;
pub mod plan;
pub mod pool;
#[cfg(feature = "engine")]
pub mod recipe;
pub mod rehearsal;
mod rows;
pub mod script;
pub mod study;
pub mod subject;
pub mod table;

pub use choice::{Axis, Choice, Together};
pub use study::{Equality, Study};
pub use subject::{Goal, Onlooker, Subject, TrialEnd, TrialLine};
pub use table::AblationTable;

/// The JSON Schema of [`AblationTable`].
pub const ABLATE_SCHEMA: &str = include_str!("../../docs/ablate.schema.json");
