//! Folders that nobody should send: `caddie verify` ends in bounded time and memory with a finding or an error that
//! names the file, and never panics.
#![cfg(unix)]

#[path = "verify_bad_input/bounds.rs"]
mod bounds;
mod support;

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Copy;

/// Processor time that any folder here may take, in a debug build.
const WORK: Duration = Duration::from_secs(30);
/// Time that any folder here may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(300);
/// Resident memory that any folder here may take.
const MEMORY_MIB: u64 = 250;

/// How a run of caddie ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
    peak_mib: u64,
}

/// Runs `caddie verify` with a watch on its time and memory.
fn run(dir: &Path, arguments: &[&str]) -> Ended {
    let out = tempfile::NamedTempFile::new().expect("a temporary file");
    let err = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_caddie"))
        .arg("verify")
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
        if worked > WORK || start.elapsed() > PATIENCE {
            child.kill().expect("kills");
            panic!("not done after {worked:?} of work, {:?} in all: {arguments:?}", start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = |file: tempfile::NamedTempFile| std::fs::read_to_string(file.path()).expect("UTF-8");
    let ended = Ended { code: status.code(), out: text(out), err: text(err), peak_mib };
    assert!(matches!(ended.code, Some(0..=2)), "{:?}: {}", ended.code, ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    assert!(ended.peak_mib < MEMORY_MIB, "{} MiB were resident", ended.peak_mib);
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

/// The findings on a spoiled copy, as `(severity, message)`.
fn findings(copy: &Copy) -> Vec<(String, String)> {
    let ended = run(copy.path.parent().expect("a parent"), &["--format", "json", "good"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["folders"][0]["findings"].as_array().expect("findings").clone();
    findings.iter().map(|finding| (text(&finding["severity"]), text(&finding["message"]))).collect()
}

/// That a finding of some severity says `words` of a file.
#[track_caller]
fn says(copy: &Copy, severity: &str, words: &[&str]) {
    let found = findings(copy);
    let named =
        found.iter().any(|(found, message)| found == severity && words.iter().all(|word| message.contains(word)));
    assert!(named, "no {severity} says {words:?}: {found:?}");
}

#[track_caller]
fn clean(copy: &Copy) {
    assert_eq!(findings(copy), []);
}

fn write(copy: &Copy, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(copy.path.join(name), bytes).expect("writes");
}

fn read(copy: &Copy, name: &str) -> String {
    std::fs::read_to_string(copy.path.join(name)).expect("reads")
}

/// A file of `bytes` that takes no room: zeros.
fn sparse(copy: &Copy, name: &str, bytes: u64) {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(copy.path.join(name)).expect("opens");
    file.set_len(bytes).expect("a sparse file");
}

#[test]
fn other_ends_of_line_and_a_byte_order_mark_change_nothing() {
    for name in ["README.md", "submission.json", "train_seed42.log"] {
        let copy = Copy::new();
        let text = read(&copy, name).replace('\n', "\r\n");
        write(&copy, name, &text);
        clean(&copy);
        write(&copy, name, format!("\u{feff}{text}"));
        if name == "submission.json" {
            // It is read, but not by Python's json.load.
            assert_eq!(findings(&copy).len(), 1);
            says(&copy, "warning", &["submission.json", "byte order mark", "json.load"]);
        } else {
            clean(&copy);
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_hide_nothing_else() {
    let noise = b"\xff\xfe\xc3\n\x80\x80\n".as_slice();
    let copy = Copy::new();
    write(&copy, "README.md", [noise, read(&copy, "README.md").as_bytes(), noise].concat());
    // A native log begins with its recipe, which must be whole.
    write(&copy, "train_seed42.log", [read(&copy, "train_seed42.log").as_bytes(), noise].concat());
    assert_eq!(findings(&copy).len(), 1);
    says(&copy, "info", &["README.md", "no UTF-8"]);
    let copy = Copy::new();
    write(&copy, "submission.json", b"\xff\xfe{\x00}");
    says(&copy, "error", &["submission.json"]);
}

#[test]
fn json_that_cannot_be_judged_is_refused_with_its_line() {
    let with = |from: &str, to: &str| {
        let copy = Copy::new();
        copy.edit("submission.json", from, to);
        copy
    };
    says(&with("\"val_bpb\":", "\"val_bpb\": 1.0,\n\"val_bpb\":"), "error", &["submission.json", "occurs twice"]);
    for number in ["NaN", "Infinity", "-Infinity"] {
        let value = format!("\"x\": {number},\n\"val_bpb\":");
        says(&with("\"val_bpb\":", &value), "error", &["submission.json", "is not JSON"]);
    }
    let huge = format!("\"x\": 1{},\n\"val_bpb\":", "0".repeat(400));
    says(&with("\"val_bpb\":", &huge), "error", &["submission.json", "out of range"]);
    says(&with("\"val_bpb\":", "\"x\": 1e-999999999, \"y\": 1e999999999,"), "error", &["submission.json"]);
}

#[test]
fn nesting_of_any_depth_is_refused_everywhere() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let copy = Copy::new();
        write(&copy, "submission.json", format!("{}1{}", open.repeat(100_000), close.repeat(100_000)));
        says(&copy, "error", &["submission.json"]);
        write(&copy, "ledgers.json", open.repeat(100_000));
        findings(&copy);
    }
    for (open, close) in
        [("(", ")"), ("[", "]"), ("f(", ")"), ("not ", ""), ("-", ""), ("lambda: ", ""), ("if 1:\n", "")]
    {
        let copy = Copy::new();
        write(&copy, "train_gpt.py", format!("x = {}1{}\n", open.repeat(100_000), close.repeat(100_000)));
        findings(&copy);
    }
    let copy = Copy::new();
    write(&copy, "recipe.toml", format!("x = {}", "[".repeat(100_000)));
    write(&copy, "README.md", format!("{}\n{}\n", "> - ".repeat(50_000), "[".repeat(100_000)));
    findings(&copy);
}

#[test]
fn numbers_of_any_size_are_values_or_nothing() {
    let copy = Copy::new();
    let mut log = read(&copy, "train_seed42.log");
    for number in ["1e308", "-1e308", "9".repeat(400).as_str(), "1e-400", "0x10", "١٢٣", "1_000", "nan", "inf"] {
        let _ = writeln!(log, "step:{number}/{number} train_loss:{number} train_time:{number}ms step_avg:{number}ms");
        let _ = writeln!(log, "Total submission size int8+zlib: {number} bytes");
        let _ = writeln!(log, "seed:{number}");
        let _ = writeln!(log, "final_x val_loss:{number} val_bpb:{number} eval_time:{number}ms");
    }
    write(&copy, "noise.log", &log);
    write(&copy, "train_seed42.log", log);
    findings(&copy);
    let copy = Copy::new();
    let table = "| seed | val_bpb | bytes |\n|---|---|---|\n";
    write(&copy, "README.md", format!("{table}| 1e999 | {} | -1e308 |\n| 42 | NaN | 1e400 |\n", "9".repeat(100_000)));
    findings(&copy);
}

#[test]
fn links_pipes_sockets_and_devices_are_never_opened() {
    for name in ["README.md", "submission.json", "train_seed42.log", "train_gpt.py", "ledger_seed42.jsonl.zst"] {
        let copy = Copy::new();
        copy.remove(name);
        std::os::unix::fs::symlink("/dev/zero", copy.path.join(name)).expect("links");
        says(&copy, "unknown", &[name, "a symbolic link"]);
        copy.remove(name);
        if Command::new("mkfifo").arg(copy.path.join(name)).status().is_ok_and(|status| status.success()) {
            says(&copy, "unknown", &[name, "neither a file nor a folder"]);
            copy.remove(name);
        } else {
            eprintln!("skipped: no mkfifo");
        }
        let _socket = std::os::unix::net::UnixListener::bind(copy.path.join(name)).expect("binds");
        says(&copy, "unknown", &[name, "neither a file nor a folder"]);
    }
    let copy = Copy::new();
    copy.remove("README.md");
    let device = ["-m", "644", "README.md", "c", "1", "5"];
    let made = Command::new("mknod").args(device).current_dir(&copy.path).stderr(Stdio::null()).status();
    if made.is_ok_and(|status| status.success()) {
        says(&copy, "unknown", &["README.md", "neither a file nor a folder"]);
    } else {
        eprintln!("skipped: devices cannot be made here");
    }
    let ended = run(Path::new("/"), &["--quiet", "dev/null"]);
    assert!(ended.code == Some(2) && ended.err.contains("dev/null: not a folder"), "{}", ended.err);
}

#[test]
fn a_pipe_that_takes_a_files_place_is_not_waited_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = camino::Utf8PathBuf::from_path_buf(dir.path().join("pipe")).expect("UTF-8");
    if !Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no mkfifo");
        return;
    }
    let link = path.with_file_name("link");
    std::os::unix::fs::symlink("/etc/hostname", &link).expect("links");
    let (said, hear) = std::sync::mpsc::channel();
    let (pipe, to) = (path.clone(), link.clone());
    std::thread::spawn(move || {
        let error = |path| caddie_folder::read_log(path).err().map(|error| error.to_string());
        let _ = said.send((error(&pipe), error(&to)));
    });
    let (of_pipe, of_link) = hear.recv_timeout(PATIENCE).expect("nobody waits for a writer");
    assert_eq!(of_pipe, Some(format!("{path}: not a regular file")));
    assert_eq!(of_link, Some(format!("{link}: a symbolic link; links are not followed")));
}

#[test]
fn names_of_any_bytes_are_named_harmlessly() {
    let copy = Copy::new();
    write(&copy, "a\u{1b}[31m\n::error::b.log", "seed:1\n");
    write(&copy, "\u{202e}txt.log", "seed:1\n");
    std::fs::write(copy.path.join(std::ffi::OsStr::from_bytes(b"b\xff.log")), "seed:1\n").expect("writes");
    says(&copy, "unknown", &["b\u{fffd}.log", "its name is not UTF-8"]);
    for format in ["plain", "markdown", "github"] {
        let ended = run(copy.path.parent().expect("a parent"), &["--format", format, "good"]);
        for harm in ["\u{1b}", "\n::error::b", "\u{202e}"] {
            assert!(!ended.out.contains(harm), "{format}: {:?}", ended.out);
        }
    }
    let root = copy.path.parent().expect("a parent");
    std::fs::rename(&copy.path, root.join("x\u{1b}[31m\ny")).expect("renames");
    let ended = run(root, &["--quiet", "x\u{1b}[31m\ny"]);
    assert!(!ended.out.contains('\u{1b}') && ended.out.lines().count() == 1, "{:?}", ended.out);
    let ended = run(root, &["--quiet", "not\u{1b}[31m\nthere"]);
    assert!(!ended.err.contains('\u{1b}') && ended.err.lines().count() == 1, "{:?}", ended.err);
    let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
    let output = command.arg("verify").arg(std::ffi::OsStr::from_bytes(b"x\xff")).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_empty_folder_and_one_given_twice() {
    let root = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(root.path().join("empty")).expect("creates");
    let ended = run(root.path(), &["--quiet", "empty", "./empty/", "empty/../empty"]);
    assert_eq!((ended.code, ended.out.lines().count()), (Some(1), 1), "{}", ended.out);
    assert!(ended.out.starts_with("fail  empty  ("), "{}", ended.out);
}

#[test]
fn what_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let copy = Copy::new();
    let deny = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o0)).expect("sets");
    deny(&copy.path.join("README.md"));
    if std::fs::File::open(copy.path.join("README.md")).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    says(&copy, "unknown", &["README.md", "denied"]);
    let log = Copy::new();
    deny(&log.path.join("train_seed42.log"));
    accused_of_nothing(&log, "train_seed42.log");
    deny(&copy.path);
    let ended = run(copy.path.parent().expect("a parent"), &["--quiet", "good"]);
    std::fs::set_permissions(&copy.path, std::fs::Permissions::from_mode(0o755)).expect("sets");
    assert!(ended.code == Some(2) && ended.err.contains("good: listing failed"), "{}", ended.err);
}

/// A log that was not read is unknown, and what only follows from it is no finding.
#[track_caller]
fn accused_of_nothing(copy: &Copy, log: &str) {
    says(copy, "unknown", &[log, "was not read"]);
    let worst = findings(copy).into_iter().filter(|(severity, _)| severity != "unknown" && severity != "info");
    assert_eq!(worst.collect::<Vec<_>>(), []);
}

#[test]
fn a_log_that_cannot_be_read_accuses_nobody_of_what_it_may_state() {
    for name in ["train_seed42.log", "train_seed42.txt"] {
        let copy = Copy::new();
        std::fs::rename(copy.path.join("train_seed42.log"), copy.path.join(name)).expect("renames");
        sparse(&copy, name, 1 << 42);
        accused_of_nothing(&copy, name);
    }
    let copy = Copy::new();
    for seed in [0, 42, 1234] {
        sparse(&copy, &format!("train_seed{seed}.log"), 1 << 42);
    }
    accused_of_nothing(&copy, "train_seed0.log");
    // What a log that was read contradicts stays.
    let copy = Copy::new();
    sparse(&copy, "train_seed42.log", 1 << 42);
    copy.edit("submission.json", "\"steps\": 13702", "\"steps\": 13802");
    says(&copy, "warning", &["13802", "13702"]);
}
