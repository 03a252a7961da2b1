//! What a folder's report says beside its findings, as labels and texts that every readable format shares.

use serde_json::Value;

use super::text::{counted, thousands};
use super::{Finding, FolderReport, Severity, Significance, Size, one_line, p_value};

/// The rule about what a pull request changes.
const PULL_REQUEST: &str = "pr-one-new-folder";

/// `1.25670935 ± 0.000058 over 3 runs`, the mean with the sample standard deviation.
pub(super) fn score(folder: &FolderReport) -> Option<String> {
    let mean = folder.scores.val_bpb_mean?;
    let std = folder.scores.val_bpb_std.map_or_else(String::new, |std| format!(" ± {std:.6}"));
    Some(format!("{mean:.8}{std} over {}", counted(folder.scores.runs, "run")))
}

/// Whether anything is known of a score or a size; of a pull request as a whole there are findings alone.
pub(super) fn is_a_folder(folder: &FolderReport) -> bool {
    let nothing = Size { limit: folder.size.limit, ..Size::default() };
    !folder.runs.is_empty() || folder.track.is_some() || folder.claimed.is_some() || folder.size != nothing
}

/// The metric of the runs, where they agree on one.
pub(super) fn metric(folder: &FolderReport) -> Option<&str> {
    let first = folder.runs.first()?.metric.as_deref()?;
    folder.runs.iter().all(|run| run.metric.as_deref() == Some(first)).then_some(first)
}

/// The counted bytes: as logged, else as shipped.
pub(super) fn counted_bytes(size: &Size) -> Option<u64> {
    size.logged_max.or(size.shipped_max)
}

/// `15,815,928 of 16,000,000 bytes, headroom 184,072`.
pub(super) fn size(size: &Size) -> String {
    let limit = thousands(size.limit);
    match (counted_bytes(size), size.headroom) {
        (Some(bytes), Some(room)) => {
            let over = if room < 0 { " (over)" } else { "" };
            format!("{} of {limit} bytes, headroom {}{over}", thousands(bytes), thousands(room))
        }
        _ => format!("unknown, limit {limit} bytes"),
    }
}

/// The track's name, or what was assumed.
pub(super) fn track(folder: &FolderReport) -> String {
    folder.track.as_deref().map_or_else(|| "not stated; checked as a record".to_owned(), one_line)
}

/// `2 errors, 1 unknown, 3 warnings`.
pub(super) fn tally(folder: &FolderReport) -> String {
    let counts: Vec<String> = [Severity::Error, Severity::Unknown, Severity::Warning, Severity::Info]
        .into_iter()
        .map(|severity| (folder.count(severity), severity.name()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| counted(count, name))
        .collect();
    if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") }
}

/// One accounting of the size, as a page shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accounting {
    pub label: String,
    pub bytes: String,
    /// What else is known of the number; mostly nothing.
    pub note: &'static str,
}

/// Every accounting of the size that has a value. One that this page does not know yet is shown under its published
/// name, so that no number of the JSON is missing for a reader.
pub(super) fn accountings(size: &Size) -> Vec<Accounting> {
    let Ok(Value::Object(fields)) = serde_json::to_value(size) else { return Vec::new() };
    fields
        .into_iter()
        .filter_map(|(key, value)| {
            let bytes = value.as_i64().map(thousands)?;
            let label = match key.as_str() {
                "claimed" => "claimed in submission.json",
                "model_max" => "largest model",
                "helpers_code" => "files that the script uses",
                "logged_max" => "largest total, as logged",
                "shipped_code" => "script as shipped",
                "packed_code" => "script packed by caddie",
                "shipped_max" => "largest model + script as shipped",
                "packed_max" => "largest model + script packed",
                "limit" => "limit",
                "headroom" => "headroom of the counted total",
                other => &other.replace('_', " "),
            };
            let note = if key == "claimed" { size.claimed_as.map_or("", in_words) } else { "" };
            Some(Accounting { label: label.to_owned(), bytes, note })
        })
        .collect()
}

/// Which accounting a claimed total is, as a reader would say it.
fn in_words(accounting: &'static str) -> &'static str {
    match accounting {
        "logged_max" => "the largest logged total",
        "logged_run" => "the logged total of another run",
        "logged_mean" => "the mean of the logged totals",
        "model_and_script" => "model + script as shipped",
        "model_only" => "the model alone",
        "rounded" => "rounded",
        "none" => "in no log",
        other => other,
    }
}

/// What a report calls its subject: a pull request as a whole has no folder of its own.
pub(super) fn name(folder: &FolderReport) -> &str {
    let of_a_pull_request = |finding: &Finding| finding.rule == PULL_REQUEST;
    let whole = folder.path == "." && !is_a_folder(folder) && folder.findings.iter().all(of_a_pull_request);
    if whole { "pull request" } else { folder.path.as_str() }
}

/// One test of the claim in a line. Read by published name, so that a value that is not there is left out.
pub(super) fn significance(test: &Significance) -> String {
    let value = serde_json::to_value(test).unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(one_line);
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    let policy = text("policy").map_or_else(String::new, |policy| format!(" {policy}"));
    let verdict = match value.get("passes").and_then(Value::as_bool) {
        Some(true) => format!("passes{policy}"),
        Some(false) => format!("does not pass{policy}"),
        None if policy.is_empty() => "for comparison".to_owned(),
        None => format!("not decided{policy}"),
    };
    let baseline = text("baseline_name").or_else(|| number("baseline").map(|score| score.to_string()));
    let mut line = format!("{} against {}: {verdict}", text("test").unwrap_or_default(), baseline.unwrap_or_default());
    let unit = text("unit").unwrap_or_default();
    if let Some(delta) = number("delta") {
        line += &format!(", difference {delta:+.5} {unit}");
    }
    if let Some(margin) = number("margin").filter(|margin| *margin > 0.0) {
        line += &format!(", margin {margin} {unit}");
    }
    if let (Some(statistic), Some(df)) = (number("statistic"), number("df")) {
        line += &format!(", t = {statistic:.3} at {df:.2} degrees of freedom");
    }
    if let Some(p) = number("p_value") {
        line += &format!(", p = {}", p_value(p));
    }
    match text("note") {
        Some(note) => format!("{line}; {note}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_size_has_a_line() {
        let size = Size {
            claimed: Some(7),
            claimed_as: Some("none"),
            limit: 16_000_000,
            headroom: Some(-1_000),
            ..Size::default()
        };
        let rows = accountings(&size);
        let first = Accounting { label: "claimed in submission.json".into(), bytes: "7".into(), note: "in no log" };
        assert_eq!(rows.first(), Some(&first));
        assert_eq!(rows.last().map(|row| row.bytes.as_str()), Some("-1,000"));
        assert_eq!(rows.len(), 3, "what is not known has no line: {rows:?}");
    }

    #[test]
    fn a_size_over_the_limit_says_by_how_much() {
        let over = Size { logged_max: Some(1_001), limit: 1_000, headroom: Some(-1), ..Size::default() };
        assert_eq!(super::size(&over), "1,001 of 1,000 bytes, headroom -1 (over)");
    }
}
