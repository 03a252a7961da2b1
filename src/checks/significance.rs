//! Checks whether the score is significantly better than the record that stood, and whether the folder's own statements
//! about that hold.

mod baseline;
mod claims;
mod table;

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity, Significance, p_value};
use caddie_files::Result;
use caddie_rulebook::Ladder;
use caddie_rulebook::stats::{Sample, mean};

use baseline::{Against, Baseline};
pub(super) use baseline::{Dates, row_of};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "significance",
    about: "The score beats the record that stood, by the README's margin and by the leaderboard's test.",
    rules: &["stat-margin", "stat-p01", "stat-frontier-p25", "stat-baseline"],
    needs: Needs::Comparison,
    run,
};

const README: &str = "readme-0.005-nats";
const LEADERBOARD: &str = "leaderboard-p25";

/// The folder's runs against a baseline.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Every test, in the order in which a table shows them.
    pub tests: Vec<Significance>,
    versus: Option<Versus>,
    /// The reason why a baseline is missing although one is due.
    missing: Option<String>,
}

#[derive(Debug, Clone)]
struct Versus {
    baseline: Baseline,
    /// The folder's runs, then the sets that independent reproductions add to them.
    samples: Vec<Sample>,
}

/// Refuses an `--against` that names no baseline.
///
/// # Errors
/// [`caddie_files::Error::Usage`] with what it may name.
pub fn check_against(text: &str, ladder: &Ladder) -> Result<()> {
    Against::parse(text, ladder).map(|_| ())
}

/// Tests the folder's runs against the baseline that `--against` names, else, on the record track, against the record
/// that stood.
pub(super) fn compare(context: &Context<'_>) -> Comparison {
    let missing = |reason: String| Comparison { missing: Some(reason), ..Comparison::default() };
    let ladder: &Ladder = &context.rulebook.records;
    let own = baseline::runs_of(context.folder);
    let baseline = match &context.against {
        Some(text) => match Against::parse(text, ladder).and_then(|against| Baseline::read(&against, ladder)) {
            Ok(baseline) => Some(baseline),
            Err(error) => return missing(error.to_string()),
        },
        None if !context.competes() || own.is_empty() => None,
        None => match Baseline::standing(context.folder, ladder) {
            Ok(baseline) => baseline,
            Err(reason) => return missing(format!("{reason}; give --against")),
        },
    };
    let Some(baseline) = baseline.filter(|_| !own.is_empty()) else { return Comparison::default() };

    let mut samples = vec![own];
    let row = baseline::row_of(context.folder, ladder).and_then(|position| ladder.rows.get(position));
    for evidence in row.iter().flat_map(|row| &row.evidence) {
        let sample = evidence.sample();
        if !samples.iter().any(|known| same_scores(known, &sample)) {
            samples.push(sample);
        }
    }
    let policies = &context.rulebook.policies;
    let mut tests = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        if index == 0 {
            tests.extend(table::tests(sample, &baseline, policies, ladder));
        } else if sample.len() > 1 {
            // Reproductions count on the leaderboard; the README asks for the submission's own runs.
            let policy = policies.iter().filter(|policy| policy.id == LEADERBOARD);
            tests.extend(policy.map(|policy| table::deciding(sample, &baseline, policy, ladder)));
        }
    }
    Comparison { tests, versus: Some(Versus { baseline, samples }), missing: None }
}

/// Returns the record that stood when the folder was proposed: its mean in bits per byte, and its name. `None` before
/// the first record, or where the folder has no date.
pub(super) fn standing_record(context: &Context<'_>) -> Option<(f64, String)> {
    let baseline = Baseline::standing(context.folder, &context.rulebook.records).ok()??;
    Some((baseline.val_bpb, baseline.name))
}

/// Returns the name of the record that stood on the eve of a date.
pub(super) fn stood_at(context: &Context<'_>, date: jiff::civil::Date) -> Option<String> {
    Some(context.rulebook.records.on_the_eve_of(date)?.name())
}

/// Tells whether two sets of runs have the same scores, in any order.
fn same_scores(a: &Sample, b: &Sample) -> bool {
    let scores = |sample: &Sample| {
        let mut bpb: Vec<f64> = sample.scores.iter().map(|run| run.val_bpb).collect();
        bpb.sort_by(f64::total_cmp);
        bpb
    };
    scores(a) == scores(b)
}

fn run(context: &Context<'_>) -> Vec<Finding> {
    let comparison = context.comparison();
    let mut findings = Vec::new();
    if let Some(reason) = &comparison.missing {
        let message = format!("the record to compare with is unknown: {reason}");
        findings.push(context.finding("stat-baseline", message).severity(Severity::Unknown));
    }
    if let Some(versus) = &comparison.versus {
        findings.extend(margin(context, comparison, versus));
        findings.extend(frontier(context, comparison, versus));
        findings.extend(untested(context, versus));
        findings.extend(claims::baseline(context, &versus.baseline));
    }
    findings.extend(claims::statistics(context, comparison.versus.as_ref().map(|versus| &versus.baseline)));
    findings.extend(claims::nats(context));
    findings
}

