//! From finished runs to a records folder.

mod base85;
pub mod launcher;
