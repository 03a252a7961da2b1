//! `caddie submit --script`: somebody's own script, run for each seed, kept, rendered and verified.
//!
//! The scripts are stand-ins in plain Python (`fixtures/scripts`); where there is no Python, the tests say so and pass.
#![cfg(unix)]

#[path = "submit_script/entry.rs"]
mod entry;
#[path = "submit_script/failures.rs"]
mod failures;
#[path = "submit_script/processes.rs"]
mod processes;
#[path = "submit_script/resuming.rs"]
mod resuming;
mod support;
