//! Scripts that nobody should send: `caddie audit` ends in bounded time and memory, says what it could not read, where,
//! and what to do, and never panics.
#![cfg(unix)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Processor time that any script here may take, in a debug build.
const WORK: Duration = Duration::from_secs(60);
/// Time that any script here may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(600);
/// Resident memory that any script here may take.
const MEMORY_MIB: u64 = 400;

/// How a run of caddie ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `caddie audit` with a watch on its time and memory.
fn run(dir: &Path, arguments: &[&str]) -> Ended {
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    let err = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_caddie"))
        .arg("audit")
        .args(arguments)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(out.reopen().expect("opens"))
        .stderr(err.reopen().expect("opens"))
        .spawn()
        .expect("starts");
    let start = Instant::now();
    let mut peak_mib = 0;
    let status = loop {
        peak_mib = peak_mib.max(peak(child.id()));
        if let Some(status) = child.try_wait().expect("waits") {
            break status;
        }
        let worked = worked(child.id());
        if worked > WORK || start.elapsed() > PATIENCE || peak_mib > MEMORY_MIB {
            child.kill().expect("kills");
            child.wait().expect("ends");
            panic!("{worked:?} of work, {:?} in all, {peak_mib} MiB: {arguments:?}", start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |file: tempfile::NamedTempFile| std::fs::read_to_string(file.path()).expect("UTF-8");
    let ended = Ended { code: status.code(), out: text(out), err: text(err) };
    assert!(matches!(ended.code, Some(0..=2)), "{arguments:?}: {:?}: {}", ended.code, ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    ended
}

/// The high-water mark of a process's resident memory; 0 where /proc does not say.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib / 1024)
}

/// Processor time of a process so far; nothing where /proc does not say. Linux counts in hundredths of a second.
fn worked(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ').skip(11).take(2));
    let ticks: u64 = fields.into_iter().flatten().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Audits a script of this name and content.
fn audited(name: &str, content: impl AsRef<[u8]>) -> Ended {
    let dir = scratch();
    std::fs::write(dir.path().join(name), content).expect("writes");
    run(dir.path(), &[name])
}

/// That a script is audited, and what is said of it.
#[track_caller]
fn says(content: impl AsRef<[u8]>, words: &[&str]) {
    let ended = audited("train_gpt.py", content);
    assert_ne!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    for word in words.iter().chain(&["train_gpt.py: "]) {
        assert!(ended.out.contains(word), "{word}: {}", ended.out);
    }
}

/// That the path is refused, by a message that names it, and what the message says.
#[track_caller]
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    for word in words {
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
    }
}

/// What says that nothing can be concluded.
const UNJUDGED: &str = "no reported score was recognized, so nothing could be judged";

#[test]
fn what_does_not_parse_says_where() {
    says("import os\nx = (1,\n", &["line 3: not valid Python", UNJUDGED]);
    says("import torch\nprint 'x'\n", &["line 2: not valid Python", UNJUDGED]);
    says(b"import os\nx = '\0'\n\0\n", &["line 3: not valid Python", UNJUDGED]);
    let utf16: Vec<u8> = "\u{feff}print(1)\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    says(utf16, &["line 1: not valid Python", UNJUDGED]);
    says("", &[UNJUDGED]);
}

#[test]
fn what_nests_without_end_is_refused_before_anything_recurses() {
    let many = 100_000;
    let shapes = [
        format!("x = {}1{}\n", "(".repeat(many), ")".repeat(many)),
        format!("x = {}1\n", "-".repeat(many)),
        format!("x = {}{}\n", "f(".repeat(many), ")".repeat(many)),
        format!("x = f{}\n", "()".repeat(many)),
        format!("x = {}1\n", "1 + ".repeat(many)),
    ];
    for shape in shapes {
        says(shape, &["line 1: nested deeper than", UNJUDGED]);
    }
    let mut loops = String::new();
    for level in 0..60 {
        let _ = writeln!(loops, "{}for i{level} in range(9):", "    ".repeat(level));
    }
    let _ = writeln!(loops, "{}x = 1", "    ".repeat(60));
    says(loops, &[UNJUDGED]);
}

#[test]
fn what_is_no_script_says_what_to_give() {
    let long = audited("train_gpt.py", "x = 1\n".repeat(50_000_000 / 6));
    refused(&long, &["train_gpt.py", "longer than 4194304 bytes"]);
    let dir = scratch();
    std::fs::create_dir(dir.path().join("folder.py")).expect("makes");
    refused(&run(dir.path(), &["folder.py"]), &["folder.py: no script in it", "give a records folder, a .py file"]);
    refused(&run(dir.path(), &["missing.py"]), &["missing.py", "no such", "give a"]);
    std::os::unix::fs::symlink("itself.py", dir.path().join("itself.py")).expect("links");
    refused(&run(dir.path(), &["itself.py"]), &["itself.py", "symbolic links"]);
    // What is beside it is audited all the same.
    std::fs::write(dir.path().join("train_gpt.py"), "x = 1\n").expect("writes");
    let both = run(dir.path(), &["train_gpt.py", "folder.py"]);
    refused(&both, &["folder.py: no script in it"]);
    assert!(both.out.contains("train_gpt.py: nothing found"), "{}", both.out);
}

#[test]
fn a_notebook_is_no_script() {
    let notebook = r#"{"cells": [{"cell_type": "code", "source": ["print(1)\n"], "outputs": []}], "nbformat": 4}"#;
    says(notebook, &[UNJUDGED]);
    let ended = audited("train_gpt.ipynb", notebook);
    assert!(ended.out.contains("of no format that is read"), "{}", ended.out);
}

#[test]
fn a_script_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = scratch();
    let folder = dir.path().join("2026-05-01_Mine");
    std::fs::create_dir(&folder).expect("makes");
    let script = folder.join("train_gpt.py");
    std::fs::write(&script, "x = 1\n").expect("writes");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o000)).expect("permits");
    if std::fs::read(&script).is_ok() {
        eprintln!("skipped: this user reads every file");
        return;
    }
    refused(&run(dir.path(), &["2026-05-01_Mine"]), &["2026-05-01_Mine"]);
    refused(&run(dir.path(), &["2026-05-01_Mine/train_gpt.py"]), &["train_gpt.py"]);
}

