//! Facts about where a value comes from, one bit each.

/// Facts about a value's origin, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u64);

impl Flags {
    /// No fact.
    pub const NONE: Flags = Flags(0);
    /// Read from validation shards.
    pub const VAL: Flags = Flags(1);
    /// Read from training shards.
    pub const TRAIN: Flags = Flags(1 << 1);
    /// Sampled from the model itself.
    pub const GENERATED: Flags = Flags(1 << 2);
    /// Tokens that are to be predicted: a slice that begins one later, or the target of a loss.
    pub const TARGET: Flags = Flags(1 << 3);
    /// A negative log-likelihood, or made from one.
    pub const LOSS: Flags = Flags(1 << 4);
    /// A distribution over the vocabulary (softmax or its logarithm).
    pub const DISTRIBUTION: Flags = Flags(1 << 5);
    /// The probability of the target alone.
    pub const GOLD: Flags = Flags(1 << 6);
    /// A hash: exclusive or, product and remainder of tokens.
    pub const HASHED: Flags = Flags(1 << 7);
    /// Looked up under a hash that holds the target.
    pub const TARGET_LOOKUP: Flags = Flags(1 << 8);
    /// The smaller of two losses, or chosen by comparing losses.
    pub const CHOSEN_BY_LOSS: Flags = Flags(1 << 9);
    /// The time of day.
    pub const CLOCK: Flags = Flags(1 << 10);
    /// A gradient.
    pub const GRADIENT: Flags = Flags(1 << 11);

    /// A hash that one more token was mixed into.
    pub const EXTENDED: Flags = Flags(1 << 12);
    /// Counts of tokens or of hashes of them.
    pub const COUNTED: Flags = Flags(1 << 13);
    /// A tensor of its own that gradients are taken for: it belongs to no model.
    pub const OFFSET: Flags = Flags(1 << 14);
    /// Such a tensor was added, and nothing was projected since: to logits, where a loss is taken of it.
    pub const ADDED: Flags = Flags(1 << 15);
    /// Such a tensor was added on the way.
    pub const SHIFTED: Flags = Flags(1 << 16);
    /// Such a tensor that is made anew in every iteration of a loop.
    pub const ANEW: Flags = Flags(1 << 17);
    /// Chosen by comparing losses of one iteration: experts, not passes.
    pub const HINDSIGHT: Flags = Flags(1 << 18);
    /// Looked up under the target in a table that is neither data nor model: a class, the bytes of its piece.
    pub const BY_TARGET: Flags = Flags(1 << 19);
    /// Such a class was used to select: as a condition, in a logical operation, as an index.
    pub const TARGET_GATE: Flags = Flags(1 << 20);
    /// Counts kept under parts of the target, such as its bytes.
    pub const OF_PARTS: Flags = Flags(1 << 21);
    /// Read from a file that is neither of the data sets.
    pub const SHIPPED: Flags = Flags(1 << 22);
    /// The answer whether such a file holds the token that came.
    pub const FORETOLD: Flags = Flags(1 << 23);
    /// Bytes of a token, from a table that was made of the tokenizer's pieces.
    pub const BYTES: Flags = Flags(1 << 24);
    /// Read from the table of bytes that comes with shards of a transformed text.
    pub const SIDECAR: Flags = Flags(1 << 25);
    /// The answer whether a space comes before the token's text.
    pub const SPACE: Flags = Flags(1 << 26);
    /// Read from a file that the script did not write: a table, weights.
    pub const FOREIGN: Flags = Flags(1 << 27);
    /// A loss times or by a constant that is near to the bytes of a token.
    pub const CONSTANT_BYTES: Flags = Flags(1 << 28);
    /// Validation tokens, up to a constant number of them.
    pub const CUT: Flags = Flags(1 << 29);
    /// The seed that the run was given.
    pub const SEED: Flags = Flags(1 << 30);
    /// Read from a file of numbers such as .npz.
    pub const TABLE_FILE: Flags = Flags(1 << 31);
    /// Put into another order: sorted, or permuted at random.
    pub const REORDERED: Flags = Flags(1 << 32);
    /// Put into an order that is drawn at random.
    pub const SHUFFLED: Flags = Flags(1 << 33);
    /// Losses of experts side by side, one of which is of no token.
    pub const BESIDE_LOSS: Flags = Flags(1 << 34);
    /// A mixture of such.
    pub const UNNORMALIZED: Flags = Flags(1 << 35);
    /// Passed through code that is not followed: native code, another file, a library that nobody knows.
    pub const UNFOLLOWED: Flags = Flags(1 << 36);
    /// A tensor of one row in its first of three dimensions: all rows of a batch share it.
    pub const SHARED: Flags = Flags(1 << 37);
    /// A hash times the vocabulary plus a token: the place of that token in a row that the whole vocabulary shares.
    pub const ROW: Flags = Flags(1 << 38);
    /// A probability minus the token that came: the gradient of a loss, written out by hand.
    pub const BY_HAND: Flags = Flags(1 << 39);
    /// Made by attention that sees the tokens that come after.
    pub const UNMASKED: Flags = Flags(1 << 40);
    /// Selected by the number of the process: the share of one of several.
    pub const OF_A_PROCESS: Flags = Flags(1 << 41);
    /// Counts found under the token that came, which may be none.
    pub const SEEN: Flags = Flags(1 << 42);
    /// A loss that is taken under a condition on such counts.
    pub const WHERE_SEEN: Flags = Flags(1 << 43);
    /// Every bit that speaks of the contents of a value; a length or position keeps none of them.
    pub const CONTENT: Flags = Flags(
        ((1 << 10) - 1)
            | (1 << 12)
            | (1 << 13)
            | (1 << 14)
            | (1 << 15)
            | (1 << 16)
            | (1 << 17)
            | (0b11_1111 << 18)
            | (0b11_1111 << 32)
            | (0b111 << 38)
            | (0b11 << 42),
    );

