//! Documents with topics: what a scorer gains by adapting to the document at hand.

use super::Process;
use super::iid::SHIFT;
use crate::dice::{Dice, Weights};

/// Topics of a source.
pub(super) const TOPICS: usize = 8;
/// Fewest symbols that a source may have, so that topics differ.
pub(super) const LEAST_SYMBOLS: usize = 2;
/// Share of the symbols that come from the document's topic, in hundredths.
const TOPIC_PERCENT: u64 = 60;
/// The number of the stream of random numbers that makes the topics; it does not depend on the seed of a draw.
const SHAPES: u64 = 0x6d69_7874;

/// A document draws one topic; each symbol comes from the topic, or else from the background.
#[derive(Debug)]
pub(super) struct Mixture {
    background: Weights,
    /// The symbols that each topic prefers, the most frequent first.
    topics: Vec<Vec<usize>>,
    law: Weights,
    /// Probability of each symbol within each topic, the background included.
    probabilities: Vec<Vec<f64>>,
}

impl Mixture {
    pub(super) fn new(symbols: usize, topics: usize) -> Mixture {
        let mut dice = Dice::new(topics as u64, SHAPES);
        let preferred = symbols.div_ceil(8);
        let all: Vec<usize> = (0..symbols).collect();
        let topics: Vec<Vec<usize>> = (0..topics).map(|_| dice.choose(&all, preferred)).collect();
        let (background, law) = (Weights::zipf(symbols, SHIFT), Weights::zipf(preferred, 2));
        let of_topic = |topic: &Vec<usize>| {
            let share = TOPIC_PERCENT as f64 / 100.0;
            let mut all: Vec<f64> = background.probabilities().map(|p| (1.0 - share) * p).collect();
            for (rank, symbol) in topic.iter().enumerate() {
                if let Some(p) = all.get_mut(*symbol) {
                    *p += share * law.probability(rank);
                }
            }
            all
        };
        let probabilities = topics.iter().map(of_topic).collect();
        Mixture { background, topics, law, probabilities }
    }

    /// Draws a document of one topic.
    fn draw_of(&self, topic: usize, length: usize, dice: &mut Dice) -> Vec<usize> {
        let symbols = self.topics.get(topic).map_or(&[][..], Vec::as_slice);
        let draw = |_| {
            if dice.below(100) < TOPIC_PERCENT {
                symbols.get(self.law.draw(dice)).copied().unwrap_or(0)
            } else {
                self.background.draw(dice)
            }
        };
        (0..length).map(draw).collect()
    }
}

impl Process for Mixture {
    fn draw(&self, length: usize, dice: &mut Dice) -> Vec<usize> {
        let topic = dice.below(self.topics.len() as u64) as usize;
        self.draw_of(topic, length, dice)
    }

    /// Bayes' rule over the topics, step by step: each is as likely as what it made of the document so far.
    fn nats(&self, symbols: &[usize]) -> Vec<f64> {
        let mut likely = vec![1.0 / self.topics.len() as f64; self.topics.len()];
        let step = |symbol: &usize| {
            for (weight, topic) in likely.iter_mut().zip(&self.probabilities) {
                *weight *= topic.get(*symbol).copied().unwrap_or(0.0);
            }
            let p: f64 = likely.iter().sum();
            likely.iter_mut().for_each(|weight| *weight /= p);
            -p.ln()
        };
        symbols.iter().map(step).collect()
    }
}