#[test]
fn what_calls_itself_is_followed_only_so_far() {
    says("def f(n):\n    return f(n + 1) + f(n + 2)\nf(0)\n", &[UNJUDGED]);
    says("import sys, subprocess\nsubprocess.run([sys.executable, __file__])\n", &[UNJUDGED]);
    says("exec(open(__file__).read())\n", &["more than 8 layers", UNJUDGED]);
    let mut many = String::new();
    for number in 0..20_000 {
        let (next, other) = (number + 1, number * 7 % 20_000);
        let _ = writeln!(many, "def f{number}(x):\n    return f{next}(x) + f{other}(x)");
    }
    says(many + "def f20000(x):\n    return x\nf0(1)\n", &["not followed to the end"]);
}

#[test]
fn texts_and_lists_made_of_themselves_do_not_grow() {
    let doubled = |line: &str| format!("import os\ns = \"x\" * 64\nd = {{}}\n{}", format!("{line}\n").repeat(100));
    for line in [
        "s += s",
        "s = f\"{s}{s}{s}\"",
        "s = os.path.join(s, s)",
        "s = s.format(s)",
        "s = s.replace('x', s)",
        "s = s / s",
        "s = [s, s]",
        "s = (s, s)",
        "s = s + [s]",
        "d = {'a': d, 'b': d}",
        "os = os.a",
    ] {
        says(doubled(line), &[UNJUDGED]);
    }
}

#[test]
fn much_that_is_copied_often_is_counted() {
    let names = |count: usize| (0..count).fold(String::new(), |text, number| text + &format!("a{number} = 1\n"));
    // A condition that is not known costs what its branches bind, at every depth.
    says("import sys\n".to_owned() + &names(50_000) + &"if sys.argv:\n    pass\n".repeat(25_000), &[UNJUDGED]);
    let deep = (0..60).fold("import sys\n".to_owned(), |text, depth| text + &" ".repeat(depth) + "if sys.argv:\n");
    let bound = (0..50_000).fold(deep, |text, number| text + &" ".repeat(60) + &format!("a{number} = 1\n"));
    says(bound, &["not followed to the end"]);
    let keys = (0..50_000).fold("d = {}\n".to_owned(), |text, number| text + &format!("d['{number}'] = 1\n"));
    says(keys + &"for k in d.items():\n    pass\n".repeat(20_000), &["not followed to the end"]);
    let thousand = |made: &str, of: &str| format!("{made} = [{}]\n", vec![of; 1000].join(","));
    let lists = [("a", "o"), ("b", "a"), ("c", "b"), ("d", "c")].map(|(made, of)| thousand(made, of)).concat();
    says(format!("import copy\no = [1]\n{lists}e = copy.deepcopy(d)\n"), &["not followed to the end"]);
    let globals =
        (0..50_000).fold("def f():\n".to_owned(), |text, n| text + &format!("    global g{n}\n    g{n} = 1\n"));
    says(globals + "f()\n", &[UNJUDGED]);
    says(format!("def f():\n    return '{}'\n", "x".repeat(2_000_000)) + &"f()\n".repeat(100_000), &[UNJUDGED]);
    says(format!("t = ({})\n", "1,".repeat(4000)) + &"t + t\n".repeat(100_000), &[]);
}

/// What lies beside the script is read within bounds as well: a README of commands, claims by the thousand, modules that
/// import each other, are no Python or too long.
#[test]
fn what_lies_beside_the_script_is_bounded() {
    let dir = scratch();
    let folder = dir.path().join("2026-05-01_Mine");
    std::fs::create_dir(&folder).expect("makes");
    let write = |name: &str, content: String| std::fs::write(folder.join(name), content).expect("writes");
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).fold(String::new(), |text, n| text + &line(n));
    let reads = many(20_000, &|n| format!("s{n} = os.environ.get('SETTING_{n}', '0')\n"));
    write("train_gpt.py", format!("import os, a, b, c, d\nfrom a import *\n{reads}a.b.a.f(b)\n"));
    write("a.py", "import a, b\nfrom b import *\ndef f(x):\n    return b.f(a)\n".to_owned());
    write("b.py", "import a\nfrom a import f as g, missing\ndef f(x):\n    return a.f(a.b)\n".to_owned());
    write("c.py", "def (\n".to_owned());
    write("d.py", "x = 1\n".repeat(900_000));
    let settings = many(50_000, &|n| format!("SETTING_{n}=1 "));
    write("README.md", format!("```bash\n{settings} torchrun train_gpt.py\n```\n"));
    let log = many(20_000, &|n| format!("step:{n}/20000 train_loss:2.0 val_bpb:1.{n:05}\n"));
    write("train.log", format!("seed:42\n{log}final_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.0611\n"));
    let results = many(5_000, &|n| format!("\"{n}\": {{\"val_bpb\": 2.{n:04}}}, "));
    write(
        "submission.json",
        format!("{{\"name\": \"x\", \"val_bpb\": 3.1415, \"seed_results\": {{{results}\"x\": 1}}}}"),
    );
    let ended = run(dir.path(), &["2026-05-01_Mine"]);
    assert_ne!(ended.code, Some(2), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("train_gpt.py: "), "{}{}", ended.out, ended.err);
}
