//! A reviewer's reproduction of a folder with a script: the folder's own script runs again as its README and logs say, behind
//! walls, and what its log states is compared with what the folder's logs state.

mod bench;
pub mod dress;
mod measures;
mod settings;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::Audience;
use super::lock::Lock;
use super::record::Machine;
use bench::Bench;
use caddie_files::{Error, Result};
use caddie_folder::{Fact as _, Field, Folder, RunLog, Scope};
use caddie_rulebook::stats::{mean, sample_std};

pub use measures::{MeasureDifference, Measures};
pub use settings::{FoldersSetting, From};

/// Least tolerance, bits per byte: two runs of one seed on other machines differ by less.
const LEAST_TOLERANCE: f64 = 0.001;
/// Largest tolerance, bits per byte, whatever the deviation: a claim that is far off makes the deviation of all large.
const LARGEST_TOLERANCE: f64 = 0.003;
/// Claimed standard deviations that a reproduced score may be away.
const DEVIATIONS: f64 = 3.0;

/// A difference of scores that rounding can make, bits per byte.
const ROUNDED: f64 = 0.0005;

/// A reproduction as it is asked for.
#[derive(Debug, Clone)]
pub struct ReproductionRequest {
    pub folder: Utf8PathBuf,
    pub data: Utf8PathBuf,
    /// Seeds of the folder's logs; all of them where there is none.
    pub seeds: Vec<i64>,
    /// Processes; as many as the logs state, where there are so many GPUs, else one a GPU.
    pub nproc: Option<u32>,
    pub python: Option<Utf8PathBuf>,
    /// Settings over those that the folder gives.
    pub env: Vec<(String, String)>,
    /// True if the script runs behind walls.
    pub walls: bool,
    /// Seconds that a run may take.
    pub limit_seconds: f64,
    /// Largest difference that is reproduced, bits per byte.
    pub tolerance: Option<f64>,
    /// Folder that gets `runs/reproduce-<folder>/`.
    pub out: Utf8PathBuf,
}

/// The scores that a folder states.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClaimedScores {
    /// Mean over the logs.
    pub val_bpb_mean: f64,
    /// Sample standard deviation over the logs; `None` of one run.
    pub val_bpb_std: Option<f64>,
    /// Logs with a score.
    pub runs: usize,
    /// The score that submission.json states for the whole.
    pub headline: Option<f64>,
}

impl ClaimedScores {
    fn of(folder: &Folder) -> ClaimedScores {
        let scores: Vec<f64> = folder.runs.official.iter().filter_map(|run| run.val_bpb.value()).collect();
        ClaimedScores {
            val_bpb_mean: mean(&scores).unwrap_or_default(),
            val_bpb_std: sample_std(&scores),
            runs: scores.len(),
            headline: stated(folder, Scope::Whole).or_else(|| stated(folder, Scope::Mean)),
        }
    }
}

/// The score that submission.json states.
fn stated(folder: &Folder, scope: Scope) -> Option<f64> {
    folder.metadata()?.claim(Field::ValBpb, scope).map(|claim| claim.stated.value)
}

/// The result of one seed.
#[derive(Debug, Clone, Serialize)]
pub struct ReproducedSeed {
    pub seed: i64,
    pub claimed: Measures,
    /// `None` for a run that failed.
    pub found: Option<Measures>,
    /// Found less claimed, where both are stated.
    pub difference: MeasureDifference,
    /// The difference of val_bpb in claimed standard deviations.
    pub in_std: Option<f64>,
    pub reproduced: bool,
    /// Reason of a failure, with the last lines.
    pub failure: Option<String>,
    pub last_lines: Vec<String>,
    /// The log of the run here.
    pub log: Utf8PathBuf,
}

/// The result of a reproduction.
#[derive(Debug, Clone, Serialize)]
pub struct FolderReproduction {
    pub schema_version: u32,
    pub folder: Utf8PathBuf,
    pub script: Utf8PathBuf,
    pub nproc: u32,
    pub machine: Machine,
    /// Settings of the first seed's run.
    pub settings: Vec<FoldersSetting>,
    /// Walls that held the script off from this machine.
    pub walls: Vec<&'static str>,
    /// Circumstances that differ from those of the folder's runs.
    pub notes: Vec<String>,
    pub claimed: ClaimedScores,
    /// Largest difference of val_bpb that counts as reproduced.
    pub tolerance: f64,
    pub seeds: Vec<ReproducedSeed>,
    /// Mean of val_bpb here, where every seed of the folder has run.
    pub val_bpb_mean: Option<f64>,
    /// True if the score of each seed, and the mean of all against the headline, are within the tolerance.
    pub reproduced: bool,
}

