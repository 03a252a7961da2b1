//! Identification of a claimed number: the run, or the statistic over the runs, that it is.

use serde_json::{Value, json};

use super::chosen::one_run_a_seed;
use super::deviation::form;
use crate::checks::Context;
use caddie_folder::{Claim, Fact, Field, RunLog, Scope, Stated, Submission};
use caddie_rulebook::stats::{mean, sample_std};

/// The values of one field that a claim over the runs can be compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub values: Vec<f64>,
    /// True if the values are submission.json's own per seed, because not every claimed seed has a log.
    pub claimed: bool,
    /// One unit of the last digit that every log prints.
    pub unit: f64,
}

impl Sample {
    /// Sample standard deviation.
    pub fn std(&self) -> Option<f64> {
        sample_std(&self.values)
    }

    /// Tells whether the deviation is `std` up to the rounding of the values that it was computed from.
    pub fn is_near(&self, stated: Stated, std: f64) -> bool {
        (stated.value - std).abs() <= if self.claimed { std * 0.01 } else { self.unit / 2.0 }
    }

    /// Names the source of the values, for messages.
    pub fn source(&self) -> &'static str {
        if self.claimed { "claimed seeds" } else { "logs" }
    }
}

/// Returns the scores: those of the logs, unless more seeds are claimed than have logs.
pub fn sample(context: &Context<'_>) -> Sample {
    sample_of(context, Field::ValBpb)
}

pub(super) fn sample_of(context: &Context<'_>, field: Field) -> Sample {
    let headline = context.folder.metadata().and_then(|metadata| metadata.headline());
    let chosen = headline.and_then(|claim| one_run_a_seed(context.runs(), claim.stated));
    let runs = chosen.unwrap_or_else(|| context.runs().iter().collect());
    let logged: Vec<f64> = runs.into_iter().filter_map(|run| field.of(run)).collect();
    let claimed = context.folder.metadata().map(|metadata| metadata.by_seed(field)).unwrap_or_default();
    if claimed.len() > logged.len() {
        let values = claimed.iter().map(|(_, claim)| claim.stated.value).collect();
        return Sample { values, claimed: true, unit: 0.0 };
    }
    let decimals = context.runs().iter().filter_map(|run| run.decimals).min().unwrap_or(8);
    Sample { values: logged, claimed: false, unit: 10f64.powi(-(decimals.min(10) as i32)) }
}

/// The statistic over the runs that a number is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statistic<'a> {
    Max,
    Mean,
    Run(&'a RunLog),
}

/// Finds the statistic of `field` that `stated` is; of several that fit, the largest run's value, then the mean, then
/// one run's.
pub(super) fn statistic(runs: &[RunLog], field: Field, stated: Stated) -> Option<Statistic<'_>> {
    let values: Vec<f64> = runs.iter().filter_map(|run| field.of(run)).collect();
    let of_one_run = || runs.iter().find(|run| field.of(run).is_some_and(|value| stated.agrees(value)));
    let (max, mean) = (values.iter().copied().reduce(f64::max)?, mean(&values)?);
    if values.len() > 1 && field != Field::ValBpb && stated.agrees(max) {
        Some(Statistic::Max)
    } else if values.len() > 1 && stated.agrees(mean) {
        Some(Statistic::Mean)
    } else {
        of_one_run().map(Statistic::Run)
    }
}

/// Describes the claims of submission.json and README.md by the logs: `aggregation` (`mean`, `best`, `single`), and
/// under `statistics` the statistic that each number is. Null where a number is none of the logs' statistics.
pub fn reading(context: &Context<'_>, metadata: &Submission) -> (Value, Value) {
    let runs = context.runs();
    let headline = metadata.headline();
    let of_score = headline.and_then(|claim| score_statistic(context, claim));
    let best = runs.iter().filter_map(|run| run.val_bpb.value()).reduce(f64::min);
    let aggregation = of_score.as_ref().map(|statistic| match statistic {
        Statistic::Run(_) if runs.len() < 2 => "single",
        Statistic::Run(run) if run.val_bpb.value() == best => "best",
        Statistic::Run(_) => "single",
        Statistic::Mean | Statistic::Max => "mean",
    });
    let scores = sample(context);
    let of_std = |claim: &Claim| form(claim.stated, scores.std()?, scores.values.len()).name();
    let bytes = metadata.claim(Field::BytesTotal, Scope::Whole);
    let bytes = bytes.and_then(|claim| statistic(runs, Field::BytesTotal, claim.stated));
    let readme = context.folder.readme.as_ref();
    let readme_std = readme.and_then(|readme| {
        let prose = readme.headline.iter().chain(&readme.prose).find(|claim| claim.field == Field::ValBpbStd).cloned();
        prose.or_else(|| readme.claims().into_iter().find(|claim| claim.field == Field::ValBpbStd))
    });
    let statistics = json!({
        "val_bpb": of_score.as_ref().map(describe),
        "val_bpb_std": metadata.claim(Field::ValBpbStd, Scope::Whole).and_then(of_std),
        "bytes_total": bytes.as_ref().map(describe),
        "readme_val_bpb_std": readme_std.as_ref().and_then(of_std),
    });
    (json!(aggregation), statistics)
}

/// Finds a statistic as [`statistic`] does, with the mean of rounded seed values too, which may be off in the last
/// digit.
fn score_statistic<'a>(context: &Context<'a>, claim: &Claim) -> Option<Statistic<'a>> {
    let runs = context.runs();
    let values: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
    let rounded = || (values.len() > 1).then(|| mean(&values)).flatten().filter(|mean| claim.stated.near(*mean));
    statistic(runs, Field::ValBpb, claim.stated).or_else(|| rounded().map(|_| Statistic::Mean))
}

fn describe(statistic: &Statistic<'_>) -> String {
    match statistic {
        Statistic::Max => "max".to_owned(),
        Statistic::Mean => "mean".to_owned(),
        Statistic::Run(run) => match run.seed.value() {
            Some(seed) => format!("seed {seed} ({})", run.log),
            None => run.log.to_string(),
        },
    }
}
