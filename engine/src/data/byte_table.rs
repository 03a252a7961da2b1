//! The number of bytes of text that each token stands for: the denominator of val_bpb
//! (docs/spec/algorithms.md#bytes-of-a-token).

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use caddie_format::tokenizer::{Kind, Piece, SPACE, pieces};

use super::DataSet;
use crate::recipe::TokenizerKind;
use crate::{Error, Recipe, Result};

/// Most bytes of a `.model` file; one of 65,536 pieces has about 1 MB.
const MAX_MODEL_BYTES: u64 = 8 << 20;
/// Most bytes of a piece: the packed form keeps 14 bits for the count.
const MAX_PIECE_BYTES: usize = (1 << 14) - 1;

/// Bytes of every token id: `bytes(target | prev) = base[target] + (lead[target] and not boundary[prev])`.
///
/// An id past the table counts as a boundary of 0 bytes, like the padding of upstream's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteTable {
    base_bytes: Vec<u16>,
    has_leading_space: Vec<bool>,
    is_boundary: Vec<bool>,
}

impl ByteTable {
    /// The table of `recipe`'s tokenizer, from the `.model` file of `data` or by the byte260 rule.
    pub fn load(recipe: &Recipe, data: &DataSet) -> Result<ByteTable> {
        let vocab_size = recipe.model.vocab_size;
        match (recipe.data.tokenizer, &data.tokenizer) {
            (TokenizerKind::Byte260, _) if vocab_size == 260 => Ok(ByteTable::byte260()),
            (TokenizerKind::Byte260, _) => {
                Err(Error::Recipe(format!("data.tokenizer byte260 needs model.vocab_size = 260, not {vocab_size}")))
            }
            (TokenizerKind::Sentencepiece | TokenizerKind::Caseops, Some(path)) => {
                ByteTable::from_sentencepiece(path, vocab_size)
            }
            (TokenizerKind::Sentencepiece | TokenizerKind::Caseops, None) => Err(Error::format(
                format!("fineweb_{vocab_size}_bpe.model"),
                format!(
                    "no tokenizer for {}: bytes are counted from this file; put it beside the shards, or into \
                     tokenizers/ beside datasets/",
                    data.name
                ),
            )),
        }
    }

    /// Reads a SentencePiece `.model` file, which must have exactly `vocab_size` pieces.
    pub fn from_sentencepiece(path: &Path, vocab_size: i64) -> Result<ByteTable> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(Error::io(path, "opening"))?;
        file.take(MAX_MODEL_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(path, "reading"))?;
        ByteTable::parse(&bytes, vocab_size).map_err(|reason| Error::format(path, reason))
    }

    fn parse(bytes: &[u8], vocab_size: i64) -> std::result::Result<ByteTable, String> {
        if bytes.len() as u64 > MAX_MODEL_BYTES {
            return Err(format!("larger than {MAX_MODEL_BYTES} bytes, so not a tokenizer of 16-bit ids"));
        }
        let pieces = pieces(bytes).map_err(|error| format!("not a SentencePiece model ({error}); fetch it again"))?;
        if pieces.len() as i64 != vocab_size {
            return Err(format!(
                "the tokenizer has {} pieces, but the recipe's model.vocab_size is {vocab_size}; one of them belongs \
                 to another data set",
                pieces.len()
            ));
        }
        if !pieces.iter().any(|piece| piece.text == "▁" && !is_boundary(piece) && piece.kind() != Kind::Byte) {
            return Err("no piece is a lone `▁`: a space would become three byte tokens and be counted as 3 bytes, \
                        which lowers val_bpb by a fifth; train the tokenizer with `▁` in its vocabulary"
                .to_owned());
        }
        let mut table = ByteTable { base_bytes: vec![], has_leading_space: vec![], is_boundary: vec![] };
        for (id, piece) in pieces.iter().enumerate() {
            let (base, lead) = bytes_of(piece);
            if base > MAX_PIECE_BYTES {
                return Err(format!("piece {id} has {base} bytes; at most {MAX_PIECE_BYTES} are supported"));
            }
            table.push(base as u16, lead, is_boundary(piece));
        }
        Ok(table)
    }

    /// The pure-byte variant: id = byte + 4, ids below 4 are boundaries.
    pub fn byte260() -> ByteTable {
        let mut table = ByteTable { base_bytes: vec![], has_leading_space: vec![], is_boundary: vec![] };
        for id in 0..260 {
            table.push(u16::from(id >= 4), false, id < 4);
        }
        table
    }

    fn push(&mut self, base: u16, lead: bool, boundary: bool) {
        self.base_bytes.push(base);
        self.has_leading_space.push(lead);
        self.is_boundary.push(boundary);
    }

    /// Bytes that `target` adds to the text when it follows `prev`.
    pub fn bytes(&self, prev: u16, target: u16) -> u32 {
        let (prev, target) = (usize::from(prev), usize::from(target));
        let base = self.base_bytes.get(target).copied().unwrap_or(0);
        let lead = self.has_leading_space.get(target).copied().unwrap_or(false);
        let after_boundary = self.is_boundary.get(prev).copied().unwrap_or(true);
        u32::from(base) + u32::from(lead && !after_boundary)
    }

    /// Number of ids.
    pub fn vocab_size(&self) -> usize {
        self.base_bytes.len()
    }

    /// Bytes of each id without its leading space.
    pub fn base_bytes(&self) -> &[u16] {
        &self.base_bytes
    }

    /// Tells for each id whether it starts with a space, which counts unless a boundary precedes it.
    pub fn has_leading_space(&self) -> &[bool] {
        &self.has_leading_space
    }

    /// Tells for each id whether it is a control, unknown or unused piece.
    pub fn is_boundary(&self) -> &[bool] {
        &self.is_boundary
    }

    /// Returns the table as one little-endian `u16` per id: `base + 16384 · lead + 32768 · boundary`.
    pub fn to_packed(&self) -> Vec<u8> {
        let flags = self.has_leading_space.iter().zip(&self.is_boundary);
        self.base_bytes
            .iter()
            .zip(flags)
            .flat_map(|(&base, (&lead, &boundary))| {
                (base | u16::from(lead) << 14 | u16::from(boundary) << 15).to_le_bytes()
            })
            .collect()
    }

    /// SHA-256 of [`ByteTable::to_packed`], in hexadecimal.
    pub fn sha256(&self) -> String {
        caddie_format::sha256(&self.to_packed())
    }
}

