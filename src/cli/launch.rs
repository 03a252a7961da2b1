//! `caddie submit --on`: the job for another engine, and the commands that a person goes on with.

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};

use super::submit::{SubmitArgs, SubmitSubject};
use crate::artifact::Limits;
use crate::project::Project;
use crate::render::Track;
use crate::runner::launch::{self, Engine, Launch, launch, write_template};
use caddie_files::{Error, Result, exit};

/// Options for seeds that are run elsewhere.
#[derive(Debug, Clone, Args)]
pub struct LaunchOptions {
    /// Write a job that runs the seeds elsewhere, and print the command that starts it; `caddie collect` takes the runs back
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub on: Option<On>,
    /// With --on: write the job's template into launch/ of the working folder, to be edited, and stop
    #[arg(long, requires = "on")]
    pub write_template: bool,
    /// Run the seeds and stop: other machines make the others, and `caddie collect` renders
    #[arg(long, conflicts_with = "on")]
    pub runs_only: bool,
}

/// Engines that run jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum On {
    /// An sbatch array on a shared disk, a task for each seed
    Slurm,
    /// A SkyPilot managed job for each seed
    Skypilot,
}

impl From<On> for Engine {
    fn from(on: On) -> Engine {
        match on {
            On::Slurm => Engine::Slurm,
            On::Skypilot => Engine::SkyPilot,
        }
    }
}

/// Writes the job, or its template.
pub fn run(on: On, args: &SubmitArgs, subject: SubmitSubject, project: Option<&Project>) -> Result<u8> {
    let here = || {
        let here = Utf8Path::new(".");
        here.canonicalize_utf8().map_err(Error::io(here, "resolving"))
    };
    let folder = project.map_or_else(here, |project| Ok(project.folder.clone()))?;
    if args.launch.write_template {
        let path = write_template(on.into(), &folder)?;
        super::print(&format!("wrote {path}\nnext: edit it; `caddie submit --on` makes jobs from it\n"))?;
        return Ok(exit::OK);
    }
    let about = &args.submission;
    let rulebook = about.rulebook.load()?;
    let track = Track::of(&rulebook, about.track.as_deref())?;
    let limits = Limits::of(&rulebook, rulebook.track(&track.name));
    // A track that demands no machine is still run on GPUs, mostly of the kind that the record track demands.
    let demanded = track.hardware.as_ref();
    let accelerator = demanded.or_else(|| rulebook.hardware_of(None)).map_or("H100", |hardware| hardware.gpu.as_str());
    let gpus = args.script.nproc.map(u64::from).or(demanded.map(|hardware| hardware.gpus)).unwrap_or(1);
    let program = std::env::current_exe().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    let done = launch(&Launch {
        engine: on.into(),
        name: about.name.clone().unwrap_or_else(|| subject.name()),
        subject: subject.launched(args),
        seeds: args.seeds.clone(),
        data: args.data.clone(),
        out: args.out.clone(),
        folder,
        program: program.ok_or_else(|| Error::Usage("caddie does not know where its own file lies".to_owned()))?,
        accelerator: accelerator.to_owned(),
        gpus,
        seconds: limits.train_seconds + limits.eval_seconds,
    })?;
    let from = done.template.map(|path| format!(" (from {path})")).unwrap_or_default();
    super::print(&format!("wrote {}{from}\nstart   {}\nthen    {}\n", done.job, done.start, done.collect))?;
    Ok(exit::OK)
}

impl SubmitSubject {
    /// The name of a submission that has none of its own.
    fn name(&self) -> String {
        let stem = |path: &Utf8Path| path.file_stem().unwrap_or_default().to_owned();
        match self {
            SubmitSubject::Script(script) => stem(script),
            #[cfg(feature = "engine")]
            SubmitSubject::Recipe { recipe, .. } => stem(Utf8Path::new(recipe)),
        }
    }

    /// The subject as tasks run it.
    fn launched(self, args: &SubmitArgs) -> launch::JobSubject {
        match self {
            SubmitSubject::Script(script) => launch::JobSubject::Script {
                script,
                env: args.script.env.clone(),
                launcher: args.script.launcher().as_ref().map(ToString::to_string),
                nproc: args.script.nproc,
                enforce: args.script.enforce,
            },
            #[cfg(feature = "engine")]
            SubmitSubject::Recipe { recipe, changes } => {
                launch::JobSubject::Recipe { recipe, changes, device: args.native.device.clone() }
            }
        }
    }
}
