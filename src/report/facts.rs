//! The facts of a folder's report beside its findings, as labels and texts that every readable format shares.

use serde_json::Value;

use caddie_rulebook::Rule;

use super::{Code, Finding, FolderReport, NO_LOG_LINE, Severity, Significance, Size, p_value};
use caddie_files::text::one_line;
use caddie_files::text::{counted, thousands};

/// The rule about the changes of a pull request.
const PULL_REQUEST: &str = "pr-one-new-folder";

/// `1.25670935 ± 0.000058 over 3 runs`, the mean with the sample standard deviation.
pub(super) fn score(folder: &FolderReport) -> Option<String> {
    let mean = folder.scores.val_bpb_mean?;
    let std = folder.scores.val_bpb_std.map_or_else(String::new, |std| format!(" ± {std:.6}"));
    Some(format!("{mean:.8}{std} over {}", counted(folder.scores.runs, "run")))
}

/// Tells whether anything is known of a score or a size. A pull request as a whole has findings alone.
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

/// Returns the track's name, or the assumed one.
pub(super) fn track(folder: &FolderReport) -> String {
    folder.track.as_deref().map_or_else(|| "not stated; checked as a record".to_owned(), one_line)
}

/// Describes what a probe report in the folder says.
pub(super) fn probed(folder: &FolderReport) -> Option<String> {
    let probed = folder.probed.as_ref()?;
    let (file, of) = (one_line(probed.file.as_str()), one_line(probed.probed.as_str()));
    let log_e = probed.log_e.map_or_else(|| "no e-value".to_owned(), |log_e| format!("ln E = {log_e:.1}"));
    let sources = one_line(&probed.sources.join(", "));
    let verdict = if probed.leak_proven { "leak proven" } else { "no evidence, which clears nobody" };
    let targets = thousands(probed.targets);
    Some(format!("{verdict} ({log_e} over {targets} targets, {sources}), as {file} says of {of}; not run here"))
}

/// Describes the result of the script's audit, or why it has none.
pub(super) fn audit(folder: &FolderReport) -> String {
    let audit = &folder.audit;
    let Some(script) = audit.script.as_ref().map(|script| one_line(script.as_str())) else {
        return "not judged: there is no script to follow".to_owned();
    };
    if let Some(problem) = audit.problems.first().filter(|_| audit.scores == 0) {
        return format!("not judged: {script}, {}", one_line(problem));
    }
    if audit.scores == 0 {
        return format!("not judged: no reported score was recognized in {script}");
    }
    let how = audit.configuration.as_ref().map_or_else(
        || "with its defaults, because no log states a configuration".to_owned(),
        |log| format!("as {} configured it", one_line(log.as_str())),
    );
    let found = if audit.findings == 0 { "nothing found".to_owned() } else { counted(audit.findings, "finding") };
    let part = if audit.complete { "" } else { ", not to its end" };
    format!("{script} followed {how}{part}: {found}")
}

/// Lists files that were not read, and logs of a form that is not read: their contents were compared with nothing.
pub(super) fn unread(folder: &FolderReport) -> Option<String> {
    const NAMED: usize = 3;
    let of_a_log = |finding: &&Finding| {
        finding.code == Some(Code::OtherLog) && finding.evidence.iter().any(|place| place.text == NO_LOG_LINE)
    };
    let not_read = |finding: &&Finding| finding.code == Some(Code::UnreadableFile);
    let found = folder.findings.iter().filter(|finding| of_a_log(finding) || not_read(finding));
    let files: Vec<String> =
        found.flat_map(|finding| &finding.evidence).map(|place| one_line(place.file.as_str())).collect();
    let more = files.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = files.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    (!files.is_empty())
        .then(|| format!("{named}{more}: not read, or not of a known form; its contents were not compared"))
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

/// One number of the size, with a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub label: String,
    pub bytes: i128,
    /// The remark; empty where the label says all.
    pub remark: String,
}

