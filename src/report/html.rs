//! One page for a browser that needs nothing else: no network, no script, no file beside it.
//!
//! Every text may come from a stranger. The template escapes what it is given, and what would deceive a reader is
//! spelled out before.

mod drawn;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::chart::{COLORS, STYLE, xml};
use super::group::{Group, by_weight};
use super::record::record;
use super::{Finding, FolderReport, Format, Report, RunFacts, facts, place};
use caddie_files::text::{cut, padded, printable, thousands};

const TEMPLATE: &str = include_str!("../../templates/report.html");
/// Most groups of findings, findings of one group and places of one finding that a page shows.
const GROUPS: usize = 200;
const LIKE: usize = 20;
const PLACES: usize = 20;
/// Most runs in a table.
const RUNS: usize = 50;
/// Most columns of a text.
const TEXT: usize = 2_000;

/// Metadata of the format.
pub(super) const FORMAT: Format = Format {
    name: "html",
    extension: "html",
    about: "One page for a browser, complete in itself, with figures.",
    write: |report, _| render(report),
};

#[derive(Serialize)]
struct Page {
    colors: &'static str,
    style: &'static str,
    title: String,
    caddie: String,
    rulebook: String,
    folders: Vec<Section>,
    failures: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Section {
    name: String,
    verdict: &'static str,
    tally: String,
    rows: Vec<(&'static str, String)>,
    groups: Vec<GroupOf>,
    left_out: usize,
    runs: Vec<[String; 8]>,
    sizes: Vec<(String, String, String)>,
    tests: Vec<String>,
    drawn: drawn::DrawnFigures,
}

#[derive(Serialize)]
struct GroupOf {
    severity: &'static str,
    confidence: &'static str,
    head: String,
    rule: String,
    code: &'static str,
    findings: Vec<(String, Vec<(String, String)>)>,
    more: usize,
    clear: String,
    citations: String,
}

fn render(report: &Report) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let page = page(report);
    let written =
        environment.add_template("report", TEMPLATE).and_then(|()| environment.get_template("report")?.render(&page));
    // The template is part of the program, so an error is a mistake in it, which the tests find.
    written.map_or_else(
        |error| format!("<!doctype html>\n<title>caddie</title>\n<p>{}</p>\n", xml(&printable(&error.to_string()))),
        |text| text + "\n",
    )
}

fn page(report: &Report) -> Page {
    let folders: Vec<Section> = report.folders.iter().map(|folder| section(report, folder)).collect();
    let title = match folders.as_slice() {
        [folder] => format!("{}: {}", folder.verdict, folder.name),
        many => format!("{} folders", many.len()),
    };
    Page {
        colors: COLORS,
        style: STYLE,
        title,
        caddie: report.caddie.to_owned(),
        rulebook: text(&report.rulebook),
        folders,
        failures: report.failures.iter().map(|failure| (text(failure.path.as_str()), text(&failure.reason))).collect(),
    }
}

fn text(text: &str) -> String {
    cut(&printable(text.trim()), TEXT)
}

fn section(report: &Report, folder: &FolderReport) -> Section {
    let is_a_folder = facts::is_a_folder(folder);
    let mut rows = Vec::new();
    if is_a_folder {
        rows.extend(record(folder, &report.policies()).map(|record| ("record", record)));
        let metric = facts::metric(folder).map_or_else(String::new, |metric| format!(" of {}", text(metric)));
        let score =
            facts::score(folder).map_or_else(|| "unknown".to_owned(), |score| format!("val_bpb {score}{metric}"));
        rows.push(("score", score));
        rows.push(("size", facts::size(&folder.size)));
        rows.push(("track", facts::track(folder)));
        rows.push(("audit", facts::audit(folder)));
        rows.extend(facts::probed(folder).map(|probed| ("probed", probed)));
        rows.extend(facts::unread(folder).map(|files| ("unread", files)));
    }
    let groups = by_weight(&folder.findings);
    let sizes = facts::accountings(&folder.size).into_iter().filter(|_| is_a_folder);
    Section {
        name: text(facts::name(folder)),
        verdict: folder.verdict.name(),
        tally: facts::tally(folder),
        rows,
        left_out: groups.len().saturating_sub(GROUPS),
        groups: groups.iter().take(GROUPS).filter_map(group).collect(),
        runs: folder.runs.iter().take(RUNS).map(numbers).collect(),
        sizes: sizes.map(|row| (text(&row.label), thousands(row.bytes), text(&row.remark))).collect(),
        tests: folder.significance.iter().map(facts::significance).collect(),
        drawn: drawn::of(folder, report.figures.get(&folder.path)),
    }
}

fn group(group: &Group<'_>) -> Option<GroupOf> {
    let head = group.head()?;
    let findings = group.findings.iter().take(LIKE).map(|finding| (text(&finding.message), places(finding)));
    Some(GroupOf {
        severity: head.severity.name(),
        confidence: head.confidence.name(),
        head: format!("{}{}", text(&head.message), group.times()),
        rule: text(&head.rule),
        code: head.code.map_or("", |code| code.name()),
        findings: findings.collect(),
        more: group.findings.len().saturating_sub(LIKE),
        clear: head.clear.as_deref().map_or_else(String::new, text),
        citations: text(&head.citations.join("; ")),
    })
}

fn places(finding: &Finding) -> Vec<(String, String)> {
    let shown = finding.evidence.iter().take(PLACES);
    shown.map(|place| (text(&place::short(place)), text(&place.text))).collect()
}

/// The numbers of a run: seed, scores, times, steps, milliseconds a step, bytes, log.
fn numbers(run: &RunFacts) -> [String; 8] {
    let unknown = || "?".to_owned();
    let seconds = |value: Option<f64>| value.map_or_else(unknown, |value| format!("{value:.1}"));
    let a_step = run.train_seconds.zip(run.steps).filter(|(_, steps)| *steps > 0);
    [
        run.seed.map_or_else(unknown, |seed| seed.to_string()),
        run.val_bpb.map_or_else(unknown, |value| padded(value, run.decimals)),
        seconds(run.train_seconds),
        seconds(run.eval_seconds),
        run.steps.map_or_else(unknown, thousands),
        a_step.map_or_else(unknown, |(seconds, steps)| format!("{:.2}", 1000.0 * seconds / steps as f64)),
        run.bytes_total.map_or_else(unknown, thousands),
        text(run.log.as_str()),
    ]
}
