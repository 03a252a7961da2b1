//! The parts of every component: declared parameters, linear layers, normalization, rotary positions, attention within
//! documents, and the adapters of test-time training.

pub mod docs;
mod learnt;
mod linear;
pub mod lora;
mod norm;
pub mod param;
mod pass;
mod rope;
pub mod scan;
pub mod scope;
mod tap;

pub use docs::Docs;
pub use learnt::LearntStart;
pub use linear::Linear;
pub use lora::{AdapterInit, Adapters, Site};
pub use norm::rms_norm;
pub use param::{Class, Group, Param, Start};
pub use pass::{Pass, Rows};
pub use rope::RopeTables;
pub use scope::{Input, Scope};
pub use tap::Tap;
