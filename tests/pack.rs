//! `caddie pack`: the smallest self-extracting script, and that it runs as the script does.

use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt;

/// Runs `caddie pack`, with the minifiers of `path` alone.
fn pack(directory: &Path, path: &str, arguments: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = Command::cargo_bin("caddie").expect("the binary");
    let output = command.current_dir(directory).env("PATH", path).arg("pack").args(arguments).output().expect("runs");
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).expect("UTF-8"))
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

fn room() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// What a script can see of itself: its name, its file, the file's text, its lines in errors and through `inspect`.
const LOOKS_AT_ITSELF: &str = r##"
"""What it says of itself."""
from __future__ import annotations
import inspect, os, sys, traceback
from pathlib import Path

def scale(x: int, by: int = 2) -> int:
    """Lines that inspect.getsource finds."""
    return x * by  # é

def fails():
    raise ValueError("on purpose")

if __name__ == "__main__":
    code = Path(__file__).read_text(encoding="utf-8")
    print("bytes", len(code.encode("utf-8")) == os.path.getsize(__file__), open(__file__).read() == code)
    print("name", __name__, os.path.basename(__file__), __doc__, sys.argv[1:])
    try:
        fails()
    except ValueError:
        line = traceback.extract_tb(sys.exc_info()[2])[-1]
        print("error", line.name, line.lineno, line.line)
    print("source", inspect.getsource(scale))
    print("value", scale(21), scale.__annotations__)
    sys.exit(3)
"##;

/// The script and its packed form, each called train_gpt.py and each in a folder of its own, run by python3.
fn run_both(directory: &Path) -> Option<(Output, Output)> {
    let run = |folder: &str| {
        Command::new("python3").current_dir(directory.join(folder)).args(["train_gpt.py", "--seed", "42"]).output()
    };
    match (run("plain"), run("packed")) {
        (Ok(plain), Ok(packed)) => Some((plain, packed)),
        _ => {
            eprintln!("skipped: no python3 to run the packed script");
            None
        }
    }
}

fn both_folders(source: &str) -> tempfile::TempDir {
    let dir = room();
    for folder in ["plain", "packed"] {
        std::fs::create_dir(dir.path().join(folder)).expect("creates");
    }
    std::fs::write(dir.path().join("plain/train_gpt.py"), source).expect("writes");
    dir
}

