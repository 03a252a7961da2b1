//! A script as it is shipped, audited: unwrapped, parsed, followed with the configuration of its run, and every lead
//! turned into a finding with the line and the way to it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Audit, Config, Frame, Lead, Said, Subject, audit};
use crate::checks::finding_on;
use crate::code::Unwrapped;
use crate::code::python::{Module, Problem};
use crate::folder::{Folder, RunLog, files};
use crate::report::{Confidence, Finding, Severity};
use crate::rulebook::Rulebook;

/// Characters of a line that a finding shows.
const EXCERPT: usize = 160;
/// Modules of the folder that are tried in place of a script that reports nothing.
const MAX_BESIDE: usize = 6;

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
    let config = run.map(|run| Config::new(&run.hyperparameters)).unwrap_or_default();
    let config = match run.zip(folder).and_then(|(run, folder)| said(run, folder)) {
        Some(said) => config.with_log(said),
        None => config,
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
    };
    match unwrapped.module() {
        Ok(module) => {
            let text = module.source();
            let metric = run.and_then(|run| run.metric.as_deref());
            let subject = Subject { config, metric, rulebook, folder };
            let found = audit(module, &subject);
            if let Some((path, text, other)) = handed_over(path, &found, &subject) {
                (examined.complete, examined.scores) = (other.complete, other.scores);
                for lead in &other.leads {
                    examined.findings.push(finding(&path, false, text, lead, rulebook));
                    examined.paths.push(steps(text, lead));
                }
                examined.path = path;
                return examined;
            }
            (examined.complete, examined.scores) = (found.complete, found.scores);
            for lead in &found.leads {
                examined.findings.push(finding(path, !unwrapped.layers.is_empty(), text, lead, rulebook));
                examined.paths.push(steps(text, lead));
            }
        }
        Err(problem) => {
            if problem.is_syntax() && examined.layers.is_empty() {
                let text = String::from_utf8_lossy(&unwrapped.source);
                examined.findings.push(unreadable(path, &text, problem, rulebook));
                examined.paths.push(Vec::new());
            }
            if !examined.problems.contains(problem) {
                examined.problems.push(problem.clone());
            }
        }
    }
    examined
}

/// A script that no Python reads.
fn unreadable(path: &Utf8Path, source: &str, problem: &Problem, rulebook: &Rulebook) -> Finding {
    let message = format!("no Python reads the script: {problem}");
    finding_on(rulebook, "pkg-script-runs", message)
        .confidence(Confidence::High)
        .clear("ship the script that made the logs")
        .at(path, Some(problem.line), line_of(source, problem.line))
}

/// The module of the folder that a script which reports nothing itself imports and leaves everything to.
fn handed_over<'a>(path: &Utf8Path, found: &Audit, subject: &Subject<'a>) -> Option<(Utf8PathBuf, &'a str, Audit)> {
    let folder = subject.folder.filter(|_| found.scores == 0 && found.complete)?;
    let beside = |name: &&crate::code::Script| {
        let stem = name.path.file_stem().unwrap_or_default();
        name.path.components().count() == 1 && found.imports.contains(stem) && Some(stem) != path.file_stem()
    };
    let scripts = folder.code.iter().filter(beside).take(MAX_BESIDE);
    let audited = scripts.filter_map(|script| {
        let module = Module::parse(&script.text).ok()?;
        let audit = audit(&module, subject);
        (audit.scores > 0).then(|| (path.with_file_name(&script.path), script.text.as_str(), audit))
    });
    audited.max_by_key(|(.., audit)| audit.scores)
}

/// The lines of the run in its log, and of the log that gives the score, the script that is dumped there left out.
fn said(run: &RunLog, folder: &Folder) -> Option<Said> {
    let text = files::read_text(&folder.path.join(&run.log)).ok()?;
    let score =
        run.score_log.as_ref().and_then(|log| files::read_text(&folder.path.join(log)).ok()).unwrap_or_default();
    let (first, last) = run.span;
    let dumped = |line: u64| run.source.as_ref().is_some_and(|dump| (dump.first_line..=dump.last_line).contains(&line));
    let own = text.lines().zip(1_u64..).filter(|(_, line)| (first..=last).contains(line) && !dumped(*line));
    Some(Said::new(own.map(|(line, _)| line).chain(score.lines())))
}

/// A lead with the severity and citations of its rule. What is less than highly probable is no error.
fn finding(path: &Utf8Path, wrapped: bool, source: &str, lead: &Lead, rulebook: &Rulebook) -> Finding {
    let finding = finding_on(rulebook, lead.rule, format!("{}; {}", lead.message, lead.because));
    let severity = match lead.confidence {
        Confidence::High => finding.severity,
        Confidence::Medium => finding.severity.min(Severity::Warning),
        Confidence::Low => Severity::Unknown,
    };
    let severity = lead.at_most.map_or(severity, |most| severity.min(most));
    let finding = finding.severity(severity).confidence(lead.confidence).clear(lead.clears);
    lead.steps.iter().fold(finding, |finding, step| {
        let text = format!("{}: {}", step.what, line_of(source, step.line));
        if wrapped { finding.at_inner(path, step.line, text) } else { finding.at(path, Some(step.line), text) }
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
