//! The known-entropy probe of a script.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use caddie_files::{Error, Result};
use caddie_folder::RunLog;
use caddie_probe::accounting::{self, Claim, Judged, Printed, Targets};
use caddie_probe::bytes::Counting;
use caddie_probe::evalue::{self, Verdict};
use caddie_probe::source::{HAZARD, Kind};

use super::corpus::{Draw, ScriptCorpus, VALIDATION};
use super::outcome::{ByteCount, Entropy, ProbeSubject, ProbeSubjectKind, Tried, TryOutcome, mean};
use super::tries::{self, Try};
use crate::rehearse::{self, EndedTrial, Prepared, ProbeTrial, RehearsalReport, Session};

/// Layers of the model at toy size; a script that does not run with so few is tried with its own number.
pub(super) const LAYERS: u64 = 3;

/// What is probed, and how.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// Script, settings, Python and walls. Its seeds are not used.
    pub rehearsal: rehearse::Options,
    pub sources: Vec<Kind>,
    /// Validation targets.
    pub targets: usize,
    /// Seed of the sources and of the script.
    pub seed: u64,
    /// Whether settings are searched in which a leak shows more.
    pub amplify: bool,
    /// Time for all tries; none is begun after it.
    pub budget: Duration,
}

/// Trains and scores a script on each source.
///
/// # Errors
/// When the script cannot be read, no Python can be found or made, or a wall cannot be put up.
pub fn entropy(options: &ProbeOptions, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Entropy> {
    let started = Instant::now();
    let session = Session::new(&options.rehearsal, tell)?;
    tell("making the corpus");
    let (root, prepared) = session.prepare(stop, tell)?;
    let settings = tries::tries(&prepared, options.amplify);
    let averaging = tries::averaging(&prepared.defaults);
    let planned = settings.len() * options.sources.len();
    let (mut tries, mut layers) = (Vec::new(), LAYERS);
    'search: for kind in &options.sources {
        tell(&format!("drawing from {kind}"));
        let corpus = ScriptCorpus::write(&root, &prepared.vocabulary, &draw(options, *kind))?;
        for setting in &settings {
            if started.elapsed() > options.budget || mean(&tries, planned) >= Some(evalue::PROVEN_NATS) {
                break 'search;
            }
            if idle(&tries, *kind, setting) {
                continue;
            }
            let one = One {
                session: &session,
                prepared: &prepared,
                root: &root,
                corpus: &corpus,
                setting,
                always: &averaging,
                seed: options.seed,
            };
            let name = format!("try-{}", tries.len() + 1);
            let mut tried = one.run(&name, layers, stop, tell)?;
            if layers > 0 && tries.is_empty() && failed(&tried) {
                // Some scripts name single layers in other settings.
                layers = 0;
                tried = one.run(&format!("{name}-again"), layers, stop, tell)?;
            }
            tries.push(tried);
        }
    }
    let log_e = mean(&tries, planned);
    Ok(Entropy {
        schema_version: 1,
        script: session.script.clone(),
        subject: subject(&session.script)?,
        seed: options.seed,
        steps: options.rehearsal.steps,
        tries,
        toy_settings: averaging,
        planned,
        log_e,
        log_p: log_e.map(evalue::log_p_bound),
        verdict: log_e.map_or(Verdict::NoEvidence, Verdict::of),
    })
}

/// The script by its digest.
pub(super) fn subject(script: &Utf8Path) -> Result<ProbeSubject> {
    let bytes = fs_err::read(script).map_err(Error::io(script, "reading"))?;
    Ok(ProbeSubject { kind: ProbeSubjectKind::Script, name: script.to_string(), sha256: caddie_format::sha256(&bytes) })
}

/// Whether these settings reach nothing: with other values of the same ones the script claimed what it claims without.
fn idle(tries: &[Tried], kind: Kind, setting: &Try) -> bool {
    let names = |settings: &[(String, String)]| settings.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let claim = |tried: &Tried| match &tried.outcome {
        TryOutcome::Scored { claim, .. } => Some(*claim),
        TryOutcome::NoScore { .. } => None,
    };
    let of =
        |wanted: &[String]| tries.iter().find(|t| t.source == kind && names(&t.settings) == wanted).and_then(claim);
    let wanted = names(&setting.exact);
    !wanted.is_empty() && of(&wanted).is_some() && of(&wanted) == of(&[])
}

/// The streams of a source that a script is trained and scored on.
pub(super) fn draw(options: &ProbeOptions, kind: Kind) -> Draw {
    // One pass at most over the training tokens, so that nothing of them can be memorized.
    let train_tokens = (u64::from(options.rehearsal.steps) + 8) * 8192;
    Draw {
        kind,
        seed: options.seed,
        validation: VALIDATION,
        targets: options.targets,
        train_tokens: train_tokens as usize,
        hazard: HAZARD,
    }
}

