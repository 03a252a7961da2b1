//! Runs: recipes by name, one native run after another, and the whole way from a recipe to a verified folder.
#![cfg(feature = "engine")]

pub mod native;
pub mod placing;
pub mod recipes;
pub mod reproduce;
pub mod submit;
