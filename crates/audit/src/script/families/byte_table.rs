//! The divisor of val_bpb: the bytes that a table gives each token, the space before a word counted once, and no
//! constant in their place.

use std::collections::BTreeMap;

use super::super::pieces::{Departure, Table};
use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind};
use super::{Case, Family, Lead, Needs, Rule, metric_of, step};
use caddie_files::text::thousands;
use caddie_folder::denominator::is_right;
use caddie_rulebook::Confidence;
use caddie_rulebook::{Fingerprint, FingerprintKind};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "byte-table",
    about: "val_bpb divides by the bytes of the validation text, each byte counted once.",
    rules: &[
        Rule {
            id: "bpb-byte-lut",
            needs: &[
                Needs::of(Flags::BYTES, &[EventKind::ByteTable, EventKind::Report]),
                Needs::of(Flags::TABLE_FILE, &[EventKind::Report]),
            ],
        },
        Rule { id: "bpb-sidecar", needs: &[Needs::of(Flags::BYTES, &[EventKind::Report])] },
        Rule {
            id: "bpb-leading-space",
            needs: &[Needs::of(Flags::BYTES.with(Flags::SPACE), &[EventKind::ByteTable, EventKind::Report])],
        },
        Rule { id: "bpb-no-constant", needs: &[Needs::of(Flags::CONSTANT_BYTES, &[EventKind::Report])] },
    ],
    by_command: &[],
    beside: Needs::of(Flags::SIDECAR, &[]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    // The script's looks raise no doubt where the logs' own numbers show a right count.
    let runs = case.subject.folder.map(|folder| folder.runs.official.as_slice()).unwrap_or_default();
    if !runs.is_empty() && runs.iter().all(|run| is_right(run, case.subject.rulebook)) {
        return Vec::new();
    }
    let mut leads = BTreeMap::new();
    let made = tables(case);
    for (report, text, data) in case.headlines() {
        let from = case.taints.get(data);
        let flags = from.flags;
        let counted: Vec<(&Event, &Table)> = made
            .iter()
            .filter(|(number, ..)| from.tables >> number & 1 == 1)
            .map(|(_, event, table)| (*event, *table))
            .collect();
        let mut found: Vec<Lead> = Vec::new();
        if flags.has(Flags::BYTES) {
            found.extend(
                counted.iter().filter_map(|(event, table)| space_twice(case, event, table, report, text, flags)),
            );
            found.extend(counted.iter().filter_map(|(event, table)| other(case, event, table, report, text)));
            let marks = transformed(case).filter(|_| !flags.has(Flags::SIDECAR));
            found.extend(marks.map(|name| marks_counted(case, &name, report, text)));
        } else if flags.has(Flags::CONSTANT_BYTES) {
            found.push(constant(case, report, text));
        }
        if flags.has(Flags::TABLE_FILE) {
            found.push(from_file(report, text));
        }
        for lead in found {
            leads.entry(lead.rule).or_insert(lead);
        }
    }
    leads.into_values().collect()
}

/// The tables that were made, each with the first call.
fn tables<'a>(case: &Case<'a>) -> Vec<(usize, &'a Event, &'a Table)> {
    let mut found: BTreeMap<usize, &Event> = BTreeMap::new();
    for event in &case.trace.events {
        if let Action::ByteTable { number } = event.action {
            found.entry(number).or_insert(event);
        }
    }
    found.into_iter().filter_map(|(number, event)| Some((number, event, case.trace.tables.get(number)?))).collect()
}

/// The space is a byte of the token in the table, and added once more where the bytes are summed up.
fn space_twice(
    case: &Case<'_>,
    event: &Event,
    table: &Table,
    report: &Event,
    text: &str,
    flags: Flags,
) -> Option<Lead> {
    let within = table.departures.contains(&Departure::SpaceWithin);
    let twice = flags.has(Flags::SPACE);
    if !within || !twice {
        return None;
    }
    let (confidence, because) = case.confidence(event);
    Some(Lead {
        rule: "bpb-leading-space",
        confidence,
        message: format!(
            "{} counts the space before a word among the token's bytes, and the sum adds it again{} (`{}`)",
            table.name,
            miscount(case, "bpb-leading-space"),
            metric_of(text)
        ),
        because,
        steps: vec![
            at(table, "the table of bytes, its spaces counted"),
            step(event, "the table is made"),
            step(report, "the score that divides by it is reported"),
        ],
        clears: "leave the space out of the table, or do not add it where the bytes are summed up",
        at_most: None,
    })
}

