//! The bytes that val_bpb divides by, implied by each run's own numbers, against the known tokenizers and splits.

use std::f64::consts::LN_2;

use super::time::of_runs;
use super::{Check, Context, Needs};
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_files::text::thousands;
use caddie_folder::denominator::{Denominator, SAME, close, judge, rounding};
use caddie_folder::{Fact, InLog, Logged, Shows};
use caddie_folder::{RunLog, Stated};
use caddie_rulebook::stats::mean;
use caddie_rulebook::{Fingerprint, FingerprintKind};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "denominator",
    about: "tokens * val_loss / (ln 2 * val_bpb) is the number of bytes of the validation split.",
    rules: &["bpb-denominator", "bpb-leading-space", "bpb-sidecar", "val-full"],
    needs: Needs::Run(|run| run.val_bpb.is_some() && run.val_loss.is_some()),
    run,
};

// Tolerances of reading: how closely printed numbers give a count. What a script may leave out is the rulebook's.

/// Share of an alphabet's tokens for the whole split; fewer tokens are a part of the split.
const WHOLE: f64 = 0.99;
/// Factors within which only the count can be wrong; outside them the text itself is another one.
const OTHER_TEXT: std::ops::Range<f64> = 0.5..2.0;
/// Distance of a factor from 1 that no cut of the split and no count of its tokens explains.
const FAR: f64 = 0.02;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let known = &context.rulebook.fingerprints;
    let truncation = context.limits.split_truncation;
    let mut findings: Vec<Finding> = partial(context).into_iter().collect();
    // One finding a cause: runs of one submission nearly always share it.
    let mut groups: Vec<(Denominator, Vec<&RunLog>)> = Vec::new();
    let mut apart: Vec<&RunLog> = Vec::new();
    for run in context.runs() {
        let Some(verdict) = judge(run, known, truncation).filter(|verdict| *verdict != Denominator::Right) else {
            continue;
        };
        // What a ledger says it divides by is recounted from its documents; and who scored a part has another text.
        let explained = is_partial(run) || too_few(run, known) || run.ledger_bytes.is_some();
        if explained && matches!(verdict, Denominator::Unknown(_) | Denominator::Untold(_)) {
            continue;
        }
        if is_general(verdict) && others_are_right(run, known, truncation) {
            apart.push(run);
            continue;
        }
        match groups.iter_mut().find(|(other, _)| alike(*other, verdict)) {
            Some((_, runs)) => runs.push(run),
            None => groups.push((verdict, vec![run])),
        }
    }
    findings.extend(groups.into_iter().map(|(verdict, runs)| finding(context, verdict, &runs)));
    findings.extend(of_other_tokens(context, &apart));
    findings
}

/// Tells whether a verdict rests on the number of tokens alone: a mistake with a fingerprint of its own is known by it.
fn is_general(verdict: Denominator<'_>) -> bool {
    match verdict {
        Denominator::Known(print) => print.kind == FingerprintKind::Wrong && print.rule == "bpb-denominator",
        Denominator::Unknown(_) | Denominator::Untold(_) => true,
        Denominator::Right => false,
    }
}

/// Tells whether another line of the same log divides by the right bytes: then the table is right, and the official line is
/// of other tokens than the split's.
fn others_are_right(run: &RunLog, known: &[Fingerprint], truncation: f64) -> bool {
    let in_training = run.pre_quant_val_loss.value().zip(run.pre_quant_val_bpb.value());
    let official = run.metric.text().unwrap_or_default().trim_end_matches("_exact").to_owned();
    let lines = run.metric_lines.iter().filter(|line| line.name.trim_end_matches("_exact") != official);
    let lines = lines.filter_map(|line| Some((line.val_loss?, line.val_bpb)));
    in_training.into_iter().chain(lines).any(|(loss, bpb)| {
        let (val_loss, val_bpb) = (Some(Logged::new(loss, 0)), Some(Logged::new(bpb, 0)));
        let line = RunLog { val_loss, val_bpb, val_tokens: run.val_tokens, decimals: Some(4), ..RunLog::default() };
        judge(&line, known, truncation) == Some(Denominator::Right)
    })
}

