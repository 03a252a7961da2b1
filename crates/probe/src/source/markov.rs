//! A small alphabet whose symbols depend on those before: what a short context predicts.

use super::Process;
use crate::dice::{Dice, Weights};

/// Symbols of the alphabet at most: a tiny model learns all contexts of one symbol within a hundred steps.
pub(super) const ALPHABET: usize = 16;
/// The number of the stream of random numbers that makes the contexts; it does not depend on the seed of a draw.
const CONTEXTS: u64 = 0x6d61_726b;

/// After each context the symbols follow the same law, turned by a number of places that the context decides.
#[derive(Debug)]
pub(super) struct Markov {
    order: usize,
    symbols: usize,
    law: Weights,
    /// Places by which each context turns the law. A context is a number in base `symbols + 1`, whose last digit value means
    /// that the document had not begun.
    turns: Vec<usize>,
}

impl Markov {
    pub(super) fn new(symbols: usize, order: usize) -> Markov {
        let mut dice = Dice::new(order as u64, CONTEXTS);
        let contexts = (symbols + 1).pow(order as u32);
        let turns = (0..contexts).map(|_| dice.below(symbols as u64) as usize).collect();
        Markov { order, symbols, law: Weights::zipf(symbols, 1), turns }
    }

    /// The turn after the symbols of a document so far.
    fn turn(&self, before: &[usize]) -> usize {
        let missing = std::iter::repeat_n(self.symbols, self.order.saturating_sub(before.len()));
        let known = before.iter().skip(before.len().saturating_sub(self.order)).copied();
        let context = missing.chain(known).fold(0, |context, symbol| context * (self.symbols + 1) + symbol);
        self.turns.get(context).copied().unwrap_or(0)
    }
}

impl Process for Markov {
    fn draw(&self, length: usize, dice: &mut Dice) -> Vec<usize> {
        let mut drawn = Vec::with_capacity(length);
        for _ in 0..length {
            drawn.push((self.law.draw(dice) + self.turn(&drawn)) % self.symbols);
        }
        drawn
    }

    fn nats(&self, symbols: &[usize]) -> Vec<f64> {
        let place = |(at, symbol): (usize, &usize)| {
            let turn = self.turn(symbols.get(..at).unwrap_or_default());
            -self.law.probability((symbol + self.symbols - turn) % self.symbols).ln()
        };
        symbols.iter().enumerate().map(place).collect()
    }
}
