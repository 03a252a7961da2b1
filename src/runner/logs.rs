//! From the logs that a participant has to submission.json and README.md of the folder that they lie in.
//!
//! A file that is there is corrected as `verify --fix` corrects it; one that is not is made. Nothing else is touched.

use camino::{Utf8Path, Utf8PathBuf};

use crate::artifact::Limits;
use crate::checks::fix::{CorrectedFile, Corrections, corrections};
use crate::checks::{Context, VerifyOptions};
use crate::render::logs::LoggedEntry;
use crate::render::{Meta, Track, default_date};
use caddie_files::{Error, Result};
use caddie_folder::{Fact as _, Folder, NotCounted, RunLog, place, track};
use caddie_rulebook::Rulebook;

/// Facts that no log tells. What is empty is taken from the folder's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub name: Option<String>,
    pub author: String,
    pub github_id: String,
    pub track: Option<String>,
    pub date: Option<jiff::civil::Date>,
    pub blurb: String,
}

/// The changes of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    pub folder: Utf8PathBuf,
    pub files: Vec<CorrectedFile>,
    /// Notes: numbers that were left with the reason, and facts that are missing.
    pub notes: Vec<String>,
}

/// Finds what the logs at `paths` make of their folder's documents. One path may be a folder with logs.
///
/// # Errors
/// When a path is no log of a run, the logs lie in several folders, or are not of one configuration.
pub fn changes(paths: &[Utf8PathBuf], told: &Told, rulebook: &Rulebook) -> Result<Changes> {
    let path = folder_of_all(paths, rulebook)?;
    let mut folder = Folder::read(&path)?;
    let logs: Vec<Utf8PathBuf> = match paths {
        [only] if only.is_dir() => Vec::new(),
        _ => paths.iter().map(|log| below(&path, log)).collect::<Result<_>>()?,
    };
    if !logs.is_empty() {
        folder.runs.official = named(&folder, &logs)?;
    }
    if folder.runs.official.is_empty() {
        return Err(Error::unreadable(&path, "holds no log of a run: no file in it states a score or a training time"));
    }
    let Corrections { mut files, left: mut notes } = corrections(&folder, rulebook, &VerifyOptions::default())?;
    notes.extend(seeds_apart(&folder));
    if folder.submission.is_none() || folder.readme.is_none() {
        let entry = entry(&folder, told, rulebook)?;
        if folder.submission.is_none() {
            notes.extend(missing(&entry));
            files.push(made("submission.json", entry.submission_json()));
        }
        if folder.readme.is_none() {
            files.push(made("README.md", entry.readme()?));
        }
    }
    Ok(Changes { folder: path, files, notes })
}

fn made(name: &str, after: String) -> CorrectedFile {
    CorrectedFile { path: name.into(), before: None, after }
}

/// Returns the folder that the documents belong into: the records folder around the logs; else the folder that they lie
/// in, or the one above it where only that one has the script or the documents.
fn folder_of_all(paths: &[Utf8PathBuf], rulebook: &Rulebook) -> Result<Utf8PathBuf> {
    let mut found: Option<Utf8PathBuf> = None;
    for path in paths {
        let metadata = caddie_files::metadata(path, "no such file; name the logs of the runs")?;
        let folder = match place::folder_of(path, &rulebook.track_prefix) {
            Some(folder) => folder,
            None if metadata.is_dir() => path.clone(),
            None => nearest(path),
        };
        match &found {
            Some(known) if *known != folder => {
                let reason = format!("lies in {folder}, other logs in {known}; render the logs of one entry at a time");
                return Err(Error::unreadable(path, reason));
            }
            _ => found = Some(folder),
        }
    }
    found.ok_or_else(|| Error::Usage("name the logs to render".to_owned()))
}

/// Returns the folder of a log in no records folder.
fn nearest(log: &Utf8Path) -> Utf8PathBuf {
    let here = |folder: &Utf8Path| if folder == "" { Utf8PathBuf::from(".") } else { folder.to_owned() };
    let is_of_an_entry = |folder: &Utf8PathBuf| {
        let names = folder.read_dir_utf8().into_iter().flatten().flatten();
        names.into_iter().any(|entry| matches!(entry.file_name(), "README.md") || entry.file_name().ends_with(".py"))
    };
    let own = log.parent().map_or_else(|| ".".into(), here);
    let above = log.parent().and_then(Utf8Path::parent).map(here);
    above.filter(|above| !is_of_an_entry(&own) && is_of_an_entry(above)).unwrap_or(own)
}

/// Returns the log's path inside the folder.
fn below(folder: &Utf8Path, log: &Utf8Path) -> Result<Utf8PathBuf> {
    let absolute = |path: &Utf8Path| path.canonicalize_utf8().map_err(Error::io(path, "resolving"));
    let (root, full) = (absolute(folder)?, absolute(log)?);
    let inside = full.strip_prefix(&root).map(Utf8Path::to_owned);
    inside.map_err(|_| Error::unreadable(log, format!("leads out of {folder}; name the log that lies in it")))
}

