//! Logs that the submission is not about: reruns, other experiments of a study, attempts without a score.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{NotCounted, OtherLog, Runs, headline, score_claim};
use crate::claim::{Claim, Field, Scope};
use crate::logged::{Fact, Lined};
use crate::number::Stated;
use crate::run_log::RunLog;
use crate::settings;
use caddie_rulebook::stats::mean;

/// Words of a path that tell what its log is: another submission, or a trial of the script.
const OTHERWISE: [&str; 10] =
    ["baseline", "baselines", "reference", "references", "smoke", "dryrun", "dry", "debug", "wandb", "backup"];

/// Digits of a score that is stated by no chance.
const TELLING_DIGITS: i32 = 4;
/// Share of a run's training time below which a log without a seed and a score is that of a trial.
const SHORT: f64 = 0.5;

/// Sets aside logs that are called a baseline, a reference or a trial, unless such a log gives a claimed score, or
/// nothing is claimed and there is no other.
pub(super) fn named_otherwise(runs: &mut Runs, claims: &[Claim]) {
    let scores = || claims.iter().filter(|claim| claim.field == Field::ValBpb);
    let claimed = |run: &RunLog| {
        let lines = run.metric_lines.iter().map(|line| line.val_bpb);
        let mut printed = lines.chain(run.val_bpb.value()).chain(run.pre_quant_val_bpb.value());
        printed.any(|printed| scores().any(|claim| claim.stated.agrees(printed)))
    };
    let word = |run: &RunLog| {
        let path = run.log.as_str().to_ascii_lowercase();
        let mut words = path.split(|c: char| !c.is_ascii_alphanumeric());
        words.find_map(|word| OTHERWISE.into_iter().find(|otherwise| *otherwise == word))
    };
    let whose: Vec<Option<&str>> = runs.official.iter().map(|run| word(run).filter(|_| !claimed(run))).collect();
    // The mean of what is called a baseline may be the claim, and a folder may be about nothing else.
    let set_aside = runs.official.iter().zip(&whose).filter(|(_, word)| word.is_some());
    let measured: Vec<f64> = set_aside.filter_map(|(run, _)| run.val_bpb.value()).collect();
    let is_claim = mean(&measured).is_some_and(|mean| scores().any(|claim| claim.stated.agrees(mean)));
    let nothing_else = scores().next().is_none() && whose.iter().all(Option::is_some);
    if is_claim || nothing_else {
        return;
    }
    for (run, word) in std::mem::take(&mut runs.official).into_iter().zip(whose) {
        match word {
            Some(word) => runs.others.push(OtherLog { run, why: NotCounted::NamedOtherwise(word.to_owned()) }),
            None => runs.official.push(run),
        }
    }
}

/// Keeps, of several logs with one seed, the one that gives the seed's claimed score. A log that gives the score that
/// is claimed for another seed stays too, because the checks report it.
pub(super) fn reruns(runs: &mut Runs, claims: &[Claim]) {
    let gives_claim = |run: &RunLog| {
        let claim = run.seed.value().and_then(|seed| score_claim(claims, Scope::Seed(seed)));
        claim.zip(run.val_bpb.value()).is_some_and(|(claim, measured)| claim.agrees(measured))
    };
    let gives_any_claim = |run: &RunLog| {
        let of_a_seed = |claim: &&Claim| claim.field == Field::ValBpb && matches!(claim.scope, Scope::Seed(_));
        let measured = |claim: &Claim| run.val_bpb.value().is_some_and(|measured| claim.stated.agrees(measured));
        claims.iter().filter(of_a_seed).any(measured)
    };
    let winners: Vec<(Option<i64>, Utf8PathBuf)> =
        runs.official.iter().filter(|run| gives_claim(run)).map(|run| (run.seed.value(), run.log.clone())).collect();
    for run in std::mem::take(&mut runs.official) {
        let winner = winners.iter().find(|(seed, _)| *seed == run.seed.value() && run.seed.is_some());
        match winner {
            Some((_, log)) if *log != run.log && !gives_any_claim(&run) => {
                let why = NotCounted::ClaimedIn(log.clone());
                runs.others.push(OtherLog { run, why });
            }
            _ => runs.official.push(run),
        }
    }
}

