//! Checks that all runs have one configuration: hyperparameters may differ only in the seed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::settings::{is_name, same};
use caddie_folder::{InLog, LogLine, Logged, RunLog, Shows};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "drift",
    about: "The runs differ in their seed and in nothing else that can change the score.",
    rules: &["stat-seeds"],
    needs: Needs::ANY_RUN,
    run,
};

/// Keys that a message and the evidence name.
const NAMED_KEYS: usize = 5;

/// A key's value in each run, in the order of the runs; `None` where the run's log lacks the key.
type Values<'a> = Vec<Option<&'a Logged<String>>>;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let runs: Vec<&RunLog> = context.runs().iter().filter(|run| !run.hyperparameters.is_empty()).collect();
    let drift = differing(&runs);
    let settings: BTreeMap<&str, Values> = drift.into_iter().filter(|(key, _)| !is_name(key)).collect();
    if settings.is_empty() {
        return Vec::new();
    }
    let mut named: Vec<String> =
        settings.iter().take(NAMED_KEYS).map(|(key, values)| format!("{key} ({})", distinct(values))).collect();
    if settings.len() > NAMED_KEYS {
        named.push(format!("{} more", settings.len() - NAMED_KEYS));
    }
    let message = format!("the runs differ in more than their seed: {}", named.join(", "));
    let finding = context.finding("stat-seeds", message).code(Code::ConfigDrift);
    let finding = finding.severity(context.on_record(Severity::Warning)).measured(settings.len());
    vec![runs.iter().enumerate().fold(finding, |finding, (index, run)| {
        // The settings of one line are shown as one place.
        let mut places: Vec<(Option<LogLine>, Vec<String>)> = Vec::new();
        for (key, values) in settings.iter().take(NAMED_KEYS) {
            let value = values.get(index).copied().flatten();
            let (line, text) = (value.log_line(), format!("{key}={}", text(value).unwrap_or("(none)")));
            match places.iter_mut().find(|(known, _)| *known == line) {
                Some((_, texts)) => texts.push(text),
                None => places.push((line, vec![text])),
            }
        }
        places.into_iter().fold(finding, |finding, (line, texts)| finding.in_log(run, line, texts.join(" ")))
    })]
}

fn text(value: Option<&Logged<String>>) -> Option<&str> {
    value.map(|value| value.value.as_str())
}

/// Returns the keys whose values are not the same in all runs.
fn differing<'a>(runs: &[&'a RunLog]) -> BTreeMap<&'a str, Values<'a>> {
    let keys: BTreeSet<&str> = runs.iter().flat_map(|run| run.hyperparameters.keys().map(String::as_str)).collect();
    let values = |key: &str| runs.iter().map(|run| run.hyperparameters.get(key)).collect();
    let all = keys.into_iter().map(|key| (key, values(key)));
    all.filter(|(_, values): &(&str, Values)| values.windows(2).any(|pair| !same(text(pair[0]), text(pair[1]))))
        .collect()
}

/// Writes the distinct values in order of their runs: `3.0 / none`.
fn distinct(values: &[Option<&Logged<String>>]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for value in values {
        let value = text(*value).unwrap_or("none");
        if !seen.iter().any(|known| same(Some(*known), Some(value))) {
            seen.push(value);
        }
    }
    // A value may be a list of 100 numbers.
    let short = |value: &&str| value.chars().take(40).collect::<String>();
    seen.iter().map(short).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(pairs: &[(&str, &str)]) -> RunLog {
        let set = |value: &str, line| Logged::new(value.to_owned(), line);
        let stated = (1..).zip(pairs).map(|(line, (key, value))| ((*key).to_owned(), set(value, line)));
        RunLog { hyperparameters: stated.collect(), ..RunLog::default() }
    }

    #[test]
    fn values_are_compared_as_numbers_and_missing_keys_count() {
        let first = run_with(&[("cap", "600"), ("etlb", "3.0"), ("lr", "0.02")]);
        let second = run_with(&[("cap", "600.000"), ("lr", "0.03")]);
        let drift = differing(&[&first, &second]);
        assert_eq!(drift.keys().copied().collect::<Vec<_>>(), ["etlb", "lr"]);
        assert_eq!(distinct(&drift["etlb"]), "3.0 / none");
    }
}
