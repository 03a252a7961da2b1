//! The two clocks of the record track.

use super::context::run_name;
use super::{Check, Context, Track};
use crate::folder::RunLog;
use crate::report::{Code, Finding, Severity};

/// Metadata of the training clock.
pub const TRAIN: Check = Check {
    name: "train-time",
    about: "Training is within the limit, one step of tolerance included.",
    rules: &["time-train-600", "time-nonrecord"],
    run: train,
};

/// Metadata of the evaluation clock.
pub const EVAL: Check = Check {
    name: "eval-time",
    about: "The evaluation that gives the official score is within the limit.",
    rules: &["time-eval-600", "time-nonrecord"],
    run: eval,
};

/// A clock: what it is called, its rule, its limit, and its codes.
struct Clock {
    what: &'static str,
    field: &'static str,
    rule: &'static str,
    limit: f64,
    tolerance: f64,
    over: Code,
    unknown: Code,
}

fn train(context: &Context<'_>) -> Vec<Finding> {
    let clock = Clock {
        what: "training",
        field: "train_seconds",
        rule: "time-train-600",
        limit: context.limits.train_seconds,
        tolerance: context.limits.step_tolerance_seconds,
        over: Code::TrainTimeOver600s,
        unknown: Code::TrainTimeUnknown,
    };
    context.runs().iter().filter_map(|run| clock.judge(context, run, run.train_seconds)).collect()
}

fn eval(context: &Context<'_>) -> Vec<Finding> {
    let clock = Clock {
        what: "evaluation",
        field: "eval_seconds",
        rule: "time-eval-600",
        limit: context.limits.eval_seconds,
        tolerance: 0.0,
        over: Code::EvalTimeOver600s,
        unknown: Code::EvalTimeUnknown,
    };
    context.runs().iter().filter_map(|run| clock.judge(context, run, run.eval_seconds)).collect()
}

impl Clock {
    fn judge(&self, context: &Context<'_>, run: &RunLog, seconds: Option<f64>) -> Option<Finding> {
        let name = run_name(run);
        let rule = if context.track == Track::NonRecord { "time-nonrecord" } else { self.rule };
        let Some(seconds) = seconds else {
            let message = format!("{name}: the {} time is unknown; the log states none", self.what);
            let finding = context.finding(rule, message).code(self.unknown).limit(self.limit);
            return Some(finding.severity(context.on_record(Severity::Unknown)).at(
                run.log.clone(),
                None,
                "no such time",
            ));
        };
        if seconds <= self.limit {
            return None;
        }
        let over = seconds - self.limit;
        let within = over <= self.tolerance + 1e-9;
        let (severity, remark) = if within {
            (Severity::Info, ", within one step: the loop reads the clock after a step")
        } else if context.track == Track::NonRecord {
            (Severity::Info, ", which this track allows when the README says so")
        } else {
            (Severity::Error, "")
        };
        let message = format!("{name}: {} took {seconds:.3} s, {over:.3} s over {} s{remark}", self.what, self.limit);
        let finding = context.finding(rule, message).code(self.over).severity(severity);
        let text = format!("{} {seconds:.3} s", self.what);
        Some(finding.measured(seconds).limit(self.limit).at(run.log.clone(), run.line(self.field), text))
    }
}
