//! The significance of a score in one line: does it beat the record that stood, and by whose measure.

use super::{FolderReport, Significance, p_value};
use caddie_files::text::one_line;
use caddie_rulebook::{Authority, Policy};

/// Writes the outcome of the tests that decide: the gain over the record that stood, the leaderboard's p-value and the
/// README's margin. `None` where nothing was compared. `policies` are those of the rulebook that the folder was
/// verified by.
pub(super) fn record(folder: &FolderReport, policies: &[Policy]) -> Option<String> {
    let first = folder.significance.first()?;
    let own: Vec<&Significance> = folder.significance.iter().filter(|test| test.sample == first.sample).collect();
    let baseline = one_line(&first.baseline_name);
    let Some(delta) = own.iter().find(|test| test.unit == "bpb").and_then(|test| test.delta) else {
        return Some(format!("not compared with {baseline}: {}", why_none(&own)));
    };
    if delta >= 0.0 {
        let how = if delta > 0.0 { format!("{} bpb worse than", amount(delta)) } else { "no better than".to_owned() };
        return Some(format!("none: {how} {baseline}"));
    }
    let mut text = format!("beats {baseline} by {} bpb", amount(-delta));
    if own.iter().all(|test| test.p_value.is_none()) && folder.significance.iter().all(|test| test.p_value.is_none()) {
        return Some(format!("{text}, untested: {}", why_none(&own)));
    }
    // The p-value belongs to the gain that the line begins with; margins follow.
    let (bare_ones, margins): (Vec<&Policy>, Vec<&Policy>) = policies.iter().partition(|policy| policy.margin == 0.0);
    for policy in bare_ones.into_iter().chain(margins) {
        let decides = |test: &&Significance| test.decides && test.policy.as_deref() == Some(&policy.id);
        let tests: Vec<&Significance> = folder.significance.iter().filter(decides).collect();
        let own = own.iter().copied().find(decides);
        text += &match policy.margin > 0.0 {
            true => own.map_or_else(String::new, |test| margin(policy, test)),
            false => bare(policy, &tests, &first.sample),
        };
    }
    Some(text)
}

/// Explains what the tests lack; one note stands for the others.
fn why_none(tests: &[&Significance]) -> String {
    tests.iter().find_map(|test| test.note.as_deref()).map_or_else(|| "no runs".to_owned(), one_line)
}

/// `, p 0.0110 (leaderboard practice)`: a policy without a margin, by the runs that speak best for the submission.
fn bare(policy: &Policy, tests: &[&Significance], own: &str) -> String {
    let best = tests.iter().filter_map(|test| Some((test.p_value?, *test))).min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((p, test)) = best else { return String::new() };
    let with = if test.sample == own { String::new() } else { format!(" {}", one_line(&test.sample)) };
    let whose = match policy.authority {
        Authority::Ruling | Authority::Practice => "leaderboard practice".to_owned(),
        _ => one_line(&policy.id),
    };
    match test.passes {
        Some(true) => format!(", p {}{with} ({whose})", p_value(p)),
        _ => format!(", p {}{with}, not significant ({whose} asks for p < {})", p_value(p), policy.alpha),
    }
}

/// `; the README's margin of 0.005 nats/token is not met`.
fn margin(policy: &Policy, test: &Significance) -> String {
    let whose = match policy.authority {
        Authority::Readme => "the README's margin".to_owned(),
        _ => format!("the margin of {}", one_line(&policy.id)),
    };
    let asked = format!("; {whose} of {} {}", policy.margin, policy.unit.name());
    match (test.delta, test.p_value) {
        (Some(delta), _) if -delta < policy.margin => format!("{asked} is not met ({})", amount(-delta)),
        (Some(_), Some(p)) if test.passes == Some(true) => format!("{asked} is met, p {}", p_value(p)),
        (Some(_), Some(p)) => format!("{asked} is reached, not at p < {} (p {})", policy.alpha, p_value(p)),
        _ => format!("{asked} is not tested: {}", test.note.as_deref().map_or_else(|| "no runs".to_owned(), one_line)),
    }
}

/// Writes a difference with four digits, or with five where four would show nothing.
fn amount(value: f64) -> String {
    if value < 0.001 { format!("{value:.5}") } else { format!("{value:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_rulebook::Rulebook;

    fn test(policy: &str, delta: f64, p: f64, passes: bool) -> Significance {
        let margin = if policy.starts_with("readme") { 0.005 } else { 0.0 };
        let unit = if margin > 0.0 { "nats/token" } else { "bpb" };
        Significance {
            policy: Some(policy.to_owned()),
            test: "welch".to_owned(),
            sample: "its own runs".to_owned(),
            n: 3,
            baseline: Some(1.1),
            baseline_name: "PR #1019".to_owned(),
            baseline_n: 3,
            unit: unit.to_owned(),
            margin,
            delta: Some(delta),
            statistic: Some(-3.0),
            df: Some(4.0),
            p_value: Some(p),
            passes: Some(passes),
            decides: true,
            note: None,
        }
    }

    fn line(tests: Vec<Significance>) -> Option<String> {
        let mut folder = FolderReport::of_findings("x".into(), 16_000_000, Vec::new());
        folder.significance = tests;
        record(&folder, &Rulebook::builtin().expect("loads").policies)
    }

    #[test]
    fn one_line_says_who_is_beaten_and_by_whose_measure() {
        let leaderboard = |delta, p, passes| test("leaderboard-p25", delta, p, passes);
        let readme = |delta, p, passes| test("readme-0.005-nats", delta, p, passes);
        assert_eq!(line(Vec::new()), None);
        assert_eq!(
            line(vec![readme(-0.0042, 0.75, false), leaderboard(-0.0025, 0.001, true)]).as_deref(),
            Some(
                "beats PR #1019 by 0.0025 bpb, p 0.0010 (leaderboard practice); the README's margin of 0.005 \
                 nats/token is not met (0.0042)"
            )
        );
        assert_eq!(line(vec![leaderboard(0.001, 0.9, false)]).as_deref(), Some("none: 0.0010 bpb worse than PR #1019"));
        let reached = line(vec![readme(-0.006, 0.03, false), leaderboard(-0.0025, 0.3, false)]).expect("a line");
        assert!(reached.contains("is reached, not at p < 0.01 (p 0.0300)"), "{reached}");
        assert!(reached.contains("p 0.3000, not significant (leaderboard practice asks for p < 0.25)"), "{reached}");
        let silent = Significance {
            p_value: None,
            passes: None,
            note: Some("needs 2 runs, has 1".into()),
            ..leaderboard(-0.1, 0.0, true)
        };
        assert_eq!(line(vec![silent]).as_deref(), Some("beats PR #1019 by 0.1000 bpb, untested: needs 2 runs, has 1"));
    }
}
