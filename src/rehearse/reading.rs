//! The facts that `verify` reads in the log that a rehearsed script leaves.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use caddie_folder::{RunLog, read_runs};

use super::RehearsalReport;

/// The facts of a log that the checks ask for.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reading {
    /// The log that was read, below the run's folder.
    pub log: Option<Utf8PathBuf>,
    /// Facts that `verify` found in it, by their names.
    pub found: Vec<&'static str>,
    /// Facts without which a folder with this log gets an error or stays unknown.
    pub missing: Vec<&'static str>,
    /// Facts that would leave something unknown, and without which records were merged.
    pub silent: Vec<&'static str>,
    /// Training losses and scores as printed, to compare runs by.
    #[serde(skip)]
    pub losses: Vec<String>,
}

/// Reads the logs of a finished run: those that the script wrote and what it printed. The one that says most counts.
pub fn of(place: &Utf8Path, report: &RehearsalReport) -> Reading {
    let readings = candidates(place).into_iter().map(|log| read(place, log));
    let best = readings.max_by_key(|reading| reading.found.len()).unwrap_or_default();
    // Of a run that stopped nothing can be said to be missing.
    if report.reached_its_score() { best } else { Reading { missing: Vec::new(), silent: Vec::new(), ..best } }
}

/// The run of the log that says most, as `verify` reads it.
pub fn best_log(place: &Utf8Path) -> Option<RunLog> {
    let runs = candidates(place).into_iter().filter_map(|log| last_run(&place.join(log)));
    runs.max_by_key(|run| facts(run).iter().filter(|(_, there, _)| *there).count())
}

/// Its output, and the logs that it wrote.
fn candidates(place: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut logs = vec![Utf8PathBuf::from("work/output.txt")];
    logs.extend(written(place));
    logs
}

/// The last run of a log, one with a score before others.
fn last_run(path: &Utf8Path) -> Option<RunLog> {
    let runs = read_runs(path).map(|file| file.runs).unwrap_or_default();
    runs.into_iter().rev().max_by_key(|run| run.val_bpb.is_some())
}

/// Logs in the script's own folder, by name.
fn written(place: &Utf8Path) -> Vec<Utf8PathBuf> {
    let listing = caddie_files::list(&place.join("work/records")).unwrap_or_default();
    let is_log = |path: &Utf8Path| matches!(path.extension(), Some("txt" | "log")) && path.as_str().contains("logs/");
    listing
        .files
        .into_iter()
        .map(|file| file.path)
        .filter(|path| is_log(path))
        .map(|path| Utf8PathBuf::from("work/records").join(path))
        .collect()
}

fn read(place: &Utf8Path, log: Utf8PathBuf) -> Reading {
    let path = place.join(&log);
    let Some(run) = last_run(&path) else { return Reading::default() };
    let text = caddie_files::read_text(&path).unwrap_or_default();
    let losses = text.lines().filter_map(losses).collect();
    let mut reading = Reading { log: Some(log), losses, ..Reading::default() };
    for (name, there, needed) in facts(&run) {
        match (there, needed) {
            (true, _) => reading.found.push(name),
            (false, true) => reading.missing.push(name),
            (false, false) => reading.silent.push(name),
        }
    }
    reading
}

/// Each fact; true if the log states it, and true if a folder needs it.
fn facts(run: &RunLog) -> [(&'static str, bool, bool); 9] {
    [
        ("val_bpb of the quantized model", run.val_bpb.is_some(), true),
        ("val_loss", run.val_loss.is_some(), false),
        ("bytes of the compressed model", run.bytes_model.is_some() || run.bytes_total.is_some(), true),
        ("bytes of the code", run.bytes_code.is_some() || run.bytes_total.is_some(), false),
        ("training time", run.train_seconds.is_some(), true),
        ("evaluation time", run.eval_seconds.is_some(), false),
        ("steps", run.steps.is_some(), false),
        ("seed", run.seed.is_some(), false),
        ("number of GPUs", run.world_size.is_some(), false),
    ]
}

/// The losses and scores of a line, without its times.
fn losses(line: &str) -> Option<String> {
    let kept: Vec<&str> = line
        .split_whitespace()
        .filter(|word| ["train_loss:", "val_loss:", "val_bpb:", "loss:"].iter().any(|name| word.starts_with(name)))
        .collect();
    (!kept.is_empty()).then(|| kept.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_compared_by_their_losses_and_not_by_their_times() {
        assert_eq!(losses("step:3/6 train_loss:6.1 train_time:20ms").as_deref(), Some("train_loss:6.1"));
        assert_eq!(losses("warmup_step:1/20"), None);
    }
}
