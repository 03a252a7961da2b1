//! SARIF 2.1.0 within what GitHub's code scanning accepts and shows.

use std::collections::{BTreeMap, HashMap};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, Message, MultiformatMessageString, Notification, PhysicalLocation,
    PropertyBag, Region, ReportingConfiguration, ReportingDescriptor, Result as SarifResult, ResultLevel, Run, Sarif,
    Tool, ToolComponent,
};
use sha2::{Digest, Sha256};

use super::explanation::{Explanation, Topic};
use super::{Evidence, Finding, FolderReport, Format, Report, Severity, json, place};
use caddie_files::text::{cut, printable};
use caddie_rulebook::Rule;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Results of an upload that GitHub shows: the first 5,000.
const MAX_RESULTS: usize = 5_000;
/// Most further places of a finding.
const MAX_RELATED: usize = 20;
/// The characters of a path that a URI does not keep as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "sarif",
    extension: "sarif",
    about: "SARIF 2.1.0, as GitHub's code scanning accepts it.",
    write: |report, _| render(report),
};

fn render(report: &Report) -> String {
    let rules = Rules::of(report);
    let mut results = ResultList { report, rules: &rules, seen: HashMap::new() };
    let mut findings: Vec<(&FolderReport, &Finding)> =
        report.folders.iter().flat_map(|folder| folder.findings.iter().map(move |finding| (folder, finding))).collect();
    // Stable, so folders and findings of one severity keep their order.
    findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    let left_out = findings.len().saturating_sub(MAX_RESULTS);
    let results: Vec<SarifResult> =
        findings.into_iter().take(MAX_RESULTS).map(|(folder, finding)| results.result(folder, finding)).collect();
    let mut driver = ToolComponent::builder()
        .name("caddie")
        .version(report.caddie)
        .semantic_version(report.caddie)
        .rules(rules.descriptors())
        .build();
    driver.information_uri = rules.home();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .invocations(vec![invocation(report, left_out)])
        .column_kind(json!("unicodeCodePoints"))
        .results(results)
        .build();
    json::pretty(&Sarif::builder().schema(SCHEMA).version(json!("2.1.0")).runs(vec![run]).build())
}

/// The rules that results point to, by index.
struct Rules {
    /// The address of pull requests and issues; empty for a challenge without.
    repository: String,
    /// The challenge's name without its year: the tag of its rules.
    challenge: String,
    known: Vec<Rule>,
    /// Ids that the rulebook lacks; normally there are none.
    others: Vec<String>,
}

impl Rules {
    fn of(report: &Report) -> Rules {
        let (repository, known) = report.catalog();
        let known: Vec<Rule> = known.into_iter().filter(|rule| !rule.checks.is_empty()).collect();
        let ids = report.folders.iter().flat_map(|folder| &folder.findings).map(|finding| &finding.rule);
        let mut others: Vec<String> = ids.filter(|id| !known.iter().any(|rule| rule.id == **id)).cloned().collect();
        others.sort();
        others.dedup();
        let name = report.rulebook.split('/').next().unwrap_or_default();
        let challenge = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        Rules { repository, challenge, known, others }
    }

    /// The page of the challenge, where it has one.
    fn home(&self) -> Option<String> {
        (!self.repository.is_empty()).then(|| self.repository.clone())
    }

    fn index(&self, id: &str) -> Option<i64> {
        let ids = self.known.iter().map(|rule| rule.id.as_str()).chain(self.others.iter().map(String::as_str));
        ids.into_iter().position(|known| known == id).and_then(|index| i64::try_from(index).ok())
    }

    fn descriptors(&self) -> Vec<ReportingDescriptor> {
        let others = self.others.iter().map(|id| {
            let text = format!("Rule {}.", printable(id));
            ReportingDescriptor::builder().id(id.as_str()).short_description(multiformat(&text, None)).build()
        });
        self.known.iter().map(|rule| self.descriptor(rule)).chain(others).collect()
    }

