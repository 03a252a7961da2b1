//! A reproduction without a GPU: the folder's script is rehearsed, and the lines that it prints are compared with those of
//! the folder's log, by their kinds and not by their numbers.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{claimed_runs, seed_of};
use crate::rehearse;
use caddie_audit::printed::{self, kind};
use caddie_files::text::cut;
use caddie_files::{Error, Result};
use caddie_folder::{Fact as _, Folder, RunLog, printed_lines, read_log};
use caddie_rulebook::Rulebook;

/// Steps of the rehearsal.
const STEPS: u32 = 6;
/// Time for one run.
const LIMIT: Duration = Duration::from_secs(300);
/// Kinds of lines that are compared.
const MAX_KINDS: usize = 2_000;
/// Characters of a line that are shown.
const SHOWN: usize = 160;

/// A rehearsal of a folder as it is asked for.
#[derive(Debug, Clone)]
pub struct DressOptions {
    pub folder: Utf8PathBuf,
    /// The seed of the log to compare with; the first where `None`.
    pub seed: Option<i64>,
    pub nproc: u32,
    pub env: Vec<(String, String)>,
    pub python: Option<Utf8PathBuf>,
    pub walls: bool,
}

/// A line of the folder's log that stands for its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub log: Utf8PathBuf,
    /// 1-based.
    pub line: u64,
    pub text: String,
}

/// The result of a rehearsal of a folder.
#[derive(Debug, Clone, Serialize)]
pub struct Dress {
    pub schema_version: u32,
    pub folder: Utf8PathBuf,
    pub script: Utf8PathBuf,
    /// The log that is compared.
    pub log: Utf8PathBuf,
    pub seed: i64,
    pub reached_its_score: bool,
    pub failure: Option<String>,
    /// True if the rehearsal prints the line of the claimed metric.
    pub prints_the_metric: bool,
    /// Lines that no print of the folder's scripts makes.
    pub of_no_print: Vec<Line>,
    /// Kinds of lines that the rehearsal did not print; a toy run leaves some branches out.
    pub not_printed: Vec<Line>,
    /// Kinds of lines that come in another order.
    pub reordered: Vec<Line>,
    /// Settings that the folder's log states and the rehearsal's does not.
    pub settings_not_logged: Vec<String>,
    /// True if the script comes to its score, prints the claimed metric, and its prints make every line of the logs.
    pub passed: bool,
}

/// Rehearses the script of the folder, and compares.
///
/// # Errors
/// When the folder states no score, or the rehearsal cannot be made.
pub fn rehearse(options: &DressOptions, tell: &mut dyn FnMut(&str)) -> Result<Dress> {
    let folder = Folder::read(&options.folder)?;
    let seeds: Vec<i64> = options.seed.into_iter().collect();
    let runs = claimed_runs(&folder, &seeds)?;
    let Some(run) = runs.first() else {
        return Err(Error::unreadable(&options.folder, "holds no log to compare with"));
    };
    let seed = seed_of(run).unwrap_or_default();
    let place = tempfile::tempdir().map_err(Error::io("a temporary folder", "creating"))?;
    let place = Utf8Path::from_path(place.path())
        .ok_or_else(|| Error::Usage(format!("{}: not UTF-8; set TMPDIR", place.path().display())))?;
    let request = rehearse::Options {
        target: options.folder.clone(),
        steps: STEPS,
        seeds: vec![seed],
        nproc: options.nproc,
        env: options.env.clone(),
        keep: Some(place.join("rehearsal")),
        python: options.python.clone(),
        walls: options.walls,
        limit: LIMIT,
    };
    let done = rehearse::rehearse(&request, crate::stop::flag(), tell)?;
    let first = done.runs.first().ok_or_else(|| Error::Internal("a rehearsal without a run".to_owned()))?;
    let log = first.kept.as_ref().zip(first.read.log.as_ref()).map(|(place, log)| place.join(log));
    let theirs = kinds(&options.folder.join(&run.log), run)?;
    let toy = log.as_ref().map(|log| read_log(log)).transpose()?.unwrap_or_default();
    let ours = log.as_ref().map_or(Ok(Vec::new()), |log| kinds(log, &toy))?;
    let line = |kind: &LineKind| Line { log: run.log.clone(), line: kind.first, text: cut(&kind.text, SHOWN) };
    let reached_its_score = first.report.reached_its_score();
    // A run that stopped says nothing of what it would have printed.
    let (not_printed, reordered) = if reached_its_score { compare(&theirs, &ours) } else { (Vec::new(), Vec::new()) };
    let metric = run.metric.text().unwrap_or_default();
    let prints_the_metric = toy.metric_lines.iter().any(|found| found.name == metric);
    let of_no_print = of_no_print(&folder)?;
    Ok(Dress {
        schema_version: 1,
        folder: options.folder.clone(),
        script: folder.script.as_ref().map(|script| script.path.clone()).unwrap_or_default(),
        log: run.log.clone(),
        seed,
        reached_its_score,
        failure: first.report.failure.as_ref().map(|failure| format!("{}: {}", failure.message, failure.explanation)),
        prints_the_metric,
        passed: reached_its_score && prints_the_metric && of_no_print.is_empty(),
        of_no_print,
        not_printed: not_printed.into_iter().map(line).collect(),
        reordered: reordered.into_iter().map(line).collect(),
        settings_not_logged: run
            .hyperparameters
            .keys()
            .filter(|name| reached_its_score && !toy.hyperparameters.contains_key(*name))
            .cloned()
            .collect(),
    })
}