/// Reports official lines that are of other tokens than the rest of their logs.
fn of_other_tokens(context: &Context<'_>, runs: &[&RunLog]) -> Option<Finding> {
    let first = runs.first()?;
    let message = format!(
        "{}: the ratio of val_bpb to val_loss in {} is not that of the log's other lines, which divide by the right bytes: it is \
         of other tokens than the whole split, or of other bytes",
        of_runs(runs, context.runs().len()),
        first.metric.text().unwrap_or("the official line")
    );
    let finding = context.finding("val-full", message).severity(context.on_record(Severity::Warning));
    let finding = finding.confidence(Confidence::Medium);
    Some(runs.iter().fold(finding, |finding, run| finding.in_log(run, run.val_bpb, numbers(run))))
}

/// Returns the run's score over the bytes of the split, where its log divides by a known wrong count of them.
pub(super) fn corrected(context: &Context<'_>, run: &RunLog) -> Option<f64> {
    let known = &context.rulebook.fingerprints;
    let truncation = context.limits.split_truncation;
    let verdict = judge(run, known, truncation)?;
    let Denominator::Known(print) = verdict else { return None };
    if is_general(verdict) && others_are_right(run, known, truncation) {
        return None;
    }
    let miscounted = print.kind == FingerprintKind::Wrong && print.rule != "val-full";
    let bytes = print.bytes.filter(|_| miscounted)?;
    Some(run.val_bpb.value()? * bytes as f64 / canonical(context) as f64)
}

/// Tells whether a claim is the mean of the logs' scores once their denominators are corrected.
pub(super) fn is_corrected(claim: Stated, corrected: &[f64]) -> bool {
    mean(corrected).is_some_and(|mean| claim.agrees(mean) || close(claim.value, mean, SAME))
}

fn canonical(context: &Context<'_>) -> u64 {
    context.rulebook.fingerprints.iter().find_map(|print| print.bytes).unwrap_or_default()
}

fn alike(a: Denominator, b: Denominator) -> bool {
    match (a, b) {
        (Denominator::Unknown(a), Denominator::Unknown(b)) | (Denominator::Untold(a), Denominator::Untold(b)) => {
            close(a, b, SAME)
        }
        _ => a == b,
    }
}

fn finding(context: &Context<'_>, verdict: Denominator, runs: &[&RunLog]) -> Finding {
    let who = of_runs(runs, context.runs().len());
    let finding = match verdict {
        Denominator::Known(print) => known(context, &who, print, runs),
        Denominator::Unknown(factor) => unknown(context, &who, factor, runs.len() == context.runs().len()),
        Denominator::Untold(ratio) => {
            let message = format!(
                "val_bpb over val_loss of {who} is {ratio:.6}, which no known tokenizer has, and the log states no token \
                 count: the bytes that val_bpb divides by are unknown"
            );
            let severity = context.on_record(Severity::Warning);
            context.finding("bpb-denominator", message).severity(severity).measured(ratio)
        }
        Denominator::Right => context.finding("bpb-denominator", "").severity(Severity::Info),
    };
    runs.iter().fold(finding, |finding, run| finding.in_log(run, run.val_bpb, numbers(run)))
}

/// `all`: every run divides by these bytes, so that it is the script that counts them so and no line that was misread.
fn unknown(context: &Context<'_>, who: &str, factor: f64, all: bool) -> Finding {
    let (severity, message) = if OTHER_TEXT.contains(&factor) {
        let message = format!(
            "val_bpb of {who} divides by {factor:.4} times the bytes of the split; no known tokenizer or export does. Over \
             the split's bytes it would be {factor:.4} times as high"
        );
        let far = (factor - 1.0).abs() > FAR;
        (if all && far { Severity::Error } else { Severity::Warning }, message)
    } else {
        let message = format!(
            "val_bpb of {who} divides by {factor:.4} times the bytes of the split: it is scored on another text, and no \
             score of the challenge compares with it"
        );
        (context.on_record(Severity::Warning), message)
    };
    // Some logs of the whole split state another count than that of the targets they score.
    let finding = context.finding("bpb-denominator", message).severity(severity);
    finding.confidence(Confidence::Medium).measured(factor).limit(1.0)
}

