//! A tokenizer as a SentencePiece `.model` file, which is a protobuf (`sentencepiece_model.proto`). Only the fields that
//! scoring and the library's own reader need are declared; the numbers are the format's.

use prost::Message;

/// SentencePiece writes a leading space as this character.
pub const SPACE: char = '▁';

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer_spec: Option<TrainerSpec>,
    #[prost(message, optional, tag = "3")]
    normalizer_spec: Option<NormalizerSpec>,
}

/// A piece of the vocabulary; its place in the file is its token id.
#[derive(Clone, PartialEq, Message)]
pub struct Piece {
    #[prost(string, required, tag = "1")]
    pub text: String,
    /// The rank in which byte-pair encoding merges it: the highest score first.
    #[prost(float, optional, tag = "2")]
    pub score: Option<f32>,
    /// A [`Kind`]; absent means normal.
    #[prost(enumeration = "Kind", optional, tag = "3", default = "Normal")]
    pub kind: Option<i32>,
}

/// The kind of text that a piece stands for. The numbers are the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// Text.
    Normal = 1,
    /// Text that the vocabulary cannot spell.
    Unknown = 2,
    /// A mark, such as the start of a document.
    Control = 3,
    /// Text that its user asked for.
    UserDefined = 4,
    /// No longer produced.
    Unused = 5,
    /// One byte, `<0x41>`.
    Byte = 6,
}

impl Piece {
    /// A piece that is written with all its fields.
    pub fn new(text: impl Into<String>, score: f32, kind: Kind) -> Piece {
        Piece { text: text.into(), score: Some(score), kind: Some(kind as i32) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct TrainerSpec {
    /// 2 is BPE.
    #[prost(int32, required, tag = "3")]
    model_type: i32,
    #[prost(int32, required, tag = "4")]
    vocab_size: i32,
    #[prost(bool, required, tag = "35")]
    byte_fallback: bool,
    #[prost(int32, required, tag = "40")]
    unk_id: i32,
    #[prost(int32, required, tag = "41")]
    bos_id: i32,
    #[prost(int32, required, tag = "42")]
    eos_id: i32,
    #[prost(int32, required, tag = "43")]
    pad_id: i32,
}

#[derive(Clone, PartialEq, Message)]
struct NormalizerSpec {
    #[prost(string, required, tag = "1")]
    name: String,
    /// The challenge's tokenizers say false. Here true: each document's first word then begins with a `▁` that is no
    /// text, so decoding a document gives exactly the bytes that the challenge counts for it.
    #[prost(bool, required, tag = "3")]
    add_dummy_prefix: bool,
    #[prost(bool, required, tag = "4")]
    remove_extra_whitespaces: bool,
    #[prost(bool, required, tag = "5")]
    escape_whitespaces: bool,
}

/// Returns the pieces of a `.model` file.
///
/// # Errors
/// When it is not a `.model` file.
pub fn pieces(bytes: &[u8]) -> Result<Vec<Piece>, prost::DecodeError> {
    ModelProto::decode(bytes).map(|model| model.pieces)
}

/// Returns the file of a byte-pair encoding: `<pad>` `<s>` `</s>` `<unk>`, the 256 bytes, then `normal` in order of
/// merging.
pub fn bpe_model(normal: &[String]) -> Vec<u8> {
    let special = [
        Piece::new("<pad>", 0.0, Kind::Control),
        Piece::new("<s>", 0.0, Kind::Control),
        Piece::new("</s>", 0.0, Kind::Control),
        Piece::new("<unk>", 0.0, Kind::Unknown),
    ];
    let bytes = (0..=255u8).map(|byte| Piece::new(format!("<0x{byte:02X}>"), 0.0, Kind::Byte));
    // A BPE reader merges the pair of the highest score first.
    let normal = normal.iter().enumerate().map(|(rank, text)| Piece::new(text, -(rank as f32), Kind::Normal));
    let pieces: Vec<Piece> = special.into_iter().chain(bytes).chain(normal).collect();
    let trainer_spec = TrainerSpec {
        model_type: 2,
        vocab_size: pieces.len() as i32,
        byte_fallback: true,
        unk_id: 3,
        bos_id: 1,
        eos_id: 2,
        pad_id: 0,
    };
    let normalizer_spec = NormalizerSpec {
        name: "identity".to_owned(),
        add_dummy_prefix: true,
        remove_extra_whitespaces: true,
        escape_whitespaces: true,
    };
    ModelProto { pieces, trainer_spec: Some(trainer_spec), normalizer_spec: Some(normalizer_spec) }.encode_to_vec()
}

/// Returns a `.model` file of these pieces and nothing else, which is enough to count bytes.
pub fn model_of(pieces: Vec<Piece>) -> Vec<u8> {
    ModelProto { pieces, trainer_spec: None, normalizer_spec: None }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_an_absent_kind_is_normal() {
        let read = pieces(&bpe_model(&["▁a".to_owned()])).expect("a model");
        assert_eq!((read.len(), read[260].text.as_str(), read[260].kind()), (261, "▁a", Kind::Normal));
        let bare = Piece { text: "b".to_owned(), score: None, kind: None };
        assert_eq!(pieces(&model_of(vec![bare])).expect("a model")[0].kind(), Kind::Normal);
        assert!(pieces(b"\xff\xff no protobuf").is_err());
    }
}
