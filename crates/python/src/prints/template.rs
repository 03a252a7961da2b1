//! A text with holes, and the lines that it makes.

use super::build::{Built, Hole, Piece};

/// Letters that a template needs to tell where a line was printed.
const TELLING_LETTERS: usize = 3;
/// Places that are tried for a template on one line.
const MAX_TRIES: usize = 2_000;

/// One line that a program can print, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Takes a text apart into its lines. A line without a hole and without a value (`alpha=1.0`) is nobody's measure, and is
    /// left out.
    pub(super) fn lines(built: Built) -> Vec<Template> {
        let mut lines = vec![Vec::new()];
        for piece in built {
            match piece {
                Piece::Text(text) => {
                    for (index, part) in text.split('\n').enumerate() {
                        if index > 0 {
                            lines.push(Vec::new());
                        }
                        let part = part.trim_end_matches('\r');
                        if let Some(line) = lines.last_mut().filter(|_| !part.is_empty()) {
                            line.push(Piece::Text(part.to_owned()));
                        }
                    }
                }
                hole @ Piece::Hole(_) => lines.iter_mut().last().into_iter().for_each(|line| line.push(hole.clone())),
            }
        }
        let kept = |pieces: &Vec<Piece>| match pieces.as_slice() {
            [Piece::Text(text)] => states_a_value(text),
            pieces => pieces.iter().any(|piece| matches!(piece, Piece::Hole(_))),
        };
        lines.into_iter().map(joined).filter(kept).map(|pieces| Template { pieces }).collect()
    }

    /// Tells whether the text between the holes says where a line was printed.
    pub(super) fn tells(&self) -> bool {
        let texts = self.pieces.iter().filter_map(Piece::text);
        texts.map(|text| text.chars().filter(|c| c.is_alphabetic()).count()).sum::<usize>() >= TELLING_LETTERS
    }

    /// Tells whether the line can hold the template, with anything before and behind it.
    pub(super) fn makes(&self, line: &str) -> bool {
        let mut tries = MAX_TRIES;
        let starts = std::iter::once(0).chain(line.char_indices().map(|(at, c)| at + c.len_utf8()));
        match self.pieces.first() {
            Some(Piece::Text(text)) => {
                line.match_indices(text.as_str()).any(|(at, _)| fits(&self.pieces, &line[at..], &mut tries))
            }
            Some(Piece::Hole(Hole::Any)) => fits(&self.pieces, line, &mut tries),
            Some(Piece::Hole(_)) => starts.into_iter().any(|at| fits(&self.pieces, &line[at..], &mut tries)),
            None => false,
        }
    }
}

/// Tells whether a number stands behind a colon or an equals sign.
fn states_a_value(text: &str) -> bool {
    let after = text.match_indices([':', '=']).map(|(at, _)| text[at + 1..].trim_start_matches([' ', '+', '-']));
    after.into_iter().any(|after| after.starts_with(|c: char| c.is_ascii_digit()))
}

/// Joins texts that follow each other, and holes.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (Some(Piece::Hole(before)), Piece::Hole(_)) => *before = Hole::Any,
            (_, piece) => joined.push(piece),
        }
    }
    // Blanks at the end are cut off where lines are read.
    if let Some(Piece::Text(text)) = joined.last_mut() {
        text.truncate(text.trim_end().len());
    }
    joined.retain(|piece| piece.text() != Some(""));
    joined
}

/// Tells whether the rest of a line begins with the pieces. A place that is tried once too often fits.
fn fits(pieces: &[Piece], rest: &str, tries: &mut usize) -> bool {
    let Some((first, after)) = pieces.split_first() else { return true };
    if *tries == 0 {
        return true;
    }
    *tries -= 1;
    match first {
        Piece::Text(text) => rest.strip_prefix(text.as_str()).is_some_and(|rest| fits(after, rest, tries)),
        Piece::Hole(Hole::Any) => match after.first() {
            None => true,
            Some(Piece::Text(text)) => rest.match_indices(text.as_str()).any(|(at, _)| fits(after, &rest[at..], tries)),
            Some(Piece::Hole(_)) => rest.char_indices().any(|(at, _)| fits(after, &rest[at..], tries)),
        },
        Piece::Hole(Hole::Number { decimals }) => {
            number(rest, *decimals).is_some_and(|length| fits(after, &rest[length..], tries))
        }
    }
}

/// Returns the length of a number at the beginning of a text, with the blanks that a width puts before it.
fn number(text: &str, decimals: Option<usize>) -> Option<usize> {
    let blank = text.len() - text.trim_start_matches(' ').len();
    let body = &text[blank..];
    let sign = usize::from(body.starts_with(['-', '+']));
    let words = ["nan", "inf"].iter().find(|word| body[sign..].to_ascii_lowercase().starts_with(*word));
    let end = match words {
        Some(word) => sign + word.len(),
        None => {
            let whole = body[sign..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b',').count();
            let point = sign + whole;
            if whole == 0 {
                return None;
            }
            match decimals {
                Some(0) => point,
                Some(places) => {
                    let fraction = body.get(point..)?.strip_prefix('.')?;
                    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
                    // More digits than the format prints are another format's.
                    (digits == places).then_some(())?;
                    point + 1 + places
                }
                None => {
                    let more = |byte: &u8| byte.is_ascii_alphanumeric() || b".+-".contains(byte);
                    point + body.as_bytes().get(point..)?.iter().take_while(|byte| more(byte)).count()
                }
            }
        }
    };
    Some(blank + end)
}
