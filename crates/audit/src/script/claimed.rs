//! Finds the run that a folder's score is claimed for, its configuration, and the line of its log that states the
//! score.

use std::collections::HashMap;

use camino::Utf8PathBuf;

use super::{Config, Said};
use crate::printed;
use caddie_folder::{Claim, Fact, Field, Folder, RunLog, Scope};

/// Digits of a score that is found in a log by no chance.
const TELLING_DIGITS: i32 = 4;
/// Logs that are looked through.
const MAX_LOGS: usize = 6;

/// Claims that are compared with the runs.
const MAX_CLAIMS: usize = 200;

fn claims(folder: &Folder) -> &[Claim] {
    let claims = folder.metadata().map(|metadata| metadata.claims.as_slice()).unwrap_or_default();
    claims.get(..MAX_CLAIMS).unwrap_or(claims)
}

/// Returns the run whose configuration counts: the one that agrees with most of submission.json, or the first of
/// several. Logs of an earlier state may lie beside it.
pub fn run(folder: &Folder) -> Option<&RunLog> {
    let claims = claims(folder);
    let agreeing = |run: &RunLog| {
        let of_it = claims.iter().filter(|claim| match claim.scope {
            Scope::Seed(seed) => run.seed.value() == Some(seed),
            Scope::Mean | Scope::Max | Scope::Whole => true,
        });
        of_it.filter(|claim| claim.is_of(run)).count()
    };
    folder.runs.official.iter().rev().max_by_key(|run| agreeing(run))
}

/// Returns the configuration that the log of a run states, with the rest of what the log prints.
pub fn configuration(folder: &Folder, run: &RunLog) -> Config {
    let config = Config::new(run.hyperparameters.iter().map(|(name, set)| (name, set.value.as_str())));
    let config = match run.world_size.value() {
        Some(size) if !config.is_empty() => config.with("WORLD_SIZE", size.to_string()),
        _ => config,
    };
    match said(run, folder) {
        Some(said) => config.with_log(said),
        None => config,
    }
}

/// The lines of the run in its log, and of the log that gives the score, the script that is dumped there left out.
fn said(run: &RunLog, folder: &Folder) -> Option<Said> {
    let text = caddie_files::read_text(&folder.path.join(&run.log)).ok()?;
    let score =
        run.score_log.as_ref().and_then(|log| caddie_files::read_text(&folder.path.join(log)).ok()).unwrap_or_default();
    let (first, last) = run.span;
    let dumped = |line: u64| run.source.as_ref().is_some_and(|dump| (dump.first_line..=dump.last_line).contains(&line));
    let own = text.lines().zip(1_u64..).filter(|(_, line)| (first..=last).contains(line) && !dumped(*line));
    Some(Said::new(own.map(|(line, _)| line).chain(score.lines())))
}

/// The word with which the line begins that prints the claimed score, where it is another one than the log's official
/// line: `ppm_mix` of `ppm_mix mix_bpb=0.9033`.
pub fn metric(folder: &Folder, run: Option<&RunLog>) -> Option<String> {
    let scores = || {
        let of_a_score = |claim: &&Claim| claim.field == Field::ValBpb && claim.stated.decimals >= TELLING_DIGITS;
        claims(folder).iter().filter(of_a_score)
    };
    if scores().next().is_none()
        || run.and_then(|run| run.val_bpb.value()).is_some_and(|own| scores().any(|c| c.stated.agrees(own)))
    {
        return None;
    }
    let logs: Vec<Utf8PathBuf> = match run {
        Some(run) => std::iter::once(&run.log).chain(&run.score_log).cloned().collect(),
        None => {
            let is_log = |path: &Utf8PathBuf| path.extension().is_some_and(|end| matches!(end, "log" | "txt"));
            folder.files.iter().map(|file| file.path.clone()).filter(is_log).take(MAX_LOGS).collect()
        }
    };
    logs.iter().find_map(|log| {
        let text = caddie_files::read_text(&folder.path.join(log)).ok()?;
        let prints = |line: &&str| {
            line.to_ascii_lowercase().contains("bpb")
                && numbers(line).any(|number| scores().any(|c| c.stated.agrees(number)))
        };
        let line = text.lines().find(prints)?;
        line.split([' ', ':']).find(|word| !word.is_empty()).map(str::to_owned)
    })
}

