//! The audit of a script: what it would do, found on its syntax tree by following values, and which rules that touches.
//!
//! Nothing is executed. A lead is evidence with a confidence: the line, the way from the entry point to it, and what
//! would clear it.

pub mod config;
mod examine;
mod families;
mod machine;
mod taint;
mod trace;
mod value;

pub use config::Config;
pub use examine::{Examined, ExaminedStep, examine};
pub use families::{FAMILIES, Family, Lead, Step};
pub use trace::Frame;

use crate::code::python::Module;

/// What is known about a script beside its source.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// The configuration of the run whose score is claimed; empty where no log states it.
    pub config: Config,
    /// The claimed metric as the log names it.
    pub metric: Option<&'a str>,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    pub leads: Vec<Lead>,
    /// Whether the script was followed to its end; else more may be there.
    pub complete: bool,
    /// Lines of the log that would report a score in bits per byte; none means that no evaluation was recognised.
    pub scores: usize,
}

/// Follows `module` and lets every family judge what it would do.
pub fn audit(module: &Module, subject: &Subject<'_>) -> Audit {
    let (mut trace, mut taints) = machine::follow(module, &subject.config, false);
    // A claimed metric that the script would not report shows that a switch was on which the log does not state.
    if let Some(metric) = subject.metric.filter(|metric| !families::reports(&trace, metric)) {
        let (doubted, of_doubted) = machine::follow(module, &subject.config, true);
        if families::reports(&doubted, metric) {
            (trace, taints) = (doubted, of_doubted);
        }
    }
    let case = families::Case {
        trace: &trace,
        taints: &taints,
        metric: subject.metric,
        configured: !subject.config.is_empty(),
    };
    let leads = FAMILIES.iter().flat_map(|family| (family.run)(&case)).collect();
    Audit { leads, complete: trace.complete, scores: case.scores().len() }
}
