//! A data folder with a stand-in script beside it, and the output of a command that is run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