/// Returns the runs of the named logs, whatever submission.json says of them: it may still be that of earlier runs.
fn named(folder: &Folder, logs: &[Utf8PathBuf]) -> Result<Vec<RunLog>> {
    let mut runs: Vec<RunLog> = Vec::new();
    for log in logs {
        let is_of = |run: &&RunLog| run.log == *log || run.score_log.as_ref() == Some(log);
        let official: Vec<&RunLog> = folder.runs.official.iter().filter(is_of).collect();
        let further = folder.runs.others.iter().filter(|other| other.run.log == *log);
        let copied = further.clone().find_map(|other| match &other.why {
            NotCounted::CopyOf(twin) | NotCounted::PrintedIn(twin) => Some(twin),
            _ => None,
        });
        let further: Vec<&RunLog> = further
            .filter(|other| !matches!(other.why, NotCounted::OtherRunInFile | NotCounted::Unfinished(_)))
            .map(|other| &other.run)
            .collect();
        let found = match (official.is_empty(), copied) {
            (false, _) => official,
            (true, Some(twin)) => {
                let reason = format!("prints the run of {twin} again; name one of the two");
                return Err(Error::unreadable(folder.path.join(log), reason));
            }
            (true, None) if further.is_empty() => {
                let reason = "is no log of a finished run: it states neither a score nor a training time";
                return Err(Error::unreadable(folder.path.join(log), reason));
            }
            (true, None) => further,
        };
        runs.extend(found.into_iter().filter(|run| !runs.contains(run)).cloned().collect::<Vec<_>>());
    }
    runs.sort_by_key(|run| run.seed.value());
    Ok(runs)
}

/// Says where the seeds of the logs and of submission.json differ: names of seeds are never rewritten.
fn seeds_apart(folder: &Folder) -> Option<String> {
    let claimed: Vec<i64> = folder.metadata()?.seed_numbers().collect();
    let logged: Vec<i64> = folder.runs.official.iter().filter_map(|run| run.seed.value()).collect();
    let list = |seeds: &[i64]| seeds.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let only = |of: &[i64], without: &[i64]| -> Vec<i64> {
        of.iter().copied().filter(|seed| !without.contains(seed)).collect()
    };
    let (unlogged, unnamed) = (only(&claimed, &logged), only(&logged, &claimed));
    if claimed.is_empty() || unlogged.is_empty() && unnamed.is_empty() {
        return None;
    }
    let file = folder.submission.as_ref().map_or("submission.json", |file| file.file.as_str());
    Some(format!(
        "{file} names the seeds {}, the logs are of {}; move it away to have it made anew from the logs",
        list(&claimed),
        list(&logged)
    ))
}

/// Puts the facts together from which missing files are made.
fn entry(folder: &Folder, told: &Told, rulebook: &Rulebook) -> Result<LoggedEntry> {
    let seed = |run: &RunLog| {
        run.seed.value().or_else(|| run.seed_in_name()).ok_or_else(|| {
            let reason = "states no seed, and neither does its name; name it train_seed<N>.log";
            Error::unreadable(folder.path.join(&run.log), reason)
        })
    };
    let logs = folder.runs.official.iter().map(|run| Ok((seed(run)?, run))).collect::<Result<Vec<(i64, &RunLog)>>>()?;
    let track = match &told.track {
        Some(name) => Track::of(rulebook, Some(name))?,
        None => Track::of(rulebook, track::entered(folder, rulebook).map(|track| track.name.as_str()))?,
    };
    let place = folder.path.canonicalize_utf8().unwrap_or_else(|_| folder.path.clone());
    let (dated, name) = dated(place.file_name().unwrap_or_default());
    let date = match told.date.or(dated) {
        Some(date) => date,
        None => default_date()?,
    };
    let limits = Limits::of(rulebook, rulebook.track(&track.name));
    let stated = |of: fn(&caddie_folder::Submission) -> &Option<caddie_folder::Lined<String>>| {
        folder.metadata().and_then(|metadata| of(metadata).as_ref()).map(|text| text.value.clone())
    };
    let meta = Meta {
        name: told.name.clone().or_else(|| stated(|json| &json.name)).unwrap_or_else(|| name.to_owned()),
        author: told.author.clone(),
        github_id: told.github_id.clone(),
        date,
        track,
    };
    let shipped = Context::new(folder, rulebook, None).shipped_code();
    let mut entry = LoggedEntry::of(meta, limits, &logs, shipped)?;
    entry.blurb.clone_from(&told.blurb);
    let script = folder.script.as_ref().filter(|script| folder.pointer(&script.path).is_none());
    entry.script_sha256 = script.map(|script| caddie_files::sha256(&folder.path.join(&script.path))).transpose()?;
    Ok(entry)
}

/// Splits the name of a records folder, `2026-05-01_Name`, into its day and the rest.
fn dated(name: &str) -> (Option<jiff::civil::Date>, &str) {
    let split = name.split_once('_').and_then(|(day, rest)| Some((day.parse().ok()?, rest)));
    split.map_or((None, name), |(day, rest)| (Some(day), rest))
}

/// Names the facts that neither a log nor the caller states.
fn missing(entry: &LoggedEntry) -> Vec<String> {
    let (meta, results) = (&entry.meta, &entry.results);
    let by_flag = [
        (meta.author.is_empty(), "author (--author)"),
        (meta.github_id.is_empty(), "github_id (--github-id)"),
        (entry.blurb.is_empty(), "blurb (--blurb)"),
    ];
    let of_logs = [
        (results.val_loss.is_none(), "val_loss"),
        (results.bytes_total_max().is_none(), "bytes_total"),
        (results.train_seconds_max().is_none(), "training time"),
        (results.eval_seconds_max().is_none(), "evaluation time"),
        (results.hardware.is_empty(), "hardware"),
        (entry.script_sha256.is_none(), "hash of a script, as none lies in the folder"),
    ];
    let named = |of: &[(bool, &'static str)]| of.iter().filter(|(lacks, _)| *lacks).map(|(_, what)| *what).collect();
    let (by_flag, of_logs): (Vec<&str>, Vec<&str>) = (named(&by_flag), named(&of_logs));
    let mut notes = Vec::new();
    if !by_flag.is_empty() {
        notes.push(format!("submission.json states no {}", by_flag.join(", ")));
    }
    if !of_logs.is_empty() {
        notes.push(format!("the logs do not state, so submission.json has no {}", of_logs.join(", ")));
    }
    notes
}
