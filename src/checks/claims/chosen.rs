//! Claims that count one log of a seed that has several.

use std::collections::BTreeMap;

use caddie_folder::{Fact, RunLog, Stated};
use caddie_rulebook::stats::mean;

/// Choices that are tried.
const MAX_CHOICES: usize = 1_000;

/// Finds the runs, one a seed, whose mean score is the claim. `None` where no seed has several runs, where the mean of all runs is
/// the claim as well, or where no choice gives it.
pub(in crate::checks) fn one_run_a_seed(runs: &[RunLog], claim: Stated) -> Option<Vec<&RunLog>> {
    let mut by_seed: BTreeMap<i64, Vec<(&RunLog, f64)>> = BTreeMap::new();
    for run in runs {
        by_seed.entry(run.seed.value()?).or_default().push((run, run.val_bpb.value()?));
    }
    let choices = by_seed.values().try_fold(1_usize, |all, same| all.checked_mul(same.len()))?;
    if by_seed.len() < 2 || !(2..=MAX_CHOICES).contains(&choices) {
        return None;
    }
    let all: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
    if mean(&all).is_some_and(|mean| claim.near(mean)) {
        return None;
    }
    (0..choices).find_map(|mut choice| {
        let taken: Vec<(&RunLog, f64)> = by_seed
            .values()
            .filter_map(|same| {
                let at = choice % same.len();
                choice /= same.len();
                same.get(at).copied()
            })
            .collect();
        let scores: Vec<f64> = taken.iter().map(|(_, score)| *score).collect();
        claim.agrees(mean(&scores)?).then(|| taken.into_iter().map(|(run, _)| run).collect())
    })
}
