//! Calibration after the training loop: where it reads training data, its time belongs to the training clock.

use super::time::of_runs;
use super::{Check, Context, Needs};
use crate::report::{Code, Confidence, Finding, Severity};
use caddie_folder::{Fact, RunLog, Shows};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "calibration-time",
    about: "Training and the calibration of the quantized weights together are within the training clock.",
    rules: &["time-gptq-train-data", "time-gptq-reserve", "time-gptq-selfgen"],
    needs: Needs::ANY_RUN,
    run,
};

/// The time that a run needed until its calibration was done.
struct Needed<'a> {
    run: &'a RunLog,
    seconds: f64,
    /// True if the run calibrated on text that the model wrote itself.
    self_generated: bool,
}

impl<'a> Needed<'a> {
    fn of(run: &'a RunLog) -> Option<Needed<'a>> {
        let train = run.train_seconds.value()?;
        let parts =
            train + run.gptq_generate_seconds.value().unwrap_or(0.0) + run.gptq_hessian_seconds.value().unwrap_or(0.0);
        let calibrated = run.gptq_generate_seconds.is_some() || run.gptq_hessian_seconds.is_some();
        // The log's own sum holds what lies between the parts as well.
        let seconds = run.post_gptq_seconds.value().or(calibrated.then_some(parts))?;
        Some(Needed { run, seconds, self_generated: run.gptq_generate_seconds.is_some() })
    }

    fn evidence(&self, finding: Finding, train_seconds: f64) -> Finding {
        let run = self.run;
        let mut parts = vec![format!("training {:.3} s", run.train_seconds.value().unwrap_or(0.0))];
        parts.extend(run.gptq_generate_seconds.value().map(|seconds| format!("generation {seconds:.1} s")));
        parts.extend(run.gptq_hessian_seconds.value().map(|seconds| format!("calibration {seconds:.1} s")));
        parts.extend(run.post_gptq_seconds.value().map(|seconds| format!("in all, as logged, {seconds:.1} s")));
        parts.extend(run.gptq_reserve_seconds(train_seconds).value().map(|seconds| format!("reserve {seconds} s")));
        let calibrated = run.post_gptq_seconds.or(run.gptq_hessian_seconds).or(run.gptq_generate_seconds);
        finding.in_log(run, calibrated.or(run.train_seconds), parts.join(", "))
    }
}

fn run(context: &Context<'_>) -> Vec<Finding> {
    let limit = context.limits.train_seconds;
    let over = context.runs().iter().filter_map(Needed::of);
    // One step of the loop may run over in any case.
    let slack = context.limits.step_tolerance_seconds + 1e-9;
    let (own, data): (Vec<Needed>, Vec<Needed>) = over
        .filter(|needed| needed.seconds > limit + slack)
        .partition(|needed| needed.self_generated || says_self_generated(context, needed.run));
    [on_train_data(context, &data), on_own_text(context, &own)].into_iter().flatten().collect()
}

/// Tells whether a log names self-generated calibration text without a time for writing it. The log is read again, and
/// only where that decides.
fn says_self_generated(context: &Context<'_>, run: &RunLog) -> bool {
    let Ok(text) = caddie_files::read_text(&context.folder.path.join(&run.log)) else { return false };
    // Anchored, so that the source of a script in the log does not match.
    text.lines().map(str::to_ascii_lowercase).any(|line| {
        let calibration = ["gptq", "calib"].iter().any(|start| line.starts_with(start));
        calibration && ["self-gen", "self_gen", "autoregressive"].iter().any(|words| line.contains(words))
    })
}

/// Reports calibration on training data. Practice moved: runs that left no time for it were refused for 3 s, and later
/// records were merged that left too little, so the tolerance depends on whether the log states a reserve.
fn on_train_data(context: &Context<'_>, over: &[Needed]) -> Option<Finding> {
    let limits = context.limits;
    let limit = limits.train_seconds;
    let most = longest(over)?;
    let is_breach = |needed: &Needed<'_>| {
        let reserved = needed.run.gptq_reserve_seconds(limit).is_some_and(|reserve| reserve.value > 0.0);
        let tolerance = if reserved { limits.reserve_tolerance_seconds } else { limits.calibration_tolerance_seconds };
        needed.seconds > limit + tolerance
    };
    let (rule, severity, remark) = if over.iter().any(is_breach) {
        ("time-gptq-train-data", Severity::Error, "pull requests were closed for 3 s over")
    } else {
        let remark = "the time that was set aside for it is too short; records were merged in spite of it";
        ("time-gptq-reserve", Severity::Warning, remark)
    };
    let message = format!(
        "training and calibration of {} took up to {most:.1} s of {limit} s; calibration on training data counts as \
         training ({remark})",
        which(context, over)
    );
    let finding = finding(context, rule, message, severity, most).confidence(Confidence::Medium);
    Some(over.iter().fold(finding, |finding, needed| needed.evidence(finding, limit)))
}

fn on_own_text(context: &Context<'_>, over: &[Needed]) -> Option<Finding> {
    let limit = context.limits.train_seconds;
    let most = longest(over)?;
    let message = format!(
        "training and calibration of {} took up to {most:.1} s; on text that the model generates itself calibration may \
         follow the {limit} s, and which clock it belongs to is open",
        which(context, over)
    );
    let finding = finding(context, "time-gptq-selfgen", message, Severity::Warning, most);
    Some(over.iter().fold(finding, |finding, needed| needed.evidence(finding, limit)))
}

fn finding(context: &Context<'_>, rule: &'static str, message: String, severity: Severity, most: f64) -> Finding {
    let finding = context.finding(rule, message).code(Code::TrainPlusGptqOver600s);
    finding.severity(context.on_record(severity)).measured(most).limit(context.limits.train_seconds)
}

fn longest(over: &[Needed]) -> Option<f64> {
    over.iter().map(|needed| needed.seconds).max_by(f64::total_cmp)
}

fn which(context: &Context<'_>, over: &[Needed]) -> String {
    let runs: Vec<&RunLog> = over.iter().map(|needed| needed.run).collect();
    of_runs(&runs, context.runs().len())
}
