use caddie_format::tokenizer::model_of;
use proptest::prelude::*;

use super::*;

/// A `.model` file of these pieces behind an unknown one, with all bytes where `fallback` says so. It normalizes nothing.
fn model(pieces: &[(&str, f32, Kind)], fallback: bool) -> Vec<u8> {
    let mut all = vec![Piece::new("<unk>", 0.0, Kind::Unknown)];
    all.extend(pieces.iter().map(|&(text, score, kind)| Piece::new(text, score, kind)));
    if fallback {
        all.extend((0..=255u8).map(|byte| Piece::new(format!("<0x{byte:02X}>"), 0.0, Kind::Byte)));
    }
    let settings = Settings {
        trainer: Some(TrainerSettings {
            model_type: Some(BPE),
            treat_whitespace_as_suffix: None,
            byte_fallback: Some(fallback),
        }),
        normalizer: Some(NormalizerSettings {
            precompiled_charsmap: None,
            add_dummy_prefix: Some(false),
            remove_extra_whitespaces: Some(false),
            escape_whitespaces: Some(true),
        }),
    };
    [model_of(all), settings.encode_to_vec()].concat()
}

fn shown(tokenizer: &Tokenizer, text: &str) -> Vec<(String, String)> {
    let name = |id: u16| tokenizer.pieces()[usize::from(id)].text.clone();
    tokenizer.encode(text).into_iter().map(|token| (name(token.id), token.surface.to_owned())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(piece, surface)| (piece.to_owned(), surface.to_owned())).collect()
}

const PIECES: &[(&str, f32, Kind)] = &[
    ("ab", 0.0, Kind::Normal),
    ("bc", 1.0, Kind::Normal),
    ("a", -9.0, Kind::Normal),
    ("b", -9.0, Kind::Normal),
    ("c", -9.0, Kind::Normal),
    ("▁", -9.0, Kind::Normal),
    ("▁a", -1.0, Kind::Normal),
    ("\u{e001}", 0.0, Kind::UserDefined),
];

#[test]
fn the_union_of_the_highest_score_is_made_first() {
    let tokenizer = Tokenizer::parse(&model(PIECES, true)).unwrap();
    assert_eq!(shown(&tokenizer, "abc a"), pairs(&[("a", "a"), ("bc", "bc"), ("▁a", " a")]));
    // Neighbors are joined from the left, and what the user asked for is joined with nothing.
    assert_eq!(
        shown(&tokenizer, "aba\u{e001}b"),
        pairs(&[("ab", "ab"), ("a", "a"), ("\u{e001}", "\u{e001}"), ("b", "b")])
    );
}

#[test]
fn a_character_without_a_piece_is_spelled_in_bytes_whose_last_has_its_text() {
    let tokenizer = Tokenizer::parse(&model(PIECES, true)).unwrap();
    assert_eq!(shown(&tokenizer, "aé"), pairs(&[("a", "a"), ("<0xC3>", ""), ("<0xA9>", "é")]));
    let without = Tokenizer::parse(&model(PIECES, false)).unwrap();
    assert_eq!(shown(&without, "aéüb"), pairs(&[("a", "a"), ("<unk>", "éü"), ("b", "b")]));
    assert!(tokenizer.spells_everything() && !without.spells_everything());
}

#[test]
fn a_piece_that_is_no_longer_produced_falls_apart_as_it_was_joined() {
    let pieces: Vec<_> = [PIECES, &[("abc", -2.0, Kind::Unused)]].concat();
    let tokenizer = Tokenizer::parse(&model(&pieces, true)).unwrap();
    assert_eq!(shown(&tokenizer, "abc"), pairs(&[("a", "a"), ("bc", "bc")]));
}

#[test]
fn tokens_that_spell_no_text_are_told_apart() {
    let tokenizer = Tokenizer::parse(&model(PIECES, true)).unwrap();
    assert_eq!(tokenizer.decode(&[0]), Err(Unspelled::Unknown { at: 0 }));
    assert_eq!(tokenizer.decode(&[1, 900]), Err(Unspelled::PastVocabulary { at: 1, id: 900, pieces: 265 }));
    let byte = |b: u16| 9 + b;
    assert_eq!(tokenizer.decode(&[byte(0xc3), 1]), Err(Unspelled::Bytes { at: 1 }));
    assert_eq!(tokenizer.decode(&[byte(0xc3)]), Err(Unspelled::Bytes { at: 1 }));
    assert_eq!(tokenizer.decode(&[byte(0xc3), byte(0xa9), 7]).unwrap(), "é a");
}

#[test]
fn files_that_cannot_be_encoded_with_are_refused() {
    let refused = |file: &[u8]| Tokenizer::parse(file).unwrap_err().to_string();
    assert!(refused(b"\xff\xff no protobuf").contains("not a SentencePiece model"));
    assert!(refused(&model_of(vec![])).contains("kind is number 1"));
    let twice = [PIECES, &[("ab", -7.0, Kind::Normal)]].concat();
    assert!(refused(&model(&twice, false)).contains("piece 9: it is there twice"));
    assert!(refused(&model(&[("<0xZZ>", 0.0, Kind::Byte)], false)).contains("it names no byte"));
    assert!(refused(&model(&[("", 0.0, Kind::Normal)], false)).contains("it is empty"));
    assert!(refused(&model(&[("a", f32::NAN, Kind::Normal)], false)).contains("its score is no number"));
}

proptest! {
    /// Without normalization nothing of a text is lost: surfaces are the text, and so is what the tokens spell.
    #[test]
    fn every_text_comes_back(text in "[abc é▁\u{e001}\u{0}]{0,60}|\\PC{0,20}") {
        let tokenizer = Tokenizer::parse(&model(PIECES, true)).unwrap();
        let tokens = tokenizer.encode(&text);
        prop_assert_eq!(tokens.iter().map(|token| token.surface).collect::<String>(), text.clone());
        let ids: Vec<u16> = tokens.iter().map(|token| token.id).collect();
        // The file's own sign for a space cannot be told from a space.
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text.replace('▁', " "));
    }

    #[test]
    fn no_file_makes_the_reader_panic(noise in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..2000, text in "\\PC{0,20}") {
        let mut file = model(PIECES, true);
        let at = at % file.len();
        let end = (at + noise.len()).min(file.len());
        file[at..end].copy_from_slice(&noise[..end - at]);
        if let Ok(tokenizer) = Tokenizer::parse(&file) {
            tokenizer.encode(&text);
        }
    }
}
