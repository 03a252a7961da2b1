//! The engine of caddie: data, model, optimizer, quantizer, evaluators and the training loop.
//!
//! Everything here ships, as source, inside a native artifact and is counted against the 16,000,000 bytes, so it stays
//! small and knows nothing of records folders, rules or templates. It needs libtorch through `tch`.
//!
//! Names follow `train_gpt.py`: a reader who knows the challenge's baseline finds `val_bpb`, `qk_gain_init`,
//! `warmdown_iters` and `resid_mix` where they expect them.

pub mod blocks;
pub mod bounds;
pub mod checkpoint;
pub mod data;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod log;
pub mod model;
pub mod nn;
pub mod optim;
pub mod parallel;
pub mod quant;
pub mod recipe;
pub mod run;
pub mod shim;
pub mod train;

/// The libtorch that tch 0.24 is built against.
pub const LIBTORCH_VERSION: &str = "2.11.0";

pub use error::{Error, Result};
pub use recipe::Recipe;
