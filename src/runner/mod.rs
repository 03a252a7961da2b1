//! Runs: recipes by name, one native run after another, and the whole way from a recipe to a verified folder.

#[cfg(feature = "engine")]
pub mod native;
#[cfg(feature = "engine")]
pub mod recipes;
#[cfg(feature = "engine")]
pub mod reproduce;
#[cfg(feature = "engine")]
pub mod stop;
#[cfg(feature = "engine")]
pub mod submit;
