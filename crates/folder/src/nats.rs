//! Differences that a README states in bits per byte and in nats, side by side: "0.00117 bpb / 0.00302 nats per token".

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use super::number::Stated;

/// Largest difference of two scores; a larger number of bits per byte is a score.
const MAX_DIFFERENCE: f64 = 0.2;
/// Most characters between the two numbers: "vs PR #1736** (" and the like.
const MAX_GAP: usize = 40;
/// Most pairs that are kept; real READMEs have a handful.
const MAX_PAIRS: usize = 100;

/// One difference in both units.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NatsPair {
    pub bpb: Stated,
    /// Nats per token.
    pub nats: Stated,
    /// The text as written, for evidence.
    pub text: String,
    /// 1-based.
    pub line: u64,
}

impl NatsPair {
    /// Tells whether the difference in nats per token and that in bits per byte agree, as they are rounded, for a
    /// tokenizer of `ratio` bits per byte for each nat per token.
    pub fn fits(&self, ratio: f64) -> bool {
        let half = |stated: &Stated| 0.5 * 10f64.powi(-stated.decimals);
        // One and a half: people round the difference of rounded scores.
        let slack = 1.5 * (half(&self.bpb) + ratio * half(&self.nats));
        (self.bpb.value.abs() - self.nats.value.abs() * ratio).abs() <= slack
    }
}

/// Returns the pairs of a text, in order.
pub(super) fn pairs(text: &str) -> Vec<NatsPair> {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let number = r"(?i)(\d*\.\d+)\**[\s-]*(?:val_)?(bpb|bpp|val_loss|nats?)\b(?:\s*\(nats)?(\s*(?:/|per)\s*byte)?";
        Regex::new(number).ok()
    });
    let Some(number) = NUMBER.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    for (at, line) in (1..).zip(text.lines()) {
        let words: Vec<_> = number.captures_iter(line).filter(|word| word.get(3).is_none()).collect();
        for pair in words.windows(2) {
            let [first, second] = pair else { continue };
            let (Some(end), Some(start)) = (first.get(0).map(|m| m.end()), second.get(0).map(|m| m.start())) else {
                continue;
            };
            let stated = |nats: bool| {
                let is_nats = |unit: &str| !unit.to_ascii_lowercase().starts_with("bp");
                let word = [first, second].into_iter().find(|word| is_nats(&word[2]) == nats)?;
                Stated::parse(&word[1])
            };
            let (Some(bpb), Some(nats)) = (stated(false), stated(true)) else { continue };
            if start.saturating_sub(end) <= MAX_GAP && bpb.value < MAX_DIFFERENCE && found.len() < MAX_PAIRS {
                found.push(NatsPair { bpb, nats, text: line.trim().to_owned(), line: at });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(f64, f64)> {
        pairs(text).iter().map(|pair| (pair.bpb.value, pair.nats.value)).collect()
    }

    #[test]
    fn differences_in_both_units_are_found_in_prose() {
        for (line, expected) in [
            ("by **0.00117 bpb / 0.00302 nats per token** on the", vec![(0.00117, 0.00302)]),
            ("**−0.00214 BPP vs PR #7** (−0.00555 nats vs 1.06549)", vec![(0.00214, 0.00555)]),
            ("0.00096 BPB ≈ 0.00249 nats/token (0.005 nats ≈ 0.00194 BPB)", vec![(0.00096, 0.00249), (0.00194, 0.005)]),
            ("Delta: **−0.00784215 nats** (**−0.00464458 BPB**).", vec![(0.00464458, 0.00784215)]),
            ("**1.10625353 BPB** (**1.86785780 nats**)", vec![]),
            ("0.0011 bpb, 0.00076 nats/byte", vec![]),
            ("0.0011 bpb and the bar of the challenge's own README, which is 0.005 nats", vec![]),
        ] {
            let mut found = values(line);
            // Neighbors are paired both ways; "nats/token (0.005 nats" are two of one unit.
            found.dedup();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn a_pair_fits_the_tokenizer_that_makes_one_of_the_other() {
        let pair = |text: &str| pairs(text).remove(0);
        let (sp1024, sp8192, caseops) = (0.592256, 0.387131, 0.456961);
        let wrong = pair("0.00096 BPB ≈ 0.00249 nats/token");
        assert!(wrong.fits(sp8192) && !wrong.fits(caseops) && !wrong.fits(sp1024));
        let right = pair("0.00096 BPB / 0.00210 val_loss (nats/token)");
        assert!(right.fits(caseops) && !right.fits(sp8192));
        assert!(pair("0.009 BPB / 0.017 nats").fits(sp1024), "coarse numbers are not held to more");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|([0-9.,~ −/(]|bpb|nats|per|byte|\n|\\*){0,60}") {
            let _ = pairs(&text);
        }
    }
}
