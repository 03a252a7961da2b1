//! The audit of a script: it follows values over the syntax tree, finds the actions of the script, and names the rules
//! that they touch.
//!
//! Nothing is executed. A lead is evidence with a confidence: the line, the way from the entry point to it, and a
//! change that would clear it.

mod beside;
mod claimed;
mod commands;
pub mod config;
mod elsewhere;
mod examine;
mod families;
mod flags;
mod machine;
mod opaque;
mod pieces;
mod python;
mod said;
mod sorted;
mod taint;
mod trace;
mod unstated;
mod value;

pub use commands::settings as command_settings;
pub use config::Config;
pub use examine::{Examined, ExaminedCall, ExaminedStep, examine};
use families::Arisen;
pub use families::{FAMILIES, Family, Lead, Needs, Rule, Step, is_a_library};
pub use said::Said;
pub use trace::Frame;

use caddie_folder::{Folder, track};
use caddie_python::Module;
use caddie_rulebook::{Limits, Rulebook, Track};
use machine::{Doubts, Followed};

/// Facts known about a script beside its source.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The configuration of the run whose score is claimed; empty where no log states it.
    pub config: Config,
    /// The claimed metric as the log names it.
    pub metric: Option<&'a str>,
    /// Limits and lists that the families compare with.
    pub rulebook: &'a Rulebook,
    /// The folder that the script was shipped in, where it came in one.
    pub folder: Option<&'a Folder>,
}

impl Subject<'_> {
    /// The track that the folder is entered on; `None` where nothing states one.
    pub fn track(&self) -> Option<&Track> {
        track::entered(self.folder?, self.rulebook)
    }

    /// The limits of that track.
    pub fn limits(&self) -> Limits {
        self.rulebook.limits_of(self.track())
    }

    /// Returns the number of processes that `torchrun` starts where no log states it: one per GPU of the track's
    /// machine.
    fn processes(&self) -> u64 {
        self.rulebook.hardware_of(self.track()).map_or(1, |machine| machine.gpus)
    }
}

/// The result of the audit of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptAudit {
    pub leads: Vec<Lead>,
    /// True when the script was followed to its end; otherwise there may be more leads.
    pub complete: bool,
    /// Lines of the log that would report a score in bits per byte; none means that no evaluation was recognized.
    pub scores: usize,
    /// Places of native code, and of files that are loaded by their path, which were reached and not followed.
    pub beyond: Vec<Step>,
}

/// Follows a script to the metric that is claimed. Where it would not report that metric, a switch was set that the log
/// does not state: the fewest switches are doubted with which the metric is reported.
fn follow_to(module: &Module, subject: &Subject<'_>) -> Followed {
    let plain = machine::follow(module, &subject.config, &Doubts::None, subject.processes());
    let Some(metric) = subject.metric.filter(|metric| !families::reports(&plain.trace, metric)) else { return plain };
    if subject.config.said().is_some() {
        // The lines that its branches print may have been written anew since the run.
        let subject = Subject { config: subject.config.clone().without_log(), ..subject.clone() };
        return follow_to(module, &subject);
    }
    let with = |doubts: Doubts| {
        let followed = machine::follow(module, &subject.config, &doubts, subject.processes());
        families::reports(&followed.trace, metric).then_some(followed)
    };
    let Some(mut found) = with(Doubts::All) else { return plain };
    // `legal_ttt_exact` is likely to hang on `TTT_ENABLED`: one look may spare most of the search.
    let alike: Vec<String> = found.doubted.iter().filter(|switch| shares_a_word(switch, metric)).cloned().collect();
    if !alike.is_empty() && alike.len() * 2 < found.doubted.len() {
        let fewer = with(Doubts::Some(alike)).filter(|fewer| fewer.doubted.len() < found.doubted.len());
        found = fewer.unwrap_or(found);
    }
    while found.doubted.len() > 1 {
        let (left, right) = found.doubted.split_at(found.doubted.len() / 2);
        let fewer = with(Doubts::Some(left.to_vec())).or_else(|| with(Doubts::Some(right.to_vec())));
        // A switch that is read only when another is set comes to light late: no progress ends the search.
        match fewer.filter(|fewer| fewer.doubted.len() < found.doubted.len()) {
            Some(fewer) => found = fewer,
            None => break,
        }
    }
    found
}

/// Tells whether a switch is named after the metric.
fn shares_a_word(switch: &str, metric: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        name.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).filter(|w| w.len() > 2).collect()
    };
    let metric = words(metric);
    words(switch).iter().any(|word| metric.contains(word))
}

/// Follows `module` and lets every family judge the trace.
pub fn audit(module: &Module, subject: &Subject<'_>) -> ScriptAudit {
    judged(module, subject, follow_to(module, subject))
}

/// Follows `module` as if any switch that no log states had been set, and any branch been taken, and lets every family judge
/// the trace.
fn doubted(module: &Module, subject: &Subject<'_>) -> ScriptAudit {
    let subject = Subject { config: subject.config.clone().without_log(), ..subject.clone() };
    let followed = machine::follow(module, &subject.config, &Doubts::All, subject.processes());
    judged(module, &subject, followed)
}

fn judged(module: &Module, subject: &Subject<'_>, followed: Followed) -> ScriptAudit {
    let Followed { trace, taints, .. } = followed;
    let case = families::Case { module, trace: &trace, taints: &taints, subject };
    let arisen = Arisen::of(&trace, &taints);
    let mut leads: Vec<Lead> = FAMILIES.iter().flat_map(|family| family.leads(&case, &arisen)).collect();
    // Another challenge need not have every rule.
    leads.retain(|lead| subject.rulebook.rule(lead.rule).is_some());
    ScriptAudit { leads, complete: trace.complete, scores: case.scores().len(), beyond: families::foreign_code(&trace) }
}
