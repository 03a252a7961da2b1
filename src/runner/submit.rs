//! The way from a recipe to a verified records folder: one run per seed, then render, pack and verify. Started again,
//! it continues.

use caddie_engine::log::Observer;
use caddie_engine::run::{Phase, State};
use caddie_engine::{Recipe, device};
use camino::{Utf8Path, Utf8PathBuf};

use super::asked::{check_seeds, date_of, folder_name};
use super::{native, placing};
use crate::Result;
use crate::checks::{self, VerifyOptions};
use crate::fixture::SourceReport;
use crate::render::runs::{self, FinishedRun};
use crate::render::{RenderOptions, Rendered, Track};
use crate::report::FolderReport;
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Options for a submission.
#[derive(Debug, Clone)]
pub struct Submission {
    pub recipe: Recipe,
    pub seeds: Vec<u64>,
    /// Name of the submission and of its run directory; the recipe's where `None`.
    pub name: Option<String>,
    pub author: String,
    pub github_id: String,
    pub track: Track,
    /// Rulebook by which the submission is rendered and verified.
    pub rulebook: Rulebook,
    /// The submission's date; the day of the first start where `None`.
    pub date: Option<jiff::civil::Date>,
    /// Folder that gets `runs/`, `records/`, `PULL_REQUEST.md` and the artifact.
    pub out: Utf8PathBuf,
    pub data: Utf8PathBuf,
    pub device: String,
    /// True to replace a folder of the same name with other content.
    pub force: bool,
}

/// The outputs of a submission.
pub struct SubmittedRecipe {
    pub rendered: Rendered,
    pub report: FolderReport,
    /// The known floor, when the data come from `caddie fixture`.
    pub source: Option<SourceReport>,
}

/// Does the remaining work of the submission. `observer` returns, for each seed, the observer of its run.
///
/// # Errors
/// Those of the runs, of rendering, and of verifying. Whatever was finished stays, and the next call goes on from there.
pub fn submit(submission: &Submission, observer: impl FnMut(u64) -> Box<dyn Observer>) -> Result<SubmittedRecipe> {
    check_seeds(&submission.seeds)?;
    device::select(&submission.device)?;
    let source = SourceReport::find(&submission.data)?;
    let name = submission.name.as_ref().unwrap_or(&submission.recipe.name);
    let runs_dir = submission.out.join("runs").join(folder_name(name)?);
    let options = RenderOptions {
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
        ablations: None,
        probe: None,
        force: submission.force,
    };
    if !all_evaluated(&runs_dir, &submission.seeds)? {
        placing::refuse_occupied(&options)?;
    }
    train(submission, observer)?;
    // Seeds of one submission may run side by side, on several devices; only one of the calls renders at a time.
    let _lock = caddie_engine::run::lock(runs_dir.as_std_path())?;
    let finished = finished(&runs_dir, &submission.seeds)?;
    let rendered = placing::render(&finished, &options)?;
    let folder = Folder::read(&rendered.folder)?;
    let report = checks::verify_read(&folder, &submission.rulebook, &VerifyOptions::default());
    Ok(SubmittedRecipe { rendered, report, source })
}

/// Does the remaining work of every seed, and renders nothing. Returns the folder of the runs.
///
/// # Errors
/// Those of the runs.
pub fn train(submission: &Submission, mut observer: impl FnMut(u64) -> Box<dyn Observer>) -> Result<Utf8PathBuf> {
    check_seeds(&submission.seeds)?;
    let name = submission.name.as_ref().unwrap_or(&submission.recipe.name);
    let runs_dir = submission.out.join("runs").join(folder_name(name)?);
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
    Ok(runs_dir)
}

fn all_evaluated(runs: &Utf8Path, seeds: &[u64]) -> Result<bool> {
    let evaluated = |seed: &u64| {
        let state = State::read(runs.join(format!("seed-{seed}")).as_std_path())?;
        Ok(state.is_some_and(|state| state.phase == Phase::Evaluated))
    };
    seeds.iter().map(evaluated).try_fold(true, |all, one: Result<bool>| Ok(all && one?))
}

/// Returns the runs of the requested seeds, by seed; runs of an earlier call may lie beside them.
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
