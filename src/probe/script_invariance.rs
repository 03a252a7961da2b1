//! What must not change a script's score: each change is a run of its own, with the same training tokens and seed.
//!
//! A script prints one mean. Where it leaves its losses to PyTorch's cross-entropy, the harness catches those of single targets, and
//! where their mean is what the script prints they are compared one by one. Else only what a mean can show is compared, and
//! nothing is concluded from the rest.

use std::sync::atomic::AtomicBool;

use camino::Utf8PathBuf;

use caddie_files::{Error, Result};
use caddie_probe::accounting::{self, Judged, Plan, Targets};
use caddie_probe::bytes::Counting;
use caddie_probe::source::{BOS, Kind};

use super::caught::Caught;
use super::changed;
use super::corpus::{Draw, OTHER_VALIDATION, ScriptCorpus, VALIDATION, write_validation};
use super::entropy::{self, LAYERS, ProbeOptions};
use super::invariance::{ARITHMETIC, Compared, Invariance, Invariances};
use super::tries;
use crate::rehearse::{EndedTrial, Prepared, ProbeTrial, Session};

/// Runs a script on a stream and on changed ones. Of the options the first source counts, and nothing is amplified.
///
/// # Errors
/// When the script cannot be read or comes to no score on the stream as it is, no Python can be found or made, or a wall cannot be
/// put up.
pub fn script_invariance(options: &ProbeOptions, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Invariances> {
    let session = Session::new(&options.rehearsal, tell)?;
    tell("making the corpus");
    let (root, prepared) = session.prepare(stop, tell)?;
    let kind = options.sources.first().copied().unwrap_or(Kind::Iid);
    let draw = |validation| Draw { validation, ..entropy::draw(options, kind) };
    let other = ScriptCorpus::write(&root, &prepared.vocabulary, &draw(OTHER_VALIDATION))?.stream.tokens;
    let corpus = ScriptCorpus::write(&root, &prepared.vocabulary, &draw(VALIDATION))?;
    let tokens = corpus.stream.tokens.clone();
    let mut runs =
        Runs { session: &session, root, prepared: &prepared, corpus, seed: options.seed, layers: LAYERS, stop, tell };
    let base = runs.first(&tokens)?;
    let mut found = vec![runs.repetition(&tokens, &base)?];
    let repeats = found.iter().all(|one| one.holds == Some(true));
    found.extend(match &base.each {
        Some(each) => vec![
            runs.later_tokens(&tokens, &other, each)?,
            runs.swapped_neighbors(&tokens, each)?,
            runs.other_documents(&tokens, &other, each)?,
        ],
        None => ["later_tokens", "swapped_neighbors", "other_documents"].map(not_shown).into(),
    });
    found.push(runs.order(&tokens, &base)?);
    found.push(runs.copies(&tokens, &base)?);
    found.push(runs.length(&tokens, &other, &base)?);
    if !repeats {
        // What differs by itself shows nothing when it differs.
        found.iter_mut().for_each(|one| one.holds = None);
    }
    Ok(Invariances {
        schema_version: 1,
        subject: entropy::subject(&session.script)?,
        seed: options.seed,
        source: kind,
        targets: tokens.len() - 1,
        documents_apart: None,
        compared: if base.each.is_some() { Compared::EachTarget } else { Compared::PrintedMean },
        found,
    })
}

/// The place among so many targets from which on tokens are changed: a little behind the middle, because rows, windows and chunks
/// have round numbers of targets, and one that looks ahead within itself is seen only where the change begins inside it.
fn cut(targets: usize) -> usize {
    (targets / 2 + 13).min(targets.saturating_sub(1))
}

fn not_shown(name: &'static str) -> Invariance {
    let says = "not run: one printed mean cannot tell which targets moved".to_owned();
    Invariance { name, says, holds: None, largest: None }
}

/// What a run scored.
struct Score {
    /// The printed nats a target.
    mean: f64,
    judged: Judged,
    /// Losses of single targets, where their mean is the printed one.
    each: Option<Caught>,
}

struct Runs<'a> {
    session: &'a Session<'a>,
    root: Utf8PathBuf,
    prepared: &'a Prepared,
    corpus: ScriptCorpus,
    seed: u64,
    layers: u64,
    stop: &'a AtomicBool,
    tell: &'a mut dyn FnMut(&str),
}

