//! Checks that what a log states is possible: its steps fill its clock, its operations fit the machine, and its model's bytes
//! hold the integers that it names. The bounds are wide, so that what lies beyond them is no matter of rounding.

use std::ops::RangeInclusive;

use super::time::of_runs;
use super::{Check, Context, Needs};
use crate::report::{Confidence, Finding, Severity};
use caddie_folder::{Fact, RunLog, Shows};
use caddie_rulebook::{gpus, peak_flops};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "physics",
    about: "What a log states of its steps, its clock and its sizes is possible on the machine that it states.",
    rules: &["repro-physics"],
    needs: Needs::ANY_RUN,
    run,
};

/// Steps times the time of a step, over the clock. A script may print the mean of its last steps alone, and warm-up or
/// a change of the model makes others slower, but not twice.
const FILLED: RangeInclusive<f64> = 0.5..=2.0;
/// Fewest steps for which the mean time of a step says something.
const SOME_STEPS: u64 = 100;
/// Operations for each parameter and token: two forwards, four backwards.
const PER_PARAMETER: f64 = 6.0;
/// Fewest bits of a parameter whose integers have more than two levels each; ternary weights take 1.3 and more.
const FEWEST_BITS: f64 = 0.7;

fn run(context: &Context<'_>) -> Vec<Finding> {
    [clock(context), operations(context), entropy(context)].into_iter().flatten().collect()
}

/// Steps times the time of a step, against the clock.
fn clock(context: &Context<'_>) -> Option<Finding> {
    let filled = |run: &RunLog| {
        let (steps, average) = (run.steps.value()?, run.step_avg_ms.value()?);
        let spent = run.train_seconds.value().filter(|spent| *spent > 0.0 && run.resumed_from.is_none())?;
        let share = steps as f64 * average / 1000.0 / spent;
        (steps >= SOME_STEPS && average > 0.0 && !FILLED.contains(&share)).then_some(share)
    };
    let (runs, share) = those(context, filled)?;
    let run = runs.first()?;
    let message = format!(
        "{}: {} steps of {} ms are {share:.2} times the {:.1} s that the clock says: steps, mean and clock are not of one run",
        of_runs(&runs, context.runs().len()),
        run.steps.value().unwrap_or_default(),
        run.step_avg_ms.value().unwrap_or_default(),
        run.train_seconds.value().unwrap_or_default()
    );
    let finding = context.finding("repro-physics", message).severity(Severity::Warning).measured(share).limit(1.0);
    Some(runs.iter().fold(finding, |finding, run| {
        let text = format!("{} ms a step", run.step_avg_ms.value().unwrap_or_default());
        finding.in_log(run, run.step_avg_ms, text)
    }))
}

/// Operations per second, against the most that the machine can do.
fn operations(context: &Context<'_>) -> Option<Finding> {
    let used = |run: &RunLog| {
        let tokens: f64 = run.hyperparameters.get("train_batch_tokens")?.value.parse().ok()?;
        let (steps, parameters) = (run.steps.value()?, run.model_params.value()?);
        let spent = run.train_seconds.value().filter(|spent| *spent > 0.0 && run.resumed_from.is_none())?;
        let rate = PER_PARAMETER * parameters as f64 * tokens * steps as f64 / spent;
        let share = rate / peak(context, run)?;
        (share > 1.0).then_some(share)
    };
    let (runs, share) = those(context, used)?;
    let run = runs.first()?;
    let message = format!(
        "{}: {} parameters, {} steps and {:.1} s of training take {share:.1} times the operations that the machine can do",
        of_runs(&runs, context.runs().len()),
        run.model_params.value().unwrap_or_default(),
        run.steps.value().unwrap_or_default(),
        run.train_seconds.value().unwrap_or_default()
    );
    let finding = context.finding("repro-physics", message).severity(Severity::Warning);
    // Parameters that no matrix multiplies, such as tables, take no operations.
    let finding = finding.confidence(Confidence::Medium).measured(share).limit(1.0);
    Some(runs.iter().fold(finding, |finding, run| {
        let text = format!("{} parameters", run.model_params.value().unwrap_or_default());
        finding.in_log(run, run.model_params, text)
    }))
}

/// The most operations per second of the run's machine: the GPU that the log names, else the track's.
fn peak(context: &Context<'_>, run: &RunLog) -> Option<f64> {
    let machine = context.machine();
    let stated = run.gpu.text().or(run.hardware.text());
    let named = stated.map(|text| gpus(text, machine));
    let one = match named.as_deref() {
        Some([gpu]) => peak_flops(gpu),
        Some(_) => None,
        None => peak_flops(&machine?.gpu),
    }?;
    let count = run.gpus.value().or(run.world_size.value()).or(machine.map(|machine| machine.gpus))?;
    Some(one * count as f64)
}

/// Bits of a parameter in the model's bytes, against those that its integers need.
fn entropy(context: &Context<'_>) -> Option<Finding> {
    let bits = |run: &RunLog| {
        let label = run.bytes_model_label.text()?.to_ascii_lowercase();
        let levels = ["int4", "int5", "int6", "int7", "int8"].iter().any(|name| label.contains(name));
        let (bytes, parameters) = (run.bytes_model.value()?, run.model_params.value().filter(|count| *count > 0)?);
        let bits = bytes as f64 * 8.0 / parameters as f64;
        (levels && bits < FEWEST_BITS).then_some(bits)
    };
    let (runs, bits) = those(context, bits)?;
    let run = runs.first()?;
    let message = format!(
        "{}: {} bytes for {} parameters are {bits:.2} bits each, fewer than integers of that width need ({})",
        of_runs(&runs, context.runs().len()),
        run.bytes_model.value().unwrap_or_default(),
        run.model_params.value().unwrap_or_default(),
        run.bytes_model_label.text().unwrap_or_default()
    );
    // Weights may be shared, or mostly zero: somebody has to look.
    let finding = context.finding("repro-physics", message).severity(Severity::Unknown).confidence(Confidence::Low);
    let finding = finding.measured(bits).limit(FEWEST_BITS);
    Some(runs.iter().fold(finding, |finding, run| {
        let text = format!("{} bytes", run.bytes_model.value().unwrap_or_default());
        finding.in_log(run, run.bytes_model, text)
    }))
}

/// Returns the runs for which the number is out of bounds, with that of the first.
fn those<'a>(context: &Context<'a>, number: impl Fn(&RunLog) -> Option<f64>) -> Option<(Vec<&'a RunLog>, f64)> {
    let found: Vec<(&RunLog, f64)> = context.runs().iter().filter_map(|run| Some((run, number(run)?))).collect();
    let (_, first) = *found.first()?;
    Some((found.into_iter().map(|(run, _)| run).collect(), first))
}
