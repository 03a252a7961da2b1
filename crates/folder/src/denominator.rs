//! The bytes by which a run's val_bpb divides, from the run's own numbers: `tokens * val_loss / (ln 2 * val_bpb)`.

use std::f64::consts::LN_2;

use crate::logged::Fact;
use caddie_rulebook::{Fingerprint, FingerprintKind, Rulebook};

use crate::RunLog;

/// Largest relative difference between two runs with the same mistake.
pub const SAME: f64 = 3e-4;
/// Least share of a text's bytes that are tokens of a byte-wise tokenizer; no other tokenizer has as many.
const BYTEWISE: f64 = 2.0 / 3.0;
/// The denominator that a run's numbers imply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Denominator<'a> {
    /// The split's bytes, counted right.
    Right,
    Known(&'a Fingerprint),
    /// This multiple of the split's bytes.
    Unknown(f64),
    /// No token count, and a ratio of val_bpb to val_loss that no known alphabet has.
    Untold(f64),
}

/// Tells whether the run's numbers show that it divided by the bytes of the split.
pub fn is_right(run: &RunLog, rulebook: &Rulebook) -> bool {
    judge(run, &rulebook.fingerprints, rulebook.limits.split_truncation) == Some(Denominator::Right)
}

/// Judges a run; `None` where the log states no score, or a value that cannot be divided by. A script may leave a share
/// of `truncation` unscored at the split's end.
pub fn judge<'a>(run: &RunLog, known: &'a [Fingerprint], truncation: f64) -> Option<Denominator<'a>> {
    let (loss, bpb) = (run.val_loss.value()?, run.val_bpb.value()?);
    if !(loss > 0.0 && bpb > 0.0) {
        return None;
    }
    let rounding = rounding(run, loss, bpb);
    // A loss in nats a byte is the score in another unit, and says nothing about bytes a token.
    if close(bpb / loss, 1.0 / LN_2, SAME + rounding) && !bytewise(run, known) {
        return None;
    }
    let Some(tokens) = run.val_tokens.value().filter(|tokens| *tokens > 0) else {
        return Some(judge_ratio(bpb / loss, rounding, known));
    };
    let bytes = tokens as f64 * loss / (LN_2 * bpb);
    // The count of a known part of the split decides: its bytes depend on the alphabet.
    let part = known.iter().find(|print| print.rule == "val-full" && print.tokens == Some(tokens));
    if let Some(part) = part {
        return Some(Denominator::Known(part));
    }
    let matches = |print: &&Fingerprint, width: f64| print.bytes.is_some_and(|own| close(bytes, own as f64, width));
    let of_kind = |kind| known.iter().filter(move |print| print.kind == kind);
    if of_kind(FingerprintKind::Canonical).any(|print| matches(&print, truncation + rounding)) {
        return Some(Denominator::Right);
    }
    let other = of_kind(FingerprintKind::Other).find(|print| matches(print, SAME + rounding));
    let wrong = of_kind(FingerprintKind::Wrong).find(|print| matches(print, SAME + rounding));
    if let Some(print) = other.or(wrong) {
        return Some(Denominator::Known(print));
    }
    let canonical = of_kind(FingerprintKind::Canonical).find_map(|print| print.bytes)?;
    Some(Denominator::Unknown(bytes / canonical as f64))
}

/// Tells whether the run's tokens are bytes, as far as their number tells.
fn bytewise(run: &RunLog, known: &[Fingerprint]) -> bool {
    let canonical = known.iter().filter(|print| print.kind == FingerprintKind::Canonical).find_map(|print| print.bytes);
    let fewest = canonical.map_or(0.0, |bytes| BYTEWISE * bytes as f64);
    run.val_tokens.value().is_none_or(|tokens| tokens as f64 > fewest)
}

/// Judges a run without a token count. Only its bytes per token are known; they identify the alphabets and the known
/// mistakes.
fn judge_ratio(ratio: f64, rounding: f64, known: &[Fingerprint]) -> Denominator<'_> {
    let own = |print: &Fingerprint| Some(print.tokens? as f64 / (LN_2 * print.bytes? as f64));
    let matches = |print: &&Fingerprint| own(print).is_some_and(|own| close(ratio, own, SAME + rounding));
    match known.iter().find(matches) {
        Some(print) if print.kind == FingerprintKind::Canonical => Denominator::Right,
        Some(print) => Denominator::Known(print),
        None => Denominator::Untold(ratio),
    }
}

/// Returns half a unit of the last printed digit, relative, of both numbers.
pub fn rounding(run: &RunLog, loss: f64, bpb: f64) -> f64 {
    let half = 0.5 * 10f64.powi(-(run.decimals.unwrap_or(4).min(15) as i32));
    half / loss + half / bpb
}

pub fn close(a: f64, b: f64, width: f64) -> bool {
    (a - b).abs() <= width * b.abs()
}
