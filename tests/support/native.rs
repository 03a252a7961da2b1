//! A tiny corpus and a tiny recipe, made once for each test binary, and caddie started on them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use caddie::fixture::{self, Params};
use camino::{Utf8Path, Utf8PathBuf};

/// Two layers of 32 dimensions: a run takes a fraction of a second and still goes through every phase.
const RECIPE: &str = r#"name = "tiny"
blurb = "Two layers of 32 dimensions, for tests."

[model]
vocab_size = 506
model_dim = 32
layout = "A*2"

[model.unet]

[model.block.A.gqa]
num_heads = 2
num_kv_heads = 1

[model.block.A.mlp]

[train]
iterations = 12
warmup_steps = 1
warmdown_iters = 6
max_wallclock_seconds = 0
train_batch_tokens = 512
train_seq_len = 64
grad_accum_steps = 2
val_loss_every = 5
train_log_every = 1
checkpoint_every = 3

[eval]
mode = "ttt"
also = ["full", "sliding"]
eval_seq_len = 64
eval_batch_seqs = 4

[eval.sliding]
eval_stride = 16

[eval.ttt]
ttt_lora_rank = 4
ttt_lora_lr = 0.003
ttt_chunk_size = 16
ttt_eval_seq_len = 64
ttt_batch_size = 4
"#;

/// Documents in the validation split.
pub const DOCS: usize = 8;

static HOME: LazyLock<Utf8PathBuf> = LazyLock::new(|| {
    let home = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    let _ = fs::remove_dir_all(&home);
    write_data(&home.join("data"), 1);
    fs::write(home.join("tiny.toml"), RECIPE).expect("writes");
    home
});

/// Writes a corpus of eight validation documents and 30,000 training tokens.
pub fn write_data(dir: &Utf8Path, seed: u64) {
    let params = Params {
        seed,
        vocab_size: 506,
        train_tokens: 30_000,
        val_docs: DOCS,
        mean_words: 60,
        max_words: 90,
        ..Params::default()
    };
    fixture::write(dir, &params, false).expect("writes a fixture");
}

/// The corpus that the tests of a binary share; nobody writes to it.
pub fn data() -> Utf8PathBuf {
    HOME.join("data")
}

/// The file of the tiny recipe.
pub fn recipe() -> Utf8PathBuf {
    HOME.join("tiny.toml")
}

/// A folder for something that the tests of a binary share.
pub fn shared(name: &str) -> Utf8PathBuf {
    HOME.join(name)
}

/// A temporary folder and its path.
pub fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let path = Utf8PathBuf::from_path_buf(temp.path().canonicalize().expect("a path")).expect("UTF-8");
    (temp, path)
}

/// A copy of the corpus to spoil.
pub fn copy_of_data(to: &Utf8Path) -> Utf8PathBuf {
    let to = to.join("data");
    copy_folder(&data(), &to);
    to
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Utf8Path, to: &Utf8Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in from.read_dir_utf8().expect("lists") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copies");
        }
    }
}

/// The shards' folder in a corpus.
pub fn shards(data: &Utf8Path) -> Utf8PathBuf {
    data.join("datasets/fineweb10B_sp506")
}

/// A shard as the challenge writes it.
pub fn shard_bytes(tokens: &[u16]) -> Vec<u8> {
    let mut header = [0i32; 256];
    header[..3].copy_from_slice(&[20_240_520, 1, tokens.len() as i32]);
    let words = header.iter().flat_map(|word| word.to_le_bytes());
    words.chain(tokens.iter().flat_map(|token| token.to_le_bytes())).collect()
}

/// Every file below `dir` by its relative path, but the locks, which mean nothing.
pub fn tree(dir: &Utf8Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().expect("lists") {
            let path = entry.expect("an entry").into_path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name() != Some("lock") {
                let name = path.strip_prefix(dir).expect("below").to_string();
                found.insert(name, fs::read(&path).expect("reads"));
            }
        }
    }
    found
}