    fn descriptor(&self, rule: &Rule) -> ReportingDescriptor {
        let explanation = Explanation::new(Topic::Rule(rule), &self.repository, |_| None);
        let mut links = rule.citations.iter().flat_map(|citation| citation.links(&self.repository));
        let uri = links.next().or_else(|| self.home());
        let authority = serde_json::to_value(rule.authority).unwrap_or_default();
        let mut more = BTreeMap::from([
            ("precision".to_owned(), json!("high")),
            ("problem.severity".to_owned(), json!(problem(rule.severity))),
            ("authority".to_owned(), authority),
        ]);
        if let Some(since) = &rule.since {
            more.insert("since".to_owned(), json!(since.to_string()));
        }
        let tags = vec![self.challenge.clone(), rule.id.split('-').next().unwrap_or("rule").to_owned()];
        let mut descriptor = ReportingDescriptor::builder()
            .id(rule.id.as_str())
            .name(pascal(&rule.id))
            .short_description(multiformat(&rule.statement, None))
            .full_description(multiformat(
                &cut(&format!("{} Findings: {}", rule.statement, remedy_text(&explanation)), 1_000),
                None,
            ))
            .help(multiformat(&explanation.plain(None), Some(&explanation.markdown())))
            .default_configuration(ReportingConfiguration::builder().level(json!(level_name(rule.severity))).build())
            .properties(PropertyBag::builder().tags(tags).additional_properties(more).build())
            .build();
        descriptor.help_uri = uri;
        descriptor
    }
}

fn remedy_text(explanation: &Explanation) -> String {
    explanation
        .parts
        .iter()
        .find(|(label, _)| *label == "to clear it")
        .map(|(_, text)| text.clone())
        .unwrap_or_default()
}

/// Results, with the number of times that each fingerprint occurred.
struct ResultList<'a> {
    report: &'a Report,
    rules: &'a Rules,
    seen: HashMap<String, usize>,
}

impl ResultList<'_> {
    fn result(&mut self, folder: &FolderReport, finding: &Finding) -> SarifResult {
        let mut text = escaped(&finding.message);
        if finding.severity == Severity::Unknown {
            text = format!("Not determined: {text}");
        }
        if let Some(code) = finding.code {
            text = format!("{text} ({})", code.name());
        }
        let further = finding.evidence.iter().skip(1).take(MAX_RELATED);
        let related: Vec<Location> =
            (1..).zip(further).map(|(id, place)| self.location(folder, place, Some(id))).collect();
        for (id, place) in (1..=related.len()).zip(finding.evidence.iter().skip(1)) {
            text += &format!("{} [{}]({id})", if id == 1 { ". See" } else { "," }, escaped(&place::short(place)));
        }
        if let Some(clear) = &finding.clear {
            text += &format!(". To clear it: {}", escaped(clear));
        }
        let location = match finding.evidence.first() {
            Some(place) => self.location(folder, place, None),
            None => {
                let file = folder.path.join(place::file_of(folder, None));
                Location::builder().physical_location(physical(&self.report.root.relative(&file), None)).build()
            }
        };
        let properties = BTreeMap::from([
            ("severity".to_owned(), json!(finding.severity.name())),
            ("confidence".to_owned(), json!(finding.confidence.name())),
        ]);
        let mut result = SarifResult::builder()
            .rule_id(finding.rule.as_str())
            .level(level(finding.severity))
            .message(Message::builder().text(text).build())
            .locations(vec![location])
            .partial_fingerprints(BTreeMap::from([(
                "primaryLocationLineHash".to_owned(),
                self.fingerprint(folder, finding),
            )]))
            .properties(PropertyBag::builder().additional_properties(properties).build())
            .build();
        result.rule_index = self.rules.index(&finding.rule);
        if !related.is_empty() {
            result.related_locations = Some(related);
        }
        result
    }

    fn location(&self, folder: &FolderReport, evidence: &Evidence, id: Option<i64>) -> Location {
        let path = self.report.root.relative(&folder.path.join(place::file_of(folder, Some(evidence))));
        let mut location = Location::builder().physical_location(physical(&path, Some(evidence))).build();
        location.id = id;
        location.message = Some(Message::builder().text(escaped(&evidence.text)).build());
        location
    }

    /// Computes a fingerprint that stays the same when lines are added above: of the rule, the file and the line's
    /// text, not its number.
    fn fingerprint(&mut self, folder: &FolderReport, finding: &Finding) -> String {
        let first = finding.evidence.first();
        let file = place::file_of(folder, first);
        let path = self.report.root.relative(&folder.path.join(file));
        let code = finding.code.map_or("", |code| code.name());
        let seen = first.map_or("", |place| place.text.trim());
        let digest = Sha256::digest([&finding.rule, code, &path, seen].join("\0"));
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let count = self.seen.entry(digest.clone()).or_default();
        *count += 1;
        format!("{digest}:{count}")
    }
}

