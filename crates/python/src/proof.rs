//! Proof that a packed script hands exactly its source to Python: every CPython that is installed runs its frame up to the
//! point at which it would execute the source, and says the digest of what it got. The source itself is not run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// The oldest Python that scripts of the challenge run on.
const OLDEST: (u32, u32) = (3, 10);
/// The newest minor version that is looked for by its name.
const NEWEST: u32 = 19;
/// The time that one interpreter may take: it starts, decompresses 100 kB and ends.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Told where a package that the frame imports is not installed.
const LACKS: i32 = 77;

/// Takes the place of `exec` and `compile` for the script alone, before Python runs it.
const CAPTURE: &str = r#"
import builtins, hashlib, os, sys
run, translate = builtins.exec, builtins.compile
def of_the_script():
    return sys._getframe(2).f_globals.get("__name__") == "__main__"
def captured(code, *rest, **named):
    if not of_the_script():
        return run(code, *rest, **named)
    sys.stdout.write(hashlib.sha256(code if isinstance(code, bytes) else str(code).encode()).hexdigest())
    sys.stdout.flush()
    os._exit(0)
def untranslated(code, *rest, **named):
    return code if of_the_script() else translate(code, *rest, **named)
def failed(kind, error, trace):
    sys.stderr.write(f"{kind.__name__}: {error}\n")
    sys.stderr.flush()
    os._exit(77 if issubclass(kind, ImportError) else 1)
builtins.exec, builtins.compile, sys.excepthook = captured, untranslated, failed
"#;

/// A CPython that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    pub program: PathBuf,
    /// `3.11.7`
    pub version: String,
}

/// Returns every CPython from 3.10 on that the directories of PATH hold, one for each program file.
pub fn interpreters() -> Vec<Interpreter> {
    let Some(path) = std::env::var_os("PATH") else { return Vec::new() };
    let names = ["python3".to_owned(), "python".to_owned()].into_iter();
    let names: Vec<String> = names.chain((OLDEST.1..=NEWEST).map(|minor| format!("python3.{minor}"))).collect();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect();
    let mut seen = BTreeSet::new();
    let files = directories.iter().flat_map(|directory| {
        names.iter().map(|name| directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
    });
    files
        .filter(|file| file.is_file() && file.canonicalize().is_ok_and(|file| seen.insert(file)))
        .filter_map(|program| version(&program).map(|version| Interpreter { program, version }))
        .collect()
}

/// The version of a CPython that is new enough; nothing for any other program.
fn version(program: &Path) -> Option<String> {
    let asks = "import sys;print(sys.implementation.name,*sys.version_info[:3])";
    let child = Command::new(program)
        .args(["-I", "-S", "-c", asks])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let output = finish(child).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.split_whitespace();
    let is_cpython = words.next()? == "cpython";
    let numbers: Vec<u32> = words.map_while(|word| word.parse().ok()).collect();
    let [major, minor, micro] = *numbers.as_slice() else { return None };
    (is_cpython && (major, minor) >= OLDEST).then(|| format!("{major}.{minor}.{micro}"))
}

/// Lets each interpreter run the packed script up to the execution of its source; the versions of those that got
/// `source`. One that lacks a package that the frame imports proves nothing.
///
/// # Errors
/// The first interpreter that got something else, or nothing, with its reason.
pub fn prove(script: &[u8], source: &[u8], interpreters: &[Interpreter]) -> Result<Vec<String>, String> {
    if interpreters.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |error: std::io::Error| format!("the packed script could not be tried: {error}");
    let room = tempfile::tempdir().map_err(failed)?;
    std::fs::write(room.path().join("train_gpt.py"), script).map_err(failed)?;
    std::fs::write(room.path().join("sitecustomize.py"), CAPTURE).map_err(failed)?;
    let expected = caddie_files::hex(&Sha256::digest(source));
    let mut proven = Vec::new();
    for interpreter in interpreters {
        let child = Command::new(&interpreter.program)
            .args(["-B", "-s", "train_gpt.py"])
            .current_dir(room.path())
            .env("PYTHONPATH", room.path())
            .env_remove("PYTHONHOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let output = finish(child)?;
        if output.stdout == expected.as_bytes() {
            // Launchers of one Python under several names are tried as well, and told of once.
            if !proven.contains(&interpreter.version) {
                proven.push(interpreter.version.clone());
            }
        } else if output.status.code() != Some(LACKS) {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it got another source");
            return Err(format!(
                "CPython {} does not read it: {}",
                interpreter.version,
                caddie_files::text::one_line(said)
            ));
        }
    }
    Ok(proven)
}

/// Waits for a program that says little.
fn finish(mut child: Child) -> Result<Output, String> {
    let failed = |error: std::io::Error| format!("a Python could not be run: {error}");
    let begun = Instant::now();
    while child.try_wait().map_err(failed)?.is_none() {
        if begun.elapsed() > TIME_LIMIT {
            // It is gone either way; the error below is the news.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("a Python took longer than {} s", TIME_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::pack::{Codec, Writing, pack};
    use super::*;

    #[test]
    fn every_installed_python_gets_the_source_of_a_packed_script_and_runs_none_of_it() {
        let interpreters = interpreters();
        if interpreters.is_empty() {
            eprintln!("skipped: no CPython from 3.10 on is on PATH");
            return;
        }
        let line = "raise SystemExit('executed')  # é, \\0, a line that is there often\nimport inspect\n";
        for source in [line.repeat(300), line.replace("import inspect", "pass").repeat(300)] {
            for writing in Writing::ALL {
                let packed = pack(source.as_bytes(), Codec::Lzma, writing).expect("packs");
                let proven = prove(&packed.script, source.as_bytes(), &interpreters).expect("is proven");
                assert!(interpreters.iter().all(|one| proven.contains(&one.version)), "{writing:?}");
                let other = prove(&packed.script, b"another source", &interpreters);
                assert!(other.is_err(), "{writing:?}: {other:?}");
            }
        }
        let broken = prove(b"B=\"\xff\"\nexec(B)\n", b"", &interpreters).expect_err("is no UTF-8");
        assert!(broken.contains("does not read it"), "{broken}");
    }
}
