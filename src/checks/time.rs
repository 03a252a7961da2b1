//! Checks of the record track's two clocks.

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Fact, Logged, RunLog, Shows};

/// Metadata of the training clock.
pub const TRAIN: Check = Check {
    name: "train-time",
    about: "Training is within the limit, one step of tolerance included.",
    rules: &["time-train-600", "time-nonrecord"],
    needs: Needs::ANY_RUN,
    run: train,
};

/// Metadata of the evaluation clock.
pub const EVAL: Check = Check {
    name: "eval-time",
    about: "The evaluation that gives the official score is within the limit, its warm-up and diagnostics too.",
    rules: &["time-eval-600", "time-eval-scope", "time-nonrecord"],
    needs: Needs::ANY_RUN,
    run: eval,
};

/// A clock: its name, its rule, its limit, and its codes.
struct Clock {
    what: &'static str,
    rule: &'static str,
    limit: f64,
    /// Seconds by which one step may run over.
    tolerance: f64,
    /// Seconds of excess that are still a warning.
    slack: f64,
    over: Code,
    unknown: Code,
    seconds: fn(&RunLog) -> Option<Logged<f64>>,
}

fn train(context: &Context<'_>) -> Vec<Finding> {
    let clock = Clock {
        what: "training",
        rule: "time-train-600",
        limit: context.limits.train_seconds,
        tolerance: context.limits.step_tolerance_seconds,
        slack: context.limits.clock_tolerance_seconds,
        over: Code::TrainTimeOver600s,
        unknown: Code::TrainTimeUnknown,
        seconds: |run| run.train_seconds,
    };
    clock.judge(context)
}

fn eval(context: &Context<'_>) -> Vec<Finding> {
    let clock = Clock {
        what: "evaluation",
        rule: "time-eval-600",
        limit: context.limits.eval_seconds,
        tolerance: 0.0,
        slack: 0.0,
        over: Code::EvalTimeOver600s,
        unknown: Code::EvalTimeUnknown,
        seconds: |run| run.eval_seconds,
    };
    let mut findings = clock.judge(context);
    findings.extend(eval_wall(context));
    findings
}

impl Clock {
    /// Makes one finding for all runs over the limit, and one for all without a clock.
    fn judge(&self, context: &Context<'_>) -> Vec<Finding> {
        let runs = context.runs();
        let timed = |run: &'_ RunLog| (self.seconds)(run);
        let silent: Vec<&RunLog> = runs.iter().filter(|run| timed(run).is_none()).collect();
        let over: Vec<(&RunLog, Logged<f64>)> = runs
            .iter()
            .filter_map(|run| timed(run).filter(|clock| clock.value > self.limit).map(|clock| (run, clock)))
            .collect();
        let mut findings = Vec::new();
        findings.extend(self.over(context, &over));
        if !silent.is_empty() {
            let message =
                format!("the {} time of {} is unknown: the log states none", self.what, of_runs(&silent, runs.len()));
            let finding = context.finding(self.rule(context), message).code(self.unknown).limit(self.limit);
            let finding = finding.severity(context.on_record(Severity::Unknown));
            findings
                .push(silent.iter().fold(finding, |finding, run| finding.at(run.log.clone(), None, "no such time")));
        }
        findings
    }

    fn over(&self, context: &Context<'_>, over: &[(&RunLog, Logged<f64>)]) -> Option<Finding> {
        let (longest, Logged { value: most, .. }) = over.iter().max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
        let (severity, remark) = if most - self.limit <= self.tolerance + 1e-9 {
            (Severity::Info, "; within tolerance: the loop checks its clock only after each step")
        } else if !context.competes() {
            (Severity::Info, "; this track allows it when the README says so")
        } else if most - self.limit < self.slack - 1e-9 {
            (Severity::Warning, "; more than one step, as in a loop that checks its clock only every few steps")
        } else {
            (Severity::Error, "")
        };
        let logs: Vec<&RunLog> = over.iter().map(|(run, _)| *run).collect();
        let which = of_runs(&logs, context.runs().len());
        let longest = if over.len() > 1 { format!(" (the longest, {})", longest.log) } else { String::new() };
        let message = format!(
            "{} of {which} took {most:.3} s{longest}, {:.3} s over {} s{remark}",
            self.what,
            most - self.limit,
            self.limit
        );
        let finding = context.finding(self.rule(context), message).code(self.over).severity(severity);
        let finding = finding.measured(*most).limit(self.limit);
        Some(over.iter().fold(finding, |finding, (run, clock)| {
            finding.in_log(run, clock, format!("{} {:.3} s", self.what, clock.value))
        }))
    }

    fn rule(&self, context: &Context<'_>) -> &'static str {
        if context.competes() { self.rule } else { "time-nonrecord" }
    }
}

/// Names some of the runs: `train.log`, `2 of 3 runs`, `all 3 runs`.
pub(super) fn of_runs(some: &[&RunLog], all: usize) -> String {
    match some {
        [one] => one.log.to_string(),
        [_, _] if all == 2 => "both runs".to_owned(),
        some if some.len() == all => format!("all {all} runs"),
        some => format!("{} of {all} runs", some.len()),
    }
}

/// Reports scripts that time only their scoring loop and are over the limit for a reader with a watch; nobody ruled
/// which time counts.
fn eval_wall(context: &Context<'_>) -> Option<Finding> {
    let limit = context.limits.eval_seconds;
    let within = |run: &&RunLog| run.eval_seconds.value().is_none_or(|seconds| seconds <= limit);
    let walls = context.runs().iter().filter(within).filter_map(|run| Some((run, run.eval_wall_seconds.value()?)));
    let over: Vec<(&RunLog, f64)> = walls.filter(|(_, wall)| *wall > limit).collect();
    let (_, most) = over.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let logs: Vec<&RunLog> = over.iter().map(|(run, _)| *run).collect();
    let message = format!(
        "evaluation of {} is within {limit} s by its own clock; with warm-up and diagnostic passes it is up to \
         {most:.1} s. Which counts is contested",
        of_runs(&logs, context.runs().len())
    );
    let finding = context.finding("time-eval-scope", message).code(Code::EvalWallOver600s);
    let finding = finding.severity(context.on_record(Severity::Warning)).measured(*most).limit(limit);
    Some(over.iter().fold(finding, |finding, (run, wall)| {
        let parts = match (run.eval_seconds.value(), run.eval_warmup_seconds.value()) {
            (Some(own), Some(warm_up)) => format!("{wall:.1} s, of which {own:.1} s timed and {warm_up:.1} s warm-up"),
            (Some(own), None) => format!("{wall:.1} s, of which {own:.1} s timed"),
            _ => format!("{wall:.1} s"),
        };
        finding.in_log(run, run.eval_warmup_seconds.or(run.eval_seconds).or(run.eval_wall_seconds), parts)
    }))
}
