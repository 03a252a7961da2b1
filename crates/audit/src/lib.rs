//! `caddie audit`: what a model file holds and what a script would do, as evidence with a confidence. Neither is executed,
//! and a finding is no verdict on a person.

pub mod model;
pub mod script;
