//! Runs that were not configured as their logs state: what follows from the numbers of a log, or from one log alone.

use super::{FAMILIES, Lead, Subject, audit, claimed, doubted};
use caddie_folder::{Folder, RunLog};
use caddie_python::Module;
use caddie_rulebook::Confidence;

/// A switch that changes the score was on and no log states it, where val_bpb is not val_loss over one number of bytes: what the
/// script would do with any of its switches on, and does not do at its defaults, leaves the score undecided.
pub(super) fn switched(
    module: &Module,
    subject: &Subject<'_>,
    folder: &Folder,
    run: &RunLog,
    known: &[Lead],
) -> Option<Lead> {
    let [(low_line, low), (high_line, high)] = claimed::drift(folder, run)?;
    let of_scoring = |lead: &Lead| FAMILIES.iter().any(|family| family.by_command.contains(&lead.rule));
    let is_new = |lead: &Lead| of_scoring(lead) && known.iter().all(|known| known.rule != lead.rule);
    let lead = doubted(module, subject).leads.into_iter().find(is_new)?;
    let log = &run.log;
    Some(Lead {
        rule: "c1-causal",
        confidence: Confidence::Low,
        message: format!(
            "C1 to C4 are undecided: val_bpb is {low:.4} times val_loss at {log}:{low_line} and {high:.4} times at \
             {log}:{high_line}, which no loss over the bytes of the same tokens is; with a switch on that no log states, {}",
            lead.message
        ),
        because: "the log does not say which switch was on".to_owned(),
        steps: lead.steps,
        clears: "ship a log that states every switch of the script",
        at_most: None,
    })
}

/// The rule on scripts that end before their log does.
const RUNS: &str = "pkg-script-runs";

/// What says that the script cannot have made the run's own log, where another log gives the score of the run and both
/// together are followed.
pub(super) fn in_its_own_log(
    module: &Module,
    subject: &Subject<'_>,
    folder: &Folder,
    run: &RunLog,
    known: &[Lead],
) -> Option<Lead> {
    let alone = RunLog { score_log: None, ..run.clone() };
    run.score_log.as_ref()?;
    let config = claimed::configuration(folder, &alone);
    let leads = audit(module, &Subject { config, metric: None, ..subject.clone() }).leads;
    leads.into_iter().find(|lead| lead.rule == RUNS && known.iter().all(|known| known.rule != RUNS))
}
