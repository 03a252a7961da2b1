//! The validation split: all of it is scored, and the preparation of the training shards leaves it out.

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind};
use std::collections::HashSet;

use super::super::{claimed, commands};
use super::declared::Declared;
use super::{Case, Family, Lead, Needs, Rule, Scored, Step, metric_of, step};
use caddie_folder::{Fact, Folder, RunLog};
use caddie_python::ast::visitor::{Visitor, walk_expr};
use caddie_python::constant::{self, Constant};
use caddie_python::{Module, ast};
use caddie_rulebook::{Confidence, Severity};
use caddie_rulebook::{FingerprintKind, Rulebook};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "data-preparation",
    about: "The whole validation split is scored, and the preparation that ships keeps it out of the training shards.",
    rules: &[
        Rule {
            id: "val-full",
            needs: &[
                Needs::of(Flags::CUT, &[EventKind::Report]),
                Needs::of(Flags::OF_A_PROCESS, &[EventKind::Score, EventKind::Report]),
            ],
        },
        Rule { id: "val-train-disjoint", needs: &[Needs::NOTHING] },
    ],
    by_command: &[],
    beside: Needs::of(Flags::NONE, &[EventKind::Loss, EventKind::Collected]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    cut(case).into_iter().chain(share(case)).chain(preparation(case)).collect()
}

/// A score of the share of one process that nothing adds to those of the others.
fn share(case: &Case<'_>) -> Option<Lead> {
    let events = &case.trace.events;
    let scores = case.scores();
    let is_score = |score: &&Scored<'_>| matches!(score.event.action, Action::Score { .. });
    let score = scores.iter().filter(is_score).find(|score| score.flags.has(Flags::OF_A_PROCESS))?;
    let number = u32::try_from(events.iter().position(|event| std::ptr::eq(event, score.event))?).ok()?;
    let losses = score.event.action.data().map(|data| case.taints.get(data).scores.clone()).unwrap_or_default();
    let wanted: HashSet<u32> = losses.into_iter().chain([number]).collect();
    let of = |event: &Event| event.action.data().map(|data| case.taints.get(data).scores.clone()).unwrap_or_default();
    let gathered = events.iter().filter(|event| matches!(event.action, Action::Collected { .. })).flat_map(of);
    // A loss that is put into a buffer is a score of its own, made of the one before.
    let (mut open, mut seen): (Vec<u32>, HashSet<u32>) = (gathered.collect(), HashSet::new());
    while let Some(number) = open.pop() {
        if wanted.contains(&number) {
            return None;
        }
        if seen.insert(number) {
            open.extend(events.get(number as usize).map(of).unwrap_or_default());
        }
    }
    let stated = case.subject.config.text("WORLD_SIZE").is_some();
    let (confidence, because) = case.confidence(score.event);
    Some(Lead {
        rule: "val-full",
        confidence: confidence.min(if stated { Confidence::Medium } else { Confidence::Low }),
        message: format!(
            "`{}` is of the validation tokens that one of several processes scores: nothing adds the sums of the others",
            metric_of(score.text)
        ),
        because: match stated {
            true => because,
            false => "no log states the number of processes".to_owned(),
        },
        steps: vec![step(score.event, "the loss of the process's own share is added to the score")],
        clears: "add up the losses, tokens and bytes of all processes before the score is printed",
        at_most: None,
    })
}

/// A score of a constant number of validation tokens, where no log says that the run scored more.
fn cut(case: &Case<'_>) -> Option<Lead> {
    let whole = smallest_split(case.subject.rulebook)?;
    let scored_all = |folder: &Folder| claimed::run(folder).is_some_and(|run| counts(folder, run, whole));
    if case.subject.folder.is_some_and(|folder| scored_all(folder) || takes_all(folder)) {
        return None;
    }
    let (report, text, _) =
        case.headlines().into_iter().find(|(_, _, data)| case.taints.flags(*data).has(Flags::CUT))?;
    let (confidence, because) = case.confidence(report);
    Some(Lead {
        rule: "val-full",
        confidence: confidence.min(Confidence::Medium),
        message: format!("`{}` is of a constant number of validation tokens, not of the whole split", metric_of(text)),
        because,
        steps: vec![step(report, "the score is reported")],
        clears: "score every token of fineweb_val_*.bin",
        at_most: None,
    })
}

