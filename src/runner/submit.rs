//! From a recipe to a verified records folder: one run a seed, render, pack, verify. Started again, it continues.

use caddie_engine::log::Observer;
use caddie_engine::run::{Phase, State};
use caddie_engine::{Recipe, device};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::{native, placing};
use crate::checks::{self, VerifyOptions};
use crate::fixture::SourceReport;
use crate::render::runs::{self, FinishedRun};
use crate::render::{self, Options, Rendered, Track};
use crate::report::FolderReport;
use crate::{Error, Result};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// What to submit.
#[derive(Debug, Clone)]
pub struct Submission {
    pub recipe: Recipe,
    pub seeds: Vec<u64>,
    /// Name of the submission and of its run directory; the recipe's where `None`.
    pub name: Option<String>,
    pub author: String,
    pub github_id: String,
    pub track: Track,
    /// Whose rules and limits the submission is rendered and verified by.
    pub rulebook: Rulebook,
    /// The day of the first start where `None`.
    pub date: Option<jiff::civil::Date>,
    /// Folder that gets `runs/`, `records/`, `PULL_REQUEST.md` and the artifact.
    pub out: Utf8PathBuf,
    pub data: Utf8PathBuf,
    pub device: String,
    /// Replace a folder of the same name that holds something else.
    pub force: bool,
}

/// What came out.
pub struct Submitted {
    pub rendered: Rendered,
    pub report: FolderReport,
    /// The known floor, when the data come from `caddie fixture`.
    pub source: Option<SourceReport>,
}

/// Does what is left of the submission. `observer` gives, for each seed, who watches its run.
///
/// # Errors
/// Those of the runs, of rendering, and of verifying. Whatever was finished stays, and the next call goes on from there.
pub fn submit(submission: &Submission, mut observer: impl FnMut(u64) -> Box<dyn Observer>) -> Result<Submitted> {
    check_seeds(&submission.seeds)?;
    device::select(&submission.device)?;
    let source = SourceReport::find(&submission.data)?;
    let name = submission.name.as_ref().unwrap_or(&submission.recipe.name);
    let runs_dir = submission.out.join("runs").join(folder_name(name)?);
    let options = Options {
        runs: runs_dir.clone(),
        out: submission.out.clone(),
        name: Some(name.clone()),
        author: submission.author.clone(),
        github_id: submission.github_id.clone(),
        date: date_of(&runs_dir, submission.date)?,
        track: submission.track.clone(),
        rulebook: submission.rulebook.clone(),
        artifact: true,
        tokenizer: Some(submission.data.clone()),
        force: submission.force,
    };
    if !all_evaluated(&runs_dir, &submission.seeds)? {
        placing::refuse_occupied(&options)?;
    }
    for &seed in &submission.seeds {
        let dir = runs_dir.join(format!("seed-{seed}"));
        let job = native::job(
            submission.recipe.clone(),
            seed,
            &dir,
            &submission.data,
            &submission.device,
            Phase::Evaluated,
            crate::stop::flag(),
        )?;
        caddie_engine::run::run(&job, observer(seed).as_mut())?;
    }
    // Seeds of one submission may run side by side, on several devices; only one of the calls renders at a time.
    let _lock = caddie_engine::run::lock(runs_dir.as_std_path())?;
    let finished = finished(&runs_dir, &submission.seeds)?;
    let rendered = placing::render(&finished, &options)?;
    let folder = Folder::read(&rendered.folder)?;
    let report = checks::verify_read(&folder, &submission.rulebook, &VerifyOptions::default());
    Ok(Submitted { rendered, report, source })
}

fn all_evaluated(runs: &Utf8Path, seeds: &[u64]) -> Result<bool> {
    let evaluated = |seed: &u64| {
        let state = State::read(runs.join(format!("seed-{seed}")).as_std_path())?;
        Ok(state.is_some_and(|state| state.phase == Phase::Evaluated))
    };
    seeds.iter().map(evaluated).try_fold(true, |all, one: Result<bool>| Ok(all && one?))
}

/// The runs of the seeds that were asked for, by seed: others may lie beside them from an earlier call.
fn finished(runs: &Utf8Path, seeds: &[u64]) -> Result<Vec<FinishedRun>> {
    let mut seeds = seeds.to_vec();
    seeds.sort_unstable();
    let open = |seed: &u64| {
        let dir = runs.join(format!("seed-{seed}"));
        FinishedRun::open(&dir, caddie_folder::read_log(&dir.join("log.txt"))?)
    };
    let mut finished = seeds.iter().map(open).collect::<caddie_files::Result<Vec<_>>>()?;
    runs::agree(&mut finished)?;
    Ok(finished)
}

fn check_seeds(seeds: &[u64]) -> Result<()> {
    match seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed)) {
        Some((_, seed)) => Err(Error::usage(format!("--seeds names {seed} twice; each run needs a seed of its own"))),
        None if seeds.is_empty() => Err(Error::usage("--seeds is empty; name at least one, for example 42".to_owned())),
        None => Ok(()),
    }
}

/// `name` as a folder, refusing what would lead elsewhere.
fn folder_name(name: &str) -> Result<&str> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    if plain { Ok(name) } else { Err(Error::usage(format!("--name {name:?}: not usable as the name of a folder"))) }
}

/// The submission's date: the one given, else that of the first start, which is kept so that a run that goes on after
/// midnight still ends in the same folder.
fn date_of(runs: &Utf8Path, given: Option<jiff::civil::Date>) -> Result<jiff::civil::Date> {
    let path = runs.join("date");
    if given.is_none()
        && let Ok(text) = fs::read_to_string(&path)
    {
        return text
            .trim()
            .parse()
            .map_err(|e| Error::unreadable(&path, format!("{e}; delete the file, or pass --date")));
    }
    let date = match given {
        Some(date) => date,
        None => render::default_date()?,
    };
    fs::create_dir_all(runs).map_err(caddie_files::Error::io(runs, "creating"))?;
    let write = |out: &mut dyn std::io::Write| {
        out.write_all(format!("{date}\n").as_bytes()).map_err(caddie_engine::Error::io(&path, "writing"))
    };
    caddie_format::atomic::write(path.as_std_path(), write)?;
    Ok(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_names_that_cannot_work_are_refused() {
        assert!(check_seeds(&[1, 2, 1]).unwrap_err().to_string().contains("names 1 twice"));
        assert!(check_seeds(&[]).is_err());
        for name in ["", "..", "a/b", ".hidden"] {
            assert!(folder_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_date_of_the_first_start_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let runs = Utf8Path::from_path(dir.path()).unwrap().join("runs");
        let first = "2026-01-31".parse().unwrap();
        assert_eq!(date_of(&runs, Some(first)).unwrap(), first);
        assert_eq!(date_of(&runs, None).unwrap(), first);
    }
}
