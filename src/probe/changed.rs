//! Changes of a validation stream that keep its documents in their places.

use caddie_probe::source::BOS;

/// Replaces the tokens at `places` by the text of another stream. The beginnings of documents stay.
pub(super) fn replaced(tokens: &[u16], places: impl Fn(usize) -> bool, other: &[u16]) -> Vec<u16> {
    let mut text = other.iter().copied().filter(|token| *token != BOS).cycle();
    let of = |(at, token): (usize, &u16)| match *token {
        BOS => BOS,
        kept if !places(at) => kept,
        kept => text.next().unwrap_or(kept),
    };
    tokens.iter().enumerate().map(of).collect()
}

/// The first place from `from` on at which a token and its successor are text and differ, and the stream with the two swapped.
pub(super) fn swapped(tokens: &[u16], from: usize) -> Option<(usize, Vec<u16>)> {
    let differ = |at: &usize| match (tokens.get(*at), tokens.get(at + 1)) {
        (Some(&one), Some(&next)) => one != next && one != BOS && next != BOS,
        _ => false,
    };
    let at = (from..tokens.len()).find(differ)?;
    let mut changed = tokens.to_vec();
    changed.swap(at, at + 1);
    Some((at, changed))
}

/// The number of the document that each token is of.
pub(super) fn documents(tokens: &[u16]) -> Vec<usize> {
    let count = |begun: &mut usize, token: &u16| {
        *begun += usize::from(*token == BOS);
        Some(begun.saturating_sub(1))
    };
    tokens.iter().scan(0, count).collect()
}

/// The tokens of each document, from its BOS on.
pub(super) fn split(tokens: &[u16]) -> Vec<&[u16]> {
    let mut starts: Vec<usize> = (0..tokens.len()).filter(|at| tokens.get(*at) == Some(&BOS)).collect();
    starts.push(tokens.len());
    starts.windows(2).filter_map(|pair| tokens.get(*pair.first()?..*pair.last()?)).collect()
}

/// The documents in reverse order.
pub(super) fn reversed(tokens: &[u16]) -> Vec<u16> {
    split(tokens).iter().rev().flat_map(|document| document.iter().copied()).collect()
}

/// Each document twice.
pub(super) fn doubled(tokens: &[u16]) -> Vec<u16> {
    split(tokens).iter().flat_map(|document| [*document, *document]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: [u16; 9] = [BOS, 5, 6, BOS, 7, BOS, 8, 9, 4];

    #[test]
    fn documents_keep_their_places() {
        assert_eq!(replaced(&STREAM, |at| at >= 2, &[BOS, 10, 11]), [BOS, 5, 10, BOS, 11, BOS, 10, 11, 10]);
        assert_eq!(swapped(&STREAM, 2), Some((6, vec![BOS, 5, 6, BOS, 7, BOS, 9, 8, 4])));
        assert_eq!(swapped(&STREAM, 8), None);
        assert_eq!(documents(&STREAM), [0, 0, 0, 1, 1, 2, 2, 2, 2]);
    }

    #[test]
    fn documents_are_moved_and_copied_whole() {
        assert_eq!(split(&STREAM), [&[BOS, 5, 6][..], &[BOS, 7], &[BOS, 8, 9, 4]]);
        assert_eq!(reversed(&STREAM), [BOS, 8, 9, 4, BOS, 7, BOS, 5, 6]);
        assert_eq!(doubled(&STREAM[3..]), [BOS, 7, BOS, 7, BOS, 8, 9, 4, BOS, 8, 9, 4]);
    }
}
