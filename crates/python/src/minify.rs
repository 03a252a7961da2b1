//! The user's minifier: `pyminify` of the Python package python-minifier, where it is installed. It reads a copy of the
//! script in a folder of its own and is stopped after a while; the script is parsed by it, never run.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::module::Module;

/// The name of the minifier's program.
pub const PROGRAM: &str = "pyminify";
/// The time that the minifier may take; a script of 150 kB takes a second or two.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// Most bytes that are read of its output. A minified script is shorter than its source; this bounds any other output.
const MAX_OUTPUT: u64 = 16 << 20;
/// Options that the field's packers pass. Locals are not renamed and literals not hoisted: both would show in a script
/// that looks at itself, and neither makes the packed script smaller by much.
const OPTIONS: [&str; 2] = ["--no-rename-locals", "--no-hoist-literals"];
/// The option that removes docstrings; the field passes it as well. It is left out where the script reads them.
const WITHOUT_DOCSTRINGS: &str = "--remove-literal-statements";
const READS_DOCSTRINGS: [&str; 2] = ["__doc__", "getdoc"];
/// Words of scripts whose annotations are read when they run: Triton's `tl.constexpr`, schemas of custom operators.
const READS_ANNOTATIONS: [&str; 10] = [
    "triton",
    "custom_op",
    "__annotations__",
    "get_type_hints",
    "inspect",
    "jit.script",
    "singledispatch",
    "pydantic",
    "jaxtyping",
    "beartype",
];

/// A minified script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minified {
    pub source: Vec<u8>,
    /// `pyminify 3.4.0`.
    pub by: String,
    /// Annotations were left in, because the script reads them.
    pub annotations_kept: bool,
}

/// Returns the path of the minifier, found by the directories of PATH; relative ones are passed over.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let file = |directory: PathBuf| directory.join(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
    std::env::split_paths(&path).filter(|directory| directory.is_absolute()).map(file).find(|file| file.is_file())
}

/// Minifies `source` with the program at `program`.
///
/// # Errors
/// The reason, when the program does not start, fails, takes too long, or writes something that is not Python.
pub fn minify(program: &std::path::Path, source: &[u8]) -> Result<Minified, String> {
    let failed = |error: std::io::Error| format!("{PROGRAM} could not be run: {error}");
    let room = tempfile::tempdir().map_err(failed)?;
    std::fs::write(room.path().join("source.py"), source).map_err(failed)?;
    let annotations_kept = READS_ANNOTATIONS.iter().any(|word| holds(source, word));
    let mut command = Command::new(program);
    command.args(OPTIONS);
    if !READS_DOCSTRINGS.iter().any(|word| holds(source, word)) {
        command.arg(WITHOUT_DOCSTRINGS);
    }
    if annotations_kept {
        command.arg("--no-remove-annotations");
    }
    command.args(["--output", "minified.py", "source.py"]);
    run(command, room.path())?;
    let file = std::fs::File::open(room.path().join("minified.py"));
    let file = file.map_err(|_| format!("{PROGRAM} wrote nothing"))?;
    let mut minified = Vec::new();
    file.take(MAX_OUTPUT + 1).read_to_end(&mut minified).map_err(failed)?;
    if minified.len() as u64 > MAX_OUTPUT {
        return Err(format!("{PROGRAM} wrote more than {MAX_OUTPUT} bytes"));
    }
    let text = std::str::from_utf8(&minified).map_err(|_| format!("{PROGRAM} wrote something else than UTF-8"))?;
    match Module::parse(text) {
        Ok(module) if !module.body().is_empty() => {}
        Ok(_) => return Err(format!("{PROGRAM} left nothing of the script")),
        Err(problem) => return Err(format!("the output of {PROGRAM} is not Python: {problem}")),
    }
    Ok(Minified { source: minified, by: version(program, room.path()), annotations_kept })
}

/// Tells whether the text holds the word.
pub(super) fn holds(source: &[u8], word: &str) -> bool {
    source.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Runs the command to its end or to the time limit; its words on standard error are the reason of a failure.
fn run(mut command: Command, room: &std::path::Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{PROGRAM} could not be run: {error}");
    let said = room.join("said");
    let errors = std::fs::File::create(&said).map_err(failed)?;
    let child = command.current_dir(room).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let status = wait(child.spawn().map_err(failed)?)?;
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    if let Ok(file) = std::fs::File::open(&said) {
        // A part of it that cannot be read is only missing from the message.
        let _ = file.take(1 << 16).read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    Err(format!("{PROGRAM} failed: {}", caddie_files::text::one_line(last)))
}

fn wait(mut child: Child) -> Result<std::process::ExitStatus, String> {
    let failed = |error: std::io::Error| format!("{PROGRAM} could not be run: {error}");
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if begun.elapsed() > TIME_LIMIT {
            // It is gone either way; the error below is the news.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{PROGRAM} took longer than {} s", TIME_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `pyminify 3.4.0`, or the bare name where it does not tell.
fn version(program: &std::path::Path, room: &std::path::Path) -> String {
    let tells = || {
        let file = room.join("version");
        let output = std::fs::File::create(&file).ok()?;
        let mut command = Command::new(program);
        command.arg("--version").current_dir(room).stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
        wait(command.spawn().ok()?).ok().filter(std::process::ExitStatus::success)?;
        let mut text = Vec::new();
        std::fs::File::open(&file).ok()?.take(256).read_to_end(&mut text).ok()?;
        let text = String::from_utf8(text).ok()?;
        let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let plain = number.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        plain.then(|| format!("{PROGRAM} {number}"))
    };
    tells().unwrap_or_else(|| PROGRAM.to_owned())
}
