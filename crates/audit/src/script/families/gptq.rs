//! Calibration on training tokens after the training clock has stopped (GPTQ): it is training time, unless the clock
//! stopped early enough to leave room for it.

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind, Learner};
use super::{Case, Family, Lead, Needs, Rule, Step, step};
use caddie_folder::Fact;
use caddie_folder::{Folder, RunLog};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "calibration-after-training",
    about: "Nothing reads training tokens once the training clock has run out.",
    rules: &[Rule {
        id: "time-gptq-train-data",
        needs: &[Needs::of(Flags::TRAIN, &[EventKind::Update, EventKind::Clock, EventKind::Forward])],
    }],
    by_command: &[],
    beside: Needs::of(Flags::VAL.with(Flags::GENERATED), &[EventKind::Report]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    if case.subject.folder.is_some_and(|folder| is_unlimited(case) || left_room(case, folder)) {
        return Vec::new();
    }
    let events = &case.trace.events;
    let Some(last) = events.iter().rposition(|event| trains(case, event)) else { return Vec::new() };
    // Where the clock is not known to run to the end, time may be left for the calibration.
    let Some(stop) = clock(case, events.get(..last).unwrap_or_default(), events.get(last)) else { return Vec::new() };
    let read = |event: &&Event| match &event.action {
        Action::Forward { data, .. } => {
            let flags = case.taints.flags(*data);
            flags.has(Flags::TRAIN) && !flags.any(Flags::VAL.with(Flags::GENERATED))
        }
        _ => false,
    };
    // The call of the model itself, not those of its layers.
    let after = events.iter().skip(last + 1).filter(read);
    let Some(event) = after.min_by_key(|event| event.place.path.len()) else { return Vec::new() };
    let (confidence, because) = case.confidence(event);
    vec![Lead {
        rule: "time-gptq-train-data",
        confidence: confidence.min(Confidence::Medium),
        message: format!(
            "the model is run on training tokens after the training loop, whose clock allows the full {} s",
            case.subject.limits().train_seconds
        ),
        because: format!("{because}; how long it takes is not known"),
        steps: vec![model_run(event), step(stop, "the training loop stops by this limit")],
        clears: "stop training early by the time that calibration takes, or calibrate on text the model generates",
        at_most: None,
    }]
}

/// Tells whether the folder's track has no limit on training time.
fn is_unlimited(case: &Case<'_>) -> bool {
    case.subject.track().is_some_and(|track| !track.record)
}

/// Tells whether every run stopped training early enough for its calibration, by the times that its log states.
fn left_room(case: &Case<'_>, folder: &Folder) -> bool {
    let limit = case.subject.limits().train_seconds;
    let room = |run: &RunLog| {
        let needed = run.gptq_hessian_seconds.value().unwrap_or(USUAL_CALIBRATION);
        run.train_seconds.value().is_some_and(|seconds| seconds + needed <= limit)
    };
    !folder.runs.official.is_empty() && folder.runs.official.iter().all(room)
}

/// Seconds that a calibration is taken to need where its log does not say: most of those that are logged took less.
const USUAL_CALIBRATION: f64 = 10.0;

/// Finds the line that runs the model, where the event lies in a layer of it: `model.forward_logits(x)`.
fn model_run(event: &Event) -> Step {
    let what = "the model is run on training tokens";
    match event.place.path.iter().position(|frame| frame.function.contains(".forward")) {
        Some(at) => Step {
            line: event.place.path.get(at).map_or(event.place.line, |frame| frame.line),
            what: what.to_owned(),
            path: event.place.path.iter().take(at).cloned().collect(),
        },
        None => step(event, what),
    }
}

/// Tells whether the event is a step on training tokens.
fn trains(case: &Case<'_>, event: &Event) -> bool {
    let Action::Update { learner: Learner::Gradient, data } = &event.action else { return false };
    let flags = case.taints.flags(*data);
    flags.has(Flags::TRAIN) && !flags.has(Flags::VAL)
}

/// Finds the comparison with the clock in the training loop, where every one there is known and allows the whole time.
fn clock<'a>(case: &Case<'_>, before: &'a [Event], last: Option<&'a Event>) -> Option<&'a Event> {
    let limit = case.subject.limits().train_seconds;
    let training = last?.place.loops.first()?.entered;
    let within = before.iter().filter(|event| event.place.loops.first().is_some_and(|stamp| stamp.entered == training));
    let mut stop = None;
    for event in within {
        match event.action {
            Action::Clock { seconds: Some(seconds) } if seconds >= limit => stop = Some(event),
            Action::Clock { .. } => return None,
            _ => {}
        }
    }
    stop
}
