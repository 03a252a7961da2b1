//! The result of a probe for a reader: the table first, then what it means.

use std::fmt::Write as _;

use caddie_files::text::{one_line, thousands};
use caddie_probe::accounting::{Judged, Weighed};
use caddie_probe::evalue::{PROVEN_NATS, Verdict};

use crate::probe::{Artifact, ByteCount, Dependence, Entropy, LedgerProbe, Tried, TryOutcome};

/// The report. Writing to a String cannot fail.
pub fn plain(done: &Entropy) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n  {}\n", done.script, verdict(done));
    let _ =
        writeln!(text, "  {:<10} {:>8} {:>12} {:>12} {:>10}  setting", "source", "scored", "L_P", "L claimed", "ln E");
    for tried in &done.tries {
        row(&mut text, tried);
    }
    let left = done.planned.saturating_sub(done.tries.len());
    if left > 0 {
        let why = if done.verdict == Verdict::LeakProven { "enough was proven" } else { "the time was over" };
        let _ = writeln!(text, "  {left} more not tried, and counted as 0: {why}");
    }
    text.push('\n');
    for tried in &done.tries {
        details(&mut text, tried);
    }
    if let (Some(log_e), true) = (done.log_e, done.planned > 1) {
        let _ = writeln!(
            text,
            "  combined  ln E = {log_e:.1}: the mean of {} e-values, which pays for the search",
            done.planned
        );
    }
    let _ = writeln!(
        text,
        "\nL_P is −ln of the exact probability of the validation tokens, L the claimed total, both in nats; ln E = L_P − L − slack, \
         and p ≤ 1/E.\nBelow {PROVEN_NATS} nats nothing is called proven. No evidence clears nobody."
    );
    if done.tries.iter().any(|tried| !tried.settings.is_empty() && tried.log_e() >= Some(PROVEN_NATS)) {
        text.push_str(
            "An amplified setting proves that the mechanism leaks, not that the submitted setting did by so much.\n",
        );
    }
    text
}

/// The result of two validation sets.
pub fn plain_of_models(done: &Artifact) -> String {
    let verdict = match (done.dependence, &done.failure) {
        (Dependence::Proven, _) => {
            "the model depends on the validation tokens: they were learned from before it was stored".to_owned()
        }
        (Dependence::None, _) => "no dependence on the validation tokens was shown, which clears nobody".to_owned(),
        (Dependence::Unknown, Some(failure)) => format!("unknown: a run stopped: {}", one_line(&failure.message)),
        (Dependence::Unknown, None) => "unknown: it wrote no model that repeats".to_owned(),
    };
    let mut text = format!("{}\n  {verdict}\n", done.script);
    if !done.models.is_empty() {
        let _ = writeln!(text, "\n  {:<48} {:>12}  {:<12} other tokens", "file", "bytes", "same tokens");
    }
    let word = |same: bool| if same { "same" } else { "differs" };
    for model in &done.models {
        let (file, bytes) = (one_line(model.file.as_str()), thousands(model.bytes));
        let _ = writeln!(text, "  {file:<48} {bytes:>12}  {:<12} {}", word(model.repeats), word(model.same));
    }
    text
}

/// The result of a ledger.
pub fn plain_of_ledger(ledger: &str, done: &LedgerProbe) -> String {
    let verdict = match done.verdict {
        Verdict::LeakProven => format!(
            "leak proven: ln E = {:.1} after document {}, so p ≤ {}. No causal, normalized, single-pass scorer claims this",
            done.log_e,
            done.document,
            power_of_ten(-done.log_e)
        ),
        Verdict::NoEvidence => format!("no evidence (ln E is at most {:.1}), which clears nobody", done.log_e),
    };
    format!(
        "{ledger}\n  {verdict}\n\n  source    {}, {} targets in {} documents\n  L_P       {:.1} nats\n  L claimed {:.1} nats\n  \
         smallest leak that this run could have proven: {:.6} nats a target\n",
        done.source,
        thousands(done.targets as u64),
        done.running.len(),
        done.source_nats,
        done.claimed_nats,
        done.smallest_provable_leak,
    )
}

