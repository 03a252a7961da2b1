//! Choice of the logs that are the runs of the submission, among all of a folder's logs.

mod aside;
mod join;

use camino::{Utf8Path, Utf8PathBuf};

use super::claim::{Claim, Field, Scope};
use super::logged::{Fact, Lined};
use super::metric;
use super::number::Stated;
use super::run_log::RunLog;
use caddie_files::sha256;
use caddie_rulebook::stats::mean;

/// The runs of a submission, and the logs of its folder that are not among them.
#[derive(Debug, Default)]
pub struct Runs {
    /// Runs in order of their seeds, then of their file names.
    pub official: Vec<RunLog>,
    pub others: Vec<OtherLog>,
    /// Files named `*.log` in which nothing is understood as a run: driver summaries, set-up output.
    pub not_logs: Vec<Utf8PathBuf>,
    /// Logs that hold more runs than are kept, the number left out, and the line on which the first of them begins.
    pub dropped: Vec<(Utf8PathBuf, Lined<u64>)>,
    /// Runs whose claim is another metric line than the official one: the log, the official name and its val_bpb.
    pub reread: Vec<(Utf8PathBuf, String, f64)>,
}

/// A log that is not counted as a run.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherLog {
    pub run: RunLog,
    pub why: NotCounted,
}

/// The reason why a log is not counted as a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCounted {
    /// It has the same bytes as this log.
    CopyOf(Utf8PathBuf),
    /// This log prints the same run, to the last digit of its score and its clocks.
    PrintedIn(Utf8PathBuf),
    /// The other log of its seed gives the claimed score.
    ClaimedIn(Utf8PathBuf),
    /// Every claimed seed has its score in other logs.
    NotClaimed,
    /// The file holds another run, which is counted.
    OtherRunInFile,
    /// This word of its name says that it is not the submission's, and it gives no claimed score.
    NamedOtherwise(String),
    /// It states no score, and this log of the same seed does.
    Unfinished(Utf8PathBuf),
    /// It states neither seed nor score, and trained for less than half as long as this log's run.
    Trial(Utf8PathBuf),
}

/// Sorts the runs of the folder at `root` by the scores in `claims`, by the seeds that submission.json names, and by the
/// numbers that README.md `said`.
pub(super) fn select(
    root: &Utf8Path,
    logs: Vec<RunLog>,
    claims: &[Claim],
    seeds: &[i64],
    said: &[Lined<Stated>],
) -> Runs {
    let mut runs = Runs::default();
    for mut log in one_a_file(logs, claims, &mut runs.others) {
        if let Some(original) = runs.official.iter_mut().find(|kept| same_run(root, kept, &log)) {
            let copied = same_bytes(root, original, &log);
            // `train.log` beside `train_seed1337.log`: the name that says more is kept.
            if log.log.as_str().contains("seed") && !original.log.as_str().contains("seed") {
                std::mem::swap(original, &mut log);
            }
            let printed = original.log.clone();
            let why = if copied { NotCounted::CopyOf(printed) } else { NotCounted::PrintedIn(printed) };
            runs.others.push(OtherLog { run: log, why });
            continue;
        }
        runs.official.push(log);
    }
    join::evaluations(&mut runs, claims);
    for log in &mut runs.official {
        if let Some(claim) = log.seed.value().and_then(|seed| score_claim(claims, Scope::Seed(seed))) {
            reread_by_seed(log, claim, &mut runs.reread);
        }
    }
    aside::named_otherwise(&mut runs, claims);
    aside::reruns(&mut runs, claims);
    aside::unclaimed(&mut runs, claims, seeds);
    aside::other_seeds(&mut runs, claims, seeds);
    aside::other_experiments(&mut runs, claims, said);
    aside::without_claims(&mut runs, claims, said);
    aside::unfinished(&mut runs);
    reread_by_headline(&mut runs, claims);
    validated_on_the_way(&mut runs, claims);
    // The files come in order of their names, and the sort keeps that among equal seeds.
    runs.official.sort_by_key(|run| run.seed.value());
    runs
}

/// Keeps one of several runs of one seed in one file: the one whose score is claimed, else the last that has a score.
fn one_a_file(logs: Vec<RunLog>, claims: &[Claim], others: &mut Vec<OtherLog>) -> Vec<RunLog> {
    let mut kept: Vec<RunLog> = Vec::new();
    let is_of_a_seed = |run: &RunLog| {
        let mut scores =
            claims.iter().filter(|claim| claim.field == Field::ValBpb && matches!(claim.scope, Scope::Seed(_)));
        run.is_eval_only() && run.val_bpb.value().is_some_and(|bpb| scores.any(|claim| claim.stated.agrees(bpb)))
    };
    for run in logs {
        let rival = kept.iter_mut().find(|other| other.log == run.log && other.seed.value() == run.seed.value());
        // One file of the evaluations of several models, whose settings name one seed.
        let rival = rival.filter(|rival| {
            !(is_of_a_seed(rival) && is_of_a_seed(&run) && rival.val_bpb.value() != run.val_bpb.value())
        });
        // An evaluation alone belongs to the training above it, which is not its rival.
        let Some(rival) = rival.filter(|rival| rival.is_eval_only() == run.is_eval_only()) else {
            kept.push(run);
            continue;
        };
        let claim =
            run.seed.value().and_then(|seed| score_claim(claims, Scope::Seed(seed))).or_else(|| headline(claims));
        let rank = |run: &RunLog| {
            let claimed = claim.is_some_and(|claim| {
                run.metric_lines.iter().any(|line| !line.diagnostic && claim.agrees(line.val_bpb))
            });
            (claimed, run.val_bpb.is_some())
        };
        let loser = if rank(&run) >= rank(rival) { std::mem::replace(rival, run) } else { run };
        others.push(OtherLog { run: loser, why: NotCounted::OtherRunInFile });
    }
    kept
}

