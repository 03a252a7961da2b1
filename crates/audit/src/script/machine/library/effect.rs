//! The effects that a function of a library may have on values that are followed.

use crate::script::trace::Beyond;

/// The effect of a call on values that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Effect {
    /// Returns a number made of its arguments, and changes none of them.
    Number,
    /// Returns something made of nothing that is followed.
    Nothing,
    /// Returns its first argument: the wrapping changes nothing.
    Same,
    /// Prints its arguments.
    Prints,
    /// `os.environ.get`
    Environment,
    /// Makes another type of its argument.
    Converts(To),
    /// Keeps a number that is known; else as [`Effect::Number`].
    Casts,
    /// `len`
    Length,
    /// `range`
    Range,
    /// `enumerate`
    Enumerates,
    /// `zip`
    Zips,
    /// A list of its argument's members.
    Lists(Order),
    /// `bytearray`: an empty list where it is given nothing.
    Buffer,
    /// `next`
    Next,
    /// A thread or process: the function that it is given is called.
    Starts,
    /// A queue between threads: an empty list.
    Queue,
    /// `map`
    Maps,
    /// `getattr`
    GetsAttribute,
    /// `setattr`
    SetsAttribute,
    /// Puts a list into another order.
    Shuffles,
    /// Positions in an order that is drawn at random, or that the values of an array decide.
    Orders { drawn: bool },
    /// An empty dictionary.
    Dictionary,
    /// `defaultdict`: a dictionary in which its argument makes what is missing.
    DefaultDictionary,
    /// The number of the process among several.
    Rank,
    /// Puts together what several processes have.
    Collects,
    /// The time of day.
    Clock,
    /// A field of a dataclass: its default.
    Field,
    /// The parser of a command line.
    Options,
    /// Parts of a path, joined.
    JoinsPath,
    /// Paths that fit a pattern.
    Globs,
    /// Opens a file.
    Opens,
    /// A file in memory.
    MemoryFile,
    /// Reads a file.
    Reads(Format),
    /// Writes its arguments to a file; `place` is the number of the one that names the file.
    Writes { place: usize },
    /// Another object with the same state.
    Copies,
    /// A loss as an object: called with logits and targets.
    LossObject,
    /// A loss of logits and targets.
    Loss,
    /// A distribution over the vocabulary; or the logarithm of a sum of exponentials, which normalizes one.
    Normalizes { sums: bool },
    /// Arrays side by side.
    Stacks,
    /// Entries of an array under an index.
    Gathers,
    /// Tokens sampled from probabilities.
    Samples,
    /// Counts the occurrences of each value.
    Counts,
    /// The smaller or larger of its arguments.
    Chooses,
    /// Finds the positions where something holds.
    Finds,
    /// Selects one of two by a condition; with one argument as [`Effect::Finds`].
    Selects,
    /// A product of matrices: a projection.
    Projects,
    /// Attention, whose mask the arguments of these names give; without one it sees every position.
    Attends { masks: &'static [&'static str] },
    /// A tensor that can be written into.
    Allocates(Content),
    /// A list or dictionary of layers: the one that it is given.
    Layers,
    /// `torch.autograd.grad`
    Gradient,
    /// `numpy.add.at`: counts added under keys.
    AddsAt,
    /// Something with parameters that it changes at each step.
    Optimizer,
    /// Loads code that is not followed: its functions go by names of their own.
    Loads(Beyond),
    /// Makes a layer: the arguments of its calls and those of its making go into its results.
    Layer,
}

/// The type that [`Effect::Converts`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum To {
    Int,
    Float,
    Bool,
    Text,
}

/// The order of the members that [`Effect::Lists`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Order {
    /// The order of its argument.
    Kept,
    /// Another one, which says nothing of the members.
    Other,
    Sorted,
}

/// The contents of a file that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Format {
    /// Tensors, by name or alone.
    State,
    /// Arrays of numbers: data, or a table of the bytes of tokens.
    Numbers,
    /// Values that are no tensors.
    Document,
}

/// The contents of a tensor that [`Effect::Allocates`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Content {
    /// A constant, which is not followed.
    Constant,
    /// Its second argument.
    Fill,
    /// The values of the argument.
    Given,
    /// The values of the argument; the tensor learns.
    Parameter,
    /// The values of the argument, where the tensor is told to learn; else the call is as [`Effect::Number`].
    IfItLearns,
}
