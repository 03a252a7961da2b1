//! Which of a folder's logs are the runs that the submission is about.

use camino::{Utf8Path, Utf8PathBuf};

use super::claim::{Claim, Field, Scope};
use super::files::sha256;
use super::metric;
use super::number::Stated;
use super::run_log::RunLog;

/// The runs of a submission, and the logs of its folder that are not among them.
#[derive(Debug, Default)]
pub struct Runs {
    /// In order of their file names.
    pub official: Vec<RunLog>,
    pub others: Vec<OtherLog>,
    /// Files named `*.log` in which nothing is understood as a run: driver summaries, set-up output.
    pub not_logs: Vec<Utf8PathBuf>,
    /// Runs whose claim is another metric line than the official one: the log, the official name and its val_bpb.
    pub reread: Vec<(Utf8PathBuf, String, f64)>,
}

/// A log that is not counted as a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLog {
    pub log: Utf8PathBuf,
    /// The same bytes as this log.
    pub copy_of: Option<Utf8PathBuf>,
    /// The log of the same seed that gives the claimed score.
    pub claimed_in: Option<Utf8PathBuf>,
}

/// Sorts the logs of the folder at `root` by what `claims` say about their seeds.
pub(super) fn select(root: &Utf8Path, logs: Vec<RunLog>, claims: &[Claim]) -> Runs {
    let mut runs = Runs::default();
    for mut log in logs {
        if let Some(original) = runs.official.iter().find(|kept| same_bytes(root, kept, &log)) {
            runs.others.push(OtherLog { log: log.log, copy_of: Some(original.log.clone()), claimed_in: None });
            continue;
        }
        if let Some(claim) = log.seed.and_then(|seed| score_claim(claims, seed)) {
            reread(&mut log, claim, &mut runs.reread);
        }
        runs.official.push(log);
    }
    set_aside_reruns(&mut runs, claims);
    runs
}

fn score_claim(claims: &[Claim], seed: i64) -> Option<Stated> {
    let of_seed = |claim: &&Claim| claim.field == Field::ValBpb && claim.scope == Scope::Seed(seed);
    claims.iter().find(of_seed).map(|claim| claim.stated)
}

/// Same facts first, then the same bytes: hashing every log of a folder would cost more than reading it.
fn same_bytes(root: &Utf8Path, a: &RunLog, b: &RunLog) -> bool {
    let facts = |run: &RunLog| (run.seed, run.val_bpb, run.train_seconds, run.steps, run.bytes_total);
    let digest = |run: &RunLog| sha256(&root.join(&run.log)).ok();
    facts(a) == facts(b) && a.lines == b.lines && digest(a).is_some_and(|digest_a| digest(b) == Some(digest_a))
}

/// Where a seed's claimed score is another metric line of its log, the claim is about that line. A native run is
/// exempt: its ledger says which line is its score.
fn reread(log: &mut RunLog, claim: Stated, reread: &mut Vec<(Utf8PathBuf, String, f64)>) {
    let (Some(name), Some(official)) = (log.metric.clone(), log.val_bpb) else { return };
    if log.ledger_sha256.is_some() || claim.agrees(official) {
        return;
    }
    let meant = log.metric_lines.iter().rposition(|line| !line.diagnostic && claim.agrees(line.val_bpb));
    if let Some(index) = meant {
        reread.push((log.log.clone(), name, official));
        metric::choose(log, index);
    }
}

/// Of several logs with one seed, the one that gives the seed's claimed score is the run.
fn set_aside_reruns(runs: &mut Runs, claims: &[Claim]) {
    let gives_claim = |run: &RunLog| {
        let claim = run.seed.and_then(|seed| score_claim(claims, seed));
        claim.zip(run.val_bpb).is_some_and(|(claim, measured)| claim.agrees(measured))
    };
    let winners: Vec<(Option<i64>, Utf8PathBuf)> =
        runs.official.iter().filter(|run| gives_claim(run)).map(|run| (run.seed, run.log.clone())).collect();
    let mut kept = Vec::new();
    for run in std::mem::take(&mut runs.official) {
        let winner = winners.iter().find(|(seed, _)| *seed == run.seed && run.seed.is_some());
        match winner {
            Some((_, log)) if *log != run.log && !gives_claim(&run) => {
                runs.others.push(OtherLog { log: run.log, copy_of: None, claimed_in: Some(log.clone()) });
            }
            _ => kept.push(run),
        }
    }
    runs.official = kept;
}
