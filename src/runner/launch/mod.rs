//! Seeds on other machines: a job for an engine that schedules them, written from a template that a person may edit.
//!
//! Each task of the job is `caddie submit --runs-only` for one seed. caddie schedules nothing and copies nothing: the engine
//! does, and `collect` takes the run directories back.

mod template;

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::asked::{self, check_seeds, folder_name};
use super::script::environment::is_secret;
use crate::render::script::quoted;
use caddie_files::{Error, Result};

pub use template::write_template;

/// Minutes beyond training and evaluation that a task gets: to load, compile, quantize and write.
const SPARE_MINUTES: f64 = 30.0;

/// An engine that runs tasks on other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Slurm,
    SkyPilot,
}

impl Engine {
    /// Name of the template, and of the job that is made from it.
    pub fn file(self) -> &'static str {
        match self {
            Engine::Slurm => "slurm.sh",
            Engine::SkyPilot => "skypilot.yaml",
        }
    }
}

/// The thing that every task runs.
#[derive(Debug, Clone)]
pub enum JobSubject {
    Script {
        script: Utf8PathBuf,
        env: Vec<(String, String)>,
        launcher: Option<String>,
        nproc: Option<u32>,
        enforce: Option<f64>,
    },
    Recipe {
        recipe: String,
        changes: Vec<String>,
        device: String,
    },
}

/// A job to be written.
#[derive(Debug, Clone)]
pub struct Launch {
    pub engine: Engine,
    pub subject: JobSubject,
    pub seeds: Vec<u64>,
    /// Name of the submission.
    pub name: String,
    pub data: Utf8PathBuf,
    pub out: Utf8PathBuf,
    /// The working folder, absolute: tasks run there, and `launch/` in it may hold an edited template.
    pub folder: Utf8PathBuf,
    /// The executable of this caddie.
    pub program: Utf8PathBuf,
    /// Name of the GPU of the track's machine.
    pub accelerator: String,
    /// GPUs of a task; 0 for none.
    pub gpus: u64,
    /// Seconds of training and evaluation that the track allows.
    pub seconds: f64,
}

impl Launch {
    /// The executable that runs recipes, beside [`Launch::program`]; `None` for a script, which needs none.
    fn engine_program(&self) -> Option<Utf8PathBuf> {
        matches!(self.subject, JobSubject::Recipe { .. }).then(|| self.program.with_file_name(super::ENGINE_PROGRAM))
    }
}

/// A job that was written.
#[derive(Debug, Clone)]
pub struct Launched {
    pub job: Utf8PathBuf,
    /// An edited template that it was made from; `None` for caddie's own.
    pub template: Option<Utf8PathBuf>,
    /// The commands that start it, for a person to run.
    pub start: String,
    /// The command that takes the runs back.
    pub collect: String,
}

/// Writes the job next to the run directories. An earlier one of the same name is replaced.
///
/// # Errors
/// When a seed or a name cannot be used, a setting is a secret, a path leads out of the folder that a SkyPilot job brings
/// along, or the template is not right.
pub fn launch(launch: &Launch) -> Result<Launched> {
    check_seeds(&launch.seeds)?;
    let runs = launch.out.join("runs").join(folder_name(&launch.name)?);
    fs::create_dir_all(&runs).map_err(Error::io(&runs, "creating"))?;
    let runs = runs.canonicalize_utf8().map_err(Error::io(&runs, "resolving"))?;
    if runs.as_str().contains(char::is_whitespace) && launch.engine == Engine::Slurm {
        return Err(Error::Usage(format!(
            "{runs}: Slurm takes no blanks in the path of its output; choose another --out"
        )));
    }
    let command = command(launch)?;
    let (text, template) = template::fill(launch, &runs, &command)?;
    let job = runs.join(launch.engine.file());
    asked::keep(&job, text.as_bytes())?;
    let start = match launch.engine {
        Engine::Slurm => format!("sbatch {}", quoted(job.as_str())),
        Engine::SkyPilot => {
            let seeds: Vec<String> = launch.seeds.iter().map(u64::to_string).collect();
            format!(
                "for seed in {}; do sky jobs launch --yes --detach-run --name {}-$seed --env SEED=$seed {}; done",
                seeds.join(" "),
                template::slug(&launch.name),
                quoted(job.as_str())
            )
        }
    };
    let back = match launch.engine {
        Engine::Slurm => runs.to_string(),
        Engine::SkyPilot => "DIR".to_owned(),
    };
    Ok(Launched { job, template, start, collect: format!("caddie collect {}", quoted(&back)) })
}

