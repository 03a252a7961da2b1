//! The machine and the versions of a run: asked of the programs that know them, each within a time. An answer that does not
//! come is `None`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::launcher::{Launcher, on_path};
use super::record::Machine;

/// Time for an answer; a broken driver can make nvidia-smi hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for versions, GPUs and the state of the repository of `script`.
pub fn look(script: &Utf8Path, launcher: &Launcher) -> Machine {
    let folder = script.parent().unwrap_or(Utf8Path::new("."));
    // Reading the package's metadata takes no time; importing torch takes seconds.
    let versions = "import platform; print(platform.python_version())\n\
                    from importlib.metadata import version\ntry: print(version('torch'))\nexcept Exception: pass";
    let python = launcher.interpreter().and_then(|python| answer(Command::new(python).args(["-I", "-c", versions])));
    let mut lines = python.as_deref().unwrap_or_default().lines().map(str::to_owned);
    let git = |arguments: &[&str]| answer(Command::new("git").args(["-C", folder.as_str()]).args(arguments));
    let commit = git(&["rev-parse", "HEAD"]);
    // It ends with an error where tracked files differ.
    let dirty = commit.as_ref().map(|_| git(&["diff-index", "--quiet", "HEAD"]).is_none());
    Machine {
        caddie: env!("CARGO_PKG_VERSION").to_owned(),
        python: lines.next(),
        torch: lines.next(),
        gpus: gpus(),
        git_commit: commit,
        git_dirty: dirty,
    }
}

/// One line a GPU; none without nvidia-smi.
pub fn gpus() -> Vec<String> {
    let Some(smi) = on_path("nvidia-smi") else { return Vec::new() };
    let query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"];
    answer(Command::new(smi).args(query)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Returns the output of a program, trimmed, if it ends well and in time.
fn answer(command: &mut Command) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let until = Instant::now() + PATIENCE;
    // The answers are short: they fit into the pipe.
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    status.success().then_some(text)
}
