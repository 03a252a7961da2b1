//! A study from its plan to its table.

use std::sync::atomic::{AtomicUsize, Ordering};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::knob::{KnobSearch, MOST_TRIES, TriedKnob};
use super::plan::{Variant, Wish, variants};
use super::subject::{Goal, Onlooker, Ran, Subject, Trial, TrialEnd, TrialFailure};
use super::table::{AblationTable, Heading, Tested};
use super::{place, pool};
use crate::artifact::Limits;
use crate::runner::asked::check_seeds;
use crate::{Error, Result};

/// What is made equal among the variants of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Equality {
    /// Artifacts are equally large, by a knob that is turned.
    Bytes,
    /// Trainings take the same time: the clock alone ends them.
    Time,
    /// Trainings take the same number of steps: no clock ends them.
    Steps,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Study {
    /// Name of its files below `ablations/`.
    pub name: String,
    pub wish: Wish,
    pub seeds: Vec<u64>,
    /// Trials that go on side by side.
    pub jobs: usize,
    pub equal: Option<Equality>,
    /// The setting that [`Equality::Bytes`] turns, with the value to begin with where the subject does not know it.
    pub knob: Option<(String, Option<f64>)>,
    pub limits: Limits,
}

/// The knob of a study.
struct Knob {
    key: String,
    whole_key: String,
    /// Value of the reference, where it is known.
    own: Option<f64>,
    start: f64,
    integer: bool,
}