/// Whether the script stopped by an error. With more layers it would not be faster.
fn failed(tried: &Tried) -> bool {
    matches!(&tried.outcome, TryOutcome::NoScore { failure: Some(failure), .. } if failure.remedy != "time")
}

/// One run.
struct One<'a> {
    session: &'a Session<'a>,
    prepared: &'a Prepared,
    root: &'a Utf8Path,
    corpus: &'a ScriptCorpus,
    setting: &'a Try,
    /// Settings of every try.
    always: &'a [(String, String)],
    seed: u64,
}

impl One<'_> {
    fn run(&self, name: &str, layers: u64, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<Tried> {
        let sizes = tries::sizes(self.prepared, layers);
        let seed = i64::try_from(self.seed).unwrap_or(i64::MAX);
        let exact = [self.always, &self.setting.exact].concat();
        let trial = ProbeTrial { name, seed, corpus: self.root, sizes: &sizes, exact: &exact, losses: false };
        let EndedTrial { report, log, .. } = self.session.run(&trial, stop, tell)?;
        Ok(Tried {
            source: self.corpus.sidecar.kind,
            setting: self.setting.name.clone(),
            settings: self.setting.exact.clone(),
            layers: (layers > 0).then_some(layers),
            seconds: report.seconds,
            source_nats: self.corpus.sidecar.nats,
            targets: self.corpus.sidecar.targets,
            shard_sha256: self.corpus.sidecar.shard.sha256.clone(),
            running: Vec::new(),
            outcome: outcome(self.corpus, &report, log.as_ref()),
        })
    }
}

/// What a run's log claims, and what that proves.
fn outcome(corpus: &ScriptCorpus, report: &RehearsalReport, log: Option<&RunLog>) -> TryOutcome {
    let no_score = |reason: &str| TryOutcome::NoScore { reason: reason.to_owned(), failure: report.failure.clone() };
    if !report.reached_its_score() {
        return no_score("it stopped before its score");
    }
    let Some(log) = log else { return no_score("it left no log") };
    let Some(claim) = claim(log) else { return no_score("its log states no val_bpb that verify reads") };
    let (judged, bytes) = judge(corpus, &claim);
    let worst = judged.worst.as_ref();
    let smallest = worst.map(|worst| {
        evalue::smallest_provable(worst.source_nats, worst.claimed_nats, worst.slack, worst.scored as f64)
    });
    TryOutcome::Scored {
        metric: log.metric.as_ref().map(|metric| metric.value.clone()),
        claim,
        bytes,
        smallest_provable_leak: smallest,
        log_p: judged.log_e().map(evalue::log_p_bound),
        judged,
    }
}

/// The claim under the exact bytes, or else under the first known miscount that explains it.
fn judge(corpus: &ScriptCorpus, claim: &Claim) -> (Judged, ByteCount) {
    let under = |counting| {
        let bytes = corpus.bytes(&corpus.stream.tokens, counting);
        accounting::judge(claim, &Targets { nats: &corpus.stream.nats, bytes: &bytes })
    };
    let exact = under(Counting::Exact);
    if claim.val_loss.is_none() {
        return (exact, ByteCount::Unchecked);
    }
    if exact.plans > 0 {
        return (exact, ByteCount::Exact);
    }
    let explained = Counting::WRONG.into_iter().map(|counting| (under(counting), ByteCount::Wrong(counting)));
    explained.into_iter().find(|(judged, _)| judged.plans > 0).unwrap_or((exact, ByteCount::Unexplained))
}

/// The official score of a log, with the digits that it was printed with.
pub(super) fn claim(log: &RunLog) -> Option<Claim> {
    let decimals = log.decimals.unwrap_or(4);
    let val_bpb = Printed::with_decimals(log.val_bpb.as_ref()?.value, decimals);
    let val_loss =
        log.val_loss.as_ref().map(|loss| Printed::with_decimals(loss.value, decimals_of(loss.value, decimals)));
    Some(Claim { val_loss, val_bpb })
}

/// Digits after the point that a value shows, at most `most`. A zero at the end is not seen, so that this is never more
/// than what was printed.
fn decimals_of(value: f64, most: u32) -> u32 {
    let text = value.to_string();
    text.split_once('.').map_or(0, |(_, digits)| (digits.len() as u32).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_are_not_seen_are_not_assumed() {
        let digits = [(5.69, 4), (5.690_1, 4), (5.690_123_45, 8), (5.690_123_45, 4), (5.0, 4)];
        assert_eq!(digits.map(|(value, most)| decimals_of(value, most)), [2, 4, 8, 4, 0]);
    }
}
