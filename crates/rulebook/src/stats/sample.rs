//! Runs as a sample, in each of the units in which differences are stated.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::mean;

/// Largest relative difference between ratios of one tokenizer. They differ by the unscored part at the split's end
/// (2e-4) and by rounding; two tokenizers, and two exports of the split, differ by 2.6e-3 and more.
const SAME_RATIO: f64 = 1e-3;

/// A unit of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    #[serde(rename = "bpb")]
    Bpb,
    /// Nats per token; comparable only between runs of one tokenizer on one text.
    #[serde(rename = "nats/token")]
    NatsPerToken,
    /// Bits per byte times ln 2.
    #[serde(rename = "nats/byte")]
    NatsPerByte,
}

impl Unit {
    /// Every unit, bits per byte first.
    pub const ALL: [Unit; 3] = [Unit::Bpb, Unit::NatsPerToken, Unit::NatsPerByte];

    /// Returns the name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Bpb => "bpb",
            Unit::NatsPerToken => "nats/token",
            Unit::NatsPerByte => "nats/byte",
        }
    }
}

/// One run's score.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub seed: Option<i64>,
    /// Bits per byte.
    pub val_bpb: f64,
    /// Nats per token.
    pub val_loss: Option<f64>,
}

/// Runs of one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The description of the runs: `its own runs`, `with the reproduction by …`.
    pub name: String,
    pub scores: Vec<Score>,
}

impl Sample {
    /// Number of runs.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Tells whether there is no run.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Returns bits per byte for each nat per token, `tokens / (bytes · ln 2)`, from the runs' own numbers: it
    /// identifies the tokenizer. `None` where no run states val_loss, or where the runs are of several tokenizers.
    pub fn ratio(&self) -> Option<f64> {
        let usable = |loss: &f64| loss.is_finite() && *loss > 0.0;
        let ratios: Vec<f64> =
            self.scores.iter().filter_map(|run| Some(run.val_bpb / run.val_loss.filter(usable)?)).collect();
        let first = *ratios.first()?;
        ratios.iter().all(|ratio| same_alphabet(*ratio, first)).then(|| mean(&ratios))?
    }

    /// Returns the runs' scores in `unit`; a run without val_loss is converted by the others' ratio. `None` without
    /// one.
    pub fn values(&self, unit: Unit) -> Option<Vec<f64>> {
        let ratio = self.ratio();
        let value = |run: &Score| match unit {
            Unit::Bpb => Some(run.val_bpb),
            Unit::NatsPerByte => Some(run.val_bpb * LN_2),
            Unit::NatsPerToken => Some(run.val_loss.unwrap_or(run.val_bpb / ratio?)),
        };
        self.scores.iter().map(value).collect()
    }
}

/// Tells whether two ratios of bits per byte to nats per token belong to the same tokens.
pub fn same_alphabet(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < SAME_RATIO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_in_each_unit() {
        let run = |val_bpb, val_loss| Score { seed: None, val_bpb, val_loss };
        let sample = Sample { name: "x".into(), scores: vec![run(1.08, Some(2.7)), run(1.2, None)] };
        assert_eq!(sample.ratio(), Some(1.08 / 2.7));
        let tokens = sample.values(Unit::NatsPerToken).expect("a ratio");
        assert!(tokens[0] == 2.7 && (tokens[1] - 3.0).abs() < 1e-12);
        assert!((sample.values(Unit::NatsPerByte).expect("always")[1] - 1.2 * LN_2).abs() < 1e-15);
        let mixed = Sample { name: "x".into(), scores: vec![run(1.08, Some(2.7)), run(1.08, Some(2.0))] };
        assert_eq!(mixed.ratio(), None, "runs of two tokenizers");
        let bare = Sample { name: "x".into(), scores: vec![run(1.2, None)] };
        assert_eq!((bare.ratio(), bare.values(Unit::NatsPerToken)), (None, None));
    }

    #[test]
    fn rounded_logs_are_one_alphabet_and_another_export_is_not() {
        assert!(same_alphabet(0.38721, 0.387131), "the ternary record's four digits");
        assert!(!same_alphabet(0.590711, 0.592256), "the naive baseline's export");
        assert!(!same_alphabet(0.45696, 0.387131));
    }
}
