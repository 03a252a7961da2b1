//! Calibration of the quantization on validation tokens (#728): the model is run on them only for the statistics that
//! functions on its layers collect.

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind};
use super::{Case, Family, Lead, Needs, Rule, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "calibration-on-validation",
    about: "Nothing that quantization needs is collected from validation tokens.",
    rules: &[Rule { id: "time-gptq-no-val", needs: &[Needs::of(Flags::VAL, &[EventKind::Forward, EventKind::Hook])] }],
    by_command: &[],
    beside: Needs::of(Flags::TRAIN.with(Flags::GENERATED), &[EventKind::Report]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let events = &case.trace.events;
    let calibrates = |(number, event): (usize, &'_ Event)| -> Option<usize> {
        let Action::Forward { data, discarded: true } = &event.action else { return None };
        let flags = case.taints.flags(*data);
        if !flags.has(Flags::VAL) || flags.any(Flags::TRAIN.with(Flags::GENERATED)) {
            return None;
        }
        // The functions were registered by the function that runs the model, or by one that called it.
        events.iter().take(number).rposition(|earlier| {
            matches!(earlier.action, Action::Hook { .. }) && event.place.path.starts_with(&earlier.place.path)
        })
    };
    let found = events.iter().enumerate().find_map(|(number, event)| Some((event, calibrates((number, event))?)));
    let Some((event, hook)) = found else { return Vec::new() };
    let Some(hook) = events.get(hook) else { return Vec::new() };
    let (confidence, because) = case.confidence(event);
    let products = matches!(hook.action, Action::Hook { products: true });
    let most = if products { Confidence::Medium } else { Confidence::Low };
    vec![Lead {
        rule: "time-gptq-no-val",
        confidence: confidence.min(most),
        message: "the model is run on validation tokens, and functions on its layers collect statistics".to_owned(),
        because: match products {
            true => format!("{because}; it is assumed that quantization uses the statistics"),
            false => "the statistics may only be looked at".to_owned(),
        },
        steps: vec![
            step(event, "the model is run on validation tokens, and nothing takes its result"),
            step(hook, "the function that collects statistics is registered"),
        ],
        clears: "calibrate on training tokens within the training time, or on text that the model generates",
        at_most: None,
    }]
}
