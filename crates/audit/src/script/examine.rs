//! A script as it is shipped, audited: unwrapped, parsed, followed with the configuration of its run, and every lead
//! turned into a finding with the line and the way to it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Frame, Lead, Subject, audit, beside, claimed, commands, elsewhere, opaque, unstated};
use crate::printed::{self, Foreign};
use caddie_files::text::thousands;
use caddie_folder::{Fact, Folder, RunLog};
use caddie_python::Unwrapped;
use caddie_python::{Module, Problem};
use caddie_rulebook::Rulebook;
use caddie_rulebook::finding_on;
use caddie_rulebook::{Confidence, Finding, Severity};

/// Characters of a line that a finding shows.
const EXCERPT: usize = 160;

/// The result of the audit of one script.
#[derive(Debug, Serialize)]
pub struct Examined {
    pub path: Utf8PathBuf,
    /// The wrappers that were undone, outermost first; lines below are those of the source inside.
    pub layers: Vec<String>,
    /// The log whose configuration was followed; `None`: the script's defaults.
    pub configuration: Option<Utf8PathBuf>,
    /// True when the script was followed to its end.
    pub complete: bool,
    /// Reported scores that were recognized.
    pub scores: usize,
    /// Places that could not be read, with their lines.
    pub problems: Vec<Problem>,
    pub findings: Vec<Finding>,
    /// Steps of each finding, with the calls that lead to them.
    pub paths: Vec<Vec<ExaminedStep>>,
    /// Lines of the folder's logs that no script there prints.
    #[serde(skip)]
    pub foreign: Vec<Foreign>,
}

/// A step of a finding.
#[derive(Debug, Serialize)]
pub struct ExaminedStep {
    /// The module beside the script that the line is of; `None`: the script.
    pub file: Option<Utf8PathBuf>,
    pub line: u64,
    pub what: String,
    /// The source line.
    pub text: String,
    /// The calls from the entry point to it.
    pub path: Vec<ExaminedCall>,
}

/// A call on the way to a step.
#[derive(Debug, Serialize)]
pub struct ExaminedCall {
    /// The function that is called.
    pub function: String,
    /// The module beside the script that calls it; `None`: the script.
    pub file: Option<Utf8PathBuf>,
    /// The line (1-based) of the call.
    pub line: u64,
}

