//! Runs: one after another, native ones of a recipe or those of somebody's own script, and the whole way from there to a
//! verified folder.

pub mod asked;
pub mod collect;
#[cfg(feature = "engine")]
pub mod compared;
pub mod launch;
pub mod logs;
#[cfg(feature = "engine")]
pub mod native;
pub mod placing;
pub mod ready;
#[cfg(feature = "engine")]
pub mod recipes;
#[cfg(feature = "engine")]
pub mod reproduce;
pub mod sample;
pub mod script;
#[cfg(feature = "engine")]
pub mod submit;
#[cfg(feature = "engine")]
pub mod tolerance;

/// File name of the executable that is linked with libtorch and does the engine's work; it lies beside `caddie`.
pub const ENGINE_PROGRAM: &str = "caddie-native";
