//! JUnit XML: one suite per folder, one case per rule, so that rules that were checked and hold are visible as well. It
//! has no time stamps: the same folder gives the same bytes.

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::{Finding, FolderReport, Format, Report, Severity, UnreadFolder, Verdict, facts, place};
use caddie_files::text::printable;
use caddie_rulebook::Rule;

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "junit",
    extension: "xml",
    about: "JUnit XML: one suite per folder, one case per rule.",
    write: |report, _| render(report),
};

fn render(report: &Report) -> String {
    let mut junit = Junit::new("caddie verify");
    let rules = decided_rules(report);
    for folder in &report.folders {
        junit.add_test_suite(suite(folder, &rules));
    }
    for failure in &report.failures {
        junit.add_test_suite(unread(failure));
    }
    // Text is made valid XML by the crate; writing into memory cannot fail.
    let mut text = junit.to_string().unwrap_or_default();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Returns the rules that checks decide in a folder. A rule that no check decides is not a case, because it cannot
/// pass; one about a pull request is a case only where it was found broken.
fn decided_rules(report: &Report) -> Vec<Rule> {
    let (_, mut rules) = report.catalog();
    rules.retain(|rule| !rule.checks.is_empty() && !rule.id.starts_with("pr-"));
    rules
}

fn suite(folder: &FolderReport, rules: &[Rule]) -> TestSuite {
    let name = printable(folder.path.as_str());
    // A pull request as a whole is no folder: the rules of folders say nothing of it.
    let whole = facts::is_a_pull_request(folder);
    let rules = if whole { &[] } else { rules };
    let mut suite = TestSuite::new(name.clone());
    let mut add = |id: &str, rule: Option<&Rule>| {
        let findings: Vec<&Finding> = folder.findings.iter().filter(|finding| finding.rule == id).collect();
        let of_the_audit = folder.audit.undecided.iter().any(|undecided| undecided == id);
        let unjudged = folder.unjudged.iter().find(|unjudged| unjudged.rule == id);
        let open = match rule.and_then(|rule| rule.unanswered.as_deref()) {
            Some(question) => Some(format!("nobody answered {question}")),
            None if of_the_audit => Some(format!("audit {}", facts::audit(folder))),
            None => unjudged.map(|unjudged| unjudged.because.clone()),
        };
        // Of a range that submits nothing there is nothing to pass.
        let open = open.or_else(|| {
            (whole && folder.verdict == Verdict::Pass)
                .then(|| findings.first().map(|finding| finding.message.clone()))
                .flatten()
        });
        let mut case = case(id, &findings, open.as_deref());
        case.set_classname(name.clone());
        if let Some(rule) = rule {
            case.add_property(("statement", rule.statement.as_str()));
        }
        suite.add_test_case(case);
    };
    for rule in rules {
        add(&rule.id, Some(rule));
    }
    let mut further: Vec<&str> = folder.findings.iter().map(|finding| finding.rule.as_str()).collect();
    further.sort_unstable();
    further.dedup();
    for rule in further.into_iter().filter(|rule| !rules.iter().any(|known| known.id == *rule)) {
        add(rule, None);
    }
    suite
}

/// Builds a case. An error fails the case, an undetermined rule is skipped, and other findings are its output. A rule
/// with an `open` question is also skipped where nothing was found, because nobody answered whether it is kept. So is a
/// rule that cannot be judged by the folder's files: without a log, a script, or a script that could be followed.
fn case(rule: &str, findings: &[&Finding], open: Option<&str>) -> TestCase {
    let worst = findings.iter().map(|finding| finding.severity).max();
    let (deciding, rest): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.severity > Severity::Warning && Some(finding.severity) == worst);
    let status = match (deciding.first(), open) {
        (None, Some(open)) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(printable(&format!("unknown: {open}"))).set_type("UNANSWERED");
            status
        }
        (None, None) => TestCaseStatus::success(),
        (Some(first), _) => {
            let mut status = match first.severity {
                Severity::Error => TestCaseStatus::non_success(NonSuccessKind::Failure),
                _ => TestCaseStatus::skipped(),
            };
            status.set_message(printable(&first.message)).set_type(kind(first));
            status.set_description(deciding.iter().map(|finding| paragraph(finding)).collect::<String>());
            status
        }
    };
    let mut case = TestCase::new(printable(rule), status);
    if !rest.is_empty() {
        let with_severity = |finding: &&Finding| format!("{} {}", finding.severity.name(), paragraph(finding));
        case.set_system_out(rest.iter().map(with_severity).collect::<String>());
    }
    case
}

fn kind(finding: &Finding) -> String {
    finding.code.map_or_else(|| printable(&finding.rule), |code| code.name().to_owned())
}

/// Writes a finding with its places, one per line.
fn paragraph(finding: &Finding) -> String {
    let mut text = format!("{}: {}\n", kind(finding), printable(&finding.message));
    for evidence in &finding.evidence {
        text += &format!("  {}: {}\n", printable(&place::short(evidence)), printable(&evidence.text));
    }
    if let Some(clear) = &finding.clear {
        text += &format!("  to clear it: {}\n", printable(clear));
    }
    text
}

/// Makes a suite with an error for a folder that could not be read.
fn unread(failure: &UnreadFolder) -> TestSuite {
    let name = printable(failure.path.as_str());
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(printable(&failure.reason)).set_type("UNREADABLE");
    let mut case = TestCase::new("read", status);
    case.set_classname(name.clone());
    let mut suite = TestSuite::new(name);
    suite.add_test_case(case);
    suite
}