/// Sets further logs aside as other experiments where every score that is claimed for a seed has a log of its own. A
/// log stays if submission.json names its seed without a score, or with one that cannot be read.
pub(super) fn unclaimed(runs: &mut Runs, claims: &[Claim], seeds: &[i64]) {
    // A file may state a seed's score twice, under `seed_results` and under `runs`.
    let mut per_seed: BTreeMap<i64, Stated> = BTreeMap::new();
    for claim in claims.iter().filter(|claim| claim.field == Field::ValBpb) {
        if let Scope::Seed(seed) = claim.scope {
            per_seed.entry(seed).or_insert(claim.stated);
        }
    }
    if per_seed.is_empty() || per_seed.len() >= runs.official.len() {
        return;
    }
    let mut claimed = vec![false; runs.official.len()];
    for claim in per_seed.values() {
        let gives = |run: &RunLog| run.val_bpb.value().is_some_and(|measured| claim.agrees(measured));
        let found = (0..runs.official.len()).find(|index| !claimed[*index] && gives(&runs.official[*index]));
        match found {
            Some(index) => claimed[index] = true,
            None => return,
        }
    }
    let named_alone = |seed: i64| seeds.contains(&seed) && !per_seed.contains_key(&seed);
    for (run, claimed) in std::mem::take(&mut runs.official).into_iter().zip(claimed) {
        if claimed || run.seed.value().is_some_and(named_alone) {
            runs.official.push(run);
        } else {
            runs.others.push(OtherLog { run, why: NotCounted::NotClaimed });
        }
    }
}

/// Sets logs of other seeds aside where the headline covers the seeds that submission.json names, and not all logs.
pub(super) fn other_seeds(runs: &mut Runs, claims: &[Claim], seeds: &[i64]) {
    let Some(claim) = headline(claims) else { return };
    let named = |run: &RunLog| run.seed.value().is_none_or(|seed| seeds.contains(&seed));
    let scores = |runs: Vec<&RunLog>| runs.into_iter().filter_map(|run| run.val_bpb.value()).collect::<Vec<f64>>();
    let all = scores(runs.official.iter().collect());
    let of_named = scores(runs.official.iter().filter(|run| run.seed.is_some() && named(run)).collect());
    let is_mean = |scores: &[f64]| mean(scores).is_some_and(|mean| claim.agrees(mean));
    if is_mean(&all) || !is_mean(&of_named) {
        return;
    }
    for run in std::mem::take(&mut runs.official) {
        if named(&run) {
            runs.official.push(run);
        } else {
            runs.others.push(OtherLog { run, why: NotCounted::NotClaimed });
        }
    }
}

/// Sets logs of other data, of another length, or of the same seed with another script or other settings aside as other
/// experiments where the headline is the score of one log alone. Repeats of that experiment, also under another seed,
/// stay.
pub(super) fn other_experiments(runs: &mut Runs, claims: &[Claim], said: &[Lined<Stated>]) {
    let Some(claim) = headline(claims) else { return };
    let scores: Vec<f64> = runs.official.iter().filter_map(|run| run.val_bpb.value()).collect();
    if mean(&scores).is_some_and(|mean| claim.agrees(mean)) {
        return;
    }
    let gives = |run: &&RunLog| run.metric_lines.iter().any(|line| !line.diagnostic && claim.agrees(line.val_bpb));
    let mut claimed = runs.official.iter().filter(gives);
    let (Some(claimed), None) = (claimed.next().cloned(), claimed.next()) else { return };
    let together = counted_together(runs, said);
    for run in std::mem::take(&mut runs.official) {
        if same_experiment(&claimed, &run) && (together || !is_variant(&claimed, &run)) {
            runs.official.push(run);
        } else {
            runs.others.push(OtherLog { run, why: NotCounted::NotClaimed });
        }
    }
}