impl Examined {
    /// Returns the severity of the gravest finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Audits the script at `path`, unwrapped. Where it came in a folder it is followed as the claimed run configured it.
/// Nothing is executed.
pub fn examine(path: &Utf8Path, unwrapped: &Unwrapped, folder: Option<&Folder>, rulebook: &Rulebook) -> Examined {
    let run = folder.and_then(claimed::run);
    let config = folder.zip(run).map(|(folder, run)| claimed::configuration(folder, run)).unwrap_or_default();
    let options = folder.zip(path.file_name()).map(|(folder, script)| commands::options(folder, script));
    let config = config.with_options(options.unwrap_or_default());
    let mut examined = Examined {
        path: path.to_owned(),
        layers: unwrapped.layers.iter().map(caddie_python::Layer::kind).collect(),
        configuration: run.filter(|_| !config.is_empty()).map(|run| run.log.clone()),
        complete: false,
        scores: 0,
        problems: unwrapped.problems.clone(),
        findings: Vec::new(),
        paths: Vec::new(),
        foreign: Vec::new(),
    };
    match unwrapped.module() {
        Ok(module) => {
            let together = folder.and_then(|folder| beside::with_neighbors(path, module, folder));
            let module = together.as_ref().unwrap_or(module);
            let claimed = folder.and_then(|folder| claimed::metric(folder, run));
            let metric = claimed.as_deref().or_else(|| run.and_then(|run| run.metric.text()));
            let subject = Subject { config, metric, rulebook, folder };
            let mut found = audit(module, &subject);
            found.leads.extend(commands::leads(module, &subject, &found));
            let run = folder.zip(run);
            found
                .leads
                .extend(run.and_then(|(folder, run)| unstated::switched(module, &subject, folder, run, &found.leads)));
            found.leads.extend(
                run.and_then(|(folder, run)| unstated::in_its_own_log(module, &subject, folder, run, &found.leads)),
            );
            (examined.complete, examined.scores) = (found.complete, found.scores);
            for lead in &found.leads {
                examined.findings.push(finding(path, !unwrapped.layers.is_empty(), module, lead, rulebook));
                examined.paths.push(steps(module, lead));
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
    // A wrapper that no reader understands runs what nobody sees. An entry of caddie's engine ships the engine's source as data,
    // and says in its logs which one it is.
    let native = run.is_some_and(|run| run.engine_version.is_some());
    if examined.scores == 0
        && !native
        && let Some(data) = opaque::mostly_data(&unwrapped.source)
    {
        examined.findings.push(not_code(path, data, unwrapped.source.len(), rulebook));
        examined.paths.push(Vec::new());
    }
    if let Some(folder) = folder {
        made_elsewhere(&mut examined, unwrapped, folder, run, rulebook);
    }
    examined
}

/// Adds what says that the score was not made by the script that is followed.
fn made_elsewhere(
    examined: &mut Examined,
    unwrapped: &Unwrapped,
    folder: &Folder,
    run: Option<&RunLog>,
    rulebook: &Rulebook,
) {
    let path = examined.path.clone();
    let shipped = folder.script.as_ref().and_then(|script| path.as_str().strip_suffix(script.path.as_str()));
    let (Some(root), Ok(module)) = (shipped, unwrapped.module()) else { return };
    // Where it is not known what the scripts print, nobody is accused.
    examined.foreign = printed::foreign(folder, unwrapped, rulebook).unwrap_or_default();
    if examined.scores == 0 {
        return;
    }
    let log = examined.foreign.first().map(|line| elsewhere::of_another_script(&path, root, line, rulebook));
    let score = run.and_then(|run| elsewhere::by_another_script(&path, root, module, folder, run, rulebook));
    for finding in log.into_iter().chain(score) {
        examined.findings.push(finding);
        examined.paths.push(Vec::new());
    }
}

/// A script of which the larger part is data.
fn not_code(path: &Utf8Path, data: usize, all: usize, rulebook: &Rulebook) -> Finding {
    let message = format!(
        "{} of the {} bytes of the script are data that no reader here understands: what they execute is not seen, so that \
         C1 to C4 are undecided",
        thousands(data as u64),
        thousands(all as u64)
    );
    finding_on(rulebook, "c1-causal", message)
        .severity(Severity::Unknown)
        .confidence(Confidence::Low)
        .clear(
            "ship the source, or a wrapper that `caddie unwrap` reads; `caddie probe entropy` runs the script as it is",
        )
        .at(path, None, format!("{} bytes", thousands(all as u64)))
}

/// A script that no Python reads.
fn unreadable(path: &Utf8Path, source: &str, problem: &Problem, rulebook: &Rulebook) -> Finding {
    let message = format!("no Python reads the script: {problem}");
    finding_on(rulebook, "pkg-script-runs", message)
        .confidence(Confidence::High)
        .clear("ship the script that made the logs")
        .at(path, Some(problem.line), line_of(source, problem.line))
}

/// A lead with the severity and citations of its rule. What is less than highly probable is no error.
fn finding(path: &Utf8Path, wrapped: bool, module: &Module, lead: &Lead, rulebook: &Rulebook) -> Finding {
    let finding = finding_on(rulebook, lead.rule, format!("{}; {}", lead.message, lead.because));
    let severity = match lead.confidence {
        Confidence::High => finding.severity,
        Confidence::Medium => finding.severity.min(Severity::Warning),
        Confidence::Low => Severity::Unknown,
    };
    let severity = lead.at_most.map_or(severity, |most| severity.min(most));
    let finding = finding.severity(severity).confidence(lead.confidence).clear(lead.clears);
    lead.steps.iter().fold(finding, |finding, step| {
        let text = format!("{}: {}", step.what, line_of(module.source(), step.line));
        match module.place(step.line) {
            (Some(file), line) => finding.at(path.with_file_name(file), Some(line), text),
            (None, line) if wrapped => finding.at_inner(path, line, text),
            (None, line) => finding.at(path, Some(line), text),
        }
    })
}

fn steps(module: &Module, lead: &Lead) -> Vec<ExaminedStep> {
    let place = |line: u64| {
        let (file, line) = module.place(line);
        (file.map(Utf8Path::to_owned), line)
    };
    let call = |frame: &Frame| {
        let (file, line) = place(frame.line);
        ExaminedCall { function: frame.function.clone(), file, line }
    };
    let step = |step: &super::Step| {
        let (file, line) = place(step.line);
        let text = line_of(module.source(), step.line);
        ExaminedStep { file, line, what: step.what.clone(), text, path: step.path.iter().map(call).collect() }
    };
    lead.steps.iter().map(step).collect()
}

fn line_of(source: &str, line: u64) -> String {
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    source.lines().nth(index).unwrap_or_default().trim().chars().take(EXCERPT).collect()
}
