//! Sources: documents of random length, each a beginning of an endless sequence of symbols whose probability is known.
//!
//! A document is BOS and one symbol or more. After each symbol the document ends with probability 1/`hazard`, and the next BOS
//! follows; after BOS a symbol always follows. So the BOS is a target of known probability, and where a document was cut off
//! by the end of the stream, its beginning has a known probability too.

pub mod drawn;
mod iid;
mod markov;
mod mixture;
mod repeat;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::dice::Dice;

/// The token that begins a document, as in the challenge's tokenizers.
pub const BOS: u16 = 1;
/// Mean length of a document in symbols, where nothing else is asked for.
pub const HAZARD: u64 = 400;

/// Reason why a source cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("`{0}` is no source: iid, markov:ORDER (1 to {MAX_ORDER}), mixture, repeat and model are")]
    Kind(String),
    #[error("a source of {0} symbols: at least {least} are needed", least = mixture::LEAST_SYMBOLS)]
    FewSymbols(usize),
    #[error("the mean length of a document is 2 or more symbols, not {0}")]
    Hazard(u64),
    #[error("tokens of a model are drawn by the engine: name its file, as model:CHECKPOINT")]
    Model,
    #[error("the model gives no finite number for any token")]
    NoLogits,
}

/// Most symbols that a Markov source looks back.
pub const MAX_ORDER: usize = 3;

/// The kind of a source, as the command line spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Kind {
    /// Independent symbols that follow Zipf's law.
    Iid,
    /// A small alphabet; each symbol depends on this many before it.
    Markov(usize),
    /// Each document has a topic, which prefers some symbols.
    Mixture,
    /// Documents copy earlier spans of themselves exactly.
    Repeat,
    /// A model's own samples. The engine draws them, no [`Source`] does ([`drawn`]).
    Model,
}

impl Kind {
    /// Every kind that a [`Source`] draws, with the smallest order.
    pub const ALL: [Kind; 4] = [Kind::Iid, Kind::Markov(1), Kind::Mixture, Kind::Repeat];
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Iid => out.write_str("iid"),
            Kind::Markov(order) => write!(out, "markov:{order}"),
            Kind::Mixture => out.write_str("mixture"),
            Kind::Repeat => out.write_str("repeat"),
            Kind::Model => out.write_str("model"),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Kind, Error> {
        let order = || text.strip_prefix("markov:")?.parse().ok().filter(|order| (1..=MAX_ORDER).contains(order));
        match text {
            "iid" => Ok(Kind::Iid),
            "mixture" => Ok(Kind::Mixture),
            "repeat" => Ok(Kind::Repeat),
            "model" => Ok(Kind::Model),
            _ => order().map(Kind::Markov).ok_or_else(|| Error::Kind(text.to_owned())),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> String {
        kind.to_string()
    }
}

impl TryFrom<String> for Kind {
    type Error = Error;

    fn try_from(text: String) -> Result<Kind, Error> {
        text.parse()
    }
}

/// A distribution over endless sequences of symbols `0..n`.
trait Process: fmt::Debug {
    /// Draws the first `length` symbols of a document.
    fn draw(&self, length: usize, dice: &mut Dice) -> Vec<usize>;

    /// −ln P of each symbol given those before it in the document, in nats.
    fn nats(&self, symbols: &[usize]) -> Vec<f64>;
}

/// A source of token streams with known probability.
#[derive(Debug)]
pub struct Source {
    pub kind: Kind,
    /// The token of each symbol; the most frequent symbols come first.
    symbols: Vec<u16>,
    /// A document ends after a symbol with probability 1/`hazard`.
    pub hazard: u64,
    process: Box<dyn Process>,
}

/// A stream of tokens with the exact probability of each target.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// BOS first, which is no target.
    pub tokens: Vec<u16>,
    /// −ln P of each token but the first given those before it, in nats.
    pub nats: Vec<f64>,
}

impl Source {
    /// A source over the tokens `symbols`.
    ///
    /// # Errors
    /// When there are too few symbols, or documents would have no length.
    pub fn new(kind: Kind, symbols: &[u16], hazard: u64) -> Result<Source, Error> {
        if symbols.len() < mixture::LEAST_SYMBOLS {
            return Err(Error::FewSymbols(symbols.len()));
        }
        if hazard < 2 {
            return Err(Error::Hazard(hazard));
        }
        let process: Box<dyn Process> = match kind {
            Kind::Iid => Box::new(iid::Iid::new(symbols.len())),
            Kind::Markov(order) => Box::new(markov::Markov::new(symbols.len().min(markov::ALPHABET), order)),
            Kind::Mixture => Box::new(mixture::Mixture::new(symbols.len(), mixture::TOPICS)),
            Kind::Repeat => Box::new(repeat::Repeat::new(symbols.len())),
            Kind::Model => return Err(Error::Model),
        };
        Ok(Source { kind, symbols: symbols.to_vec(), hazard, process })
    }

    /// Draws a stream with this many targets; its last document may be cut off.
    pub fn draw(&self, targets: usize, dice: &mut Dice) -> Stream {
        let mut stream = Stream { tokens: vec![BOS], nats: Vec::with_capacity(targets) };
        while stream.nats.len() < targets {
            // The stream's own first BOS is given.
            let room = targets - stream.nats.len() - usize::from(!stream.nats.is_empty());
            let mut length = 1;
            while length < room && dice.below(self.hazard) > 0 {
                length += 1;
            }
            // A document that fills the stream goes on as far as anybody can see.
            let symbols = self.process.draw(length.min(room), dice);
            let tokens: Vec<u16> =
                symbols.iter().map(|symbol| self.symbols.get(*symbol).copied().unwrap_or(BOS)).collect();
            stream.push(&tokens, &self.process.nats(&symbols), self.hazard);
        }
        stream
    }
}

impl Stream {
    /// Appends a document: a BOS, which for the first document is there already, and its tokens, whose nats given those
    /// before them are `nats`. After each token but the last the document went on.
    fn push(&mut self, tokens: &[u16], nats: &[f64], hazard: u64) {
        let (end, go_on) = ((hazard as f64).ln(), -(-1.0 / hazard as f64).ln_1p());
        if !self.nats.is_empty() {
            self.tokens.push(BOS);
            self.nats.push(end);
        }
        self.tokens.extend(tokens);
        self.nats.extend(nats.iter().enumerate().map(|(at, nats)| nats + if at > 0 { go_on } else { 0.0 }));
    }

    /// −ln P of the whole stream, in nats.
    pub fn total(&self) -> f64 {
        crate::sum(self.nats.iter().copied())
    }

    /// Nats and targets of each document. A document's targets are its tokens behind its BOS, and the next document's BOS, as in
    /// a score ledger.
    pub fn documents(&self) -> Vec<(usize, f64)> {
        let targets = self.tokens.get(1..).unwrap_or_default();
        let ended = targets.split_inclusive(|token| *token == BOS);
        let mut from = 0;
        ended
            .map(|document| {
                let nats = self.nats.get(from..from + document.len()).unwrap_or_default();
                from += document.len();
                (document.len(), crate::sum(nats.iter().copied()))
            })
            .collect()
    }
}