/// Keeps the best of several experiments where nothing is claimed.
pub(super) fn without_claims(runs: &mut Runs, claims: &[Claim], said: &[Lined<Stated>]) {
    if claims.iter().any(|claim| claim.field == Field::ValBpb) {
        return;
    }
    let scored = runs.official.iter().filter(|run| run.val_bpb.is_some());
    let best = scored
        .min_by(|a, b| a.val_bpb.value().partial_cmp(&b.val_bpb.value()).unwrap_or(std::cmp::Ordering::Equal))
        .cloned();
    let Some(best) = best else { return };
    let together = counted_together(runs, said);
    if runs.official.iter().all(|run| same_experiment(&best, run) && (together || !is_variant(&best, run))) {
        return;
    }
    for run in std::mem::take(&mut runs.official) {
        let another_of_its_seed =
            run.seed.value() == best.seed.value() && (&run.log, run.run_index) != (&best.log, best.run_index);
        if same_experiment(&best, &run) && !another_of_its_seed {
            runs.official.push(run);
        } else {
            runs.others.push(OtherLog { run, why: NotCounted::NotClaimed });
        }
    }
}

/// Tells whether two runs have the same validation data and the same target of steps; a fact that a log does not state
/// contradicts nothing.
fn same_experiment(a: &RunLog, b: &RunLog) -> bool {
    let agree = |a: Option<u64>, b: Option<u64>| a.is_none() || b.is_none() || a == b;
    let name = |run: &RunLog| run.dataset.text().and_then(|path| path.rsplit('/').next()).map(str::to_owned);
    let data = name(a).is_none() || name(b).is_none() || name(a) == name(b);
    data && agree(a.val_tokens.value(), b.val_tokens.value()) && agree(a.iterations.value(), b.iterations.value())
}

/// Tells whether README.md states the mean of all runs, or no number at all: whatever they differ in, they are counted
/// together.
fn counted_together(runs: &Runs, said: &[Lined<Stated>]) -> bool {
    if said.is_empty() {
        return true;
    }
    let scores: Vec<f64> = runs.official.iter().filter_map(|run| run.val_bpb.value()).collect();
    let states = |mean: f64| said.iter().any(|said| said.value.decimals >= TELLING_DIGITS && said.value.agrees(mean));
    scores.len() > 1 && mean(&scores).is_some_and(states)
}

/// Tells whether two runs of one seed are of another script or of other settings: neither repeats nor further seeds, but
/// a study of variants.
fn is_variant(claimed: &RunLog, run: &RunLog) -> bool {
    let same_seed = claimed.seed.is_some() && claimed.seed.value() == run.seed.value();
    let code = claimed.bytes_code.value().zip(run.bytes_code.value());
    let same_log = (&run.log, run.run_index) == (&claimed.log, claimed.run_index);
    same_seed && !same_log && (code.is_some_and(|(a, b)| a != b) || settings::differ(claimed, run))
}

/// Sets aside attempts without a score whose seed has a run with one, and trials: without a seed or a score, and trained
/// for less than half as long as a run with both.
pub(super) fn unfinished(runs: &mut Runs) {
    let finished: Vec<RunLog> = runs.official.iter().filter(|run| run.val_bpb.is_some()).cloned().collect();
    for run in std::mem::take(&mut runs.official) {
        let shorter = |other: &RunLog| {
            let seconds = run.train_seconds.value().zip(other.train_seconds.value());
            seconds.is_some_and(|(own, whole)| own < SHORT * whole)
        };
        let attempt = finished.iter().find(|other| run.val_bpb.is_none() && other.seed.value() == run.seed.value());
        let trial = || finished.iter().find(|other| run.val_bpb.is_none() && run.seed.is_none() && shorter(other));
        let why = match attempt {
            Some(other) => Some(NotCounted::Unfinished(other.log.clone())),
            None => trial().map(|other| NotCounted::Trial(other.log.clone())),
        };
        match why {
            Some(why) => runs.others.push(OtherLog { why, run }),
            None => runs.official.push(run),
        }
    }
}
