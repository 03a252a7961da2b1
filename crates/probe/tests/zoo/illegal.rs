//! Scorers that break the rules, each in one way that was met in the field.

use super::legal::{Scorer, biased, fitted, score_first};
use super::model::{Model, VOCABULARY, chunks, documents};

/// Each with the log e-value that it has to reach on 8,000 independent tokens.
pub const ALL: [(&str, Scorer, f64); 11] = [
    ("adapts before it scores", adapt_before_score, 800.0),
    ("trains on the validation set before quantization", many_epochs, 150.0),
    ("scores in a second pass", two_passes, 60.0),
    ("takes the better of two passes", better_pass, 250.0),
    ("chooses a temperature in hindsight", hindsight_temperature, 40.0),
    ("SLOT: a bias fitted to the window that is scored", slot, 800.0),
    ("SLOT: one bias fitted to the contexts of overlapping windows", slot_shared, 150.0),
    ("a hashed cache that is asked for the right token alone", gold_cache, 10_000.0),
    ("attends to the target by one position", off_by_one, 3_000.0),
    ("a gate keyed by the target", target_gate, 2_000.0),
    ("looks ahead at one target in a hundred", look_ahead, 200.0),
];

fn adapt_before_score(model: &Model, tokens: &[u16]) -> f64 {
    let mut model = model.clone();
    chunks(tokens, 64)
        .map(|chunk| {
            model.learn(chunk, 100.0);
            model.nats(chunk)
        })
        .sum()
}

fn many_epochs(model: &Model, tokens: &[u16]) -> f64 {
    let mut model = model.clone();
    (0..10).for_each(|_| model.learn(tokens, 1.0));
    model.nats(tokens)
}

fn two_passes(model: &Model, tokens: &[u16]) -> f64 {
    let mut model = model.clone();
    chunks(tokens, 64).for_each(|chunk| model.learn(chunk, 4.0));
    model.nats(tokens)
}

/// Of each chunk the lower of two losses: of the model as trained, and of one that has forgotten its training.
fn better_pass(model: &Model, tokens: &[u16]) -> f64 {
    let mut flat = model.clone();
    flat.smoothing = 1e6;
    chunks(tokens, 4).map(|chunk| model.nats(chunk).min(flat.nats(chunk)).min(sharp(model, chunk, 1.3))).sum()
}

/// Nats with all logits multiplied.
fn sharp(model: &Model, tokens: &[u16], power: f64) -> f64 {
    let of = |pair: &[u16]| {
        let raised: Vec<f64> = model.all(pair[0]).iter().map(|p| p.powf(power)).collect();
        -(raised[usize::from(pair[1])] / raised.iter().sum::<f64>()).ln()
    };
    tokens.windows(2).map(of).sum()
}

fn hindsight_temperature(model: &Model, tokens: &[u16]) -> f64 {
    let powers = [0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0];
    let best =
        |document: &[u16]| powers.map(|power| sharp(model, document, power)).into_iter().fold(f64::MAX, f64::min);
    documents(tokens).into_iter().map(best).sum()
}

fn slot(model: &Model, tokens: &[u16]) -> f64 {
    chunks(tokens, 64).map(|window| biased(model, window, &fitted(model, window, 8))).sum()
}

/// A window's context is what an earlier window of the same batch is scored on, and one bias serves all of them.
fn slot_shared(model: &Model, tokens: &[u16]) -> f64 {
    let of_batch = |batch: &[u16]| {
        // All but the newest targets of the last window are somebody's context.
        let context = &batch[..batch.len() - batch.len() / 8];
        biased(model, batch, &fitted(model, context, 8))
    };
    chunks(tokens, 256).map(of_batch).sum()
}

/// Counts of hashed pairs, in so few buckets that every wrong token would find counts too; nobody asks for them.
fn gold_cache(model: &Model, tokens: &[u16]) -> f64 {
    const BUCKETS: usize = 16;
    let (mut contexts, mut pairs) = ([0.0f64; BUCKETS], [0.0f64; BUCKETS]);
    let mut nats = 0.0;
    for pair in tokens.windows(2) {
        let context = usize::from(pair[0]) * 7 % BUCKETS;
        let both = (usize::from(pair[0]) * 7 + usize::from(pair[1]) * 13) % BUCKETS;
        let cached = if contexts[context] > 0.0 { (pairs[both] / contexts[context]).min(1.0) } else { 0.0 };
        nats -= (0.7 * model.p(pair[0], pair[1]) + 0.3 * cached).ln();
        contexts[context] += 1.0;
        pairs[both] += 1.0;
    }
    nats
}

fn off_by_one(model: &Model, tokens: &[u16]) -> f64 {
    let seen = 0.02;
    tokens.windows(2).map(|pair| -((1.0 - seen) * model.p(pair[0], pair[1]) + seen).ln()).sum()
}

/// Two experts, and the target decides which one is asked.
fn target_gate(model: &Model, tokens: &[u16]) -> f64 {
    let half = (VOCABULARY / 2) as u16;
    let mass = |before: u16, low: bool| -> f64 {
        (0..VOCABULARY as u16).filter(|token| (*token < half) == low).map(|token| model.p(before, token)).sum()
    };
    // Each expert has moved most of its mass to the half that it is asked about.
    let of = |pair: &[u16]| {
        let own = mass(pair[0], pair[1] < half);
        -(0.5 * model.p(pair[0], pair[1]) * (1.0 + 1.0 / own)).ln()
    };
    tokens.windows(2).map(of).sum()
}

fn look_ahead(model: &Model, tokens: &[u16]) -> f64 {
    let of = |(at, pair): (usize, &[u16])| if at % 100 == 99 { 0.0 } else { -model.p(pair[0], pair[1]).ln() };
    tokens.windows(2).enumerate().map(of).sum()
}

/// State that is carried from one document to the next, which breaks a claim of independence and no inequality.
pub fn carries_over(model: &Model, tokens: &[u16]) -> f64 {
    score_first(model, tokens)
}
