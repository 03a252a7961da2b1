//! What a probe of a script showed.

use camino::Utf8PathBuf;
use serde::Serialize;

use caddie_probe::accounting::{Claim, Judged};
use caddie_probe::bytes::Counting;
use caddie_probe::evalue::{self, Verdict};
use caddie_probe::source::Kind;

use crate::rehearse::RehearsalFailure;

/// One run of the script on a source.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    pub source: Kind,
    /// The setting in words.
    pub setting: String,
    pub settings: Vec<(String, String)>,
    /// Layers that the model had at most; `None`: as many as the author chose.
    pub layers: Option<u64>,
    pub seconds: f64,
    /// L_P of the whole validation stream, nats, and its targets.
    pub source_nats: f64,
    pub targets: usize,
    /// SHA-256 of the validation shard.
    pub shard_sha256: String,
    /// ln E after each document, slack subtracted, where the nats of every document are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<f64>,
    pub outcome: TryOutcome,
}

/// What was probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeSubject {
    pub kind: ProbeSubjectKind,
    /// Its path, or a recipe's name.
    pub name: String,
    /// Of the script's file, of the resolved recipe as TOML, or of the model file.
    pub sha256: String,
}

/// The kind of what was probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeSubjectKind {
    Script,
    Recipe,
    Model,
}

/// What a run showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum TryOutcome {
    /// It did not come to a score that the reader of `verify` understands.
    NoScore { reason: String, failure: Option<RehearsalFailure> },
    /// It claimed a score.
    Scored {
        metric: Option<String>,
        claim: Claim,
        judged: Judged,
        bytes: ByteCount,
        /// Nats a target; `None` where the number of scored targets is not known.
        smallest_provable_leak: Option<f64>,
        /// Upper bound on ln p.
        log_p: Option<f64>,
    },
}

/// What the printed tokens per byte say of how bytes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ByteCount {
    /// They fit the exact bytes.
    Exact,
    /// They fit a known miscount instead.
    Wrong(Counting),
    /// They fit no count that is known: which targets were scored is open.
    Unexplained,
    /// The script prints no nats per token to compare with.
    Unchecked,
}

/// What the probe showed.
#[derive(Debug, Clone, Serialize)]
pub struct Entropy {
    pub schema_version: u32,
    /// The name of what was probed.
    pub script: Utf8PathBuf,
    pub subject: ProbeSubject,
    pub seed: u64,
    pub steps: u32,
    pub tries: Vec<Tried>,
    /// Settings that every try has for the sake of the toy size.
    pub toy_settings: Vec<(String, String)>,
    /// Tries that were planned. Those that were not begun, because the time was over or the earlier ones had proven enough,
    /// count as e-values of 0, as do those that came to no score.
    pub planned: usize,
    /// ln of the mean of the e-values of all planned tries; `None` where none came to one.
    pub log_e: Option<f64>,
    /// Upper bound on ln p.
    pub log_p: Option<f64>,
    pub verdict: Verdict,
}

/// The log of the mean e-value of tries, of which `planned` were planned.
pub(super) fn mean(tries: &[Tried], planned: usize) -> Option<f64> {
    let log_es: Vec<f64> = tries.iter().filter_map(Tried::log_e).collect();
    (!log_es.is_empty()).then(|| evalue::average(&log_es, planned))
}

impl Tried {
    /// The log e-value of this run.
    pub fn log_e(&self) -> Option<f64> {
        match &self.outcome {
            TryOutcome::Scored { judged, .. } => judged.log_e(),
            TryOutcome::NoScore { .. } => None,
        }
    }

    /// A known way of counting bytes wrongly that explains what was printed.
    pub fn miscount(&self) -> Option<Counting> {
        match &self.outcome {
            TryOutcome::Scored { bytes: ByteCount::Wrong(counting), .. } => Some(*counting),
            _ => None,
        }
    }
}

impl Entropy {
    /// Whether a leak is proven or bytes are miscounted.
    pub fn found(&self) -> bool {
        self.verdict == Verdict::LeakProven || self.tries.iter().any(|tried| tried.miscount().is_some())
    }
}
