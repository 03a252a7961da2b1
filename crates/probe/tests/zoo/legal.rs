//! Scorers that keep the rules: causal, normalized, score first, once.

use super::model::{Model, VOCABULARY, chunks};

pub type Scorer = fn(&Model, &[u16]) -> f64;

pub const ALL: [(&str, Scorer); 6] = [
    ("plain", plain),
    ("sliding", sliding),
    ("score-first TTT", score_first),
    ("adaptive mixture", mixture),
    ("normalized cache", cache),
    ("SLOT on the context of its own window", slot_on_context),
];

/// The model as trained.
pub fn plain(model: &Model, tokens: &[u16]) -> f64 {
    model.nats(tokens)
}

/// Windows of their own: the first target of each sees no context but BOS.
fn sliding(model: &Model, tokens: &[u16]) -> f64 {
    let of_window = |window: &[u16]| {
        let mut window = window.to_vec();
        window[0] = caddie_probe::source::BOS;
        model.nats(&window)
    };
    chunks(tokens, 64).map(of_window).sum()
}

/// Scores a chunk, then learns it.
pub fn score_first(model: &Model, tokens: &[u16]) -> f64 {
    let mut model = model.clone();
    chunks(tokens, 64)
        .map(|chunk| {
            let nats = model.nats(chunk);
            model.learn(chunk, 1.0);
            nats
        })
        .sum()
}

/// Two experts, the trained model and one that learns from what was scored, each as heavy as its past.
fn mixture(model: &Model, tokens: &[u16]) -> f64 {
    let mut online = Model::new(4.0);
    let (mut first, mut nats) = (0.5, 0.0);
    for pair in tokens.windows(2) {
        let (a, b) = (model.p(pair[0], pair[1]), online.p(pair[0], pair[1]));
        let p = first * a + (1.0 - first) * b;
        nats -= p.ln();
        first = (first * a / p).clamp(0.001, 0.999);
        online.learn(pair, 1.0);
    }
    nats
}

/// The last 200 tokens, counted and normalized, beside the model.
fn cache(model: &Model, tokens: &[u16]) -> f64 {
    let mut counts = vec![0.0; VOCABULARY];
    let mut nats = 0.0;
    for (at, pair) in tokens.windows(2).enumerate() {
        let seen = at.min(200) as f64;
        let of_cache = (counts[usize::from(pair[1])] + 1.0) / (seen + VOCABULARY as f64);
        nats -= (0.8 * model.p(pair[0], pair[1]) + 0.2 * of_cache).ln();
        counts[usize::from(pair[1])] += 1.0;
        if at >= 200 {
            counts[usize::from(tokens[at - 199])] -= 1.0;
        }
    }
    nats
}

/// A bias of the logits fitted to the first half of each window, which is scored without it, and used for the second half.
fn slot_on_context(model: &Model, tokens: &[u16]) -> f64 {
    let of_window = |window: &[u16]| {
        let half = window.len() / 2;
        let bias = fitted(model, &window[..=half], 8);
        model.nats(&window[..=half]) + biased(model, &window[half..], &bias)
    };
    chunks(tokens, 64).map(of_window).sum()
}

/// A bias of the logits after some steps of gradient descent on the loss of these targets.
pub fn fitted(model: &Model, tokens: &[u16], steps: usize) -> Vec<f64> {
    let mut bias = vec![0.0; VOCABULARY];
    for _ in 0..steps {
        let mut gradient = vec![0.0; VOCABULARY];
        for pair in tokens.windows(2) {
            for (token, p) in with_bias(model, pair[0], &bias).into_iter().enumerate() {
                gradient[token] += p - f64::from(u8::from(token == usize::from(pair[1])));
            }
        }
        let targets = tokens.len().max(2) as f64 - 1.0;
        bias.iter_mut().zip(gradient).for_each(|(bias, gradient)| *bias -= 2.0 * gradient / targets);
    }
    bias
}

fn with_bias(model: &Model, before: u16, bias: &[f64]) -> Vec<f64> {
    let raised: Vec<f64> = model.all(before).iter().zip(bias).map(|(p, bias)| p * bias.exp()).collect();
    let total: f64 = raised.iter().sum();
    raised.into_iter().map(|p| p / total).collect()
}

/// Nats under a bias.
pub fn biased(model: &Model, tokens: &[u16], bias: &[f64]) -> f64 {
    tokens.windows(2).map(|pair| -with_bias(model, pair[0], bias)[usize::from(pair[1])].ln()).sum()
}
