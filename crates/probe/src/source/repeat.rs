//! Documents that copy earlier spans of themselves: what an honest cache gains from.

use super::Process;
use super::iid::SHIFT;
use crate::dice::{Dice, Weights};

/// A copy begins once in this many symbols that are no part of one.
pub(super) const BEGINS_ONE_IN: u64 = 16;
/// A copy ends once in this many symbols.
pub(super) const ENDS_ONE_IN: u64 = 16;

/// Each symbol is the next of a copy that goes on, or the first of a copy that begins anywhere before it, or new.
#[derive(Debug)]
pub(super) struct Repeat(Weights);

impl Repeat {
    pub(super) fn new(symbols: usize) -> Repeat {
        Repeat(Weights::zipf(symbols, SHIFT))
    }
}

impl Process for Repeat {
    fn draw(&self, length: usize, dice: &mut Dice) -> Vec<usize> {
        let mut drawn: Vec<usize> = Vec::with_capacity(length);
        // Where the copy goes on.
        let mut next: Option<usize> = None;
        for at in 0..length {
            let goes_on = next.filter(|_| dice.below(ENDS_ONE_IN) > 0);
            let from = match goes_on {
                None if at > 0 && dice.below(BEGINS_ONE_IN) == 0 => Some(dice.below(at as u64) as usize),
                other => other,
            };
            let copied = from.and_then(|from| drawn.get(from).copied());
            drawn.push(copied.unwrap_or_else(|| self.0.draw(dice)));
            next = from.map(|from| from + 1);
        }
        drawn
    }

    /// Dynamic programming over where a copy may be: the chance of each place given the document so far.
    fn nats(&self, symbols: &[usize]) -> Vec<f64> {
        let (begins, ends) = (1.0 / BEGINS_ONE_IN as f64, 1.0 / ENDS_ONE_IN as f64);
        // `places[s]`: the chance that a copy goes on at s. The rest is that no copy is going on.
        let (mut places, mut none) = (Vec::<f64>::with_capacity(symbols.len() + 1), 1.0);
        let mut nats = Vec::with_capacity(symbols.len());
        for (at, &symbol) in symbols.iter().enumerate() {
            let free = none + ends * places.iter().sum::<f64>();
            // The chance that a copy begins at one given place.
            let (at_place, new) =
                if at == 0 { (0.0, free) } else { (free * begins / at as f64, free * (1.0 - begins)) };
            let reached = |(place, before): (usize, &usize)| {
                let goes_on = places.get(place).copied().unwrap_or(0.0) * (1.0 - ends);
                if *before == symbol { goes_on + at_place } else { 0.0 }
            };
            let moved: Vec<f64> = symbols.iter().take(at).enumerate().map(reached).collect();
            let fresh = new * self.0.probability(symbol);
            let p = fresh + moved.iter().sum::<f64>();
            // A copy that has taken place s goes on at s + 1.
            places = std::iter::once(0.0).chain(moved.iter().map(|chance| chance / p)).collect();
            none = fresh / p;
            nats.push(-p.ln());
        }
        nats
    }
}