/// Tells whether a command of the folder lifts the limit: `VAL_MAX_TOKENS=0`.
fn takes_all(folder: &Folder) -> bool {
    let limits = |name: &str| name.contains("VAL") && name.contains("TOK");
    commands::settings(folder).iter().any(|(name, value)| limits(name) && matches!(value.as_str(), "0" | "-1"))
}

/// Tokens of the whole split, of the tokenizer that makes the fewest of it.
fn smallest_split(rulebook: &Rulebook) -> Option<u64> {
    let whole = rulebook.fingerprints.iter().filter(|print| print.kind == FingerprintKind::Canonical);
    whole.filter_map(|print| print.tokens).min()
}

/// Tells whether a run's log says that it scored so many validation tokens; a hundredth less counts as well, because
/// scripts cut the end.
fn counts(folder: &Folder, run: &RunLog, whole: u64) -> bool {
    let log = caddie_files::read_text(&folder.path.join(&run.log)).unwrap_or_default();
    let counts = log.match_indices("val_tokens:").filter_map(|(at, found)| {
        let rest = log.get(at + found.len()..)?.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    counts.chain(run.val_tokens.value()).any(|tokens| tokens >= whole - whole / 100)
}

/// A script of the folder that prepares shards with another split than the challenge's.
fn preparation(case: &Case<'_>) -> Option<Lead> {
    let folder = case.subject.folder?;
    let split = case.subject.rulebook.training_data.val_documents?;
    let declared = Declared::of(case);
    let says_so = |between: &str| {
        let written = [split.to_string(), caddie_files::text::thousands(split).replace(',', "_")];
        written.iter().any(|number| declared.contains(&format!("--val-docs{between}{number}")))
    };
    if says_so(" ") || says_so("=") {
        return None;
    }
    for script in &folder.code {
        if folder.script.as_ref().is_some_and(|counted| counted.path == script.path) {
            continue;
        }
        let Ok(module) = Module::parse(&script.text) else { continue };
        let mut options = Options { module: &module, split, found: None };
        module.body().iter().for_each(|stmt| options.visit_stmt(stmt));
        let Some((line, documents)) = options.found else { continue };
        return Some(Lead {
            rule: "val-train-disjoint",
            confidence: Confidence::Low,
            message: format!(
                "{} line {line} takes {} documents for validation unless told otherwise, and the challenge's split has {}: the \
                 shards that it makes train on {} documents of the split",
                script.path,
                caddie_files::text::thousands(documents),
                caddie_files::text::thousands(split),
                caddie_files::text::thousands(split - documents)
            ),
            because: "it cannot be seen whether these runs used such shards; #2127 found several that did".to_owned(),
            steps: Vec::<Step>::new(),
            clears: "prepare with --val-docs and the number of documents of the split, say so in README.md, and show that the first training shard begins after it",
            at_most: Some(Severity::Info),
        });
    }
    None
}

/// Looks for the default of an option that says how many documents are for validation.
struct Options<'m> {
    module: &'m Module,
    /// Documents of the challenge's split.
    split: u64,
    found: Option<(u64, u64)>,
}

impl<'a> Visitor<'a> for Options<'_> {
    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        if let ast::Expr::Call(call) = expr {
            let option = call.arguments.args.iter().any(|argument| {
                matches!(argument, ast::Expr::StringLiteral(text)
                    if matches!(text.value.to_str(), "--val-docs" | "--val_docs" | "--num-val-docs" | "--docs-val"))
            });
            let default = call
                .arguments
                .keywords
                .iter()
                .find(|keyword| keyword.arg.as_ref().is_some_and(|name| name.as_str() == "default"));
            if let (true, Some(default)) = (option, default)
                && let Some(Ok(Constant::Int(documents))) = constant::literal(&default.value)
                && let Some(documents) = u64::try_from(documents).ok().filter(|most| (1..self.split).contains(most))
            {
                self.found.get_or_insert((self.module.line(expr), documents));
            }
        }
        walk_expr(self, expr);
    }
}
