//! The tokenizer that text with case operators is spelled with.

use caddie_files::{Error, Result};
use caddie_format::caseops::{ALL_CAPS, CAP_NEXT, ESCAPE, TITLE};
use caddie_format::tokenizer::Kind;
use caddie_tokenizer::Tokenizer;
use camino::Utf8Path;

use super::read;

/// The id of the mark before each document.
pub const BOS: u16 = 1;
/// Most bytes of a `.model` file; one of 65,536 pieces has about 1 MB.
const MAX_BYTES: u64 = 8 << 20;

/// Reads a tokenizer, and its file.
///
/// # Errors
/// When it cannot be encoded with, or piece 1 is no mark.
pub fn any(path: &Utf8Path) -> Result<(Tokenizer, Vec<u8>)> {
    let file = read(path, MAX_BYTES)?;
    let tokenizer = Tokenizer::parse(&file).map_err(|reason| Error::unreadable(path, reason.to_string()))?;
    match tokenizer.pieces().get(usize::from(BOS)).map(|piece| piece.kind()) {
        Some(Kind::Control) => Ok((tokenizer, file)),
        _ => Err(Error::unreadable(
            path,
            "piece 1 is not a control piece, and in shards of the challenge it is the mark before each document; take a \
             tokenizer of the challenge",
        )),
    }
}

/// Reads a tokenizer that has the four operators as pieces of their own and can spell every text.
pub fn with_operators(path: &Utf8Path) -> Result<(Tokenizer, Vec<u8>)> {
    let (tokenizer, file) = any(path)?;
    for operator in [TITLE, ALL_CAPS, CAP_NEXT, ESCAPE] {
        let own = |piece: &caddie_format::tokenizer::Piece| {
            piece.kind() == Kind::UserDefined && piece.text.chars().eq([operator])
        };
        if !tokenizer.pieces().iter().any(own) {
            let code = u32::from(operator);
            return Err(Error::unreadable(
                path,
                format!(
                    "the operator U+{code:04X} is no user-defined piece, so this tokenizer was not made for case operators; \
                     take the one of a CaseOps record, tokenizers/fineweb_8192_bpe_lossless_caps_caseops_v1_reserved.model"
                ),
            ));
        }
    }
    match tokenizer.spells_everything() {
        true => Ok((tokenizer, file)),
        false => Err(Error::unreadable(
            path,
            "it has no pieces for single bytes, so rare characters would be lost; train it with byte_fallback",
        )),
    }
}
