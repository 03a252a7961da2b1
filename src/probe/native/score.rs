//! What the engine scores on a source, as a claim and its e-value.

use caddie_engine::Recipe;
use caddie_engine::device::Device;
use caddie_engine::evaluate::Totals;
use caddie_engine::evaluate::file::{FileJob, Loaded};
use caddie_engine::log::Observer;
use caddie_format::ledger::LedgerRow;
use caddie_probe::accounting::{Claim, Judged, Plan, Printed, Weighed, tokens_per_byte};
use caddie_probe::bytes::Counting;
use caddie_probe::evalue::{self, SLACK_PER_TARGET};
use camino::Utf8Path;

use super::super::corpus::WrittenSource;
use super::super::ledger::running;
use super::super::outcome::{ByteCount, TryOutcome};
use crate::Result;

/// The request to score a model file, or a checkpoint with its recipe, on the shard at `data`.
pub(super) fn job(
    model: &Utf8Path,
    recipe: Option<&Recipe>,
    data: &Utf8Path,
    device: Device,
    overrides: Vec<String>,
) -> FileJob<'static> {
    FileJob {
        model: model.into(),
        recipe: recipe.cloned(),
        overrides,
        data: data.into(),
        mode: None,
        device,
        stop: crate::stop::flag(),
    }
}

/// A finished score.
pub(super) struct EngineScore {
    pub(super) metric: String,
    pub(super) rows: Vec<LedgerRow>,
}

impl EngineScore {
    /// Scores by the evaluator that gives the recipe's score.
    ///
    /// # Errors
    /// When the model or the data cannot be used, or a target has no score.
    pub(super) fn of(job: &FileJob<'_>, observer: &mut dyn Observer) -> Result<EngineScore> {
        let loaded: Loaded = job.load()?;
        let (score, _) = loaded.score(None, job.stop, observer)?;
        Ok(EngineScore { metric: loaded.metric_name(), rows: score.rows })
    }
}

/// The claim with what it proves, and ln E after each document.
///
/// # Errors
/// When the rows are not of the source's documents: the reason.
pub(super) fn outcome(
    scored: &EngineScore,
    source: &WrittenSource,
) -> std::result::Result<(TryOutcome, Vec<f64>), String> {
    let sidecar = &source.sidecar;
    let running = running(&scored.rows, &sidecar.documents)?;
    let totals = Totals::of(&scored.rows);
    let slack = SLACK_PER_TARGET * totals.tokens as f64;
    let worst = Weighed {
        plan: Plan::Once,
        scored: sidecar.targets,
        source_nats: sidecar.nats,
        claimed_nats: totals.nats,
        slack,
        log_e: evalue::log_e(sidecar.nats, totals.nats, slack),
    };
    let exact: f64 = source.bytes(Counting::Exact).into_iter().map(f64::from).sum();
    let (val_loss, val_bpb) = (totals.val_loss(), totals.val_bpb());
    let judged = Judged {
        worst: Some(worst),
        plans: 1,
        printed_tokens_per_byte: Some(tokens_per_byte(val_loss, val_bpb)),
        tokens_per_byte: totals.tokens as f64 / exact,
    };
    let printed = |value| Printed { value, half_unit: 0.0 };
    let outcome = TryOutcome::Scored {
        metric: Some(scored.metric.clone()),
        claim: Claim { val_loss: Some(printed(val_loss)), val_bpb: printed(val_bpb) },
        bytes: if totals.bytes as f64 == exact { ByteCount::Exact } else { ByteCount::Unexplained },
        smallest_provable_leak: Some(evalue::smallest_provable(sidecar.nats, totals.nats, slack, totals.tokens as f64)),
        log_p: judged.log_e().map(evalue::log_p_bound),
        judged,
    };
    Ok((outcome, running))
}