/// Runs the script of the folder for each seed, and compares.
///
/// # Errors
/// When the folder states no score to reproduce, the data or a program are not there, a wall cannot be put up, or the user
/// interrupts. A script that fails is a result.
pub fn reproduce(request: &ReproductionRequest, audience: &mut dyn Audience) -> Result<FolderReproduction> {
    let folder = Folder::read(&request.folder)?;
    let script = folder.script.as_ref().map(|script| script.path.clone());
    let script = script.ok_or_else(|| Error::unreadable(&request.folder, "holds no script to run"))?;
    let runs = claimed_runs(&folder, &request.seeds)?;
    let bench = Bench::of(request, &folder, &script)?;
    let _lock = Lock::of(&bench.runs, None)?;
    let claimed = ClaimedScores::of(&folder);
    let usual =
        claimed.val_bpb_std.map_or(LEAST_TOLERANCE, |std| (DEVIATIONS * std).clamp(LEAST_TOLERANCE, LARGEST_TOLERANCE));
    let tolerance = request.tolerance.unwrap_or(usual);
    let (mut seeds, mut used, mut notes) = (Vec::new(), Vec::new(), bench.notes(&folder, runs.first().copied()));
    for run in runs {
        let (seed, settings) = bench.seed(run, &folder)?;
        let result = bench.result(run, &seed, claimed, tolerance, audience)?;
        notes.extend(result.found.as_ref().and_then(|found| found.other_metric_than(&result.claimed)));
        seeds.push(result);
        if used.is_empty() {
            used = settings;
        }
    }
    notes.dedup();
    let scores: Option<Vec<f64>> = seeds.iter().map(|seed| seed.found.as_ref()?.val_bpb).collect();
    let val_bpb_mean = scores.filter(|scores| scores.len() == claimed.runs).and_then(|scores| mean(&scores));
    let as_a_whole = claimed.headline.zip(val_bpb_mean).is_none_or(|(said, found)| within(found - said, tolerance));
    Ok(FolderReproduction {
        schema_version: 1,
        reproduced: as_a_whole && seeds.iter().all(|seed| seed.reproduced),
        val_bpb_mean,
        folder: request.folder.clone(),
        script: script.clone(),
        nproc: bench.nproc,
        machine: bench.machine,
        settings: used,
        walls: if request.walls { caddie_walls::WALLS.iter().map(|(name, _)| *name).collect() } else { Vec::new() },
        notes,
        claimed,
        tolerance,
        seeds,
    })
}

/// Tells whether a difference is within the tolerance; one that is the tolerance to the last digit is.
fn within(difference: f64, tolerance: f64) -> bool {
    difference.abs() <= tolerance + 1e-12
}

/// Returns the seed of a run: as its log states it, else as the log's name does.
fn seed_of(run: &RunLog) -> Option<i64> {
    let named = || {
        let (_, rest) = run.log.file_stem()?.rsplit_once("seed")?;
        let digits = rest.trim_start_matches(['_', '-']);
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    run.seed.value().or_else(named)
}

/// Returns the runs of the folder to reproduce: each states a seed and a score.
fn claimed_runs<'a>(folder: &'a Folder, seeds: &[i64]) -> Result<Vec<&'a RunLog>> {
    let known: Vec<&RunLog> =
        folder.runs.official.iter().filter(|run| run.val_bpb.is_some() && seed_of(run).is_some()).collect();
    let numbers: Vec<i64> = known.iter().copied().filter_map(seed_of).collect();
    let listed = || numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        return Err(Error::unreadable(
            &folder.path,
            "no log of it states a score and, itself or by its name, a seed: there is nothing to compare with",
        ));
    }
    if let Some(missing) = seeds.iter().find(|seed| !numbers.contains(seed)) {
        return Err(Error::Usage(format!("--seed {missing}: the logs are of the seeds {}", listed())));
    }
    let wanted = |run: &&RunLog| seeds.is_empty() || seed_of(run).is_some_and(|seed| seeds.contains(&seed));
    Ok(known.into_iter().filter(wanted).collect())
}