impl Runs<'_> {
    /// The run on the stream as it is, with fewer layers where the script runs so.
    fn first(&mut self, tokens: &[u16]) -> Result<Score> {
        let mut ended = self.run("as it is", tokens)?;
        if ended.report.failure.as_ref().is_some_and(|failure| failure.remedy != "time") {
            self.layers = 0;
            ended = self.run("as it is, with all layers", tokens)?;
        }
        let why = ended.report.failure.as_ref().map(|failure| format!(": {}", failure.message)).unwrap_or_default();
        self.score(&ended, tokens).ok_or_else(|| {
            Error::unreadable(
                &self.session.script,
                format!("came to no score with nats a token that can be compared{why}; see `caddie rehearse`"),
            )
        })
    }

    fn run(&mut self, name: &str, tokens: &[u16]) -> Result<EndedTrial> {
        (self.tell)(name);
        write_validation(&self.root, &self.prepared.vocabulary, tokens)?;
        let sizes = tries::sizes(self.prepared, self.layers);
        let exact = tries::averaging(&self.prepared.defaults);
        let seed = i64::try_from(self.seed).unwrap_or(i64::MAX);
        let folder = name.replace([' ', ','], "-");
        let trial = ProbeTrial { name: &folder, seed, corpus: &self.root, sizes: &sizes, exact: &exact, losses: true };
        self.session.run(&trial, self.stop, self.tell)
    }

    fn changed(&mut self, name: &str, tokens: &[u16]) -> Result<Option<Score>> {
        let ended = self.run(name, tokens)?;
        Ok(self.score(&ended, tokens))
    }

    fn score(&self, ended: &EndedTrial, tokens: &[u16]) -> Option<Score> {
        let claim = entropy::claim(ended.log.as_ref().filter(|_| ended.report.reached_its_score())?)?;
        let loss = claim.val_loss?;
        // The probability of changed tokens does not count here, their number and bytes do.
        let (nats, bytes) = (vec![0.0; tokens.len() - 1], self.corpus.bytes(tokens, Counting::Exact));
        let judged = accounting::judge(&claim, &Targets { nats: &nats, bytes: &bytes });
        let each = Caught::of(&ended.report.losses, &loss);
        Some(Score { mean: loss.value, judged, each })
    }

    fn repetition(&mut self, tokens: &[u16], base: &Score) -> Result<Invariance> {
        let again = self.changed("once more", tokens)?;
        let largest = again.map(|again| match (&base.each, &again.each) {
            (Some(one), Some(other)) => one.largest(other, |_| true),
            _ => (again.mean - base.mean).abs(),
        });
        let says = match (&base.each, largest) {
            (_, Some(0.0)) => "the same tokens give the same nats",
            (Some(_), _) => "the same tokens do not give the same nats: nothing is concluded from what else moves",
            (None, _) => "the same tokens do not give the same mean: nothing is concluded from what else moves",
        };
        Ok(Invariance { name: "repetition", says: says.to_owned(), holds: Some(largest == Some(0.0)), largest })
    }

    /// Other text in what is scored last, nearly half of it: no score before it may move.
    fn later_tokens(&mut self, tokens: &[u16], other: &[u16], base: &Caught) -> Result<Invariance> {
        let order = base.order();
        let (early, late) = order.split_at(cut(order.len()));
        let is_late = member(late, tokens.len());
        let changed = changed::replaced(tokens, |at| at > 0 && is_late.get(at - 1) == Some(&true), other);
        let score = self.changed("other later tokens", &changed)?;
        let is_early = member(early, tokens.len());
        let says = "other tokens in what is scored last, from a little behind the middle on, move no score before it";
        Ok(compared("later_tokens", says, base, score, |target| is_early.get(target) == Some(&true)))
    }

    fn swapped_neighbors(&mut self, tokens: &[u16], base: &Caught) -> Result<Invariance> {
        let order = base.order();
        let middle = order.get(cut(order.len())).copied().unwrap_or_default();
        let Some((at, changed)) = changed::swapped(tokens, middle + 1) else {
            let says = "not run: no two neighbors differ; draw more --tokens".to_owned();
            return Ok(Invariance { name: "swapped_neighbors", says, holds: None, largest: None });
        };
        let score = self.changed("swapped neighbors", &changed)?;
        let before = order.iter().position(|target| target + 1 == at).unwrap_or_default();
        let is_early = member(order.get(..before).unwrap_or_default(), tokens.len());
        let says = format!("swapping tokens {at} and {} moves no score before them", at + 1);
        Ok(compared("swapped_neighbors", &says, base, score, |target| is_early.get(target) == Some(&true)))
    }

    /// A claim that documents are scored apart is not known of a script, so this is told.
    fn other_documents(&mut self, tokens: &[u16], other: &[u16], base: &Caught) -> Result<Invariance> {
        let documents = changed::documents(tokens);
        let odd = |at: usize| documents.get(at).is_some_and(|document| document % 2 == 1);
        let score = self.changed("other documents", &changed::replaced(tokens, odd, other))?;
        // A BOS as a target follows from the document before it.
        let text = |target: usize| tokens.get(target + 1).is_some_and(|token| *token != BOS) && !odd(target + 1);
        let says = "other tokens in every second document move no score of the others";
        Ok(told(compared("other_documents", says, base, score, text)))
    }

    fn order(&mut self, tokens: &[u16], base: &Score) -> Result<Invariance> {
        let score = self.changed("documents in reverse order", &changed::reversed(tokens))?;
        Ok(by_mean("order", "documents in reverse order have the mean that they had", base, score))
    }

    fn copies(&mut self, tokens: &[u16], base: &Score) -> Result<Invariance> {
        let score = self.changed("each document twice", &changed::doubled(tokens))?;
        Ok(by_mean("copies", "each document twice has the mean that it has once", base, score))
    }

    /// A stream of twice the length. No causal scorer claims less for all of it than for its first half, since no loss is below
    /// zero: that is exact, where it is known what the means are of.
    fn length(&mut self, tokens: &[u16], other: &[u16], base: &Score) -> Result<Invariance> {
        let longer = self.changed("twice the length", &[tokens, other].concat())?;
        let total = |score: &Score| {
            score.judged.worst.filter(|_| score.judged.plans == 1).filter(|worst| at_most_once(worst.plan))
        };
        if let Some((half, all)) = total(base).zip(longer.as_ref().and_then(total))
            && all.claimed_nats + all.slack + half.slack < half.claimed_nats
        {
            let says = format!(
                "twice the tokens are claimed at {:.1} nats, and their first half alone at {:.1}: no scorer that keeps to its \
                 scores does so",
                all.claimed_nats, half.claimed_nats
            );
            return Ok(Invariance { name: "length", says, holds: Some(false), largest: None });
        }
        let says = "a validation set of twice the length moves no score of its first half";
        Ok(match &base.each {
            Some(each) => told(compared("length", says, each, longer, |_| true)),
            None => by_mean("length", "a validation set of twice the length has the same mean", base, longer),
        })
    }
}