    /// Tells whether every bit of `other` is set.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Tells whether a bit of `other` is set.
    pub fn any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Returns the set without the bits of `other`.
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

#[cfg(test)]
impl Flags {
    /// Every fact.
    pub const ALL: Flags = Flags(u64::MAX);

    /// Every fact with its name.
    #[rustfmt::skip]
    pub const NAMED: &[(&str, Flags)] = &[
        ("VAL", Flags::VAL), ("TRAIN", Flags::TRAIN), ("GENERATED", Flags::GENERATED), ("TARGET", Flags::TARGET),
        ("LOSS", Flags::LOSS), ("DISTRIBUTION", Flags::DISTRIBUTION), ("GOLD", Flags::GOLD),
        ("HASHED", Flags::HASHED), ("TARGET_LOOKUP", Flags::TARGET_LOOKUP), ("CHOSEN_BY_LOSS", Flags::CHOSEN_BY_LOSS),
        ("CLOCK", Flags::CLOCK), ("GRADIENT", Flags::GRADIENT), ("EXTENDED", Flags::EXTENDED),
        ("COUNTED", Flags::COUNTED), ("OFFSET", Flags::OFFSET), ("ADDED", Flags::ADDED), ("SHIFTED", Flags::SHIFTED),
        ("ANEW", Flags::ANEW), ("HINDSIGHT", Flags::HINDSIGHT), ("BY_TARGET", Flags::BY_TARGET),
        ("TARGET_GATE", Flags::TARGET_GATE), ("OF_PARTS", Flags::OF_PARTS), ("SHIPPED", Flags::SHIPPED),
        ("FORETOLD", Flags::FORETOLD), ("BYTES", Flags::BYTES), ("SIDECAR", Flags::SIDECAR), ("SPACE", Flags::SPACE),
        ("FOREIGN", Flags::FOREIGN), ("CONSTANT_BYTES", Flags::CONSTANT_BYTES), ("CUT", Flags::CUT),
        ("SEED", Flags::SEED), ("TABLE_FILE", Flags::TABLE_FILE), ("REORDERED", Flags::REORDERED),
        ("SHUFFLED", Flags::SHUFFLED), ("BESIDE_LOSS", Flags::BESIDE_LOSS), ("UNNORMALIZED", Flags::UNNORMALIZED),
        ("UNFOLLOWED", Flags::UNFOLLOWED), ("SHARED", Flags::SHARED), ("ROW", Flags::ROW),
        ("BY_HAND", Flags::BY_HAND), ("UNMASKED", Flags::UNMASKED), ("OF_A_PROCESS", Flags::OF_A_PROCESS),
        ("SEEN", Flags::SEEN), ("WHERE_SEEN", Flags::WHERE_SEEN),
    ];

    /// The names of the facts.
    pub fn names(self) -> Vec<&'static str> {
        Flags::NAMED.iter().filter(|(_, flag)| self.has(*flag)).map(|(name, _)| *name).collect()
    }
}