fn of_no_print(folder: &Folder) -> Result<Vec<Line>> {
    let Some(executed) = caddie_folder::executed::executed(folder) else { return Ok(Vec::new()) };
    // A script that is not followed accuses nobody.
    let found = printed::foreign(folder, &executed.unwrapped, &Rulebook::builtin()?).unwrap_or_default();
    Ok(found.into_iter().map(|kind| Line { log: kind.log, line: kind.line, text: cut(&kind.text, SHOWN) }).collect())
}

/// A kind of line in a log.
#[derive(Debug)]
struct LineKind {
    name: String,
    /// The first line that has it, 1-based.
    first: u64,
    text: String,
    /// The last line that has it.
    last: u64,
}

/// Returns the kinds of a log's lines in the order in which they first come, a dumped script and settings left out.
fn kinds(log: &Utf8Path, run: &RunLog) -> Result<Vec<LineKind>> {
    let (mut known, mut found) = (HashMap::new(), Vec::<LineKind>::new());
    let dumped = |line: u64| run.source.as_ref().is_some_and(|dump| (dump.first_line..=dump.last_line).contains(&line));
    let set: Vec<u64> = run.hyperparameters.values().map(|set| set.line).collect();
    printed_lines(log, |number, text| {
        let outside = number < run.span.0 || number > run.span.1;
        if outside || dumped(number) || set.contains(&number) {
            return;
        }
        let Some(name) = kind(text) else { return };
        let index = *known.entry(name.clone()).or_insert(found.len());
        let room = found.len() < MAX_KINDS;
        match found.get_mut(index) {
            Some(kind) => kind.last = number,
            None if room => {
                found.push(LineKind { name, first: number, text: text.to_owned(), last: number });
            }
            None => {}
        }
    })?;
    Ok(found)
}

/// Returns the kinds of the first log that the second lacks, and those that come in another order, by their first lines and
/// by their last ones: a toy run has fewer lines in between.
fn compare<'a>(theirs: &'a [LineKind], ours: &[LineKind]) -> (Vec<&'a LineKind>, Vec<&'a LineKind>) {
    let here: HashMap<&str, &LineKind> = ours.iter().map(|kind| (kind.name.as_str(), kind)).collect();
    let (common, missing): (Vec<&LineKind>, Vec<&LineKind>) =
        theirs.iter().partition(|kind| here.contains_key(kind.name.as_str()));
    let moved = |at: fn(&LineKind) -> u64| -> HashSet<&str> {
        let mut ordered = common.clone();
        ordered.sort_by_key(|kind| at(kind));
        let places: Vec<u64> =
            ordered.iter().filter_map(|kind| here.get(kind.name.as_str())).map(|kind| at(kind)).collect();
        let kept = longest_rise(&places);
        ordered
            .iter()
            .enumerate()
            .filter(|(index, _)| !kept.contains(index))
            .map(|(_, kind)| kind.name.as_str())
            .collect()
    };
    let (by_first, by_last) = (moved(|kind| kind.first), moved(|kind| kind.last));
    let moved = |kind: &&LineKind| by_first.contains(kind.name.as_str()) && by_last.contains(kind.name.as_str());
    let reordered = common.iter().copied().filter(moved).collect();
    (missing, reordered)
}

/// Returns the indices of a longest rising subsequence: the fewest other members are out of order.
fn longest_rise(places: &[u64]) -> Vec<usize> {
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(places.len());
    for (index, place) in places.iter().enumerate() {
        let before = (0..index).filter(|other| places[*other] < *place).max_by_key(|other| best[*other].0);
        best.push((before.map_or(1, |before| best[before].0 + 1), before));
    }
    let mut at = (0..best.len()).max_by_key(|index| best[*index].0);
    let mut kept = Vec::new();
    while let Some(index) = at {
        kept.push(index);
        at = best[index].1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_moved_is_told() {
        let of = |kinds: &[&str]| -> Vec<LineKind> {
            let kind = |(name, line): (&&str, u64)| LineKind {
                name: (*name).to_owned(),
                first: line,
                text: format!("{name}:1"),
                last: line,
            };
            kinds.iter().zip(1..).map(kind).collect()
        };
        let names = |kinds: &[&LineKind]| kinds.iter().map(|kind| kind.name.clone()).collect::<Vec<_>>();
        let (theirs, ours) = (of(&["seed", "warmup", "step", "size", "score"]), of(&["seed", "score", "step", "size"]));
        let (missing, moved) = compare(&theirs, &ours);
        assert_eq!((names(&missing), names(&moved)), (vec!["warmup".to_owned()], vec!["score".to_owned()]));
        assert!(compare(&theirs, &theirs).1.is_empty());
    }
}
