//! Streams whose symbols somebody else draws, document by document: a model's own samples.

use super::{BOS, Error, Stream};
use crate::dice::{Dice, Weights};

/// Weight of the likeliest symbol. Weights below 1/2 of it in this many are zero: such a symbol is never drawn.
const LARGEST: f64 = (1u64 << 40) as f64;

/// The distribution of the next symbol that a row of logits states, as integer weights: what is drawn from it has exactly
/// the probability that is recorded, whatever the precision of the logits. BOS has none, because documents end by the hazard.
///
/// # Errors
/// When no symbol but BOS has a finite logit.
pub fn of_logits(logits: &[f32]) -> Result<Weights, Error> {
    let symbol =
        |(id, logit): (usize, &f32)| if id == usize::from(BOS) { f64::NEG_INFINITY } else { f64::from(*logit) };
    let logits: Vec<f64> = logits.iter().enumerate().map(symbol).collect();
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return Err(Error::NoLogits);
    }
    Ok(Weights::new(logits.into_iter().map(|logit| ((logit - largest).exp() * LARGEST).round() as u64)))
}

/// Lengths in symbols of the documents of a stream with this many targets; the last may be cut off.
///
/// # Errors
/// When documents would have no length.
pub fn lengths(targets: usize, hazard: u64, dice: &mut Dice) -> Result<Vec<usize>, Error> {
    if hazard < 2 {
        return Err(Error::Hazard(hazard));
    }
    let (mut lengths, mut filled) = (Vec::new(), 0);
    while filled < targets {
        // The stream's own first BOS is no target.
        filled += usize::from(!lengths.is_empty());
        let room = targets - filled;
        let mut length = 1;
        while length < room && dice.below(hazard) > 0 {
            length += 1;
        }
        lengths.push(length.min(room));
        filled += length.min(room);
    }
    Ok(lengths)
}

/// The stream of documents, each its tokens behind BOS and their nats given those before.
pub fn stream(hazard: u64, documents: impl IntoIterator<Item = (Vec<u16>, Vec<f64>)>) -> Stream {
    let mut stream = Stream { tokens: vec![BOS], nats: Vec::new() };
    for (tokens, nats) in documents {
        stream.push(&tokens, &nats, hazard);
    }
    stream
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Kind, Source};

    #[test]
    fn logits_give_their_softmax_without_the_bos() {
        let logits = [0.0f32, 9.0, 1.0, -1.0, f32::NEG_INFINITY];
        let weights = of_logits(&logits).unwrap();
        let sum = 1.0 + 1f64.exp() + (-1f64).exp();
        let expected = [1.0 / sum, 0.0, 1f64.exp() / sum, (-1f64).exp() / sum, 0.0];
        for (one, expected) in weights.probabilities().zip(expected) {
            assert!((one - expected).abs() < 1e-11);
        }
        assert_eq!(of_logits(&[f32::NAN, 5.0]).unwrap_err(), Error::NoLogits);
        assert_eq!(of_logits(&[f32::INFINITY, 5.0]).unwrap_err(), Error::NoLogits);
    }

    /// All streams of four targets, drawn document by document from fixed logits, have probabilities that sum to one.
    #[test]
    fn streams_of_a_length_sum_to_one() {
        let weights = of_logits(&[0.3f32, 0.0, -0.2, 1.0]).unwrap();
        let probability = |symbol: u16| weights.probability(usize::from(symbol));
        // A stream is a sequence of symbols and BOS in which no BOS follows a BOS.
        let mut streams: Vec<Vec<u16>> = vec![vec![]];
        for _ in 0..4 {
            let longer = |before: &Vec<u16>| {
                let last = before.last().copied().unwrap_or(BOS);
                let next = [0, 2, 3, BOS].into_iter().filter(move |next| *next != BOS || last != BOS);
                next.map(|next| [&before[..], &[next]].concat()).collect::<Vec<_>>()
            };
            streams = streams.iter().flat_map(longer).collect();
        }
        let total = crate::sum(streams.iter().map(|targets| {
            let ends = targets.last() == Some(&BOS);
            let documents = targets.split(|token| *token == BOS).map(<[u16]>::to_vec);
            let documents = documents.filter(|document| !document.is_empty());
            let documents = documents.map(|document| {
                let nats = document.iter().map(|symbol| -probability(*symbol).ln()).collect();
                (document, nats)
            });
            let mut drawn = stream(7, documents);
            if ends {
                drawn.push(&[], &[], 7);
            }
            assert_eq!(drawn.tokens[1..], targets[..]);
            (-drawn.total()).exp()
        }));
        assert!((total - 1.0).abs() < 1e-9, "{total}");
    }

    /// With fixed symbols the frame is that of every source.
    #[test]
    fn lengths_follow_the_hazard() {
        let lengths = lengths(100_000, 20, &mut Dice::new(3, 0)).unwrap();
        let filled = lengths.iter().sum::<usize>() + lengths.len() - 1;
        let source = Source::new(Kind::Iid, &[5, 6, 7, 8, 9, 10, 11, 12], 20).unwrap();
        let other = source.draw(100_000, &mut Dice::new(3, 0)).documents().len();
        assert!(filled.abs_diff(100_000) <= 1 && lengths.len().abs_diff(other) < 400, "{filled} {}", lengths.len());
    }
}
