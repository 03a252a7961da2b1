//! A place to run a participant's script in, with data in the official layout.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A secret that the environment of every test holds under a name that the script asks for.
pub const TOKEN: &str = "a-token-that-nobody-may-read";

/// A data folder in the official layout, and a place for what comes out.
pub struct Bench {
    pub dir: tempfile::TempDir,
}

impl Bench {
    /// `None`, and the reason on standard error, where there is no Python.
    pub fn new() -> Option<Bench> {
        let python = Command::new("python3").arg("--version").output();
        if !python.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: there is no python3 here, which the stand-in scripts need");
            return None;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let set = dir.path().join("data/datasets/fineweb10B_sp1024");
        std::fs::create_dir_all(&set).expect("creates");
        let header: Vec<u8> = [20_240_520_i32, 1, 500].into_iter().chain([0; 253]).flat_map(i32::to_le_bytes).collect();
        let tokens = (0..500_u16).flat_map(|token| (token * 7 % 1000).to_le_bytes());
        let shard: Vec<u8> = header.into_iter().chain(tokens).collect();
        for name in ["fineweb_train_000000.bin", "fineweb_val_000000.bin"] {
            std::fs::write(set.join(name), &shard).expect("writes");
        }
        let tokenizers = dir.path().join("data/tokenizers");
        std::fs::create_dir_all(&tokenizers).expect("creates");
        std::fs::write(tokenizers.join("fineweb_1024_bpe.model"), "").expect("writes");
        std::fs::copy(stand_in(), dir.path().join("train_gpt.py")).expect("copies");
        Some(Bench { dir })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The command for seeds 0 and 42, with a fault of the stand-in.
    pub fn command(&self, fault: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
        command.args(["submit", "--script", "train_gpt.py", "--data", "data", "--out", "out"]);
        if !more.contains(&"--seeds") {
            command.args(["--seeds", "42,0"]);
        }
        command.args(["--name", "Mine", "--author", "Ada", "--github-id", "ada", "--track", "non_record_16mb"]);
        command.args(["--date", "2026-05-01", "--launcher", "python", "--blurb", "A stand-in."]).args(more);
        if !fault.is_empty() {
            command.args(["--env", &format!("STAND_IN={fault}")]);
        }
        command.current_dir(self.dir.path()).env("HF_TOKEN", TOKEN).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn submit(&self, fault: &str, more: &[&str]) -> Said {
        Said::of(self.command(fault, more).output().expect("runs"))
    }

    pub fn folder(&self) -> PathBuf {
        self.path("out/records/track_non_record_16mb/2026-05-01_Mine")
    }

    pub fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.path(path)).expect("reads")).expect("JSON")
    }

    /// The files that are rendered, by name.
    pub fn rendered(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(self.folder()).expect("the folder") {
            let entry = entry.expect("an entry");
            files.insert(entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("reads"));
        }
        for name in ["PULL_REQUEST.md", "Mine.tar.zst"] {
            files.insert(name.to_owned(), std::fs::read(self.path("out").join(name)).expect("reads"));
        }
        files
    }

    pub fn rendered_log(&self, seed: u64) -> Vec<u8> {
        std::fs::read(self.folder().join(format!("train_seed{seed}.log"))).expect("reads")
    }

    /// Processes of a run of this bench that are still there: they run in its folder.
    pub fn processes(&self) -> Vec<String> {
        let own = self.dir.path().canonicalize().expect("resolves");
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let here = entries.filter(|entry| {
            std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(own.join("out")))
        });
        here.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

pub fn stand_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scripts/stand_in.py")
}

#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn ends(self, code: i32, texts: &[&str]) -> Said {
        let all = format!("{}\n{}", self.out, self.err);
        assert_eq!(self.code, Some(code), "{all}");
        for text in texts {
            assert!(all.contains(text), "{text:?} is not in:\n{all}");
        }
        self
    }
}

/// Every file below a folder.
pub fn tree(dir: &Path) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![dir.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

pub fn wait_for(what: impl Fn() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}
