//! Independent symbols: what no context helps to predict.

use super::Process;
use crate::dice::{Dice, Weights};

/// The shift of Zipf's law: the most frequent symbol is not overwhelming.
pub(super) const SHIFT: u64 = 3;

/// Symbols that follow Zipf's law, independently.
#[derive(Debug)]
pub(super) struct Iid(Weights);

impl Iid {
    pub(super) fn new(symbols: usize) -> Iid {
        Iid(Weights::zipf(symbols, SHIFT))
    }
}

impl Process for Iid {
    fn draw(&self, length: usize, dice: &mut Dice) -> Vec<usize> {
        (0..length).map(|_| self.0.draw(dice)).collect()
    }

    fn nats(&self, symbols: &[usize]) -> Vec<f64> {
        symbols.iter().map(|symbol| -self.0.probability(*symbol).ln()).collect()
    }
}