fn known(context: &Context<'_>, who: &str, print: &Fingerprint, runs: &[&RunLog]) -> Finding {
    let canonical = canonical(context);
    let rule = CHECK.rules.iter().find(|rule| **rule == print.rule).copied().unwrap_or("bpb-denominator");
    let mut message = format!("{who}: {}", print.note);
    if let Some(bytes) = print.bytes {
        message = format!("{message}: {} bytes, {} expected", thousands(bytes), thousands(canonical));
        if rule != "val-full" && print.kind == FingerprintKind::Wrong {
            let low = 100.0 * (1.0 - canonical as f64 / bytes as f64);
            message = format!("{message}; val_bpb is {low:.1} % too low");
        }
    }
    let corrected: Vec<f64> = runs.iter().filter_map(|run| corrected(context, run)).collect();
    let claim = context.folder.metadata().and_then(|metadata| metadata.headline());
    let severity = match print.kind {
        FingerprintKind::Wrong if claim.is_some_and(|claim| is_corrected(claim.stated, &corrected)) => {
            message = format!("{message}; {} states the score over the right count", context.json_name());
            Severity::Warning
        }
        FingerprintKind::Wrong => Severity::Error,
        _ => Severity::Info,
    };
    let finding = context.finding(rule, message).severity(severity).limit(canonical);
    print.bytes.into_iter().fold(finding, Finding::measured)
}

fn numbers(run: &RunLog) -> String {
    let tokens =
        run.val_tokens.value().map_or_else(|| "tokens unknown".to_owned(), |tokens| format!("tokens {tokens}"));
    format!(
        "val_loss {} val_bpb {} {tokens}",
        run.val_loss.value().unwrap_or(f64::NAN),
        run.val_bpb.value().unwrap_or(f64::NAN)
    )
}

fn is_partial(run: &RunLog) -> bool {
    run.partial_validation.is_some()
}

/// Reports a log that says it scored a part of the split. Where the numbers imply the whole split, only the passes
/// during training were cut short.
fn partial(context: &Context<'_>) -> Option<Finding> {
    let known = &context.rulebook.fingerprints;
    let says: Vec<&RunLog> = context.runs().iter().filter(|run| is_partial(run)).collect();
    let cut: Vec<&RunLog> = says.iter().copied().filter(|run| judge_strict(run, known) != Some(true)).collect();
    let short: Vec<&RunLog> = context.runs().iter().filter(|run| !is_partial(run) && too_few(run, known)).collect();
    let runs = if cut.is_empty() { short } else { cut };
    let first = runs.first()?;
    let what = match (first.partial_validation.text(), first.val_tokens.value()) {
        (Some(text), _) => format!("\"{text}\""),
        (None, tokens) => format!("{} tokens", thousands(tokens.unwrap_or_default())),
    };
    let message = format!(
        "{} scored a part of the validation split ({what}); the score is not comparable",
        of_runs(&runs, context.runs().len())
    );
    let severity =
        if context.is_entered_as_record() && !is_partial(first) { Severity::Error } else { Severity::Warning };
    let finding = context.finding("val-full", message).code(Code::PartialValidation).severity(severity);
    Some(runs.iter().fold(finding, |finding, run| {
        let text = run.partial_validation.text().map_or_else(|| numbers(run), str::to_owned);
        finding.in_log(run, run.partial_validation.log_line().or(run.val_tokens.log_line()), text)
    }))
}

/// Tells whether the implied bytes are those of the whole split, to the printed digits.
fn judge_strict(run: &RunLog, known: &[Fingerprint]) -> Option<bool> {
    let (loss, bpb, tokens) = (run.val_loss.value()?, run.val_bpb.value()?, run.val_tokens.value()?);
    let bytes = tokens as f64 * loss / (LN_2 * bpb);
    let own = known.iter().filter(|print| print.kind == FingerprintKind::Canonical && print.tokens == Some(tokens));
    Some(own.filter_map(|print| print.bytes).any(|own| close(bytes, own as f64, 1e-5 + rounding(run, loss, bpb))))
}

