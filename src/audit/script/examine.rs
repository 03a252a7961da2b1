//! A script as it is shipped, audited: unwrapped, parsed, followed with the configuration of its run, and every lead
//! turned into a finding with the line and the way to it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Config, Frame, Lead, Subject, audit};
use crate::checks::finding_on;
use crate::code::Unwrapped;
use crate::code::python::{Module, Problem};
use crate::folder::Folder;
use crate::folder::files::read_text;
use crate::report::{Confidence, Finding, Severity};
use crate::rulebook::Rulebook;

/// Characters of a line that a finding shows.
const EXCERPT: usize = 160;

/// What the audit of one script found.
#[derive(Debug, Serialize)]
pub struct Examined {
    pub path: Utf8PathBuf,
    /// The wrappers that were undone, outermost first; lines below are those of the source inside.
    pub layers: Vec<String>,
    /// The log whose configuration was followed; `None`: the script's defaults.
    pub configuration: Option<Utf8PathBuf>,
    /// Whether the script was followed to its end.
    pub complete: bool,
    /// Reported scores that were recognised.
    pub scores: usize,
    /// What could not be read, with its line.
    pub problems: Vec<Problem>,
    pub findings: Vec<Finding>,
    /// For each finding, the steps with the calls that lead to them.
    pub paths: Vec<Vec<ExaminedStep>>,
    /// For each finding, what would clear it.
    pub clears: Vec<&'static str>,
}

/// One step of a finding.
#[derive(Debug, Serialize)]
pub struct ExaminedStep {
    pub line: u64,
    pub what: String,
    /// The source line.
    pub text: String,
    /// The calls from the entry point to it.
    pub path: Vec<Frame>,
}

impl Examined {
    /// The gravest finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Audits the script at `path`, unwrapped; as the first of the folder's runs configured it, where it came in a folder.
/// Nothing is executed.
pub fn examine(path: &Utf8Path, unwrapped: &Unwrapped, folder: Option<&Folder>, rulebook: &Rulebook) -> Examined {
    let run = folder.and_then(|folder| folder.runs.official.first());
    let text = String::from_utf8_lossy(&unwrapped.source);
    let config = run.map(|run| Config::new(&run.hyperparameters)).unwrap_or_default();
    let config = match (folder, run) {
        (Some(folder), Some(run)) if has_empty_default(&text) => {
            config.with_log(&read_text(&folder.path.join(&run.log)).unwrap_or_default())
        }
        _ => config,
    };
    let mut examined = Examined {
        path: path.to_owned(),
        layers: unwrapped.layers.iter().map(crate::code::Layer::kind).collect(),
        configuration: run.filter(|_| !config.is_empty()).map(|run| run.log.clone()),
        complete: false,
        scores: 0,
        problems: unwrapped.problems.clone(),
        findings: Vec::new(),
        paths: Vec::new(),
        clears: Vec::new(),
    };
    match Module::parse(&text) {
        Ok(module) => {
            let metric = run.and_then(|run| run.metric.as_deref());
            let subject = Subject { config, metric, rulebook, folder };
            let found = audit(&module, &subject);
            (examined.complete, examined.scores) = (found.complete, found.scores);
            for lead in &found.leads {
                examined.findings.push(finding(path, &text, lead, rulebook));
                examined.paths.push(steps(&text, lead));
                examined.clears.push(lead.clears);
            }
        }
        Err(problem) if !examined.problems.contains(&problem) => examined.problems.push(problem),
        Err(_) => {}
    }
    examined
}

/// Whether the script may read a name that is empty by default, which the log then has to say.
fn has_empty_default(source: &str) -> bool {
    [", \"\")", ", '')", ",\"\")", ",'')"].iter().any(|default| source.contains(default))
}

/// A lead with the severity and citations of its rule. What is less than highly probable is no error.
fn finding(path: &Utf8Path, source: &str, lead: &Lead, rulebook: &Rulebook) -> Finding {
    let finding = finding_on(rulebook, lead.rule, format!("{}; {}", lead.message, lead.because));
    let severity = match lead.confidence {
        Confidence::High => finding.severity,
        Confidence::Medium => finding.severity.min(Severity::Warning),
        Confidence::Low => Severity::Unknown,
    };
    let finding = finding.severity(severity).confidence(lead.confidence);
    lead.steps.iter().fold(finding, |finding, step| {
        finding.at(path.to_owned(), Some(step.line), format!("{}: {}", step.what, line_of(source, step.line)))
    })
}

fn steps(source: &str, lead: &Lead) -> Vec<ExaminedStep> {
    let step = |step: &super::Step| ExaminedStep {
        line: step.line,
        what: step.what.clone(),
        text: line_of(source, step.line),
        path: step.path.clone(),
    };
    lead.steps.iter().map(step).collect()
}

fn line_of(source: &str, line: u64) -> String {
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    source.lines().nth(index).unwrap_or_default().trim().chars().take(EXCERPT).collect()
}