/// Finds the line of a log of no run that states the claimed score, or a seed's, where no log of the runs does: its log,
/// number and text.
pub fn elsewhere(folder: &Folder, run: &RunLog) -> Option<(Utf8PathBuf, u64, String)> {
    let of_a_score = |claim: &&Claim| claim.field == Field::ValBpb && claim.stated.decimals >= TELLING_DIGITS;
    let is_claimed = |number: f64| claims(folder).iter().filter(of_a_score).any(|claim| claim.stated.agrees(number));
    let states = |line: &str| line.to_ascii_lowercase().contains("bpb") && numbers(line).any(is_claimed);
    let official = || folder.runs.official.iter();
    if official().any(|run| run.val_bpb.value().is_some_and(is_claimed)) || metric(folder, Some(run)).is_some() {
        return None;
    }
    let is_log = |path: &&Utf8PathBuf| path.extension().is_some_and(|end| matches!(end, "log" | "txt"));
    let of_a_run = |path: &Utf8PathBuf| official().any(|run| run.log == *path || run.score_log.as_ref() == Some(path));
    let logs: Vec<&Utf8PathBuf> = folder.files.iter().map(|file| &file.path).filter(is_log).collect();
    let read = |log: &Utf8PathBuf| caddie_files::read_text(&folder.path.join(log)).unwrap_or_default();
    if logs.iter().filter(|log| of_a_run(log)).take(MAX_LOGS).any(|log| read(log).lines().any(states)) {
        return None;
    }
    logs.into_iter().filter(|log| !of_a_run(log)).take(MAX_LOGS).find_map(|log| {
        let text = read(log);
        let (line, number) = text.lines().zip(1_u64..).find(|(line, _)| states(line))?;
        Some((log.clone(), number, line.trim().to_owned()))
    })
}

/// Least share by which bits per byte over nats differ within one run, where the bytes are not those of the tokens; the
/// digits of a log account for a tenth of it.
const DRIFT: f64 = 0.005;
/// Lines of one kind that are compared at least.
const LEAST_LINES: usize = 3;

/// Finds the two lines of the run, of one kind, in which bits per byte over nats per token are furthest apart, as number and
/// ratio. Validations of one script divide by the bytes of the same tokens.
pub fn drift(folder: &Folder, run: &RunLog) -> Option<[(u64, f64); 2]> {
    let text = caddie_files::read_text(&folder.path.join(&run.log)).ok()?;
    let dumped = |line: u64| run.source.as_ref().is_some_and(|dump| (dump.first_line..=dump.last_line).contains(&line));
    let mut kinds: HashMap<String, Vec<(u64, f64)>> = HashMap::new();
    for (line, number) in text.lines().zip(1_u64..).filter(|(_, number)| (run.span.0..=run.span.1).contains(number)) {
        let value = |name: &str| line.split_once(name).and_then(|(_, rest)| numbers(rest).next());
        let (Some(loss), Some(bpb)) = (value("val_loss:"), value("val_bpb:")) else { continue };
        if loss > 0.1 && bpb > 0.1 && !dumped(number) {
            kinds.entry(printed::kind(line)?).or_default().push((number, bpb / loss));
        }
    }
    kinds.into_values().filter(|kind| kind.len() >= LEAST_LINES).find_map(|kind| {
        let least = kind.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let most = kind.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (most.1 > least.1 * (1.0 + DRIFT)).then_some([least, most])
    })
}

/// The numbers with a point in a line.
fn numbers(line: &str) -> impl Iterator<Item = f64> {
    let words = line.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words.filter(|word| word.contains('.')).filter_map(|word| word.parse().ok())
}
