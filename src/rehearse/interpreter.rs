//! The Python that rehearses: the user's, or one that caddie makes once.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use caddie_files::{Error, Result};

/// What the package needs, in the versions that it is tested with.
const REQUIREMENTS: &str = include_str!("../../rehearsal/requirements.txt");

/// A Python with torch.
#[derive(Debug, Clone)]
pub struct Interpreter {
    pub python: Utf8PathBuf,
    /// Folders without which it does not run, beside those of the system.
    pub folders: Vec<Utf8PathBuf>,
}

impl Interpreter {
    /// The Python at `given`, else the one of caddie's own environment, which is made where it is not there.
    ///
    /// # Errors
    /// When there is no Python, or torch cannot be imported or fetched.
    pub fn find(given: Option<&Utf8Path>, tell: &mut dyn FnMut(&str)) -> Result<Interpreter> {
        let python = match given {
            Some(python) => python.to_owned(),
            None => environment(tell)?,
        };
        Interpreter::of(&python)
    }

    fn of(python: &Utf8Path) -> Result<Interpreter> {
        let remedy = "install what rehearsal/requirements.txt lists, or leave --python out and caddie makes an environment of \
                      its own";
        Interpreter::with(python, "torch", remedy)
    }

    /// The Python at `python` with its folders, whatever is installed in it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn plain(python: &Utf8Path) -> Result<Interpreter> {
        Interpreter::with(python, "sysconfig", "give another one with --python")
    }

    fn with(python: &Utf8Path, module: &str, remedy: &str) -> Result<Interpreter> {
        // Prints the place of the program, of its installation, of its real files, and of its shared library.
        let code = "import os, sys, sysconfig, MODULE; real = os.path.realpath; print(sys.executable); \
                    print(sys.prefix); print(sys.base_prefix); print(real(sys.base_prefix)); \
                    print(os.path.dirname(os.path.dirname(real(sys.executable)))); \
                    print(sysconfig.get_config_var('LIBDIR') or sys.base_prefix)";
        let output =
            Command::new(python).args(["-I", "-c", &code.replace("MODULE", module)]).stdin(Stdio::null()).output();
        let output = output.map_err(Error::io(python, "starting"))?;
        if !output.status.success() {
            let last = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned();
            return Err(Error::unreadable(python, format!("this Python cannot import {module} ({last}); {remedy}")));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines().map(Utf8PathBuf::from);
        let python = lines.next().unwrap_or_else(|| python.to_owned());
        let mut folders: Vec<Utf8PathBuf> = lines.filter(|path| !path.starts_with("/usr") && path != "/").collect();
        folders.sort();
        // A folder within another is there with it.
        folders.dedup_by(|inner, outer| inner.starts_with(&*outer));
        folders.retain(|path| path.exists());
        Ok(Interpreter { python, folders })
    }
}

/// Where caddie keeps what it fetches: `CADDIE_CACHE`, else the user's cache.
pub fn cache() -> Result<Utf8PathBuf> {
    let of = |name: &str| std::env::var(name).ok().filter(|path| !path.is_empty()).map(Utf8PathBuf::from);
    of("CADDIE_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|path| path.join("caddie")))
        .or_else(|| of("HOME").map(|path| path.join(".cache/caddie")))
        .ok_or_else(|| Error::Usage("no folder to keep Python in: set CADDIE_CACHE to one".to_owned()))
}

/// caddie's own environment, complete or made now. It is named by what it holds.
fn environment(tell: &mut dyn FnMut(&str)) -> Result<Utf8PathBuf> {
    let hash = caddie_format::sha256(REQUIREMENTS.as_bytes());
    let parent = cache()?;
    let place = parent.join(format!("python-{}", hash.get(..12).unwrap_or(&hash)));
    let python = place.join("bin/python");
    if place.join("complete").is_file() {
        return Ok(python);
    }
    fs::create_dir_all(&parent).map_err(Error::io(&parent, "creating"))?;
    tell("making a Python with torch 2.11.0, once; this fetches about 0.7 GB");
    // The environment's own paths are in its files, so it is made in its place; `complete` is written last.
    let base = std::env::var("CADDIE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    step(&place, Command::new(&base).args(["-m", "venv", "--clear", place.as_str()]))?;
    let requirements = place.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(Error::io(&requirements, "writing"))?;
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"];
    tell("fetching torch and what a contest script imports");
    // torch names 2.6 GB of NVIDIA's libraries as its own needs; on a CPU empty ones in their place do.
    step(&place, Command::new(&python).args(pip).args(["--no-deps", "-r", requirements.as_str()]))?;
    let package = super::package::unpacked()?;
    tell("making stand-ins for NVIDIA's libraries");
    step(&place, Command::new(&python).env("PYTHONPATH", &package).args(["-m", "rehearsal.stand_ins"]))?;
    Interpreter::of(&python)?;
    let complete = place.join("complete");
    fs::write(&complete, "").map_err(Error::io(&complete, "writing"))?;
    Ok(python)
}

fn step(place: &Utf8Path, command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(Error::io(&program, "starting"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default();
    Err(Error::unreadable(
        place,
        format!("no Python could be made here: {last}; mend that, or give one that has torch 2.11.0 with --python"),
    ))
}
