//! One run of a participant's own script: a training, or the evaluation of a model that is there already.

use camino::{Utf8Path, Utf8PathBuf};

use super::launcher::Launcher;
use super::lock::Lock;
use super::plan::Plan;
use super::seed::{Failure, Surroundings};
use super::{Audience, ScriptSubmission, evaluation};
use crate::render::Track;
use crate::render::script::ScriptRun;
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// A run as it is asked for.
#[derive(Debug, Clone)]
pub struct SingleRun {
    pub script: Utf8PathBuf,
    pub seed: u64,
    /// Processes; as many as GPUs are found where `None`, else 1.
    pub nproc: Option<u32>,
    /// Settings that the script reads from its environment.
    pub env: Vec<(String, String)>,
    pub launcher: Option<Launcher>,
    /// Name of the folder of its runs; the script's where `None`.
    pub name: Option<String>,
    /// Folder that gets `runs/`.
    pub out: Utf8PathBuf,
    pub data: Utf8PathBuf,
    /// Wall-clock seconds after which the run is ended.
    pub enforce: Option<f64>,
    pub rulebook: Rulebook,
}

/// A finished run.
#[derive(Debug)]
pub struct Done {
    /// `runs/<name>/seed-<n>`.
    pub dir: Utf8PathBuf,
    pub run: ScriptRun,
}

/// Trains one seed, or takes its finished run.
///
/// # Errors
/// As [`super::submit`].
pub fn train(single: &SingleRun, audience: &mut dyn Audience) -> Result<std::result::Result<Done, Failure>> {
    let submission = single.submission()?;
    let plan = Plan::of(&submission)?;
    let _lock = Lock::of(&plan.runs, None)?;
    let seed = plan.seed(single.seed, &submission)?;
    let made = plan.make(&seed, audience)?;
    Ok(made.map(|(run, _)| Done { dir: seed.dir.clone(), run }))
}

/// Lets the script evaluate `checkpoint`, by the switch that it reads.
///
/// # Errors
/// As [`train`], and when the script reads no switch.
pub fn evaluate(
    single: &SingleRun,
    checkpoint: &Utf8Path,
    audience: &mut dyn Audience,
) -> Result<std::result::Result<Done, Failure>> {
    caddie_files::regular(checkpoint)?;
    let checkpoint = checkpoint.canonicalize_utf8().map_err(Error::io(checkpoint, "resolving"))?;
    let submission = single.submission()?;
    let plan = Plan::of(&submission)?;
    let switch = evaluation::of(&plan.code.path, &plan.asked, &checkpoint)?;
    let mut env = switch.settings(&checkpoint);
    env.retain(|(name, _)| !submission.env.iter().any(|(given, _)| given == name));
    let told: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    audience.say(&format!("evaluating alone, by {} (as the script of PR #{})", told.join(" "), switch.example));
    env.extend(submission.env.iter().cloned());
    let submission = ScriptSubmission { env, ..submission };
    let _lock = Lock::of(&plan.runs, None)?;
    // Another checkpoint is another evaluation.
    let sha256 = caddie_files::sha256(&checkpoint)?;
    let mut seed = plan.seed(single.seed, &submission)?;
    seed.dir = plan.runs.join(format!("evaluation-{}", sha256.get(..12).unwrap_or(&sha256)));
    let name = checkpoint.file_name().filter(|_| switch.path.is_none());
    if let Some(name) = name {
        audience
            .say(&format!("{name} lies in the folder of the run: the script opens a file there by a name of its own"));
        let brought = vec![(Utf8PathBuf::from(name), checkpoint.clone())];
        seed.surroundings = Surroundings { brought, stranger: None };
    }
    let made = plan.make(&seed, audience)?;
    Ok(made.map(|(run, _)| Done { dir: seed.dir.clone(), run }))
}

impl SingleRun {
    /// Describes the run as a submission of one seed that is never rendered.
    fn submission(&self) -> Result<ScriptSubmission> {
        Ok(ScriptSubmission {
            script: self.script.clone(),
            seeds: vec![self.seed],
            nproc: self.nproc,
            env: self.env.clone(),
            launcher: self.launcher.clone(),
            name: self.name.clone(),
            blurb: String::new(),
            author: String::new(),
            github_id: String::new(),
            track: Track::of(&self.rulebook, None)?,
            rulebook: self.rulebook.clone(),
            date: None,
            out: self.out.clone(),
            data: self.data.clone(),
            enforce: self.enforce,
            force: false,
            runs_only: false,
        })
    }
}