#[test]
fn the_packed_script_sees_itself_as_the_script_does() {
    let filler = "# a line of the sort that a script has many of\n".repeat(60);
    let dir = both_folders(&format!("{}{filler}", LOOKS_AT_ITSELF.trim_start()));
    let (code, _, said) =
        pack(dir.path(), "", &["plain/train_gpt.py", "--minify", "never", "-o", "packed/train_gpt.py"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("linecache") && said.contains("uses __file__"), "{said}");
    let Some((plain, packed)) = run_both(dir.path()) else { return };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(plain.status.code(), Some(3), "{}", text(&plain.stderr));
    assert_eq!(
        (text(&plain.stdout), packed.status.code()),
        (text(&packed.stdout), Some(3)),
        "{}",
        text(&packed.stderr)
    );
}

/// The PATH of whoever runs the tests: packing is proven by the Pythons on it.
fn own_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

#[test]
fn raw_characters_below_a_coding_line_are_taken_where_python_proves_them() {
    let numbers: String = (0..600).map(|n: u32| format!("x{n} = {}  # é\n", n.wrapping_mul(2_654_435_761))).collect();
    let dir = both_folders(&format!("{numbers}print(sum([x1, x2, x599]), __name__)\nraise SystemExit(3)\n"));
    let arguments = ["plain/train_gpt.py", "--minify", "never", "-o", "packed/train_gpt.py", "--format", "json"];
    let (code, report, said) = pack(dir.path(), &own_path(), &arguments);
    let report = json(&report);
    assert_eq!(code, Some(0), "{said}");
    let proven = report["proven"].as_array().expect("versions");
    if proven.is_empty() {
        eprintln!("skipped: no CPython from 3.10 on is on PATH");
        return;
    }
    assert_eq!(report["writing"], "Latin-1", "{report:#}");
    let packed = std::fs::read(dir.path().join("packed/train_gpt.py")).expect("written");
    assert!(packed.starts_with(b"#coding:l1\n") && std::str::from_utf8(&packed).is_err());
    let Some((plain, packed)) = run_both(dir.path()) else { return };
    assert_eq!((plain.stdout, Some(3)), (packed.stdout, packed.status.code()));
    // Without a Python to prove it, base85 stays.
    let (_, report, _) = pack(dir.path(), "", &arguments);
    assert_eq!((&json(&report)["writing"], &json(&report)["proven"]), (&"base85".into(), &serde_json::json!([])));
}

#[test]
fn an_error_in_the_packed_script_names_its_line_and_not_the_payload() {
    let source = format!("{}raise SystemError('at the end')\n", "value = 'one of many lines'\n".repeat(200));
    let dir = both_folders(&source);
    let arguments = ["plain/train_gpt.py", "--minify", "never", "-o", "packed/train_gpt.py"];
    assert_eq!(pack(dir.path(), "", &arguments).0, Some(0));
    let Some((plain, packed)) = run_both(dir.path()) else { return };
    let said = String::from_utf8_lossy(&packed.stderr).into_owned();
    assert!(String::from_utf8_lossy(&plain.stderr).contains("line 201"));
    assert!(said.contains("line 201") && said.contains("SystemError: at the end"), "{said}");
    assert!(!said.contains("b85decode"), "the payload is no part of a traceback: {said}");
}

/// A stand-in for the minifier, as a shell script.
#[cfg(unix)]
fn stand_in(directory: &Path, does: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let bin = directory.join("bin");
    std::fs::create_dir_all(&bin).expect("creates");
    let file = bin.join("pyminify");
    let text = format!("#!/bin/sh\nPATH=/usr/bin:/bin\nif [ \"$1\" = --version ]; then echo 9.8.7; exit; fi\n{does}\n");
    std::fs::write(&file, text).expect("writes");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("may be executed");
    bin.to_str().expect("UTF-8").to_owned()
}

#[test]
#[cfg(unix)]
fn a_minifier_is_used_where_it_is_installed_and_the_report_says_so() {
    let dir = room();
    let source =
        "def step(x):\n    # half of the text is comments 1234567890 abcdefghijklmnopqrstuvwxyz\n    return x\n";
    std::fs::write(dir.path().join("train_gpt.py"), source.repeat(30)).expect("writes");
    // The file that stands beside the copy is the script's, no more.
    let works = "test \"$(ls)\" = \"$(printf 'said\\nsource.py')\" || exit 9\ngrep -v '^ *#' source.py > minified.py";
    let path = stand_in(dir.path(), works);
    let (code, report, _) = pack(dir.path(), &path, &["train_gpt.py", "--format", "json", "-o", "a.py"]);
    let report = json(&report);
    assert_eq!((code, &report["minifier"]["used"]), (Some(0), &true.into()), "{report:#}");
    assert_eq!((&report["minifier"]["program"], &report["out"]), (&"pyminify 9.8.7".into(), &"a.py".into()));
    let written = std::fs::metadata(dir.path().join("a.py")).expect("written").len();
    assert_eq!(report["bytes_packed"], written, "{report:#}");
    let (code, packed, said) = pack(dir.path(), &path, &["train_gpt.py"]);
    assert_eq!((code, packed.len() as u64), (Some(0), written));
    assert!(said.contains("minified by pyminify 9.8.7") && said.contains("unwraps to the minified source"), "{said}");

    let (code, report, _) = pack(dir.path(), "", &["train_gpt.py", "--format", "json"]);
    let report = json(&report);
    assert_eq!((code, &report["minifier"]["reason"]), (Some(0), &"no pyminify on PATH".into()), "{report:#}");
    assert!(report["bytes_packed"].as_u64() > Some(written) && report["out"].is_null(), "{report:#}");
}

#[test]
#[cfg(unix)]
fn a_minifier_that_fails_is_done_without_or_an_error_where_it_is_demanded() {
    let dir = room();
    std::fs::write(dir.path().join("train_gpt.py"), "print('a line')\n".repeat(200)).expect("writes");
    for (does, reason) in [
        (
            "echo 'invalid syntax (source.py, line 7)' >&2; exit 1",
            "pyminify failed: invalid syntax (source.py, line 7)",
        ),
        ("exit 0", "pyminify wrote nothing"),
        ("echo 'def' > minified.py", "the output of pyminify is not Python: line 1"),
        ("echo '# nothing' > minified.py", "pyminify left nothing of the script"),
    ] {
        let path = stand_in(dir.path(), does);
        let (code, _, said) = pack(dir.path(), &path, &["train_gpt.py"]);
        assert!(code == Some(0) && said.contains(&format!("not minified: {reason}")), "{does}: {said}");
        let (code, packed, said) = pack(dir.path(), &path, &["train_gpt.py", "--minify", "always"]);
        assert!(code == Some(2) && packed.is_empty() && said.contains(reason), "{does}: {said}");
    }
    let (code, _, said) = pack(dir.path(), "", &["train_gpt.py", "--minify", "always"]);
    assert!(code == Some(2) && said.contains("no pyminify on PATH"), "{said}");
}

#[test]
fn the_real_minifier_leaves_the_program_as_it_is() {
    let path = std::env::var("PATH").unwrap_or_default();
    if Command::new("pyminify").arg("--version").output().is_err() {
        eprintln!("skipped: no pyminify on PATH");
        return;
    }
    // Line numbers and the text of a function are the minifier's; all else is the script's.
    let source =
        LOOKS_AT_ITSELF.replace("line.lineno, line.line", "line.name").replace("inspect.getsource(scale)", "1");
    let code: String =
        (0..60).map(|n| format!("def step_{n}(x: int) -> int:\n    # a comment\n    return x + {n}\n\n")).collect();
    let dir = both_folders(&source.replace("if __name__", &format!("{code}\nif __name__")));
    let arguments = ["plain/train_gpt.py", "--minify", "always", "-o", "packed/train_gpt.py"];
    let (code, _, said) = pack(dir.path(), &path, &arguments);
    assert_eq!(code, Some(0), "{said}");
    let Some((plain, packed)) = run_both(dir.path()) else { return };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        (text(&plain.stdout), packed.status.code()),
        (text(&packed.stdout), Some(3)),
        "{}",
        text(&packed.stderr)
    );
}

