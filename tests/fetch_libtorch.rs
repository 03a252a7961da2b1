//! scripts/fetch-libtorch against made-up wheels in a folder: real pip, no network.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/fetch-libtorch");
const REAL_TABLE: &str = include_str!("../scripts/libtorch-wheels.json");
const TORCH: &str = "torch-2.11.0-py3-none-any.whl";
const CUPTI: &str = "nvidia_cuda_cupti-13.0.85-py3-none-any.whl";

/// Writes a wheel that pip accepts: argv is its path, its name, its version, then pairs of member and content.
const WRITE_WHEEL: &str = r#"
import sys, zipfile
path, name, version, *members = sys.argv[1:]
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(path, "w") as wheel:
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
    for member, content in zip(members[::2], members[1::2]):
        wheel.writestr(member, content)
"#;

/// A cache, an index of two wheels and the table that pins them, all in one temporary folder.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    /// None, with the reason on stderr, where the machine has no Python with pip.
    fn new() -> Option<Self> {
        let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
        if !pip.is_ok_and(|out| out.status.success()) {
            eprintln!("skipped: python3 -m pip does not run here");
            return None;
        }
        let bench = Bench { root: tempfile::tempdir().expect("temporary folder") };
        std::fs::create_dir(bench.path("index")).expect("index");
        std::fs::create_dir_all(bench.path("cache/downloads")).expect("cache");
        bench.write_wheel(
            TORCH,
            &[
                ("torch/lib/libtorch_cpu.so", "cpu part"),
                ("torch/lib/libtorch_cuda.so", "left out"),
                ("torch/include/torch/torch.h", "header"),
                ("torch/__init__.py", "left out"),
            ],
        );
        bench.write_wheel(CUPTI, &[("nvidia/cu13/lib/libcupti.so.13", "profiler")]);
        bench.pin();
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn wheel(&self, file: &str) -> PathBuf {
        self.path("index").join(file)
    }

    fn lib(&self, name: &str) -> PathBuf {
        self.path("link/lib").join(name)
    }

    fn write_wheel(&self, file: &str, members: &[(&str, &str)]) {
        let [name, version] = [0, 1].map(|part| file.split('-').nth(part).expect("wheel file name"));
        let done = Command::new("python3")
            .args(["-c", WRITE_WHEEL])
            .args([self.wheel(file).as_os_str(), name.as_ref(), version.as_ref()])
            .args(members.iter().flat_map(|(member, content)| [member, content]))
            .status()
            .expect("python3");
        assert!(done.success());
    }

    fn pin(&self) {
        let pinned = |package: &str, version: &str, file: &str, libs: &[&str]| {
            let bytes = std::fs::read(self.wheel(file)).expect("wheel");
            serde_json::json!({
                "package": package, "version": version, "tag": "manylinux_2_28_x86_64", "file": file,
                "bytes": bytes.len(), "sha256": format!("{:x}", Sha256::digest(&bytes)),
                "include": "torch/include/", "libs": libs,
            })
        };
        let table = serde_json::json!({ "version": "2.11.0", "python": "3.12", "platforms": { "test": {
            "linker_script": true, "unpacked_bytes": 1000,
            "wheels": [
                pinned("torch", "2.11.0", TORCH, &["torch/lib/libtorch_cpu.so"]),
                pinned("nvidia-cuda-cupti", "13.0.85", CUPTI, &["nvidia/cu13/lib/libcupti.so.13"]),
            ] } } });
        std::fs::write(self.path("table.json"), table.to_string()).expect("table");
    }

    fn command(&self) -> Command {
        let mut command = Command::new("python3");
        command.arg(SCRIPT).args(["--platform", "test", "--link"]).arg(self.path("link"));
        command.arg("--wheels").arg(self.path("table.json"));
        command.env_remove("LIBTORCH").env_remove("LIBTORCH_USE_PYTORCH");
        command.env("CADDIE_CACHE", self.path("cache")).env("PIP_CONFIG_FILE", "/dev/null");
        command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", self.path("index"));
        command
    }

    fn run(&self) -> Output {
        self.command().output().expect("python3")
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

fn failed(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn fetches_once_and_keeps_only_the_cpu_part() {
    let Some(bench) = Bench::new() else { return };
    // What an interrupted unpacking leaves behind must not reach the finished folder.
    std::fs::create_dir_all(bench.path("cache/libtorch-2.11.0-test.partial/lib")).expect("partial");
    std::fs::write(bench.path("cache/libtorch-2.11.0-test.partial/lib/junk.so"), "half").expect("partial");
    succeeded(bench.run());

    assert_eq!(read(&bench.lib("libtorch_cpu.so")), "cpu part");
    assert_eq!(read(&bench.lib("libcupti.so.13")), "profiler");
    assert_eq!(read(&bench.lib("libtorch.so")), "INPUT(-ltorch_cpu)\n");
    assert_eq!(read(&bench.path("link/include/torch/torch.h")), "header");
    assert_eq!(read(&bench.path("link/build-version")).trim(), "2.11.0");
    assert_eq!(std::fs::read_dir(bench.path("link/lib")).expect("lib").count(), 3, "libraries that were not named");
    assert_eq!(std::fs::read_dir(bench.path("cache/downloads")).expect("downloads").count(), 0, "wheels stay behind");

    std::fs::remove_dir_all(bench.path("index")).expect("index");
    let said = succeeded(bench.run());
    assert!(!said.contains("fetching"), "{said}");
}

#[test]
fn a_complete_wheel_is_kept_and_a_truncated_one_fetched_again() {
    let Some(bench) = Bench::new() else { return };
    let downloads = bench.path("cache/downloads");
    // The index no longer has torch: only the wheel that is here already can serve.
    std::fs::rename(bench.wheel(TORCH), downloads.join(TORCH)).expect("move");
    let whole = std::fs::read(bench.wheel(CUPTI)).expect("wheel");
    std::fs::write(downloads.join(CUPTI), &whole[..whole.len() / 2]).expect("truncated");

    let said = succeeded(bench.run());
    assert!(said.contains(&format!("{TORCH} is here already")), "{said}");
    assert!(said.contains(&format!("{CUPTI} is incomplete or altered")), "{said}");
    assert_eq!(read(&bench.lib("libcupti.so.13")), "profiler");
}

#[test]
fn a_wheel_that_is_not_the_pinned_one_is_refused() {
    let Some(bench) = Bench::new() else { return };
    bench.write_wheel(CUPTI, &[("nvidia/cu13/lib/libcupti.so.13", "somebody else's")]);

    let said = failed(bench.run());
    assert!(said.contains("is not the file this version was pinned to"), "{said}");
    assert!(!bench.path("link").exists() && !bench.path("cache/libtorch-2.11.0-test").exists());
    assert!(!bench.path("cache/downloads").join(CUPTI).exists());
    assert!(bench.path("cache/downloads").join(TORCH).exists(), "the good wheel is kept for the next run");
}

#[test]
fn a_truncated_library_is_noticed_and_made_again() {
    let Some(bench) = Bench::new() else { return };
    succeeded(bench.run());
    std::fs::write(bench.lib("libtorch_cpu.so"), "cpu").expect("truncate");

    let said = succeeded(bench.run());
    assert!(said.contains("lib/libtorch_cpu.so has 3 bytes, 8 expected"), "{said}");
    assert_eq!(read(&bench.lib("libtorch_cpu.so")), "cpu part");
}

#[test]
fn libtorch_of_the_user_is_respected() {
    let Some(bench) = Bench::new() else { return };
    for variable in ["LIBTORCH", "LIBTORCH_USE_PYTORCH"] {
        let said = succeeded(bench.command().env(variable, "/opt/libtorch").output().expect("python3"));
        assert!(said.contains(&format!("{variable}=/opt/libtorch is set")), "{said}");
    }
    assert!(!bench.path("link").exists() && !bench.path("cache/libtorch.lock").exists());
}

#[test]
fn errors_say_what_to_do() {
    let Some(bench) = Bench::new() else { return };
    let said = failed(bench.command().args(["--platform", "plan9-mips"]).output().expect("python3"));
    assert!(said.contains("no ready libtorch for plan9-mips") && said.contains("set LIBTORCH"), "{said}");

    // A port that refuses connections stands in for a machine without network.
    let mut offline = bench.command();
    offline.env_remove("PIP_NO_INDEX").env_remove("PIP_FIND_LINKS").env("PIP_RETRIES", "1");
    let said = failed(offline.env("PIP_INDEX_URL", "http://127.0.0.1:9/simple").output().expect("python3"));
    assert!(said.contains("could not be reached") && said.contains("check the network"), "{said}");

    std::fs::write(bench.path("table.json"), read(&bench.path("table.json")).replace(":1000", ":1000000000000000"))
        .expect("table");
    let said = failed(bench.run());
    assert!(said.contains("MB are needed") && said.contains("CADDIE_CACHE"), "{said}");

    std::fs::create_dir(bench.path("link")).expect("folder in the link's place");
    bench.pin();
    let said = failed(bench.run());
    assert!(said.contains("is not a link made by this script"), "{said}");
}

#[test]
fn every_wheel_of_the_real_table_is_pinned() {
    let table: serde_json::Value = serde_json::from_str(REAL_TABLE).expect("JSON");
    let platforms = table["platforms"].as_object().expect("platforms");
    assert!(!platforms.is_empty());
    for wheel in platforms.values().flat_map(|platform| platform["wheels"].as_array().expect("wheels")) {
        let text = |key: &str| wheel[key].as_str().unwrap_or_else(|| panic!("{key} of {wheel}"));
        assert!(text("sha256").len() == 64 && text("sha256").bytes().all(|b| b.is_ascii_hexdigit()), "{wheel}");
        assert!(
            text("file").starts_with(&format!("{}-{}-", text("package").replace('-', "_"), text("version"))),
            "{wheel}"
        );
        assert!(text("file").contains(text("tag")), "{wheel}");
        assert!(wheel["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{wheel}");
    }
}