fn verdict(done: &Entropy) -> String {
    match (done.verdict, done.log_e) {
        (Verdict::LeakProven, Some(log_e)) => format!(
            "leak proven: ln E = {log_e:.1}, so p ≤ {}. No causal, normalized, single-pass scorer claims this",
            power_of_ten(-log_e)
        ),
        (_, Some(log_e)) => format!("no evidence (ln E = {log_e:.1}), which clears nobody"),
        (_, None) if done.tries.iter().all(|tried| matches!(tried.outcome, TryOutcome::NoScore { .. })) => {
            "no evidence: it did not come to a score".to_owned()
        }
        (_, None) => "no evidence: which targets it scored could not be found out".to_owned(),
    }
}

/// e to the power of `nats`, for numbers that no float holds.
fn power_of_ten(nats: f64) -> String {
    let tens = nats / std::f64::consts::LN_10;
    format!("{:.0}e{:.0}", 10f64.powf(tens - tens.floor()).ceil(), tens.floor())
}

fn row(text: &mut String, tried: &Tried) {
    let head = format!("  {:<10}", tried.source.to_string());
    match &tried.outcome {
        TryOutcome::Scored { judged: Judged { worst: Some(worst), .. }, .. } => {
            let Weighed { scored, source_nats, claimed_nats, log_e, .. } = worst;
            let scored = thousands(*scored as u64);
            let _ = writeln!(
                text,
                "{head} {scored:>8} {source_nats:>12.1} {claimed_nats:>12.1} {log_e:>10.1}  {}",
                tried.setting
            );
        }
        TryOutcome::Scored { .. } | TryOutcome::NoScore { .. } => {
            let _ = writeln!(
                text,
                "{head} {:>8} {:>12.1} {:>12} {:>10}  {}",
                "–", tried.source_nats, "–", "–", tried.setting
            );
        }
    }
}

fn details(text: &mut String, tried: &Tried) {
    let layers = tried.layers.map_or("its own layers".to_owned(), |layers| format!("at most {layers} layers"));
    let _ = writeln!(text, "  {}, {}: {:.0} s, {layers}", tried.source, tried.setting, tried.seconds);
    let (metric, claim, judged, bytes, smallest) = match &tried.outcome {
        TryOutcome::NoScore { reason, failure } => {
            let why = failure.as_ref().map(|failure| format!(": {}", one_line(&failure.message))).unwrap_or_default();
            let _ = writeln!(text, "    {reason}{why}");
            return;
        }
        TryOutcome::Scored { metric, claim, judged, bytes, smallest_provable_leak, .. } => {
            (metric, claim, judged, bytes, smallest_provable_leak)
        }
    };
    let per_target = tried.source_nats / tried.targets as f64;
    let loss = claim.val_loss.map(|loss| format!("val_loss {}, ", loss.value)).unwrap_or_default();
    let name = metric.as_deref().map(one_line).unwrap_or_default();
    let _ = writeln!(
        text,
        "    claims {loss}val_bpb {} ({name}); the source has {per_target:.6} nats a target",
        claim.val_bpb.value
    );
    if let Some(worst) = &judged.worst {
        let _ = writeln!(
            text,
            "    scored: {}{}; slack {:.1} nats",
            worst.plan.says(),
            if judged.plans > 1 {
                format!(" (the least favorable of {} readings)", judged.plans)
            } else {
                String::new()
            },
            worst.slack
        );
    }
    let _ = writeln!(text, "    bytes: {}", counted(*bytes, judged));
    if let Some(smallest) = smallest {
        let _ = writeln!(text, "    smallest leak that this run could have proven: {smallest:.6} nats a target");
    }
}

fn counted(bytes: ByteCount, judged: &Judged) -> String {
    let printed = judged.printed_tokens_per_byte.unwrap_or(f64::NAN);
    match bytes {
        ByteCount::Exact => format!("the printed {printed:.6} tokens a byte are the exact ones"),
        ByteCount::Wrong(counting) => format!(
            "miscounted: {}; {printed:.6} tokens a byte are printed, {:.6} are right",
            counting.says(),
            judged.tokens_per_byte
        ),
        ByteCount::Unexplained => format!(
            "{printed:.6} tokens a byte are printed, {:.6} would be each target once: no known count explains it, so \
             nothing is concluded",
            judged.tokens_per_byte
        ),
        ByteCount::Unchecked => "the script prints no nats per token, so the worst of all readings counts".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_rounded_up() {
        assert_eq!(power_of_ten(-13_970.0), "9e-6068");
        assert_eq!(power_of_ten(-20.0), "3e-9");
    }
}