/// Tells whether the ratio is right for an alphabet whose whole split has more tokens.
fn too_few(run: &RunLog, known: &[Fingerprint]) -> bool {
    let (Some(loss), Some(bpb), Some(tokens)) = (run.val_loss.value(), run.val_bpb.value(), run.val_tokens.value())
    else {
        return false;
    };
    if !(loss > 0.0 && bpb > 0.0) || known.iter().any(|print| print.tokens == Some(tokens)) {
        return false;
    }
    let width = SAME + rounding(run, loss, bpb);
    known.iter().filter(|print| print.kind == FingerprintKind::Canonical).any(|print| {
        let (Some(all), Some(bytes)) = (print.tokens, print.bytes) else { return false };
        // Parts of the split differ in their mean bytes a token by up to a percent or so.
        let ratio = all as f64 / (LN_2 * bytes as f64);
        close(bpb / loss, ratio, 0.01 + width) && (tokens as f64) < WHOLE * all as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_rulebook::Rulebook;

    fn fact<T>(value: T) -> Option<Logged<T>> {
        Some(Logged::new(value, 1))
    }

    fn verdict(tokens: Option<u64>, loss: f64, bpb: f64, decimals: u32) -> String {
        let book = Rulebook::builtin().expect("loads");
        let (val_loss, val_bpb, decimals) = (fact(loss), fact(bpb), Some(decimals));
        let run = RunLog { val_tokens: tokens.and_then(fact), val_loss, val_bpb, decimals, ..RunLog::default() };
        match judge(&run, &book.fingerprints, book.limits.split_truncation) {
            None => "none".to_owned(),
            Some(Denominator::Right) => "right".to_owned(),
            Some(Denominator::Known(print)) => format!("{} {:?}", print.rule, print.kind),
            Some(Denominator::Unknown(factor)) => format!("{factor:.3}"),
            Some(Denominator::Untold(ratio)) => format!("ratio {ratio:.3}"),
        }
    }

    #[test]
    fn the_known_tokenizers_are_right_and_the_known_mistakes_named() {
        assert_eq!(verdict(Some(62_021_632), 2.07269931, 2.07269931 * 0.592257, 8), "right");
        assert_eq!(verdict(Some(40_540_160), 2.79, 2.79 * 0.387131, 4), "right");
        assert_eq!(verdict(Some(47_851_520), 2.33, 2.33 * 0.456961, 8), "right");
        assert_eq!(verdict(Some(61_997_056), 2.4836, 2.4836 * 0.592257, 4), "right", "cut at a sequence of 32,768");
        assert_eq!(verdict(None, 1.9882, 1.9882 * 0.38719, 4), "right", "four digits and no count");
        assert_eq!(verdict(Some(40_540_160), 2.79, 2.79 * 0.331684, 8), "bpb-leading-space Wrong");
        assert_eq!(verdict(Some(47_851_520), 2.33, 2.33 * 0.419427, 8), "bpb-sidecar Wrong");
        assert_eq!(verdict(Some(9_662_464), 2.33, 1.0, 8), "val-full Wrong");
        assert_eq!(verdict(Some(63_779_840), 2.07269931, 2.07269931 * 0.590711, 8), "bpb-denominator Other");
        assert_eq!(verdict(Some(40_540_160), 2.79, 2.79 * 0.387131 * 0.9, 8), "1.111");
        assert_eq!(verdict(None, 2.0, 1.5, 8), "ratio 0.750");
        assert_eq!(verdict(Some(1), 0.0, 0.0, 8), "none");
        assert_eq!(verdict(Some(40_540_160), 0.7151627, 1.03176168, 8), "none", "a loss in nats a byte");
        assert_eq!(verdict(Some(151_080_112), 0.7, 0.7 / LN_2, 8), "right");
    }

    #[test]
    fn a_part_of_the_split_is_known_by_its_tokens() {
        let book = Rulebook::builtin().expect("loads");
        let part = |tokens: u64, loss: f64, bpb: f64| {
            let (val_loss, val_bpb) = (fact(loss), fact(bpb));
            too_few(&RunLog { val_tokens: fact(tokens), val_loss, val_bpb, ..RunLog::default() }, &book.fingerprints)
        };
        assert!(part(10_137_600, 3.46896188, 1.35401763), "a quarter, whose bytes a token are 1 % others");
        assert!(!part(40_540_160, 2.79, 2.79 * 0.387131));
        assert!(!part(61_997_056, 2.4836, 2.4836 * 0.592257), "cut at a sequence of 32,768");
        assert!(!part(40_540_160, 0.7151627, 1.03176168), "a loss in nats a byte");
    }
}
