//! A language model small enough to count: smoothed bigrams.

use caddie_probe::dice::Dice;
use caddie_probe::source::{BOS, Kind, Source, Stream};

/// Token ids: BOS is 1, the symbols are 2 to 33.
pub const VOCABULARY: usize = 34;

pub fn source(kind: Kind) -> Source {
    let symbols: Vec<u16> = (2..VOCABULARY as u16).collect();
    Source::new(kind, &symbols, 50).unwrap()
}

/// Streams to train on and to be scored on.
pub fn streams(kind: Kind, train: usize, targets: usize, seed: u64) -> (Stream, Stream) {
    let source = source(kind);
    (source.draw(train, &mut Dice::new(seed, 1)), source.draw(targets, &mut Dice::new(seed, 0)))
}

/// Counts of a token after another, smoothed by the counts of the token alone.
#[derive(Debug, Clone)]
pub struct Model {
    pairs: Vec<f64>,
    after: Vec<f64>,
    alone: Vec<f64>,
    total: f64,
    /// Weight of the counts of the token alone.
    pub smoothing: f64,
}

impl Model {
    pub fn new(smoothing: f64) -> Model {
        Model {
            pairs: vec![0.0; VOCABULARY * VOCABULARY],
            after: vec![0.0; VOCABULARY],
            alone: vec![1.0; VOCABULARY],
            total: VOCABULARY as f64,
            smoothing,
        }
    }

    pub fn trained(stream: &Stream, smoothing: f64) -> Model {
        let mut model = Model::new(smoothing);
        model.learn(&stream.tokens, 1.0);
        model
    }

    /// Learns every token but the first.
    pub fn learn(&mut self, tokens: &[u16], weight: f64) {
        for pair in tokens.windows(2) {
            let (before, target) = (usize::from(pair[0]), usize::from(pair[1]));
            self.pairs[before * VOCABULARY + target] += weight;
            self.after[before] += weight;
            self.alone[target] += weight;
            self.total += weight;
        }
    }

    /// P(target | before).
    pub fn p(&self, before: u16, target: u16) -> f64 {
        let (before, target) = (usize::from(before), usize::from(target));
        let alone = self.alone[target] / self.total;
        (self.pairs[before * VOCABULARY + target] + self.smoothing * alone) / (self.after[before] + self.smoothing)
    }

    /// The whole distribution after a token.
    pub fn all(&self, before: u16) -> Vec<f64> {
        (0..VOCABULARY as u16).map(|target| self.p(before, target)).collect()
    }

    /// Nats of all tokens but the first.
    pub fn nats(&self, tokens: &[u16]) -> f64 {
        tokens.windows(2).map(|pair| -self.p(pair[0], pair[1]).ln()).sum()
    }
}

/// Chunks of at most `length` targets, each with the token before its first.
pub fn chunks(tokens: &[u16], length: usize) -> impl Iterator<Item = &[u16]> {
    (0..tokens.len() - 1).step_by(length).map(move |at| &tokens[at..(at + length + 1).min(tokens.len())])
}

/// Documents, each from its BOS to the next one, which is its last target.
pub fn documents(tokens: &[u16]) -> Vec<&[u16]> {
    let begins: Vec<usize> = (0..tokens.len()).filter(|at| tokens[*at] == BOS).collect();
    let ends = begins.iter().skip(1).map(|at| at + 1).chain([tokens.len()]);
    begins.iter().zip(ends).map(|(begin, end)| &tokens[*begin..end]).collect()
}
