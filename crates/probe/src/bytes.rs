//! Bytes of each target: the denominator of val_bpb, exactly, and as scripts are known to miscount it.

use caddie_format::tokenizer::{Kind, Piece, SPACE};
use serde::Serialize;

/// Bytes of every token id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Bytes without a leading space.
    base: Vec<u32>,
    /// Whether a space comes first, which counts unless the token before is a boundary.
    lead: Vec<bool>,
    /// Marks, which are no text.
    boundary: Vec<bool>,
}

/// A way of counting the bytes of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// As the challenge counts: base bytes, and a leading space unless a boundary comes before.
    Exact,
    /// A leading space counts behind a boundary too.
    SpaceAlways,
    /// A leading space counts once as part of the piece and once more.
    SpaceTwice,
    /// A leading space counts as the three bytes that write it in the piece.
    SpaceAsThree,
    /// No leading space counts.
    SpaceNever,
}

impl Counting {
    /// The countings that are wrong.
    pub const WRONG: [Counting; 4] =
        [Counting::SpaceAlways, Counting::SpaceTwice, Counting::SpaceAsThree, Counting::SpaceNever];

    /// What it does, for a reader.
    pub fn says(self) -> &'static str {
        match self {
            Counting::Exact => "bytes are counted as the challenge counts them",
            Counting::SpaceAlways => "a leading space is counted behind a document's beginning too",
            Counting::SpaceTwice => "a leading space is counted twice",
            Counting::SpaceAsThree => "a leading space is counted as three bytes",
            Counting::SpaceNever => "no leading space is counted",
        }
    }
}

impl Bytes {
    /// The table of a SentencePiece model.
    pub fn of_pieces(pieces: &[Piece]) -> Bytes {
        let base = |piece: &Piece| match piece.kind() {
            Kind::Byte => 1,
            Kind::Normal | Kind::UserDefined => piece.text.strip_prefix(SPACE).unwrap_or(&piece.text).len() as u32,
            Kind::Unknown | Kind::Control | Kind::Unused => 0,
        };
        let marks = |piece: &Piece| matches!(piece.kind(), Kind::Unknown | Kind::Control | Kind::Unused);
        Bytes {
            base: pieces.iter().map(base).collect(),
            lead: pieces.iter().map(|piece| !marks(piece) && piece.text.starts_with(SPACE)).collect(),
            boundary: pieces.iter().map(marks).collect(),
        }
    }

    /// A table of bytes that no context changes.
    pub fn of_lengths(lengths: &[u16]) -> Bytes {
        let base: Vec<u32> = lengths.iter().map(|length| u32::from(*length)).collect();
        Bytes { lead: vec![false; base.len()], boundary: vec![false; base.len()], base }
    }

    /// Bytes of each token but the first.
    pub fn of_targets(&self, tokens: &[u16], counting: Counting) -> Vec<u32> {
        let of = |pair: &[u16]| {
            let (Some(&before), Some(&target)) = (pair.first(), pair.get(1)) else { return 0 };
            let at = usize::from(target);
            let base = self.base.get(at).copied().unwrap_or(0);
            let lead = u32::from(self.lead.get(at).copied().unwrap_or(false));
            let inside = u32::from(!self.boundary.get(usize::from(before)).copied().unwrap_or(true));
            base + match counting {
                Counting::Exact => lead * inside,
                Counting::SpaceAlways => lead,
                Counting::SpaceTwice => lead + lead * inside,
                Counting::SpaceAsThree => 3 * lead,
                Counting::SpaceNever => 0,
            }
        };
        tokens.windows(2).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_space_counts_inside_a_document() {
        let piece = |text: &str, kind| Piece::new(text, 0.0, kind);
        let table = Bytes::of_pieces(&[
            piece("<pad>", Kind::Control),
            piece("<s>", Kind::Control),
            piece("<0x41>", Kind::Byte),
            piece("▁the", Kind::Normal),
            piece("é", Kind::Normal),
        ]);
        let tokens = [1, 3, 3, 4, 1, 2];
        let count = |counting| table.of_targets(&tokens, counting);
        assert_eq!(count(Counting::Exact), [3, 4, 2, 0, 1]);
        assert_eq!(count(Counting::SpaceAlways), [4, 4, 2, 0, 1]);
        assert_eq!(count(Counting::SpaceTwice), [4, 5, 2, 0, 1]);
        assert_eq!(count(Counting::SpaceAsThree), [6, 6, 2, 0, 1]);
        assert_eq!(count(Counting::SpaceNever), [3, 3, 2, 0, 1]);
        assert_eq!(Bytes::of_lengths(&[0, 0, 7]).of_targets(&[1, 2, 9], Counting::Exact), [7, 0]);
    }
}
