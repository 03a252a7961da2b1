//! `caddie submit`: from a recipe, or from a script, to a records folder.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::closing::Closing;
use super::doctor;
#[cfg(feature = "engine")]
use super::engine;
use super::launch::{self, LaunchOptions};
use super::render::SubmissionOptions;
use super::script_options::ScriptOptions;
use super::submit_script;
use crate::error::exit;
#[cfg(not(feature = "engine"))]
use crate::project;
use crate::project::Project;
use crate::runner::ready::Intended;
use crate::{Error, Result};

/// In lines of at most 80 columns: clap breaks longer ones wherever they end.
macro_rules! help {
    ($native:literal) => {
        concat!(
            "Examples:\n",
            $native,
            "  caddie submit --script train_gpt.py --data ./data/datasets/fineweb10B_sp1024 \\
      --nproc 8 --env MATRIX_LR=0.03 --name MyEntry --author Ada --github-id ada
  caddie submit --script train_gpt.py --data ./data --dry-run

A script runs in OUT/runs/NAME/seed-N/files, as yourself, with SEED, RUN_ID,
DATA_PATH, DATA_DIR, TOKENIZER_PATH and VOCAB_SIZE in its environment. What it
prints goes to seed-N/log.txt as it comes; run.json beside it records command,
settings, versions, GPUs, the git commit and the SHA-256 of every file that it
wrote, and no secret. Nothing is stopped that would not stop itself, unless
--enforce is given. All its processes end with it.

Exit codes:
  0  the folder verifies, or the job is written (--on)
  1  it has findings, or a run failed or diverged
  2  wrong usage, or a log without a score that verify reads
  3  interrupted: run it again, and finished seeds are kept"
        )
    };
}

#[cfg(feature = "engine")]
const HELP: &str = help!(
    "  caddie submit demo --data demo/data --track non_record_16mb --out demo
  caddie submit baseline --data ./data --device cuda --name MyEntry \\
      --author Ada --github-id ada
"
);
#[cfg(not(feature = "engine"))]
const HELP: &str = help!("");

/// Train every seed of a recipe or of your own script, render the records folder, pack the artifact, and verify it
///
/// Each seed leaves its result under OUT/runs; killed and started again, the command continues there and ends with the same
/// folder. Runs of a recipe continue within a seed, runs of a script with the next seed.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct SubmitArgs {
    #[cfg(feature = "engine")]
    #[command(flatten)]
    pub native: native::NativeSubmitOptions,
    #[command(flatten)]
    pub script: ScriptOptions,
    #[command(flatten)]
    pub launch: LaunchOptions,
    /// A sentence on the method, for README.md and submission.json
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub blurb: String,
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    pub data: Utf8PathBuf,
    /// One run each
    #[arg(long, value_delimiter = ',', default_value = "42,0,1234", value_name = "N,N,…")]
    pub seeds: Vec<u64>,
    #[command(flatten)]
    pub submission: SubmissionOptions,
    /// Folder that gets runs/, records/<track>/<date>_<Name>/, PULL_REQUEST.md and <Name>.tar.zst
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: Utf8PathBuf,
    /// Run nothing: say what of the submission's needs is here, and the command that mends each lack (caddie doctor)
    #[arg(long)]
    pub dry_run: bool,
}

/// The thing that is run for every seed.
#[derive(Debug, Clone)]
pub enum SubmitSubject {
    Script(Utf8PathBuf),
    #[cfg(feature = "engine")]
    Recipe {
        recipe: String,
        changes: Vec<String>,
    },
}

impl SubmitSubject {
    /// The script or recipe of the command line, else that of `caddie.toml`.
    fn of(args: &SubmitArgs, project: Option<&Project>) -> Result<SubmitSubject> {
        #[cfg(feature = "engine")]
        if let Some(recipe) = &args.native.recipe {
            return Ok(SubmitSubject::Recipe { recipe: recipe.clone(), changes: args.native.set.clone() });
        }
        if let Some(script) = args.script.script.clone().or_else(|| project?.script.clone()) {
            return Ok(SubmitSubject::Script(script));
        }
        match project.and_then(|project| Some((project, project.recipe.as_ref()?))) {
            #[cfg(feature = "engine")]
            Some((project, recipe)) => {
                let changes = project.set.iter().chain(&args.native.set).cloned().collect();
                Ok(SubmitSubject::Recipe { recipe: recipe.clone(), changes })
            }
            #[cfg(not(feature = "engine"))]
            Some((project, recipe)) => Err(Error::usage(format!(
                "{}: recipe = {recipe:?}: this caddie was built without the engine, which recipes need",
                project.folder.join(project::FILE)
            ))),
            None if cfg!(feature = "engine") => Err(Error::usage(
                "nothing to run: name a recipe, pass --script FILE, or write one of them into caddie.toml (caddie init)",
            )),
            None => Err(Error::usage("nothing to run: pass --script FILE, or write it into caddie.toml (caddie init)")),
        }
    }
}