/// caddie on the CPU, in an environment that decides nothing.
pub fn command(args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_caddie"));
    command.args(args).stdin(Stdio::null()).env("CUDA_VISIBLE_DEVICES", "").env("RUST_BACKTRACE", "0");
    for name in ["DATA_PATH", "SOURCE_DATE_EPOCH", "OMP_NUM_THREADS", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Runs `command` to its end.
    pub fn of(command: &mut std::process::Command) -> Ended {
        let output = command.output().expect("starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts success.
    #[track_caller]
    pub fn succeeds(self) -> Ended {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts an exit code and that one message, without a panic behind it, holds every part.
    #[track_caller]
    pub fn refused(self, code: i32, parts: &[&str]) -> Ended {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.stderr.matches("error: ").count(), 1, "not one message: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in: {}", self.stderr);
        }
        self
    }
}

/// Runs caddie to its end.
pub fn caddie(args: &[&str]) -> Ended {
    Ended::of(&mut command(args))
}

/// `caddie train` of the tiny recipe on the shared corpus, to its end.
pub fn train(out: &Utf8Path, extra: &[&str]) -> Ended {
    Ended::of(&mut train_command(out, &data(), extra))
}

/// `caddie train` of the tiny recipe on `data`.
pub fn train_command(out: &Utf8Path, data: &Utf8Path, extra: &[&str]) -> std::process::Command {
    let mut command = command(&["train", recipe().as_str(), "--data", data.as_str(), "--out", out.as_str(), "--quiet"]);
    command.args(["--device", "cpu"]).args(extra);
    command
}

/// `caddie submit` of the tiny recipe with three seeds into `out`.
pub fn submit_command(out: &Utf8Path, extra: &[&str]) -> std::process::Command {
    let (recipe, data) = (recipe(), data());
    let mut command = command(&["submit", recipe.as_str(), "--data", data.as_str(), "--out", out.as_str()]);
    command.args(["--device", "cpu", "--seeds", "0,42,1234", "--track", "non_record_16mb", "--date", "2026-05-01"]);
    command.args(["--author", "Ada", "--github-id", "ada"]).args(extra);
    command
}

/// The records folder that [`submit_command`] renders.
pub fn records(out: &Utf8Path) -> Utf8PathBuf {
    out.join("records/track_non_record_16mb/2026-05-01_tiny")
}

/// The value of `key:` in a line.
pub fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {key} in {line:?}"))
}

/// The line of `text` that starts with `start`.
pub fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no line {start:?} in: {text}"))
}

/// A log without what a clock or the memory decides, and without the note that a training went on.
pub fn timeless(log: &str) -> String {
    const CLOCKS: [&str; 3] = ["train_time:", "step_avg:", "eval_time:"];
    let passing = ["peak ", "resumed_from_checkpoint", "ttt:resumed "];
    let keep = |line: &&str| !passing.iter().any(|start| line.starts_with(start));
    let words = |line: &str| -> Vec<String> {
        line.split(' ').filter(|word| !CLOCKS.iter().any(|clock| word.starts_with(clock))).map(str::to_owned).collect()
    };
    log.lines().filter(keep).map(|line| words(line).join(" ") + "\n").collect()
}

/// A command in the background, which does not outlive the test.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut std::process::Command) -> Running {
        Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts"))
    }

    /// Waits until `moment` comes, but not past the end of the command; whether it came.
    pub fn wait_for(&mut self, moment: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        loop {
            if moment() {
                return true;
            }
            if self.0.try_wait().expect("waits").is_some() {
                return moment();
            }
            assert!(start.elapsed() < Duration::from_secs(120), "the moment never came");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Sends SIGKILL; whether that is what ended the command.
    pub fn kill(mut self) -> bool {
        let _ = self.0.kill();
        self.0.wait().expect("waits").signal() == Some(9)
    }

    /// Sends a signal by its name and waits for the end.
    pub fn signal(mut self, name: &str) -> Ended {
        let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0.id())]).status();
        assert!(sent.expect("there is a shell").success());
        let mut stderr = String::new();
        let mut pipe = self.0.stderr.take().expect("piped");
        pipe.read_to_string(&mut stderr).expect("UTF-8");
        Ended { code: self.0.wait().expect("waits").code(), stdout: String::new(), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the log at `path` holds `text` by now.
pub fn logged(path: &Utf8Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|log| log.contains(text))
}