/// Lists every accounting of the size that has a value.
pub(super) fn accountings(size: &Size) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |label: &str, bytes: Option<i128>, remark: String| {
        rows.extend(bytes.map(|bytes| Row { label: label.to_owned(), bytes, remark }));
    };
    let wide = |bytes: Option<u64>| bytes.map(i128::from);
    let text = |text: &Option<String>| text.as_deref().map_or_else(String::new, one_line);
    let claimed_in = format!("claimed in {}", size.claimed_in.as_deref().map_or("submission.json".into(), one_line));
    let claimed_as = size.claimed_as.map(|how| one_line(&how.in_words(size.claimed_run.as_deref())));
    row(&claimed_in, wide(size.claimed), claimed_as.unwrap_or_default());
    row("largest total, as logged", wide(size.logged_max), text(&size.logged_max_run));
    row("largest model", wide(size.model_max), String::new());
    let script = match (text(&size.script), text(&size.script_because)) {
        (script, because) if because.is_empty() => script,
        (script, because) => format!("{script}: {because}"),
    };
    row("script as shipped", wide(size.shipped_code), script);
    row("largest model + script as shipped", wide(size.shipped_max), String::new());
    row("script packed by caddie", wide(size.packed_code), "not minified".to_owned());
    row("largest model + script packed", wide(size.packed_max), String::new());
    let helpers = size.helpers_code.filter(|bytes| *bytes > 0);
    row("helper files at run time", wide(helpers), "in no total of the logs".to_owned());
    row("largest model + script + helpers", wide(size.helpers_max), String::new());
    row("tokenizer", wide(size.tokenizer), "free by the rules".to_owned());
    row("limit", Some(size.limit.into()), String::new());
    let of = if size.logged_max.is_some() { "of the largest total, as logged" } else { "of the script as shipped" };
    row("headroom", size.headroom.map(i128::from), of.to_owned());
    rows
}

/// States how many rules no check decides, so that a report without findings promises no more than was checked.
pub(super) fn undecided(rules: &[Rule]) -> Option<String> {
    let of = |name: &str| rules.iter().filter(|rule| rule.disposition().is_some_and(|d| d.name() == name)).count();
    let (open, beyond) = (of("undecided"), of("out-of-scope"));
    let unanswered = rules.iter().filter(|rule| rule.unanswered.is_some()).count();
    (open + beyond > 0).then(|| {
        format!(
            "{} of {} rules are not decided here: this version does not decide {open}, and no file of a folder can \
             decide {beyond}; {unanswered} have a question that nobody answered; caddie rules --coverage lists them",
            open + beyond,
            rules.len()
        )
    })
}

/// Tells whether the report is on a pull request as a whole, which has no folder of its own.
pub(super) fn is_a_pull_request(folder: &FolderReport) -> bool {
    let of_a_pull_request = |finding: &Finding| finding.rule == PULL_REQUEST;
    folder.path == "." && !is_a_folder(folder) && folder.findings.iter().all(of_a_pull_request)
}

/// Returns the name by which a report calls its subject.
pub(super) fn name(folder: &FolderReport) -> &str {
    if is_a_pull_request(folder) { "pull request" } else { folder.path.as_str() }
}

/// Writes one test of the claim in a line. Values are read by their published names, so that a missing one is left out.
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
    use super::super::ClaimedAs;
    use super::*;

    #[test]
    fn every_number_of_the_size_has_a_line() {
        let size = Size {
            claimed: Some(7),
            claimed_as: Some(ClaimedAs::None),
            limit: 16_000_000,
            headroom: Some(-1_000),
            ..Size::default()
        };
        let rows = accountings(&size);
        let bytes: Vec<i128> = rows.iter().map(|row| row.bytes).collect();
        assert_eq!(bytes, [7, 16_000_000, -1_000], "what is not known has no line: {rows:?}");
        let all = Size {
            claimed: Some(1),
            claimed_as: Some(ClaimedAs::LoggedMax),
            claimed_run: Some("seed 42".to_owned()),
            model_max: Some(2),
            logged_max: Some(3),
            shipped_code: Some(4),
            shipped_max: Some(5),
            packed_code: Some(6),
            packed_max: Some(7),
            helpers_code: Some(8),
            helpers_max: Some(9),
            tokenizer: Some(10),
            limit: 11,
            headroom: Some(12),
            ..Size::default()
        };
        let Ok(Value::Object(fields)) = serde_json::to_value(&all) else { panic!("an object") };
        let numbers: Vec<i64> = fields.values().filter_map(Value::as_i64).collect();
        let rows = accountings(&all);
        assert_eq!(numbers.len(), 12);
        for number in numbers {
            assert!(rows.iter().any(|row| row.bytes == i128::from(number)), "{number}: {rows:?}");
        }
        assert_eq!(rows[0].remark, "the largest total of the logs (seed 42)");
    }

    #[test]
    fn a_size_over_the_limit_says_by_how_much() {
        let over = Size { logged_max: Some(1_001), limit: 1_000, headroom: Some(-1), ..Size::default() };
        assert_eq!(super::size(&over), "1,001 of 1,000 bytes, headroom -1 (over)");
    }
}
