//! The families of rules: each judges the trace, one file each, its metadata on top.

pub mod adapt;