/// Returns the score that is claimed for the whole submission.
fn headline(claims: &[Claim]) -> Option<Stated> {
    score_claim(claims, Scope::Whole).or_else(|| score_claim(claims, Scope::Mean))
}

fn score_claim(claims: &[Claim], scope: Scope) -> Option<Stated> {
    claims.iter().find(|claim| claim.field == Field::ValBpb && claim.scope == scope).map(|claim| claim.stated)
}

/// Tells whether two files print one run: no two runs share every digit of their scores and clocks. Without scores and
/// clocks only equal bytes tell, and hashing every log of a folder would cost more than reading it.
fn same_run(root: &Utf8Path, a: &RunLog, b: &RunLog) -> bool {
    let score = |run: &RunLog| (run.seed.value(), run.val_bpb.value(), run.bytes_total.value());
    let clock = |run: &RunLog| (run.train_seconds.value(), run.eval_seconds.value(), run.steps.value());
    let facts = |run: &RunLog| (score(run), clock(run));
    let telling = a.val_bpb.is_some() && a.train_seconds.is_some();
    a.log != b.log && facts(a) == facts(b) && (telling || a.span == b.span && same_bytes(root, a, b))
}

/// Tells whether two files are byte for byte the same.
fn same_bytes(root: &Utf8Path, a: &RunLog, b: &RunLog) -> bool {
    let digest = |run: &RunLog| sha256(&root.join(&run.log)).ok();
    digest(a).is_some_and(|digest_a| digest(b) == Some(digest_a))
}

/// Makes the line at `index` the run's score. A native run is exempt, because its ledger says which line is its score.
fn reread(run: &mut RunLog, index: usize, reread: &mut Vec<(Utf8PathBuf, String, f64)>) {
    let (Some(name), Some(official)) = (run.metric.text().map(str::to_owned), run.val_bpb.value()) else { return };
    if run.ledger_sha256.is_none() {
        reread.push((run.log.clone(), name, official));
        metric::choose(run, index);
    }
}

/// Chooses another metric line as the run's score where the score that is claimed for its seed is on that line.
fn reread_by_seed(log: &mut RunLog, claim: Stated, done: &mut Vec<(Utf8PathBuf, String, f64)>) {
    if log.val_bpb.value().is_none_or(|official| claim.agrees(official)) {
        return;
    }
    let meant = log.metric_lines.iter().rposition(|line| !line.diagnostic && claim.agrees(line.val_bpb));
    if let Some(index) = meant {
        reread(log, index, done);
    }
}

/// Chooses another metric by the headline, where no scores per seed are claimed. If the headline is neither the
/// official mean nor an official score, but that of another metric which every run has, the submission is about that
/// metric.
fn reread_by_headline(runs: &mut Runs, claims: &[Claim]) {
    let per_seed = claims.iter().any(|claim| claim.field == Field::ValBpb && matches!(claim.scope, Scope::Seed(_)));
    let Some(claim) = headline(claims).filter(|_| !per_seed) else { return };
    let matches = |scores: &[f64]| scores.iter().chain(&mean(scores)).any(|score| claim.agrees(*score));
    let official: Vec<f64> = runs.official.iter().filter_map(|run| run.val_bpb.value()).collect();
    if matches(&official) {
        return;
    }
    // Of one run, any of its lines may be meant, also one whose name is used twice.
    if let [run] = runs.official.as_mut_slice() {
        return reread_by_seed(run, claim, &mut runs.reread);
    }
    let first = runs.official.first().map(|run| run.metric_lines.as_slice()).unwrap_or_default();
    let names: Vec<String> = first.iter().filter(|line| !line.diagnostic).map(|line| line.name.clone()).collect();
    let last = |run: &RunLog, name: &str| run.metric_lines.iter().rposition(|line| line.name == name);
    for name in names.iter().rev() {
        let lines: Option<Vec<usize>> = runs.official.iter().map(|run| last(run, name)).collect();
        let Some(lines) = lines else { continue };
        let scores: Vec<f64> =
            runs.official.iter().zip(&lines).map(|(run, index)| run.metric_lines[*index].val_bpb).collect();
        if matches(&scores) {
            for (run, index) in runs.official.iter_mut().zip(lines) {
                reread(run, index, &mut runs.reread);
            }
            return;
        }
    }
}

/// Uses the last validation in training as the score of a run that ends without a metric of its artifact, where that is
/// the claimed score; the metric's name says so.
fn validated_on_the_way(runs: &mut Runs, claims: &[Claim]) {
    for run in runs.official.iter_mut().filter(|run| run.val_bpb.is_none()) {
        let claim =
            run.seed.value().and_then(|seed| score_claim(claims, Scope::Seed(seed))).or_else(|| headline(claims));
        let claimed = claim.zip(run.pre_quant_val_bpb.value()).is_some_and(|(claim, measured)| claim.agrees(measured));
        if claimed {
            run.metric = run.pre_quant_val_bpb.map(|last| last.map(|_| metric::IN_TRAINING.to_owned()));
            run.val_bpb = run.pre_quant_val_bpb;
            run.val_loss = run.pre_quant_val_loss;
        }
    }
}

#[cfg(test)]
mod tests;
