//! Seeds: the run uses the one that it is given, and none is searched for.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind};
use super::{Case, Family, Lead, Needs, Rule, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "script-seeds",
    about: "A run begins from the seed that it states, and does not try several.",
    rules: &[
        Rule {
            id: "stat-seed-choice",
            needs: &[
                Needs::of(Flags::TRAIN.with(Flags::VAL), &[EventKind::Seed, EventKind::Update, EventKind::Loss]),
                Needs::of(Flags::TRAIN.with(Flags::VAL), &[EventKind::Seed, EventKind::Update, EventKind::Score]),
            ],
        },
        Rule { id: "stat-seeds", needs: &[Needs::of(Flags::NONE, &[EventKind::Seed])] },
    ],
    by_command: &[],
    beside: Needs::of(Flags::SEED, &[EventKind::Report]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut leads = BTreeMap::new();
    for lead in searched(case).into_iter().chain(ignored(case)) {
        leads.entry(lead.rule).or_insert(lead);
    }
    leads.into_values().collect()
}

fn seeds<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Event, &'a str, Option<i64>, Flags)> {
    let taints = case.taints;
    case.trace.events.iter().enumerate().filter_map(move |(number, event)| match &event.action {
        Action::Seed { library, value, data } => Some((number, event, &**library, *value, taints.flags(*data))),
        _ => None,
    })
}

/// Seeds that are set in a loop which trains and evaluates: one after the other is tried.
fn searched(case: &Case<'_>) -> Option<Lead> {
    let (_, event, ..) = seeds(case).find(|(number, event, library, value, _)| {
        let Some(outer) = event.place.loops.first() else { return false };
        let within = |other: &&Event| other.place.loops.first().is_some_and(|stamp| stamp.entered == outer.entered);
        let after = || case.trace.events.iter().skip(*number).filter(within);
        let trains = after().any(|event| case.trains(event));
        let validates = after().any(|event| match &event.action {
            Action::Loss { data } | Action::Score { data } => case.taints.flags(*data).has(Flags::VAL),
            _ => false,
        });
        // A model is made anew for each: else it is the order of the data that is begun again.
        let anew = event.place.loops.len() == 1 && *library == "torch" && value.is_none();
        anew && trains && validates
    })?;
    let (confidence, because) = case.confidence(event);
    Some(Lead {
        rule: "stat-seed-choice",
        confidence: confidence.min(Confidence::Medium),
        message: "seeds are set in a loop that trains and takes the validation loss for each".to_owned(),
        because: format!("{because}; the use of the losses was not followed"),
        steps: vec![step(event, "a seed is tried")],
        clears: "report every seed that was run, in README.md and submission.json",
        at_most: None,
    })
}

/// The script reads SEED, and no random numbers begin from it.
fn ignored(case: &Case<'_>) -> Option<Lead> {
    let source = case.module.source();
    if !["\"SEED\"", "'SEED'"].iter().any(|name| source.contains(name)) {
        return None;
    }
    let torch: Vec<_> = seeds(case).filter(|(_, _, library, ..)| library.starts_with("torch")).collect();
    let (_, event, _, value, _) = torch.first().copied()?;
    // A script that was made for each seed says another one than the log.
    let stated = case.subject.config.text("seed").and_then(|seed| seed.trim().parse::<i64>().ok());
    if stated.is_some() && stated != value {
        return None;
    }
    let before_training = torch.iter().all(|(_, event, ..)| event.place.loops.is_empty());
    if !before_training || torch.iter().any(|(.., value, flags)| value.is_none() || flags.has(Flags::SEED)) {
        return None;
    }
    let (confidence, because) = case.confidence(event);
    Some(Lead {
        rule: "stat-seeds",
        confidence: confidence.min(Confidence::Medium),
        message: format!(
            "torch begins from the seed {} whatever SEED says: runs with other seeds are the same run",
            value.map_or_else(String::new, |value| value.to_string())
        ),
        because,
        steps: vec![step(event, "the seed is a constant")],
        clears: "give torch.manual_seed the seed that the log states",
        at_most: None,
    })
}