/// Tells whether a piece stands for no text.
fn is_boundary(piece: &Piece) -> bool {
    matches!(piece.kind(), Kind::Unknown | Kind::Control | Kind::Unused)
}

/// Bytes of a piece without its leading space, and whether there is one.
fn bytes_of(piece: &Piece) -> (usize, bool) {
    match (piece.kind(), piece.text.strip_prefix(SPACE)) {
        _ if is_boundary(piece) => (0, false),
        (Kind::Byte, _) => (1, false),
        (_, Some(rest)) => (rest.len(), true),
        (_, None) => (piece.text.len(), false),
    }
}

#[cfg(test)]
mod tests {
    use caddie_format::tokenizer::model_of;

    use super::*;

    fn model(pieces: &[(&str, Option<Kind>)]) -> Vec<u8> {
        let piece = |&(text, kind): &(&str, Option<Kind>)| Piece {
            text: text.to_owned(),
            score: None,
            kind: kind.map(|kind| kind as i32),
        };
        model_of(pieces.iter().map(piece).collect())
    }

    #[test]
    fn each_kind_of_piece_counts_as_the_field_counts_it() {
        let pieces = [
            ("<pad>", Some(Kind::Control)),
            ("<s>", Some(Kind::Control)),
            ("<unk>", Some(Kind::Unknown)),
            ("<0x41>", Some(Kind::Byte)),
            ("▁", None),
            ("▁▁é", Some(Kind::Normal)),
            ("ab", Some(Kind::UserDefined)),
            ("▁gone", Some(Kind::Unused)),
        ];
        let table = ByteTable::parse(&model(&pieces), 8).unwrap();
        assert_eq!(table.base_bytes(), [0, 0, 0, 1, 0, 5, 2, 0]);
        assert_eq!(table.has_leading_space(), [false, false, false, false, true, true, false, false]);
        assert_eq!(table.is_boundary(), [true, true, true, false, false, false, false, true]);
        assert_eq!((table.bytes(3, 5), table.bytes(1, 5), table.bytes(5, 1)), (6, 5, 0));
        assert_eq!((table.bytes(3, 900), table.bytes(900, 5)), (0, 5), "ids past the table are boundaries of 0 bytes");
    }

    #[test]
    fn unusable_tokenizers_are_refused() {
        let short = ByteTable::parse(&model(&[("▁", None), ("a", None)]), 3).unwrap_err();
        assert!(short.contains("has 2 pieces, but the recipe's model.vocab_size is 3"), "{short}");
        for lone in [None, Some(("▁", Some(Kind::Unused))), Some(("▁", Some(Kind::Byte)))] {
            let pieces = [("a", None), lone.unwrap_or(("▁b", None))];
            let error = ByteTable::parse(&model(&pieces), 2).unwrap_err();
            assert!(error.contains("lone `▁`"), "{error}");
        }
        let long = "x".repeat(MAX_PIECE_BYTES + 1);
        assert!(ByteTable::parse(&model(&[("▁", None), (&long, None)]), 2).unwrap_err().contains("piece 1 has 16384"));
        assert!(ByteTable::parse(b"\xff\xff not a protobuf", 2).unwrap_err().contains("not a SentencePiece model"));
    }

    #[test]
    fn an_oversized_or_missing_file_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fineweb_1024_bpe.model");
        assert!(ByteTable::from_sentencepiece(&path, 1024).unwrap_err().to_string().contains("opening failed"));
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap(); // sparse: reading all of it would never end
        let error = ByteTable::from_sentencepiece(&path, 1024).unwrap_err().to_string();
        assert!(error.contains("fineweb_1024_bpe.model: larger than"), "{error}");
    }

    #[test]
    fn a_recipe_without_its_tokenizer_is_refused() {
        let data = DataSet {
            name: "fineweb10B_sp1024".into(),
            train: vec![],
            val: vec![],
            val_bytes: vec![],
            tokenizer: None,
        };
        let error = ByteTable::load(&Recipe::default(), &data).unwrap_err().to_string();
        assert!(error.contains("fineweb_1024_bpe.model: no tokenizer"), "{error}");
        let mut bytes = Recipe::default();
        bytes.data.tokenizer = TokenizerKind::Byte260;
        assert!(ByteTable::load(&bytes, &data).unwrap_err().to_string().contains("vocab_size = 260"));
        bytes.model.vocab_size = 260;
        let table = ByteTable::load(&bytes, &data).unwrap();
        assert_eq!((table.bytes(1, 4), table.bytes(70, 259), table.bytes(70, 3)), (1, 1, 0));
    }
}
