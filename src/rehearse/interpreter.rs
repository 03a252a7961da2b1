//! The Python that rehearses: the user's, or one that caddie makes once.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use caddie_files::{Error, Result};

/// The needs of the package, in the versions that it is tested with.
const REQUIREMENTS: &str = include_str!("../../rehearsal/requirements.txt");

/// The oldest Python whose syntax a script may have that is not read by 3.11, and the newest that torch 2.11.0 is made for.
const NEWER: std::ops::RangeInclusive<u8> = 12..=14;

/// A Python with torch.
#[derive(Debug, Clone)]
pub struct Interpreter {
    pub python: Utf8PathBuf,
    /// 11 of Python 3.11.
    pub minor: u8,
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
            None => environment(None, tell)?,
        };
        Interpreter::of(&python)
    }

    /// Finds one as [`Interpreter::find`] does that reads the syntax of Python 3.`minor`: where the first is older, a later one on
    /// PATH that has torch, else an environment that caddie makes from one there. Where no later Python is installed, the first
    /// one is returned, and the script stops at the line that it cannot read.
    ///
    /// # Errors
    /// As [`Interpreter::find`].
    pub fn find_for(given: Option<&Utf8Path>, minor: u8, tell: &mut dyn FnMut(&str)) -> Result<Interpreter> {
        // An environment of the older Python would be made in vain where a newer one is there.
        let in_vain = given.is_none() && minor >= *NEWER.start() && version_of(&base()).is_none_or(|base| base < minor);
        if in_vain && let Some(newer) = newer(minor, tell)? {
            return Ok(newer);
        }
        let first = Interpreter::find(given, tell)?;
        if first.minor >= minor {
            return Ok(first);
        }
        Ok(newer(minor, tell)?.unwrap_or(first))
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
        // Prints the version, then the place of the program, of its installation, of its real files, of its shared
        // library, and packages that are links.
        let code = "import os, sys, sysconfig, MODULE; real = os.path.realpath; print(sys.version_info[1]); \
                    print(sys.executable); \
                    print(sys.prefix); print(sys.base_prefix); print(real(sys.base_prefix)); \
                    print(os.path.dirname(os.path.dirname(real(sys.executable)))); \
                    print(sysconfig.get_config_var('LIBDIR') or sys.base_prefix); \
                    links = [e for p in sys.path if p.endswith('site-packages') for e in os.scandir(p) if e.is_symlink()]; \
                    print(*(real(e.path) for e in links), sep='\\n')";
        let output =
            Command::new(python).args(["-I", "-c", &code.replace("MODULE", module)]).stdin(Stdio::null()).output();
        let output = output.map_err(Error::io(python, "starting"))?;
        if !output.status.success() {
            let last = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned();
            return Err(Error::unreadable(python, format!("this Python cannot import {module} ({last}); {remedy}")));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // An empty path would be the beginning of every other one.
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let minor = lines.next().and_then(|minor| minor.parse().ok()).unwrap_or_default();
        let mut lines = lines.map(Utf8PathBuf::from);
        let python = lines.next().unwrap_or_else(|| python.to_owned());
        let mut folders: Vec<Utf8PathBuf> = lines.filter(|path| !path.starts_with("/usr") && path != "/").collect();
        folders.sort();
        // A folder within another is there with it.
        folders.dedup_by(|inner, outer| inner.starts_with(&*outer));
        folders.retain(|path| path.exists());
        Ok(Interpreter { python, minor, folders })
    }
}

/// The folder in which caddie keeps what it fetches: `CADDIE_CACHE`, else the user's cache.
pub fn cache() -> Result<Utf8PathBuf> {
    let of = |name: &str| std::env::var(name).ok().filter(|path| !path.is_empty()).map(Utf8PathBuf::from);
    of("CADDIE_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|path| path.join("caddie")))
        .or_else(|| of("HOME").map(|path| path.join(".cache/caddie")))
        .ok_or_else(|| Error::Usage("no folder to keep Python in: set CADDIE_CACHE to one".to_owned()))
}

/// A later Python that reads the syntax of 3.`minor`; `None` where none is installed.
fn newer(minor: u8, tell: &mut dyn FnMut(&str)) -> Result<Option<Interpreter>> {
    let named = std::env::var("REHEARSAL_PYTHONS").unwrap_or_default();
    let named = named.split(':').filter(|path| !path.is_empty()).map(str::to_owned);
    let names: Vec<String> = named.chain(NEWER.map(|newer| format!("python3.{newer}"))).collect();
    let names: Vec<&String> =
        names.iter().filter(|name| version_of(name).is_some_and(|found| found >= minor)).collect();
    // One with torch costs nothing.
    if let Some(found) = names.iter().find_map(|name| Interpreter::of(Utf8Path::new(name)).ok()) {
        tell(&format!("the script has syntax of Python 3.{minor}: taking {}", found.python));
        return Ok(Some(found));
    }
    match names.first() {
        None => Ok(None),
        Some(base) => {
            tell(&format!("the script has syntax of Python 3.{minor}: taking an environment of {base}"));
            Interpreter::of(&environment(Some(base), tell)?).map(Some)
        }
    }
}

/// The program from which caddie makes its environment.
fn base() -> String {
    std::env::var("CADDIE_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// The executable itself of a Python: a shim or a link, from which an environment was made, could not be followed behind walls.
fn real(python: &str) -> Result<String> {
    let code = "import os, sys; print(os.path.realpath(getattr(sys, '_base_executable', sys.executable)))";
    let output = Command::new(python).args(["-I", "-c", code]).stdin(Stdio::null()).output();
    let output = output.map_err(Error::io(python, "starting"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .map(|path| if path.is_empty() { python.to_owned() } else { path })
}

/// The minor version of a Python; `None` where it does not start.
fn version_of(python: &str) -> Option<u8> {
    let output =
        Command::new(python).args(["-I", "-c", "import sys; print(sys.version_info[1])"]).stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// caddie's own environment, of `newer` or of the usual Python: complete, or made now. It is named by its contents.
fn environment(newer: Option<&str>, tell: &mut dyn FnMut(&str)) -> Result<Utf8PathBuf> {
    let hash = caddie_format::sha256(REQUIREMENTS.as_bytes());
    let parent = cache()?;
    let version = newer.and_then(version_of).map(|minor| format!("-3.{minor}")).unwrap_or_default();
    let place = parent.join(format!("python-{}{version}", hash.get(..12).unwrap_or(&hash)));
    let python = place.join("bin/python");
    if place.join("complete").is_file() {
        return Ok(python);
    }
    fs::create_dir_all(&parent).map_err(Error::io(&parent, "creating"))?;
    tell("making a Python with torch 2.11.0, once; this fetches about 0.7 GB");
    // The environment's own paths are in its files, so it is made in its place; `complete` is written last.
    let base = real(&newer.map_or_else(base, str::to_owned))?;
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
