//! The script that ships: what Rust has packed, Python unpacks, builds and runs.

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use support::files;

use caddie::render::launcher;

const RECIPE: &str = "name = \"Demo\"\n";

fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(temp.path().canonicalize().unwrap()).unwrap();
    (temp, path)
}

/// Runs the script with `arguments` in an environment without libtorch; `None` where there is no Python.
fn python(script: &Utf8Path, cache: &Utf8Path, arguments: &[&str]) -> Option<std::process::Output> {
    let output = Command::new("python3")
        .arg(script)
        .args(arguments)
        .env("CADDIE_CACHE", cache)
        .env_remove("WORLD_SIZE")
        .output();
    if output.is_err() {
        println!("skipped: there is no python3");
    }
    output.ok()
}

#[test]
fn the_script_depends_on_the_recipe_alone_and_has_the_counted_length() {
    let script = launcher::train_gpt_py(RECIPE);
    assert_eq!(script, launcher::train_gpt_py(&format!("\n{RECIPE}\n\n")));
    assert_ne!(script, launcher::train_gpt_py("name = \"other\"\n"));
    assert_eq!(script.len() as u64, launcher::code_bytes(RECIPE));
    let text = String::from_utf8_lossy(&script);
    assert!(text.lines().nth(1) == Some("# coding: latin-1") && !text.contains("@TORCH@") && !script.contains(&0));
    // The code counts against the 16,000,000 bytes; `submit` prints its size.
    for file in std::fs::read_dir("recipes").unwrap() {
        let path = file.unwrap().path();
        let bytes = launcher::code_bytes(&std::fs::read_to_string(&path).unwrap());
        println!("{}: {bytes} bytes of code", path.display());
        assert!(bytes < 120_000, "{}: {bytes} bytes of code", path.display());
    }
    let sources = launcher::sources(RECIPE);
    for path in ["main.rs", "lib.rs", "shim/mod.rs", "shim/shim.cpp"].map(|path| format!("engine/src/{path}")) {
        assert!(!sources[&path].is_empty(), "{path} is not in the script");
    }
    for path in ["engine/build.rs", "engine/Cargo.toml", "Cargo.lock", "recipe.toml"] {
        assert!(!sources[path].is_empty(), "{path} is not in the script");
    }
}

/// Python reads what Rust has written: every file of the engine, and only those; damage in the cache is repaired.
#[test]
fn python_unpacks_the_engine_as_it_is() {
    let (_temp, dir) = folder();
    let script = dir.join("train_gpt.py");
    std::fs::write(&script, launcher::train_gpt_py(RECIPE)).unwrap();
    let Some(output) = python(&script, &dir.join("cache"), &["source"]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let root = Utf8PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    assert_eq!(files(&root), launcher::sources(RECIPE));
    for (path, content) in &launcher::sources(RECIPE) {
        if path.starts_with("engine/") {
            // Tests, comments and indentation stay at home; what ships is the source's own lines, in their order, and of each
            // file's head the first sentence.
            let source = std::fs::read_to_string(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
            let mut lines = source.lines();
            for shipped in std::str::from_utf8(content).unwrap().lines() {
                let shipped = shipped.trim_start();
                let is_from = |line: &str| {
                    let line = line.trim_start();
                    line == shipped || shipped.starts_with("//!") && line.starts_with(shipped)
                };
                assert!(lines.any(is_from), "{path} ships a line that its source does not have: {shipped}");
            }
        }
    }

    std::fs::write(root.join("engine/src/main.rs"), "fn main() { something_else() }").unwrap();
    python(&script, &dir.join("cache"), &["source"]).unwrap();
    assert_eq!(files(&root), launcher::sources(RECIPE));
}

#[test]
fn the_script_says_what_is_missing() {
    let (_temp, dir) = folder();
    let script = dir.join("train_gpt.py");
    std::fs::write(&script, launcher::train_gpt_py(RECIPE)).unwrap();
    let Some(help) = python(&script, &dir.join("cache"), &["--help"]) else { return };
    assert!(String::from_utf8_lossy(&help.stdout).contains("train_gpt.py evaluate MODEL"));
    let unknown = python(&script, &dir.join("cache"), &["bogus"]).unwrap();
    let message = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(1) && message.contains("unknown command 'bogus'"), "{message}");
    assert!(!dir.join("cache").exists(), "it has unpacked something before it refused the command");
    let Some(python3) = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
    else {
        return;
    };
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(python3.trim());
        // -S: no site-packages, so no torch; an empty PATH and HOME: no cargo.
        command.args(["-S", script.as_str()]).env("CADDIE_CACHE", dir.join("cache")).env_remove("LIBTORCH");
        command.env_remove("LIBTORCH_USE_PYTORCH").env_remove("WORLD_SIZE");
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, message) = run(&[("PATH", dir.as_str()), ("HOME", dir.as_str())]);
    assert!(code == Some(1) && message.contains("cargo not found"), "{message}");
    let (code, message) = run(&[]);
    assert!(code == Some(1) && message.contains("libtorch not found"), "{message}");
    let (code, message) = run(&[("WORLD_SIZE", "8")]);
    assert!(code == Some(1) && message.contains("without torchrun"), "{message}");
}