/// The command of a task, up to its seed.
fn command(launch: &Launch) -> Result<Vec<String>> {
    let place = |path: &Utf8Path| place(launch, path);
    let program = match launch.engine {
        Engine::Slurm => launch.program.to_string(),
        Engine::SkyPilot => "/tmp/caddie".to_owned(),
    };
    let mut words = vec![program, "submit".to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    match &launch.subject {
        JobSubject::Script { script, env, launcher, nproc, enforce } => {
            caddie_files::regular(script)?;
            option("--script", place(script)?);
            for (name, value) in env {
                if is_secret(name, value) {
                    return Err(Error::Usage(format!(
                        "{name} looks like a secret, and the job's file would show it: leave it out of --env and caddie.toml, \
                         and give it to the job by the engine's own means (sbatch --export, sky jobs launch --secret)"
                    )));
                }
                option("--env", format!("{name}={value}"));
            }
            launcher.iter().for_each(|launcher| option("--launcher", launcher.clone()));
            nproc.iter().for_each(|nproc| option("--nproc", nproc.to_string()));
            if let Some(seconds) = enforce {
                words.push(format!("--enforce={seconds}"));
            }
        }
        JobSubject::Recipe { recipe, changes, device } => {
            let is_file = Utf8Path::new(recipe).is_file();
            words.push(if is_file { place(Utf8Path::new(recipe))? } else { recipe.clone() });
            let mut option = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
            changes.iter().for_each(|change| option("--set", change));
            option("--device", device);
        }
    }
    let out = match launch.engine {
        Engine::Slurm => absolute(&launch.out)?,
        Engine::SkyPilot => "outputs".into(),
    };
    let options = [("--data", place(&launch.data)?), ("--name", launch.name.clone()), ("--out", out.into_string())];
    words.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    words.push("--runs-only".to_owned());
    Ok(words)
}

/// A path as a task names it: absolute on the shared disk of Slurm, from the working folder in a SkyPilot job. A path of the
/// data need not exist here.
fn place(launch: &Launch, path: &Utf8Path) -> Result<String> {
    let whole = absolute(path)?;
    match launch.engine {
        Engine::Slurm => Ok(whole.into_string()),
        Engine::SkyPilot => match whole.strip_prefix(&launch.folder) {
            Ok(inside) => Ok(inside.to_string()),
            Err(_) if path == launch.data => Ok(whole.into_string()),
            Err(_) => Err(Error::Usage(format!(
                "{path} lies outside {}, which is all that a SkyPilot job brings along; put it there",
                launch.folder
            ))),
        },
    }
}

fn absolute(path: &Utf8Path) -> Result<Utf8PathBuf> {
    if let Ok(real) = path.canonicalize_utf8() {
        return Ok(real);
    }
    let whole = std::path::absolute(path).map_err(Error::io(path, "resolving"))?;
    Utf8PathBuf::from_path_buf(whole).map_err(|path| Error::Usage(format!("{}: not UTF-8", path.display())))
}

/// Words as a POSIX shell takes them.
fn quoted_words(words: &[String]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{}", if index == 0 { "" } else { " " }, quoted(word));
    }
    text
}

/// Whole minutes of a task.
fn minutes(seconds: f64) -> u64 {
    (seconds / 60.0 + SPARE_MINUTES).ceil().clamp(1.0, 1e6) as u64
}