fn physical(path: &str, evidence: Option<&Evidence>) -> PhysicalLocation {
    // GitHub wants a line of every result; a file as a whole is its first.
    let line = evidence.and_then(|place| place.line).and_then(|line| i64::try_from(line).ok()).unwrap_or(1).max(1);
    let region = Region::builder().start_line(line).end_line(line).build();
    let location = ArtifactLocation::builder().uri(uri(path)).build();
    PhysicalLocation::builder().artifact_location(location).region(region).build()
}

/// Writes a path inside the repository as a relative URI, and a path outside as the URI of a file.
fn uri(path: &str) -> String {
    let path = utf8_percent_encode(path, PATH).to_string();
    if path.starts_with('/') { format!("file://{path}") } else { path }
}

fn invocation(report: &Report, left_out: usize) -> Invocation {
    let mut notes: Vec<Notification> = report
        .failures
        .iter()
        .map(|failure| {
            let location = physical(&report.root.relative(&failure.path), None);
            Notification::builder()
                .level(json!("error"))
                .message(Message::builder().text(escaped(&failure.reason)).build())
                .locations(vec![Location::builder().physical_location(location).build()])
                .build()
        })
        .collect();
    if left_out > 0 {
        let text =
            format!("{left_out} results are left out: GitHub shows {MAX_RESULTS}; verify --format json has all.");
        notes.push(
            Notification::builder().level(json!("warning")).message(Message::builder().text(text).build()).build(),
        );
    }
    let mut invocation = Invocation::builder().execution_successful(report.failures.is_empty()).build();
    if !notes.is_empty() {
        invocation.tool_execution_notifications = Some(notes);
    }
    invocation
}

fn level(severity: Severity) -> ResultLevel {
    match severity {
        Severity::Error => ResultLevel::Error,
        Severity::Unknown | Severity::Warning => ResultLevel::Warning,
        Severity::Info => ResultLevel::Note,
    }
}

fn level_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Unknown | Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// Returns the severity's word in CodeQL's queries.
fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Unknown | Severity::Warning => "warning",
        Severity::Info => "recommendation",
    }
}

fn multiformat(text: &str, markdown: Option<&str>) -> MultiformatMessageString {
    let mut message = MultiformatMessageString::builder().text(text.trim()).build();
    message.markdown = markdown.map(|text| text.trim().to_owned());
    message
}

/// A stranger's text in a message, where brackets would make a link.
fn escaped(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

/// Writes `size-cap-decimal` as `SizeCapDecimal`. SARIF wants a name that differs from the id, so `repro` becomes
/// `ReproRule`.
fn pascal(id: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    let name: String = id.split('-').map(capital).collect();
    if name.eq_ignore_ascii_case(id) { name + "Rule" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_relative_and_encoded() {
        assert_eq!(uri("records/a b/ö#?.log"), "records/a%20b/%C3%B6%23%3F.log");
        assert_eq!(uri("/tmp/x"), "file:///tmp/x");
        assert_eq!(uri("a:b/c"), "a%3Ab/c", "the first part of a relative URI has no colon");
    }

    #[test]
    fn messages_hold_no_links_of_strangers() {
        assert_eq!(escaped("[x](http://e)\n"), "\\[x\\](http://e) ");
        assert_eq!((pascal("size-cap-decimal"), pascal("repro")), ("SizeCapDecimal".into(), "ReproRule".into()));
    }
}
