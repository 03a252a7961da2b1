//! Checks of the machine: the record track's clocks ran on the machine that the rulebook names, and submission.json
//! names the machine of the logs.

use super::time::of_runs;
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Fact, Logged, RunLog, Shows};
use caddie_rulebook::{Hardware, gpus};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "hardware",
    about: "A record's logs state the machine that the track is timed on, and submission.json the hardware of the logs.",
    rules: &["time-hw-8xh100-sxm", "repro"],
    needs: Needs::ANY_RUN,
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(machine) = context.machine() {
        findings.extend(other_machine(context, machine));
        findings.extend(other_world_size(context, machine.gpus));
        findings.extend(fewer_gpus(context));
        findings.extend(unstated(context));
    }
    findings.extend(context.runs().iter().find_map(|run| claimed(context, run)));
    findings
}

/// Returns the machine that the log states: the engine's line, or the GPU that nvidia-smi listed.
fn stated(run: &RunLog) -> Option<&Logged<String>> {
    run.hardware.as_ref().or(run.gpu.as_ref())
}

/// Returns the severity of a log that states another machine: an error on the record track, a warning where nothing
/// states the track.
fn severity(context: &Context<'_>) -> Severity {
    if context.is_entered_as_record() { Severity::Error } else { Severity::Warning }
}

/// Reports runs whose log states another GPU than the track's.
fn other_machine(context: &Context<'_>, machine: &Hardware) -> Option<Finding> {
    let other = |run: &&RunLog| stated(run).is_some_and(|stated| !machine.is_named_by(&stated.value));
    let runs: Vec<&RunLog> = context.runs().iter().filter(other).collect();
    let text = stated(runs.first()?)?.value.as_str();
    let message = format!(
        "{}: the log says {text}; the record track's times are those of {} {}",
        of_runs(&runs, context.runs().len()),
        machine.gpus,
        machine.name
    );
    let finding = context.finding("time-hw-8xh100-sxm", message).code(Code::WrongHardware);
    let finding = finding.severity(severity(context)).measured(text);
    Some(runs.iter().fold(finding, |finding, run| match stated(run) {
        Some(stated) => finding.in_log(run, stated, &stated.value),
        None => finding,
    }))
}

/// Reports runs on another number of GPUs than the track's.
fn other_world_size(context: &Context<'_>, gpus: u64) -> Option<Finding> {
    let runs: Vec<&RunLog> =
        context.runs().iter().filter(|run| run.world_size.value().is_some_and(|size| size != gpus)).collect();
    let size = runs.first()?.world_size.value()?;
    let what = if size < gpus {
        format!("{size} of the {gpus} GPUs on which the record track is timed")
    } else {
        format!("{size} GPUs; the record track is timed on {gpus}")
    };
    let message = format!("{}: the log says {what}", of_runs(&runs, context.runs().len()));
    let finding = context.finding("time-hw-8xh100-sxm", message).code(Code::WrongWorldSize);
    let finding = finding.severity(severity(context)).measured(size).limit(gpus);
    Some(runs.iter().fold(finding, |finding, run| {
        let text = run.world_size.value().map_or_else(String::new, |size| format!("world_size:{size}"));
        finding.in_log(run, run.world_size, text)
    }))
}

/// Reports more processes than the machine's table shows GPUs.
fn fewer_gpus(context: &Context<'_>) -> Option<Finding> {
    let both = |run: &RunLog| Some((run.gpus.value()?, run.world_size.value()?));
    let fewer = |run: &&RunLog| both(run).is_some_and(|(gpus, size)| gpus < size);
    let runs: Vec<&RunLog> = context.runs().iter().filter(fewer).collect();
    let (gpus, size) = both(runs.first()?)?;
    let message =
        format!("{}: nvidia-smi lists {gpus} GPUs, the run says it used {size}", of_runs(&runs, context.runs().len()));
    let finding = context.finding("time-hw-8xh100-sxm", message).code(Code::WrongWorldSize);
    let finding = finding.severity(context.on_record(Severity::Warning)).measured(gpus).claimed(size);
    Some(runs.iter().fold(finding, |finding, run| finding.in_log(run, run.gpus, format!("{gpus} GPUs listed"))))
}

/// Reports logs without a machine. Many logs print only `world_size`, which is neither a breach nor a proof.
fn unstated(context: &Context<'_>) -> Option<Finding> {
    let runs = context.runs();
    if runs.is_empty() || runs.iter().any(|run| stated(run).is_some()) {
        return None;
    }
    let sized = runs.iter().any(|run| run.world_size.is_some());
    let (severity, what) =
        if sized { (Severity::Info, "only the number of GPUs") } else { (Severity::Unknown, "nothing about it") };
    let message = format!("the hardware is unknown: the logs state {what}");
    let finding = context.finding("time-hw-8xh100-sxm", message).code(Code::HardwareUnknown).severity(severity);
    let first = runs.first()?;
    Some(finding.in_log(first, first.world_size, "no hardware line, no nvidia-smi table"))
}

/// Compares the machine in submission.json with that of one log.
fn claimed(context: &Context<'_>, run: &RunLog) -> Option<Finding> {
    let in_json = context.folder.metadata()?.text("hardware")?;
    let stated = stated(run)?;
    let (claim, text) = (in_json.value, stated.value.as_str());
    if claim.contains(text) {
        return None;
    }
    let machine = context.rulebook.hardware_of(context.track);
    let (claimed, logged) = (gpus(claim, machine), gpus(text, machine));
    let same = logged.iter().all(|gpu| claimed.contains(gpu));
    // A name that no list knows is compared only in a native log, whose line caddie copies into submission.json.
    let comparable = run.hardware.is_some() || !(claimed.is_empty() || logged.is_empty());
    if !comparable || (same && !logged.is_empty()) {
        return None;
    }
    let message = format!("{} names the hardware {claim}, {} says {text}", context.json_name(), run.log);
    let finding = context.finding("repro", message).code(Code::JsonHardwareNeLog).severity(Severity::Warning);
    let finding = finding.claimed(claim).measured(text).at(context.json_name(), Some(in_json.line), claim);
    Some(finding.in_log(run, stated, text))
}
