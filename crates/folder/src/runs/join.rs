//! Logs of separate evaluations: the score of a model that another log trained.

use super::{NotCounted, OtherLog, Runs, headline, score_claim};
use crate::claim::{Claim, Scope};
use crate::logged::{Fact, Log, Logged};
use crate::number::Stated;
use crate::run_log::{MetricLine, RunLog};
use caddie_rulebook::stats::mean;

/// Joins each evaluation to the training of its seed, where its score is the claimed one or the only one; an
/// evaluation that is neither is another log of that seed.
pub(super) fn evaluations(runs: &mut Runs, claims: &[Claim]) {
    let (evaluations, mut trainings): (Vec<_>, Vec<_>) =
        std::mem::take(&mut runs.official).into_iter().partition(RunLog::is_eval_only);
    let by_headline = evaluations_are_the_headline(&trainings, &evaluations, headline(claims));
    for evaluation in evaluations {
        let Some(training) = training_of(&trainings, &evaluation, claims).and_then(|at| trainings.get_mut(at)) else {
            runs.official.push(evaluation);
            continue;
        };
        let claim = training.seed.value().and_then(|seed| score_claim(claims, Scope::Seed(seed)));
        let gives = |run: &RunLog, claim: Stated| run.val_bpb.value().is_some_and(|measured| claim.agrees(measured));
        let claimed = match claim {
            Some(claim) => gives(&evaluation, claim) && !gives(training, claim),
            None => by_headline,
        };
        if training.score_log.is_none() && (claimed || training.val_bpb.is_none()) {
            join(training, evaluation);
        } else {
            let why = NotCounted::ClaimedIn(training.log.clone());
            runs.others.push(OtherLog { run: evaluation, why });
        }
    }
    runs.official.append(&mut trainings);
    runs.official.sort_by(|a, b| a.log.cmp(&b.log).then(a.run_index.cmp(&b.run_index)));
}

/// Finds the training whose model was evaluated: the one without a score whose claimed score this is, because the
/// settings of an evaluation may name any seed; else the one of its seed.
fn training_of(trainings: &[RunLog], evaluation: &RunLog, claims: &[Claim]) -> Option<usize> {
    let by_claim = |run: &RunLog| {
        let claim = run.seed.value().and_then(|seed| score_claim(claims, Scope::Seed(seed)));
        run.val_bpb.is_none() && claim.zip(evaluation.val_bpb.value()).is_some_and(|(claim, bpb)| claim.agrees(bpb))
    };
    let by_seed = |run: &RunLog| run.seed.is_some() && run.seed.value() == evaluation.seed.value();
    trainings.iter().position(by_claim).or_else(|| trainings.iter().position(by_seed))
}

/// Tells whether the headline is the mean, or one, of the evaluations' scores, and not of the trainings'.
fn evaluations_are_the_headline(trainings: &[RunLog], evaluations: &[RunLog], claim: Option<Stated>) -> bool {
    let states = |runs: &[RunLog]| {
        let scores: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
        claim.is_some_and(|claim| scores.iter().chain(&mean(&scores)).any(|score| claim.agrees(*score)))
    };
    states(evaluations) && !states(trainings)
}

/// Joins both logs to one run: the training from the one, the score from the other; the size from the other where that
/// states it, else from the one.
fn join(training: &mut RunLog, evaluation: RunLog) {
    let own = training.val_bpb.map(|own| own.line);
    training.superseded = training.metric_lines.iter().find(|line| Some(line.line) == own).cloned();
    // What was scored is what counts: an evaluation that packs the model again states the sizes of its own artifact.
    if evaluation.bytes_total.is_some() {
        training.bytes_total = moved(evaluation.bytes_total);
        training.bytes_total_label = moved(evaluation.bytes_total_label);
        training.bytes_model = moved(evaluation.bytes_model);
        training.bytes_model_label = moved(evaluation.bytes_model_label);
        training.bytes_code = moved(evaluation.bytes_code);
        training.bytes_code_uncompressed = moved(evaluation.bytes_code_uncompressed);
    }
    training.score_log = Some(evaluation.log);
    training.metric = moved(evaluation.metric);
    training.val_bpb = moved(evaluation.val_bpb);
    training.val_loss = moved(evaluation.val_loss);
    training.decimals = evaluation.decimals;
    let lines = evaluation.metric_lines.into_iter().map(|line| MetricLine { log: Log::Score, ..line });
    training.metric_lines = lines.collect();
    training.eval_seconds = moved(evaluation.eval_seconds);
    training.eval_warmup_seconds = moved(evaluation.eval_warmup_seconds);
    training.eval_wall_seconds = moved(evaluation.eval_wall_seconds);
    training.eval_stamped_seconds = moved(evaluation.eval_stamped_seconds);
    training.ledger_sha256 = moved(evaluation.ledger_sha256).or_else(|| training.ledger_sha256.take());
}

/// Moves a fact of the evaluation's own log, which is the score log of the joined run.
fn moved<T>(fact: Option<Logged<T>>) -> Option<Logged<T>> {
    fact.map(Logged::in_score_log)
}
