//! `caddie audit`: finds the contents of a model file and the actions of a script, as evidence with a confidence.
//! Neither is executed, and a finding is no verdict on a person.

pub mod model;
pub mod printed;
pub mod script;
