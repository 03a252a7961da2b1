//! Pickles, parsed and never run.
//!
//! Python's pickle is a program for a stack machine that may call anything. Here the machine runs over inert values: a
//! call leaves a note of what would have been called with what, and nothing is looked up, imported or executed. Protocols
//! 0 to 5. Every length comes from a stranger, so operations, values and depths are bounded by [`Limits`].

mod machine;
mod opcodes;
mod recognize;
#[cfg(test)]
mod tests;
mod value;

pub use machine::{Limits, parse};
pub use opcodes::{Arg, Fault, Op, Opcodes};
pub use recognize::{is_pickle, is_whole_pickle};
pub use value::{Call, GlobalUse, Id, Object, Pickle, Value};