/// Submits and closes with the table.
pub fn run(args: &SubmitArgs, project: Option<&Project>) -> Result<u8> {
    let subject = SubmitSubject::of(args, project)?;
    let mut args = args.clone();
    if let (SubmitSubject::Script(script), Some(project)) = (&subject, project) {
        args.script.script = Some(script.clone());
        args.script.env = project.settings(&args.script.env);
    }
    if args.dry_run {
        return Ok(dry_run(&args, &subject)?);
    }
    if let Some(on) = args.launch.on {
        return Ok(launch::run(on, &args, subject, project)?);
    }
    match subject {
        SubmitSubject::Script(_) => {
            let runs_only = args.launch.runs_only;
            Ok(submit_script::run(&args, runs_only)?)
        }
        #[cfg(feature = "engine")]
        SubmitSubject::Recipe { recipe, changes } => {
            engine::run(engine::Work::Submit { args: &args, recipe: &recipe, changes: &changes })
        }
    }
}

/// Says what the submission needs and whether it is here.
fn dry_run(args: &SubmitArgs, subject: &SubmitSubject) -> caddie_files::Result<u8> {
    let (script, recipe) = match subject {
        SubmitSubject::Script(script) => (Some(script.clone()), None),
        #[cfg(feature = "engine")]
        SubmitSubject::Recipe { recipe, .. } => (None, Some(recipe.clone())),
    };
    if let Some(script) = &script {
        caddie_files::regular(script)?;
    }
    let about = &args.submission;
    let intended = Intended {
        script,
        recipe,
        data: Some(args.data.clone()),
        track: about.track.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        out: args.out.clone(),
        launcher: args.script.launcher(),
        nproc: args.script.nproc,
        env: args.script.env.clone(),
    };
    doctor::told(&intended, &about.rulebook.load()?, doctor::DoctorFormat::Plain)
}

/// Prints how it ended.
pub(super) fn close(closing: &Closing<'_>, about: &SubmissionOptions) -> caddie_files::Result<u8> {
    super::print(&closing.text())?;
    about.remind();
    Ok(closing.exit_code())
}

/// Prints where the runs are, of which nothing more was asked.
pub(super) fn ran(runs: &Utf8Path) -> caddie_files::Result<u8> {
    super::print(&format!("runs      {runs}\nthen      caddie collect {runs}\n"))?;
    Ok(exit::OK)
}

/// A recipe, run by the engine.
#[cfg(feature = "engine")]
pub(super) mod native {
    use caddie_engine::log::Observer;
    use clap::Args;

    use super::super::closing::Closing;
    use super::super::outlook::Outlook;
    use super::super::progress::Progress;
    use super::{SubmitArgs, close};
    use crate::Result;
    use crate::render::Track;
    use crate::runner::recipes;
    use crate::runner::submit::{Submission, submit, train};

    /// Options that only a recipe has.
    #[derive(Debug, Clone, Args)]
    pub struct NativeSubmitOptions {
        /// Name of a built-in recipe (baseline, demo) or path of a recipe file
        #[arg(value_name = "RECIPE", conflicts_with = "script")]
        pub recipe: Option<String>,
        /// Change a key of the recipe; repeatable
        #[arg(long, value_name = "KEY=VALUE", conflicts_with = "script")]
        pub set: Vec<String>,
        /// auto, cpu, cuda or cuda:N, for a recipe
        #[arg(long, value_name = "DEVICE", default_value = "auto", conflicts_with = "script")]
        pub device: String,
    }

    pub fn run(args: &SubmitArgs, recipe: &str, changes: &[String]) -> Result<u8> {
        let about = &args.submission;
        let rulebook = about.rulebook.load()?;
        let submission = Submission {
            recipe: recipes::resolve(recipe, changes)?,
            seeds: args.seeds.clone(),
            name: about.name.clone(),
            author: about.author.clone(),
            github_id: about.github_id.clone(),
            track: Track::of(&rulebook, about.track.as_deref())?,
            rulebook,
            date: about.date,
            out: args.out.clone(),
            data: args.data.clone(),
            device: args.native.device.clone(),
            force: about.force,
        };
        let outlook = Outlook::on(args.seeds.len());
        let watch = |seed: u64| Box::new(Progress::new(outlook.seed(seed), false)) as Box<dyn Observer>;
        if args.launch.runs_only {
            return Ok(super::ran(&train(&submission, watch)?)?);
        }
        let done = submit(&submission, watch)?;
        let facts = &done.rendered.facts;
        let closing = Closing {
            results: &facts.results,
            limits: &facts.limits,
            report: &done.report,
            source: done.source.as_ref(),
            script_bytes: facts.launcher_bytes,
            notes: &[],
            folder: &done.rendered.folder,
            pull_request: &done.rendered.pull_request,
            artifact: done.rendered.artifact.as_deref(),
        };
        Ok(close(&closing, about)?)
    }
}
