//! Encodes text with a SentencePiece model of byte-pair encoding, token by token as the reference library does, and says for
//! each token which part of the given text it stands for. That part is what counting bytes needs, and what other encoders in
//! Rust do not tell: they give pieces of the text as it is after normalization.

mod charsmap;
mod merge;
mod normalize;

use caddie_format::tokenizer::{Kind, Piece, SPACE, pieces};
use prost::Message as _;
use rustc_hash::FxHashMap;

use charsmap::Charsmap;
use normalize::Rules;

/// Most pieces: tokens are 16 bits in a shard.
const MAX_PIECES: usize = 1 << 16;
/// The file's number for byte-pair encoding.
const BPE: i32 = 2;

/// A `.model` file that cannot be encoded with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not a protobuf of this kind.
    #[error("not a SentencePiece model ({0}); fetch it again")]
    Format(String),
    /// A model of another kind, such as a unigram language model.
    #[error("the model's kind is number {0}; only byte-pair encoding, number 2, can be encoded with")]
    Algorithm(i32),
    /// More pieces than 16 bits can number, or none.
    #[error("the model has {0} pieces; a shard's tokens number from 1 to 65,536")]
    Size(usize),
    /// A piece that breaks the rules of the format.
    #[error("piece {id}: {reason}; fetch the model again")]
    BrokenPiece { id: usize, reason: &'static str },
    /// The table of normalization rules.
    #[error("the table of normalization rules is broken: {0}; fetch the model again")]
    Normalization(&'static str),
}

/// Tokens that spell no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unspelled {
    /// An id past the vocabulary.
    #[error("token {at} has the id {id}, and the tokenizer has {pieces} pieces")]
    PastVocabulary { at: usize, id: u16, pieces: usize },
    /// Text that the vocabulary could not spell, so that nobody knows what it was.
    #[error("token {at} is the unknown piece: its text is lost")]
    Unknown { at: usize },
    /// Pieces of single bytes that are no UTF-8 together.
    #[error("the bytes before token {at} are no UTF-8")]
    Bytes { at: usize },
}

/// A token, with the part of the given text that it stands for. Of a character in several bytes, the last has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'text> {
    pub id: u16,
    pub surface: &'text str,
}

/// A tokenizer as its `.model` file describes it.
#[derive(Debug)]
pub struct Tokenizer {
    pieces: Vec<Piece>,
    /// Ids of the pieces that text is spelled with.
    ids: FxHashMap<String, u16>,
    /// Ids of the pieces of single bytes, where the model has all 256 and uses them.
    bytes: Option<Box<[u16; 256]>>,
    unknown: u16,
    rules: Rules,
}

/// The parts of a `.model` file that say how to encode; `caddie_format` reads the pieces. The numbers are the format's.
#[derive(Clone, PartialEq, prost::Message)]
struct Settings {
    #[prost(message, optional, tag = "2")]
    trainer: Option<TrainerSettings>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerSettings>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TrainerSettings {
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    treat_whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct NormalizerSettings {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3", default = "true")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4", default = "true")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5", default = "true")]
    escape_whitespaces: Option<bool>,
}

impl Tokenizer {
    /// Reads a `.model` file.
    ///
    /// # Errors
    /// When it is none, is of another kind than byte-pair encoding, or contradicts itself.
    pub fn parse(file: &[u8]) -> Result<Tokenizer, Unusable> {
        let broken = |error: prost::DecodeError| Unusable::Format(error.to_string());
        let pieces = pieces(file).map_err(broken)?;
        let settings = Settings::decode(file).map_err(broken)?;
        let (trainer, normalizer) = (settings.trainer.unwrap_or_default(), settings.normalizer.unwrap_or_default());
        if trainer.model_type() != BPE {
            return Err(Unusable::Algorithm(trainer.model_type()));
        }
        if !(1..=MAX_PIECES).contains(&pieces.len()) {
            return Err(Unusable::Size(pieces.len()));
        }
        let (ids, unknown) = spelling(&pieces)?;
        let user_defined = pieces.iter().filter(|piece| piece.kind() == Kind::UserDefined);
        let rules = Rules {
            charsmap: Charsmap::parse(normalizer.precompiled_charsmap()).map_err(Unusable::Normalization)?,
            kept: normalize::Kept::new(user_defined.map(|piece| piece.text.clone()).collect()),
            add_dummy_prefix: normalizer.add_dummy_prefix(),
            remove_extra_whitespaces: normalizer.remove_extra_whitespaces(),
            escape_whitespaces: normalizer.escape_whitespaces(),
            treat_whitespace_as_suffix: trainer.treat_whitespace_as_suffix(),
        };
        let bytes = if trainer.byte_fallback() { byte_ids(&pieces) } else { None };
        Ok(Tokenizer { pieces, ids, bytes, unknown, rules })
    }

    /// The pieces; the place of each is its id.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Tells whether every text can be spelled, the rarest character byte by byte.
    pub fn spells_everything(&self) -> bool {
        self.bytes.is_some()
    }