/// Returns the effect of a known mistake of this rule on the split's bytes and on the score, as the rulebook has
/// measured it.
///
/// The score divides by the bytes, so it is `1 - right / wrong` too low.
fn miscount(case: &Case<'_>, rule: &str) -> String {
    let known = &case.subject.rulebook.fingerprints;
    let wrong = known.iter().find(|print| print.kind == FingerprintKind::Wrong && print.rule == rule);
    let of_kind = |print: &Fingerprint, alphabet: &str| {
        print.kind == FingerprintKind::Canonical && print.alphabet == alphabet && print.bytes.is_some()
    };
    let right = wrong.and_then(|wrong| known.iter().find(|print| of_kind(print, &wrong.alphabet)));
    let (Some(wrong), Some(right)) = (wrong, right) else { return String::new() };
    let (Some(miscounted), Some(bytes)) = (wrong.bytes, right.bytes) else { return String::new() };
    format!(
        ": the split of {} has {} bytes this way instead of {}, and the score is {:.1} % too low",
        wrong.alphabet,
        thousands(miscounted),
        thousands(bytes),
        100.0 * (1.0 - bytes as f64 / miscounted as f64)
    )
}

/// Returns the lead on every other way in which the table departs from the challenge's count.
fn other(case: &Case<'_>, event: &Event, table: &Table, report: &Event, text: &str) -> Option<Lead> {
    let told: Vec<&str> = table.departures.iter().filter_map(|departure| in_words(*departure)).collect();
    if told.is_empty() {
        return None;
    }
    let (confidence, because) = case.confidence(event);
    // Tokens that hardly come change hardly anything.
    let rare = table.departures.iter().all(|departure| {
        matches!(departure, Departure::ControlCounted | Departure::UnusedCounted | Departure::SpaceWithin)
    });
    let confidence = confidence.min(if rare { Confidence::Low } else { Confidence::Medium });
    Some(Lead {
        rule: "bpb-byte-lut",
        confidence,
        message: format!("{} counts differently from the challenge: {}", table.name, told.join("; ")),
        because: format!("{because}; how much `{}` changes depends on how often such tokens come", metric_of(text)),
        steps: vec![
            at(table, "the table of bytes"),
            step(event, "the table is made"),
            step(report, "the score that divides by it is reported"),
        ],
        clears: "count as build_sentencepiece_luts of the challenge's train_gpt.py does",
        at_most: None,
    })
}

fn in_words(departure: Departure) -> Option<&'static str> {
    Some(match departure {
        Departure::SpaceWithin => return None,
        Departure::MarkKept => "the mark of a space counts with its three bytes instead of one",
        Departure::ByteByName => "a token of a single byte counts with the six characters of its name, such as <0x0A>",
        Departure::ControlCounted => "control tokens such as <s> have bytes",
        Departure::UnusedCounted => return None,
        Departure::Characters => "characters are counted instead of bytes",
        Departure::Text => "the bytes of text that is not ASCII come out different",
    })
}

fn at(table: &Table, what: &str) -> super::Step {
    super::Step { line: table.line, what: what.to_owned(), path: Vec::new() }
}

/// The tokenizer of a transformed text that the run was configured with: with case marks.
fn transformed(case: &Case<'_>) -> Option<String> {
    let name = case.subject.config.text("tokenizer_path")?;
    let name = name.rsplit('/').next().unwrap_or(name);
    name.contains("caseops").then(|| name.to_owned())
}

fn marks_counted(case: &Case<'_>, name: &str, report: &Event, text: &str) -> Lead {
    let (confidence, because) = case.confidence(report);
    // A script that knows the other table may use it where it was not followed.
    let knows = ["val_bytes", "sidecar"].iter().any(|name| case.module.source().contains(name));
    Lead {
        rule: "bpb-sidecar",
        confidence: confidence.min(if knows { Confidence::Low } else { Confidence::Medium }),
        message: format!(
            "`{}` divides by the bytes of the pieces of {name}, its case marks among them{}",
            metric_of(text),
            miscount(case, "bpb-sidecar")
        ),
        because,
        steps: vec![step(report, "the score is reported")],
        clears: "divide by the bytes of the original text, which the shards' fineweb_val_bytes files state",
        at_most: None,
    }
}

fn constant(case: &Case<'_>, report: &Event, text: &str) -> Lead {
    let (confidence, because) = case.confidence(report);
    Lead {
        rule: "bpb-no-constant",
        confidence: confidence.min(Confidence::Medium),
        message: format!(
            "`{}` is a loss times a constant: no bytes of the validation text are counted",
            metric_of(text)
        ),
        because,
        steps: vec![step(report, "the score is reported")],
        clears: "count the bytes of the tokens that are scored, and divide by them",
        at_most: None,
    }
}

fn from_file(report: &Event, text: &str) -> Lead {
    Lead {
        rule: "bpb-byte-lut",
        confidence: Confidence::Medium,
        message: format!("the bytes that `{}` divides by come from a file of numbers", metric_of(text)),
        because: "the file's number for each token cannot be seen (#1184 was reverted for such a table)".to_owned(),
        steps: vec![step(report, "the score is reported")],
        clears: "make the table of the tokenizer in the script, or show in README.md how its numbers were made",
        at_most: None,
    }
}
