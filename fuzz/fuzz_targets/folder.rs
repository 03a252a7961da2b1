//! A whole folder: the input is cut at NUL bytes into the files of a submission, and every check runs on it.
#![no_main]

mod scratch;

use std::sync::LazyLock;

use caddie::checks::{VerifyOptions, verify_read};
use caddie_folder::Folder;
use caddie::report::{FORMATS, Look, Report};
use caddie_rulebook::Rulebook;

static RULEBOOK: LazyLock<Rulebook> = LazyLock::new(|| Rulebook::builtin().expect("loads"));

const FILES: [&str; 6] =
    ["submission.json", "README.md", "train_seed42.log", "train_seed0.log", "train_gpt.py", "recipe.toml"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0);
    scratch::folder(|folder| {
        for name in FILES {
            scratch::write(folder, name, parts.next().unwrap_or(&[]));
        }
        let read = Folder::read(folder).expect("a folder that can be listed");
        let report = Report::new(RULEBOOK.id(), vec![verify_read(&read, &RULEBOOK, &VerifyOptions::default())]);
        for format in FORMATS {
            assert!(!report.render(format, Look::default()).contains('\u{1b}'), "a control character came through");
        }
    });
});
