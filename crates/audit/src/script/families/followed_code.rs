//! Scores that pass through code that the audit does not follow (C1 to C4): native code, a file or program that is run, a
//! package that nobody knows. What such code does with the tokens is not known, so that none of the four conditions is
//! decided for the score; running it on tokens of known probability can refute it.

use super::super::taint::Flags;
use super::super::trace::{Action, Beyond, End, Event, EventKind, Trace};
use super::packages::is_a_library;
use super::{Case, Family, Lead, Needs, Rule, Step, metric_of, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "followed-code",
    about: "Everything that a score is computed with is code that the audit can follow.",
    rules: &[Rule {
        id: "c1-causal",
        needs: &[Needs::of(Flags::UNFOLLOWED, &[EventKind::Report, EventKind::Unfollowed])],
    }],
    by_command: &[],
    beside: Needs::of(Flags::NONE, &[EventKind::Score, EventKind::Loss, EventKind::Import]),
    run,
};

/// Places that the lead names.
const MAX_PLACES: usize = 6;

fn run(case: &Case<'_>) -> Vec<Lead> {
    let scores = case.scores();
    let beyond = scores.iter().fold(0, |places, score| places | score.beyond);
    if !scores.iter().any(|score| score.flags.has(Flags::UNFOLLOWED)) {
        return Vec::new();
    }
    let Some(score) = scores.iter().find(|score| score.beyond != 0) else { return Vec::new() };
    let places: Vec<(&End, &Event)> = case
        .trace
        .events
        .iter()
        .filter_map(|event| match event.action {
            Action::Unfollowed { number } if beyond >> number & 1 == 1 => Some((case.trace.beyond.get(number)?, event)),
            _ => None,
        })
        .filter(|(end, _)| end.what != Beyond::Package || !is_known(end, case))
        .collect();
    let Some((first, event)) = places.first() else { return Vec::new() };
    let steps =
        places.iter().take(MAX_PLACES).map(|(end, event)| step(event, format!("{} is not followed", name(end))));
    vec![Lead {
        rule: "c1-causal",
        confidence: Confidence::Low,
        message: format!(
            "C1 to C4 are undecided for `{}`: following ends at {}, where it passes through {}",
            metric_of(score.text),
            case.at(event.place.line),
            name(first)
        ),
        because: "what that code does with the tokens is not known".to_owned(),
        steps: steps.chain([step(score.event, "the score is made from what it returns")]).collect(),
        clears: "run `caddie probe entropy` on the folder, which scores tokens of known probability with the script itself",
        at_most: None,
    }]
}

/// The places of native code, and of files that are loaded by their path, which the script comes through, in order.
pub fn foreign_code(trace: &Trace) -> Vec<Step> {
    let places = trace.events.iter().filter_map(|event| match event.action {
        Action::Unfollowed { number } => Some((trace.beyond.get(number)?, event)),
        _ => None,
    });
    let foreign = places.filter(|(end, _)| matches!(end.what, Beyond::Native | Beyond::File));
    foreign.map(|(end, event)| step(event, format!("{} is not followed", name(end)))).collect()
}

/// Tells whether everyone has the package, whose functions do what their names say, or nothing imports it: then it is a
/// name that something binds which is not followed.
fn is_known(end: &End, case: &Case<'_>) -> bool {
    let top = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let package = top(&end.name);
    let imported = case.trace.events.iter().any(|event| match &event.action {
        Action::Import { name, .. } => top(name) == package,
        _ => false,
    });
    !imported || is_a_library(&package, case.subject.rulebook)
}

/// Names the code: `ppm_score of native code`, `subprocess.run`.
fn name(end: &End) -> String {
    let (whole, own) = end.name.split_once('.').unwrap_or((&end.name, ""));
    match end.what {
        Beyond::Native => format!("{own}() of native code"),
        Beyond::File => format!("{own}() of a file that is loaded by its path"),
        Beyond::Program => format!("another program, run by {}()", end.name),
        Beyond::Package => format!("{}() of the package {whole}", end.name),
    }
}