    /// Encodes `text`. Where normalization takes white space away from its ends, no token's surface holds that.
    pub fn encode<'text>(&self, text: &'text str) -> Vec<Token<'text>> {
        let normalized = self.rules.normalize(text);
        let mut tokens: Vec<Token<'text>> = Vec::with_capacity(text.len() / 3);
        let mut start = 0;
        let mut unknown_from: Option<usize> = None;
        for (part, id) in merge::merged(&normalized.text, self) {
            let end = start + part.len();
            let (from, to) = (normalized.origin[start], normalized.origin[end]);
            let surface = text.get(from..to).unwrap_or_default();
            match (id, &self.bytes) {
                (Some(id), _) => tokens.push(Token { id, surface }),
                (None, Some(ids)) => {
                    let last = part.len() - 1;
                    let surface_of = |at: usize| if at == last { surface } else { "" };
                    let spelled = part.bytes().enumerate();
                    tokens.extend(spelled.map(|(at, b)| Token { id: ids[usize::from(b)], surface: surface_of(at) }));
                }
                // A run of what is unknown is one token.
                (None, None) => match (unknown_from, tokens.last_mut()) {
                    (Some(from), Some(last)) => last.surface = text.get(from..to).unwrap_or_default(),
                    _ => tokens.push(Token { id: self.unknown, surface }),
                },
            }
            unknown_from = if id.is_none() && self.bytes.is_none() { unknown_from.or(Some(from)) } else { None };
            start = end;
        }
        tokens
    }

    /// Spells the text of `ids`: spaces for `▁`, characters for runs of bytes, nothing for marks. A space before the first
    /// piece that only normalization put there is none of the text.
    ///
    /// # Errors
    /// When an id is past the vocabulary, stands for text that nobody knows, or bytes are no UTF-8.
    pub fn decode(&self, ids: &[u16]) -> Result<String, Unspelled> {
        let mut spelled: Vec<u8> = Vec::with_capacity(4 * ids.len());
        let mut checked = 0;
        let mut first = self.rules.add_dummy_prefix || self.rules.remove_extra_whitespaces;
        for (at, &id) in ids.iter().enumerate() {
            let pieces = self.pieces.len();
            let piece = self.pieces.get(usize::from(id)).ok_or(Unspelled::PastVocabulary { at, id, pieces })?;
            if piece.kind() != Kind::Byte {
                checked = utf8(&spelled, checked, at)?;
            }
            match piece.kind() {
                Kind::Control => continue,
                Kind::Unknown => return Err(Unspelled::Unknown { at }),
                Kind::Byte => spelled.extend(byte_of(&piece.text)),
                Kind::Normal | Kind::UserDefined | Kind::Unused => {
                    let text = if first { piece.text.strip_prefix(SPACE) } else { None };
                    spelled.extend(text.unwrap_or(&piece.text).replace(SPACE, " ").into_bytes());
                }
            }
            first = false;
        }
        utf8(&spelled, checked, ids.len())?;
        String::from_utf8(spelled).map_err(|_| Unspelled::Bytes { at: ids.len() })
    }

    /// The id of a piece that text is spelled with, and whether the piece is no longer produced.
    fn id(&self, text: &str) -> Option<(u16, f32, bool)> {
        let id = *self.ids.get(text)?;
        let piece = &self.pieces[usize::from(id)];
        Some((id, score(piece), piece.kind() == Kind::Unused))
    }
}

/// The score by which pieces are merged. Negative zero is zero, as the reference library compares it.
fn score(piece: &Piece) -> f32 {
    piece.score.unwrap_or_default() + 0.0
}

/// The ids of the pieces that text is spelled with, and that of the unknown piece.
fn spelling(pieces: &[Piece]) -> Result<(FxHashMap<String, u16>, u16), Unusable> {
    let mut ids = FxHashMap::default();
    let mut unknown = None;
    for (id, piece) in pieces.iter().enumerate() {
        let broken = |reason| Err(Unusable::BrokenPiece { id, reason });
        let number = u16::try_from(id).map_err(|_| Unusable::Size(pieces.len()))?;
        match piece.kind() {
            _ if piece.text.is_empty() => return broken("it is empty"),
            _ if score(piece).is_nan() => return broken("its score is no number"),
            Kind::Unknown if unknown.is_some() => return broken("it is the second one that is unknown"),
            Kind::Unknown => unknown = Some(number),
            Kind::Byte if byte_of(&piece.text).is_none() => return broken("it names no byte"),
            Kind::Byte | Kind::Control => {}
            Kind::Normal | Kind::UserDefined | Kind::Unused => {
                if ids.insert(piece.text.clone(), number).is_some() {
                    return broken("it is there twice");
                }
            }
        }
    }
    match unknown {
        Some(unknown) => Ok((ids, unknown)),
        None => Err(Unusable::BrokenPiece { id: pieces.len(), reason: "no piece is the unknown one" }),
    }
}

/// The byte that `<0x41>` names.
fn byte_of(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// The id of each byte, where there is a piece for all of them.
fn byte_ids(pieces: &[Piece]) -> Option<Box<[u16; 256]>> {
    let mut ids = Box::new([None; 256]);
    for (id, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.kind() == Kind::Byte) {
        ids[usize::from(byte_of(&piece.text)?)] = u16::try_from(id).ok();
    }
    let ids: Vec<u16> = ids.iter().copied().collect::<Option<_>>()?;
    ids.try_into().ok().map(Box::new)
}

/// Checks what was spelled since `from`, and returns where it ends.
fn utf8(spelled: &[u8], from: usize, at: usize) -> Result<usize, Unspelled> {
    match std::str::from_utf8(&spelled[from..]) {
        Ok(_) => Ok(spelled.len()),
        Err(_) => Err(Unspelled::Bytes { at }),
    }
}

#[cfg(test)]
mod tests;