#[test]
fn what_packing_makes_no_smaller_is_left_alone() {
    let dir = room();
    std::fs::write(dir.path().join("train_gpt.py"), "print('short')\nprint('as it is')\n").expect("writes");
    let (code, packed, said) = pack(dir.path(), "", &["train_gpt.py", "-o", "packed.py"]);
    assert!(code == Some(1) && packed.is_empty(), "{said}");
    assert!(said.contains("nothing was written") && !dir.path().join("packed.py").exists(), "{said}");
    let (code, report, _) = pack(dir.path(), "", &["train_gpt.py", "--format", "json", "-o", "packed.py"]);
    assert_eq!((code, &json(&report)["smaller"]), (Some(1), &false.into()));
}

#[test]
fn a_wrapper_is_packed_anew_and_a_stub_with_what_it_executes() {
    let dir = room();
    let inner = "def step(x):\n    return x + 1\n".repeat(200);
    std::fs::write(dir.path().join("inner.py"), &inner).expect("writes");
    let never = |script: &str, out: &str| pack(dir.path(), "", &[script, "--minify", "never", "-o", out]);
    assert_eq!(never("inner.py", "once.py").0, Some(0));
    let (code, _, said) = never("once.py", "twice.py");
    assert!(code == Some(1) && said.contains("packed already"), "the same again is no smaller: {said}");
    let stub = "exec(open(__file__.replace('train_gpt.py','inner.py')).read())\n";
    std::fs::write(dir.path().join("train_gpt.py"), stub).expect("writes");
    let (code, _, said) = never("train_gpt.py", "packed.py");
    assert!(code == Some(0) && said.contains("only executes inner.py"), "{said}");
    let read = |name: &str| std::fs::read(dir.path().join(name)).expect("reads");
    assert_eq!(read("packed.py"), read("once.py"));
}

#[test]
fn the_script_is_never_written_over() {
    let room = room();
    let source = "import os\n".to_owned() + &"print(os.getcwd(), os.getpid())\n".repeat(200);
    let script = room.path().join("train_gpt.py");
    std::fs::write(&script, &source).expect("written");
    std::fs::create_dir(room.path().join("sub")).expect("made");
    for out in ["train_gpt.py", "./sub/../train_gpt.py"] {
        let (code, _, said) = pack(room.path(), "", &["train_gpt.py", "--out", out]);
        assert_eq!((code, said.contains("the script itself; it would be lost")), (Some(2), true), "{said}");
        assert_eq!(std::fs::read_to_string(&script).expect("still there"), source);
    }
    assert_eq!(pack(room.path(), "", &["train_gpt.py", "--out", "sub/train_gpt.py"]).0, Some(0));
}

#[test]
fn a_script_that_python_would_refuse_is_not_packed() {
    let room = room();
    let source = "import os\n".repeat(300) + "def f(:\n";
    std::fs::write(room.path().join("bad.py"), source).expect("written");
    let (code, out, said) = pack(room.path(), "", &["bad.py"]);
    assert_eq!((code, out), (Some(2), Vec::new()), "{said}");
    assert!(said.starts_with("error: bad.py: line 301: not valid Python"), "{said}");
}
