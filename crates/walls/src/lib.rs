//! Runs a stranger's program inside walls: no network, no file but those that it is given, no privilege, and bounds on
//! memory, processes, open files, file sizes and processor time. When it ends, everything that it started ends.
//!
//! The walls are the kernel's: namespaces for users, mounts, processes, network and IPC; Landlock for files; seccomp for system
//! calls; resource limits. None needs root. Where one of them cannot be put up nothing is run and [`Error::Missing`] says which.
//! They hold off a program that steals, meddles or runs wild; they do not hold off an attack on the kernel itself.
//!
//! A program gets inside in two steps, both by this very executable, because a namespace of processes begins with a child:
//! [`spawn`] starts `EXE STAGE1`, which leaves the system's namespaces and starts `EXE STAGE2`, the first process of the new
//! ones, which builds the file system, gives every privilege away and starts the program. Both are dispatched by [`enter`].

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod landlocked;
mod plan;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod stages;

use std::path::Path;
use std::process::{Command, Stdio};

pub use plan::{Limits, Plan};

/// The hidden argument that makes an executable enter the walls: `EXE walled-1 PLAN`.
pub const STAGE1: &str = "walled-1";
/// The hidden argument of the second step.
pub const STAGE2: &str = "walled-2";

/// The exit code of a stage that cannot put up a wall; it writes the reason to its standard error behind [`REFUSED`].
pub const NO_WALL: u8 = 125;
/// The beginning of the line that names the missing wall.
pub const REFUSED: &str = "caddie-walls: ";

/// Each wall with the thing that it stops.
pub const WALLS: &[(&str, &str)] = &[
    ("network", "a namespace with a loopback of its own: no other machine and no service of this one can be reached"),
    (
        "files",
        "a root of its own with the interpreter read-only and one writable folder, and Landlock over it: home, keys and other work are not there",
    ),
    (
        "processes",
        "a namespace in which other processes are neither seen nor signalled, and which ends with the program",
    ),
    ("identity", "an unprivileged user without capabilities, and no way to new ones"),
    ("environment", "only the variables that it is given"),
    ("system calls", "no tracing, mounting, keys, kernel modules, BPF, io_uring or new namespaces"),
    ("limits", "memory, processes, open files, size of a file, processor time"),
];

/// The reason why a program was not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A wall cannot be put up here.
    #[error("the wall `{wall}` cannot be put up: {reason}")]
    Missing { wall: &'static str, reason: String },
    /// The plan is at fault.
    #[error("{path}: {source}", path = path.display())]
    Plan { path: std::path::PathBuf, source: std::io::Error },
    /// The program could not be started.
    #[error("{program}: {source}", program = program.display())]
    Start { program: std::path::PathBuf, source: std::io::Error },
}

/// Builds the command that runs a plan: this executable's first stage, with nothing of the environment. The caller says
/// where its output goes and starts it. When the caller dies the program is killed.
///
/// # Errors
/// When the plan cannot be written, or this executable cannot be found.
pub fn command(plan: &Plan, plan_file: &Path) -> Result<Command, Error> {
    let failed = |source| Error::Plan { path: plan_file.to_owned(), source };
    let json = serde_json::to_vec(plan).map_err(|error| failed(error.into()))?;
    std::fs::write(plan_file, json).map_err(failed)?;
    let exe = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(exe);
    command.arg(STAGE1).arg(plan_file).env_clear().stdin(Stdio::null());
    // Passes the path of the engine's libtorch where the loader needs it.
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    Ok(command)
}

/// Enters the walls when the command line asks for it: `arguments` are those behind the executable's name. Returns
/// `None` where they ask for something else, and the exit code otherwise. Call it first of all, while the process has
/// one thread.
pub fn enter(arguments: &[std::ffi::OsString]) -> Option<u8> {
    let (stage, plan) = (arguments.first()?.to_str()?, arguments.get(1)?);
    if stage != STAGE1 && stage != STAGE2 {
        return None;
    }
    let run = || {
        let path = Path::new(plan);
        let failed = |source| Error::Plan { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(failed)?;
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        stage_of(stage, &plan, path)
    };
    Some(run().unwrap_or_else(|error| {
        eprintln!("{REFUSED}{error}");
        NO_WALL
    }))
}

#[cfg(target_os = "linux")]
fn stage_of(stage: &str, plan: &Plan, path: &Path) -> Result<u8, Error> {
    if stage == STAGE1 { stages::leave(path) } else { stages::close(plan) }
}

#[cfg(not(target_os = "linux"))]
fn stage_of(_: &str, _: &Plan, _: &Path) -> Result<u8, Error> {
    Err(Error::Missing { wall: "network", reason: "walls are made of Linux namespaces".to_owned() })
}
