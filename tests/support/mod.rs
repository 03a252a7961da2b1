//! The committed good folder, and copies of it that a test spoils.
#![allow(dead_code, reason = "each test binary uses its part")]

#[cfg(unix)]
pub mod bench;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use caddie::checks::{VerifyOptions, verify};
use caddie::report::{Code, FolderReport, Severity};

/// The committed folder.
pub fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/folders/good")
}

/// Writes a file, a ledger compressed.
pub fn write(dir: &Path, name: &str, content: &str) {
    let bytes = if name.ends_with(".zst") {
        zstd::encode_all(content.as_bytes(), 3).expect("compresses")
    } else {
        content.as_bytes().to_vec()
    };
    std::fs::write(dir.join(name), bytes).expect("writes");
}

/// The log of a sweep: so many runs of six lines, one after another.
pub fn sweep(runs: u32) -> String {
    let run = |seed: u32| {
        format!(
            "val_bpb:enabled tokenizer_kind=sentencepiece\nseed:{seed}\nwarmup_step:1/20\n\
             step:1/50 train_loss:6.9 train_time:10ms step_avg:10.00ms\n\
             stopping_early: wallclock_cap train_time:600010ms step:40/50\n\
             final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.{seed}\n"
        )
    };
    (100..100 + runs).map(run).collect()
}

/// Reads every file below a folder, by its path in it.
pub fn files(dir: impl AsRef<Path>) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir.as_ref()).expect("lists") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(below, content)| (format!("{name}/{below}"), content)));
        } else {
            all.insert(name, std::fs::read(&path).expect("reads"));
        }
    }
    all
}

/// A copy of the good folder to spoil. The name `good` keeps paths in reports short.
pub struct Copy {
    _root: tempfile::TempDir,
    pub path: PathBuf,
}

impl Copy {
    pub fn new() -> Copy {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("good");
        std::fs::create_dir(&path).expect("creates");
        for entry in std::fs::read_dir(good()).expect("the committed folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), path.join(entry.file_name())).expect("copies");
        }
        Copy { _root: root, path }
    }

    /// Replaces text of a file, which must hold it.
    pub fn edit(&self, name: &str, from: &str, to: &str) -> &Copy {
        let text = std::fs::read_to_string(self.path.join(name)).expect("reads");
        assert!(text.contains(from), "{name} does not hold {from:?}");
        std::fs::write(self.path.join(name), text.replace(from, to)).expect("writes");
        self
    }

    pub fn remove(&self, name: &str) -> &Copy {
        std::fs::remove_file(self.path.join(name)).expect("removes");
        self
    }

    pub fn utf8(&self) -> camino::Utf8PathBuf {
        camino::Utf8PathBuf::from_path_buf(self.path.clone()).expect("UTF-8")
    }
}

/// What caddie reports of the copy.
pub fn report(copy: &Copy) -> FolderReport {
    verify(&copy.utf8(), &VerifyOptions::default()).expect("a report")
}

/// The codes and severities of a report, gravest first.
pub fn found(copy: &Copy) -> Vec<(Code, Severity)> {
    report(copy).findings.iter().filter_map(|finding| Some((finding.code?, finding.severity))).collect()
}

/// The copy has these findings and no others.
#[track_caller]
pub fn assert_only(copy: &Copy, expected: &[(Code, Severity)]) {
    let mut found = found(copy);
    found.sort();
    found.dedup();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected, "{:#?}", report(copy).findings);
}