/// Judges by the README's policy: the margin in nats per token, then its p-value.
fn margin(context: &Context<'_>, comparison: &Comparison, versus: &Versus) -> Option<Finding> {
    let policy = context.rulebook.policy(README)?;
    let own = versus.samples.first()?;
    let gain = gain_bpb(own, versus)?;
    let asks = format!("the README asks for {} {}", policy.margin, policy.unit.name());
    let accepted = is_accepted(context, comparison) && !claims::names_margin(context, policy.margin);
    let short = |text: String| {
        let finding = context.finding("stat-margin", text).code(Code::Below0005Nats);
        // Rows of the leaderboard were given for less; it matters to who says that the margin is cleared.
        finding.severity(context.on_record(if accepted { Severity::Info } else { Severity::Warning }))
    };
    if gain <= 0.0 {
        let how = if gain < 0.0 { format!("{:.5} bpb worse than", -gain) } else { "no better than".to_owned() };
        return Some(short(format!("{how} {}: no improvement", named(&versus.baseline))));
    }
    let decided = comparison.tests.iter().find(|row| row.decides && row.policy.as_deref() == Some(README))?;
    let Some(nats) = decided.delta.map(|delta| -delta) else {
        // Not computed: across tokenizers the question has no answer, and nobody is at fault.
        let note = decided.note.clone().unwrap_or_default();
        let per_byte = gain * std::f64::consts::LN_2;
        let message =
            format!("{gain:.5} bpb ({per_byte:.5} nats/byte) better than {}; {asks}: {note}", named(&versus.baseline));
        return Some(context.finding("stat-margin", message).severity(Severity::Info));
    };
    let better = format!("{gain:.5} bpb = {nats:.4} nats/token better than {}", named(&versus.baseline));
    if nats < policy.margin {
        return Some(
            short(format!("{better}; {asks}, the leaderboard did not hold to it")).measured(nats).limit(policy.margin),
        );
    }
    let p = decided.p_value.filter(|p| *p >= policy.alpha)?;
    let message = format!(
        "{better}; a gain of more than {} has p = {} ({}), the README asks for p < {}",
        policy.margin,
        p_value(p),
        decided.test,
        policy.alpha
    );
    Some(context.finding("stat-p01", message).severity(Severity::Info).measured(p).limit(policy.alpha))
}

/// Tells whether the leaderboard's own test is passed.
fn is_accepted(context: &Context<'_>, comparison: &Comparison) -> bool {
    let rows = comparison.tests.iter().filter(|row| row.decides && row.policy.as_deref() == Some(LEADERBOARD));
    let least = rows.filter_map(|row| row.p_value).min_by(f64::total_cmp);
    least.zip(context.rulebook.policy(LEADERBOARD)).is_some_and(|(least, policy)| least < policy.alpha)
}

/// Reports an apparent improvement that cannot be tested.
fn untested(context: &Context<'_>, versus: &Versus) -> Option<Finding> {
    let own = versus.samples.first()?;
    if versus.samples.iter().any(|sample| sample.len() > 1) || gain_bpb(own, versus)? <= 0.0 {
        return None;
    }
    let versus = named(&versus.baseline);
    let message = format!("one run: no test against {versus} is possible; it needs 2 runs, 3 are usual");
    let finding = context.finding("stat-p01", message).severity(context.on_record(Severity::Unknown));
    Some(finding.measured(own.len()).limit(context.limits.seeds))
}

/// Judges by the leaderboard's policy, with the runs that speak best for the submission.
fn frontier(context: &Context<'_>, comparison: &Comparison, versus: &Versus) -> Option<Finding> {
    let policy = context.rulebook.policy(LEADERBOARD)?;
    let own = versus.samples.first()?;
    if gain_bpb(own, versus)? <= 0.0 {
        return None;
    }
    let rows = comparison.tests.iter().filter(|row| row.decides && row.policy.as_deref() == Some(LEADERBOARD));
    let least = rows.filter_map(|row| Some((row.p_value?, row))).min_by(|a, b| a.0.total_cmp(&b.0));
    // Without any p-value the baseline is a single run or a bare value, or `untested` speaks.
    let (p, row) = least.filter(|(p, _)| *p >= policy.alpha)?;
    let message = format!(
        "one-sided Welch on val_bpb against {}: p = {} ({} and {} runs); a row of the leaderboard needs p < {}",
        named(&versus.baseline),
        p_value(p),
        row.n,
        row.baseline_n,
        policy.alpha
    );
    let finding = context.finding("stat-frontier-p25", message).measured(p).limit(policy.alpha);
    Some(finding.severity(context.on_record(Severity::Warning)))
}

/// Returns how much lower the mean is, in bits per byte.
fn gain_bpb(sample: &Sample, versus: &Versus) -> Option<f64> {
    let values: Vec<f64> = sample.scores.iter().map(|run| run.val_bpb).collect();
    Some(versus.baseline.val_bpb - mean(&values)?)
}

/// Names a baseline: `PR #1493 (1.08100)`.
fn named(baseline: &Baseline) -> String {
    if baseline.sample.is_empty() {
        return baseline.name.clone();
    }
    format!("{} ({:.5})", baseline.name, baseline.val_bpb)
}