/// The script passes the engine what the field's scripts take from the environment, and the user's arguments win.
#[test]
fn the_script_builds_and_runs_the_engine_with_the_fields_environment() {
    let (_temp, dir) = folder();
    let script = dir.join("train_gpt.py");
    std::fs::write(&script, launcher::train_gpt_py(RECIPE)).unwrap();
    // A cargo that "builds" an engine which prints its arguments.
    std::fs::create_dir(dir.join("bin")).unwrap();
    let cargo = dir.join("bin/cargo");
    std::fs::write(
        &cargo,
        "#!/bin/sh\necho \"cargo $@\" >&2\nmkdir -p target/release\n\
         printf '#!/bin/sh\\necho \"$@\" code=$CADDIE_CODE_BYTES lib=$LD_LIBRARY_PATH\\n' > target/release/caddie-engine\n\
         chmod +x target/release/caddie-engine\n",
    )
    .unwrap();
    if !Command::new("chmod").args(["+x", cargo.as_str()]).status().is_ok_and(|status| status.success()) {
        println!("skipped: no chmod on this system");
        return;
    }
    let path = format!("{}:{}", dir.join("bin"), std::env::var("PATH").unwrap_or_default());
    let run = |arguments: &[&str]| {
        let mut command = Command::new("python3");
        command
            .arg(&script)
            .args(arguments)
            .current_dir(&dir)
            .env("CADDIE_CACHE", dir.join("cache"))
            .env("PATH", &path);
        command.env("LIBTORCH", "/opt/libtorch").env_remove("LIBTORCH_USE_PYTORCH").env_remove("WORLD_SIZE");
        command.env("SEED", "42").env("DATA_PATH", "/data").env_remove("OUT_DIR").env_remove("LD_LIBRARY_PATH");
        let output = command.output().ok()?;
        assert!(String::from_utf8_lossy(&output.stderr).contains("cargo build --release --locked"));
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(default) = run(&[]) else {
        println!("skipped: there is no python3");
        return;
    };
    let code = launcher::code_bytes(RECIPE);
    assert!(default.starts_with("run --data /data --recipe "), "{default}");
    assert!(default.contains("/recipe.toml --seed 42 --out ./runs/train_gpt/seed-42"), "{default}");
    assert!(default.ends_with(&format!("code={code} lib=/opt/libtorch/lib\n")), "{default}");
    let own = run(&["--seed", "7", "--data=/other"]).unwrap();
    assert!(own.starts_with("run --seed 7 --data=/other --recipe "), "{own}");
    assert!(own.contains(" --out ./runs/train_gpt/seed-7 ") && !own.contains("--data /data"), "{own}");
    let evaluate = run(&["evaluate", "model.int8.zlib", "--mode", "ttt"]).unwrap();
    assert!(evaluate.starts_with("evaluate model.int8.zlib --mode ttt --data /data code="), "{evaluate}");
}

fn locked_packages(lock: &str) -> BTreeMap<(String, String), Option<String>> {
    let lock: toml::Table = lock.parse().unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let packages = lock["package"].as_array().unwrap();
    packages.iter().map(|p| ((text(p, "name").unwrap(), text(p, "version").unwrap()), text(p, "checksum"))).collect()
}

#[test]
fn the_shipped_lock_has_the_versions_of_the_workspace() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = locked_packages(&std::fs::read_to_string(root.join("Cargo.lock")).unwrap());
    let shipped = locked_packages(std::str::from_utf8(&launcher::sources("")["Cargo.lock"]).unwrap());
    assert!(shipped.keys().any(|(name, _)| name == "tch"));
    for (package, checksum) in &shipped {
        let found = workspace.get(package);
        assert_eq!(found, Some(checksum), "{package:?} differs from Cargo.lock: run scripts/engine-lock");
    }
}

#[test]
fn cargo_accepts_the_shipped_lock() {
    // Inside this repository's target folder: a Cargo.toml further up must not matter.
    let temp = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (path, content) in launcher::sources(RECIPE) {
        let path = temp.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .current_dir(temp.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    if message.contains("attempting to make an HTTP request") {
        println!("skipped: not every crate of the engine has been downloaded on this machine");
        return;
    }
    assert!(output.status.success(), "run scripts/engine-lock; {message}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let root = metadata["workspace_root"].as_str().unwrap();
    assert_eq!(std::fs::canonicalize(root).unwrap(), temp.path().canonicalize().unwrap());
}