fn at_most_once(plan: Plan) -> bool {
    matches!(plan, Plan::Once | Plan::WithoutLast(_))
}

/// Which of so many places are among these.
fn member(of: &[usize], places: usize) -> Vec<bool> {
    let mut is = vec![false; places];
    for at in of {
        if let Some(place) = is.get_mut(*at) {
            *place = true;
        }
    }
    is
}

/// Compares single targets.
fn compared(
    name: &'static str,
    says: &str,
    base: &Caught,
    score: Option<Score>,
    which: impl Fn(usize) -> bool,
) -> Invariance {
    match score.as_ref().map(|score| &score.each) {
        None => no_score(name),
        Some(None) => {
            let says = "single losses of the changed tokens do not have the mean that is printed".to_owned();
            Invariance { name, says, holds: None, largest: None }
        }
        Some(Some(each)) => {
            let largest = base.largest(each, which);
            Invariance { name, says: says.to_owned(), holds: Some(largest <= ARITHMETIC), largest: Some(largest) }
        }
    }
}

/// A difference that breaks no claim.
fn told(one: Invariance) -> Invariance {
    Invariance { holds: one.holds.filter(|holds| *holds), ..one }
}

/// Compares printed means, which breaks no claim.
fn by_mean(name: &'static str, says: &str, base: &Score, score: Option<Score>) -> Invariance {
    let Some(score) = score else { return no_score(name) };
    let says = format!("{says}: {:.6} nats a target, {:.6} before", score.mean, base.mean);
    Invariance { name, says, holds: None, largest: Some((score.mean - base.mean).abs()) }
}

fn no_score(name: &'static str) -> Invariance {
    Invariance {
        name,
        says: "the script came to no score on the changed tokens".to_owned(),
        holds: None,
        largest: None,
    }
}