/// Runs what is left of the study and computes its table.
///
/// # Errors
/// When the plan cannot be made, a trial cannot be started or kept, or the user interrupts. Whatever was finished stays, and the
/// next call goes on from there. That a trial fails is no error: its row says why.
pub fn run(study: &Study, subject: &dyn Subject, onlooker: &dyn Onlooker) -> Result<AblationTable> {
    check_seeds(&study.seeds)?;
    let (variants, notes) = variants(subject.settings(), &study.wish)?;
    let knob = knob(study, subject, &variants)?;
    notes.iter().for_each(|note| onlooker.say(note));
    let _locks = variants
        .iter()
        .map(|variant| place::lock(&subject.folder(variant)))
        .collect::<caddie_files::Result<Vec<_>>>()?;
    let sized = match &knob {
        Some(knob) => equally_large(study, subject, onlooker, &variants, knob)?,
        None => variants.into_iter().map(|variant| Sized { variant, equal: None, failure: None }).collect(),
    };
    // By seed, so that whoever interrupts has all variants of the first seeds.
    let trials: Vec<Trial<'_>> = study
        .seeds
        .iter()
        .flat_map(|seed| {
            sized.iter().filter(|one| one.failure.is_none()).map(|one| Trial { variant: &one.variant, seed: *seed })
        })
        .collect();
    let over = AtomicUsize::new(0);
    let ends = pool::each(&trials, study.jobs, |slot, trial| {
        let ran = subject.run(trial, Goal::Score, slot, onlooker)?;
        let over = 1 + over.fetch_add(1, Ordering::Relaxed);
        onlooker.say(&format!("{over}/{} {}: {}", trials.len(), trial.name(), told(&ran)));
        Ok(ran.end)
    })?;
    let ends: Vec<(Trial<'_>, TrialEnd)> = trials.iter().copied().zip(ends).collect();
    let tested: Vec<Tested> =
        sized.iter().map(|one| tested(one, &study.seeds, &ends, subject.folder(&one.variant))).collect();
    let heading = Heading {
        name: study.name.clone(),
        subject: subject.settings().facts(),
        seeds: study.seeds.clone(),
        grid: study.wish.grid,
        ladder: !study.wish.rungs.is_empty(),
        equal: study.equal,
        knob: knob.map(|knob| knob.key),
        rulebook: study.limits.rulebook.clone(),
        limit_bytes: study.limits.bytes_total,
    };
    Ok(AblationTable::of(heading, &tested))
}

/// One line on a trial that is over.
fn told(ran: &Ran) -> String {
    let said = match &ran.end {
        TrialEnd::Failed(failure) => format!("failed: {}", failure.reason),
        TrialEnd::Finished(numbers) => match numbers.val_bpb {
            Some(bpb) => format!("val_bpb {bpb:.5}"),
            None => "no score".to_owned(),
        },
    };
    if ran.kept { format!("{said} (finished before, and kept)") } else { said }
}

fn tested(one: &Sized, seeds: &[u64], ends: &[(Trial<'_>, TrialEnd)], folder: Utf8PathBuf) -> Tested {
    let of = |seed: &u64| {
        if let Some(failure) = &one.failure {
            return Some((*seed, TrialEnd::Failed(failure.clone())));
        }
        let own =
            |(trial, _): &&(Trial<'_>, TrialEnd)| std::ptr::eq(trial.variant, &one.variant) && trial.seed == *seed;
        Some((*seed, ends.iter().find(own)?.1.clone()))
    };
    Tested { variant: one.variant.clone(), folder, equal_bytes: one.equal, ends: seeds.iter().filter_map(of).collect() }
}

fn knob(study: &Study, subject: &dyn Subject, variants: &[Variant]) -> Result<Option<Knob>> {
    let (key, start) = match (study.equal, &study.knob) {
        (Some(Equality::Bytes), Some(knob)) => knob,
        (Some(Equality::Bytes), None) => {
            return Err(Error::usage(
                "--equal bytes turns a setting until the artifacts are equally large; name it with --knob, for example --knob \
                 model_dim, or --knob NAME=START for a variable of a script",
            ));
        }
        (_, Some(_)) => return Err(Error::usage("--knob is for --equal bytes")),
        (_, None) => return Ok(None),
    };
    let whole_key = subject.settings().whole_key(key)?;
    if variants.iter().any(|variant| variant.changes.iter().any(|change| change.key == whole_key)) {
        return Err(Error::usage(format!("--knob {key} is varied itself; name another setting")));
    }
    let own = subject.settings().value(&whole_key);
    let known = own.as_deref().and_then(|text| text.parse::<f64>().ok());
    let start = start.or(known).filter(|start| *start > 0.0 && start.is_finite()).ok_or_else(|| {
        Error::usage(match &own {
            Some(value) => format!("--knob {key}: its value, {value}, is not a number above 0"),
            None => format!("--knob {key}: its value is not known; write --knob {key}=START"),
        })
    })?;
    // A recipe writes a number that is no integer with a point; a script's variable is judged by the value to begin with.
    let integer = own.map_or(start.fract() == 0.0, |text| text.parse::<i64>().is_ok());
    Ok(Some(Knob { key: key.clone(), whole_key, own: known, start, integer }))
}

/// A variant after the search for its size.
struct Sized {
    variant: Variant,
    equal: Option<bool>,
    /// Why the search came to nothing.
    failure: Option<TrialFailure>,
}

/// Turns the knob of every variant until its artifact is as large as the reference's, for the first seed.
fn equally_large(
    study: &Study,
    subject: &dyn Subject,
    onlooker: &dyn Onlooker,
    variants: &[Variant],
    knob: &Knob,
) -> Result<Vec<Sized>> {
    let Some(((reference, others), &seed)) = variants.split_first().zip(study.seeds.first()) else {
        return Ok(Vec::new());
    };
    let size = |variant: &Variant, slot: usize| -> Result<std::result::Result<f64, TrialFailure>> {
        let trial = Trial { variant, seed };
        Ok(match subject.run(&trial, Goal::Size, slot, onlooker)?.end {
            TrialEnd::Failed(failure) => Err(failure),
            TrialEnd::Finished(numbers) => match numbers.bytes_total {
                Some(bytes) => Ok(bytes as f64),
                None => {
                    return Err(Error::usage(format!(
                        "{}: its log states no size of the submission, so that sizes cannot be made equal",
                        trial.name()
                    )));
                }
            },
        })
    };
    let target = match size(reference, 0)? {
        Ok(bytes) => bytes,
        Err(failure) => {
            return Err(Error::usage(format!(
                "the reference has no size to be equal to: {}; see {}",
                failure.reason, failure.log
            )));
        }
    };
    let search = KnobSearch { target, integer: knob.integer };
    let found = pool::each(others, study.jobs, |slot, variant| {
        let (mut tries, mut value) = (Vec::new(), knob.start);
        loop {
            let turned = turned(variant, knob, value);
            match size(&turned, slot)? {
                Ok(bytes) => tries.push(TriedKnob { value, bytes }),
                Err(failure) => return Ok(Sized { variant: turned, equal: None, failure: Some(failure) }),
            }
            let usable =
                |value: f64| subject.settings().configured(&self::turned(variant, knob, value).changes).is_ok();
            let hit = tries.last().is_some_and(|last| search.hits(last.bytes));
            match search.next(&tries, usable).filter(|_| !hit && tries.len() < MOST_TRIES) {
                Some(next) => value = next,
                None => break,
            }
        }
        let best = search.best(&tries).map_or(knob.start, |best| best.value);
        let equal = search.best(&tries).is_some_and(|best| search.hits(best.bytes));
        Ok(Sized { variant: turned(variant, knob, best), equal: Some(equal), failure: None })
    })?;
    let reference = Sized { variant: reference.clone(), equal: None, failure: None };
    Ok(std::iter::once(reference).chain(found).collect())
}

/// The variant with a value of the knob; itself where that is the value which it has.
fn turned(variant: &Variant, knob: &Knob, value: f64) -> Variant {
    if knob.own == Some(value) {
        return variant.clone();
    }
    // A number that is no integer keeps its point, so that a recipe reads it as one.
    let text = if knob.integer { format!("{value:.0}") } else { format!("{value:?}") };
    variant.turned(&knob.key, &knob.whole_key, &text)
}
