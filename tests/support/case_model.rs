//! A small tokenizer with case operators, as a `.model` file.
#![allow(dead_code, reason = "each test binary uses its part")]

use caddie_format::tokenizer::{Kind, Piece, model_of};

/// Pieces of [`file`].
pub const PIECES: usize = 4 + 4 + 256 + 1 + 26 + 5;

/// Marks, operators, bytes, a space, small letters and a few words. Without `trims` it changes no text; with it, it takes white
/// space away at the ends and joins that within.
pub fn file(trims: bool) -> Vec<u8> {
    let mut pieces = marks();
    pieces
        .extend(["\u{e001}", "\u{e002}", "\u{e003}", "\u{e004}"].map(|text| Piece::new(text, 0.0, Kind::UserDefined)));
    pieces.extend(bytes());
    pieces.push(Piece::new("▁", -900.0, Kind::Normal));
    pieces.extend(('a'..='z').map(|letter| Piece::new(letter, -900.0, Kind::Normal)));
    let words = ["th", "the", "▁a", "la", "▁la"].iter().enumerate();
    pieces.extend(words.map(|(rank, text)| Piece::new(*text, -(rank as f32), Kind::Normal)));
    assert_eq!(pieces.len(), PIECES);
    with_settings(pieces, trims)
}

/// A tokenizer of `size` pieces that spells letters and pairs of them, which made no shard of the fixture.
pub fn shuffled(size: usize) -> Vec<u8> {
    let mut pieces = marks();
    pieces.extend(bytes());
    pieces.extend(('a'..='z').map(|letter| Piece::new(letter, -9000.0, Kind::Normal)));
    let pairs = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}")));
    let triples = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}{a}")));
    let names: Vec<String> = pairs.chain(triples).take(size - pieces.len()).collect();
    pieces.extend(names.iter().enumerate().map(|(rank, text)| Piece::new(text, -(rank as f32), Kind::Normal)));
    with_settings(pieces, false)
}

fn marks() -> Vec<Piece> {
    let kinds = [Kind::Control, Kind::Control, Kind::Control, Kind::Unknown];
    ["<pad>", "<s>", "</s>", "<unk>"].iter().zip(kinds).map(|(text, kind)| Piece::new(*text, 0.0, kind)).collect()
}

fn bytes() -> impl Iterator<Item = Piece> {
    (0..=255u8).map(|byte| Piece::new(format!("<0x{byte:02X}>"), 0.0, Kind::Byte))
}

/// The settings as the format writes them: byte-pair encoding with a piece for each byte; no space before a text.
fn with_settings(pieces: Vec<Piece>, trims: bool) -> Vec<u8> {
    let trainer = [0x12, 5, 0x18, 2, 0x98, 2, 1];
    let normalizer = [0x1a, 4, 0x18, 0, 0x20, u8::from(trims)];
    [&model_of(pieces)[..], &trainer, &normalizer].concat()
}
