//! Work of the engine, which a second executable does.
//!
//! libtorch registers thousands of operators while it is loaded, which takes every process a quarter of a second. So `caddie` is
//! linked without it, and for work of the engine it becomes `caddie-native`, the file beside it: the same command line, linked
//! with libtorch. What decides is that nothing but [`link`] names the engine's work, and only `caddie-native` calls [`link`]:
//! the linker leaves out what nobody names (tests/startup.rs holds it to that).

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use camino::Utf8Path;

use super::ablate::{self, AblateArgs};
use super::evaluate::{self, NativeEvaluateOptions};
use super::inspect::{self, InspectArgs};
use super::probe::{self, EntropyArgs};
use super::probe_invariance::{self, InvarianceArgs};
use super::probe_source::{self, ProbeSourceArgs};
use super::recipe::{self, RecipeArgs};
use super::reproduce::{self, ReproduceArgs};
use super::submit::{self, SubmitArgs};
use super::train::{self, TrainArgs};
use crate::error::exit;
use crate::runner::{ENGINE_PROGRAM, recipes};
use crate::{Error, Result};

/// Work of the engine, with the options that say what to do.
pub enum Work<'a> {
    Submit {
        args: &'a SubmitArgs,
        recipe: &'a str,
        changes: &'a [String],
    },
    Ablate {
        args: &'a AblateArgs,
        recipe: &'a str,
    },
    Train {
        args: &'a TrainArgs,
        recipe: &'a str,
    },
    Evaluate {
        options: &'a NativeEvaluateOptions,
        model: &'a Utf8Path,
        data: &'a Utf8Path,
    },
    Recipe(&'a RecipeArgs),
    /// Refuses a recipe that does not exist or contradicts itself.
    CheckRecipe(&'a str),
    Inspect(&'a InspectArgs),
    Reproduce(&'a ReproduceArgs),
    ProbeSource(&'a ProbeSourceArgs),
    ProbeEntropy(&'a EntropyArgs),
    ProbeInvariance(&'a InvarianceArgs),
}

static LINKED: OnceLock<fn(Work<'_>) -> Result<u8>> = OnceLock::new();

/// Lets this process do the engine's work itself. Call it first in `main`, and only in the executable that has libtorch.
pub fn link() {
    caddie_engine::parallel::prepare_process();
    // A second call would set the same function.
    let _ = LINKED.set(work);
}

/// Tells whether this process does the engine's work itself.
pub fn is_linked() -> bool {
    LINKED.get().is_some()
}

/// Does the work and returns the exit code; in `caddie`, which has no engine, this process becomes `caddie-native` with the same
/// arguments.
///
/// # Errors
/// Those of the work, or that `caddie-native` cannot be started.
pub fn run(task: Work<'_>) -> Result<u8> {
    match LINKED.get() {
        Some(work) => work(task),
        None => Err(become_engine()),
    }
}

fn work(task: Work<'_>) -> Result<u8> {
    match task {
        Work::Submit { args, recipe, changes } => submit::native::run(args, recipe, changes),
        Work::Ablate { args, recipe } => ablate::native::run(args, recipe),
        Work::Train { args, recipe } => train::native::run(args, recipe),
        Work::Evaluate { options, model, data } => evaluate::native::run(options, model, data),
        Work::Recipe(args) => recipe::run(args),
        Work::CheckRecipe(recipe) => recipes::resolve(recipe, &[]).map(|_| exit::OK),
        Work::Inspect(args) => inspect::run(args),
        Work::Reproduce(args) => reproduce::native::run(args),
        Work::ProbeSource(args) => probe_source::native::run(args),
        Work::ProbeEntropy(args) => probe::native::entropy(args),
        Work::ProbeInvariance(args) => probe_invariance::native::run(args),
    }
}

/// Replaces this process; what is returned is the reason why it could not be.
fn become_engine() -> Error {
    let engine = match path() {
        Ok(engine) => engine,
        Err(error) => return caddie_files::Error::io("caddie's own program", "finding")(error).into(),
    };
    let error = Command::new(&engine).args(std::env::args_os().skip(1)).exec();
    Error::usage(format!(
        "{}: the engine's program cannot be started ({error}); it belongs beside caddie: copy or install both",
        engine.display()
    ))
}

/// The path of `caddie-native`: beside this executable, whichever of the two this is.
///
/// # Errors
/// When the operating system does not say where this executable lies.
pub fn path() -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(ENGINE_PROGRAM))
}
