//! Parts of the Q² system that no model file needs, so that no native entry ships and counts them (docs/spec/q2.md#words, #runs):
//! its words of five-bit integers, run reduction and transition keys. The example `q2-facts` measures its claims.

pub mod runs;
pub mod words;
