//! `caddie` starts without libtorch, and hands the engine's work to `caddie-native` beside it.
#![cfg(feature = "engine")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(folder).output().expect("it starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The shared libraries that the dynamic loader would load.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn libraries(program: &Path) -> String {
    let output = Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1").output().expect("the loader runs");
    String::from_utf8(output.stdout).expect("names of files")
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn only_the_engines_program_loads_libtorch() {
    let caddie = libraries(&cargo_bin("caddie"));
    assert!(caddie.contains("libc.so"), "{caddie}");
    assert!(!caddie.contains("libtorch_cpu"), "caddie names work of the engine outside of cli/engine.rs:\n{caddie}");
    assert!(libraries(&cargo_bin("caddie-native")).contains("libtorch_cpu"));
}

#[test]
fn work_of_the_engine_needs_its_program_beside_caddie() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("caddie");
    fs::copy(cargo_bin("caddie"), &alone).expect("copied");
    let output = run(&alone, folder.path(), &["recipe", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("caddie-native: the engine's program cannot be started"), "{}", stderr(&output));
    let output = run(&alone, folder.path(), &["ladder"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn arguments_output_and_exit_code_pass_through() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["recipe", "show", "demo"][..], &["recipe", "show", "nothing"], &["inspect", "no such file"]] {
        let handed = run(&cargo_bin("caddie"), folder.path(), arguments);
        let own = run(&cargo_bin("caddie-native"), folder.path(), arguments);
        assert_eq!(handed, own, "{arguments:?}");
    }
}

#[test]
fn the_working_folder_is_told_of_once() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("caddie.toml"), "recipe = \"demo\"\ndata = \"nowhere\"\n").expect("written");
    let output = run(&cargo_bin("caddie"), folder.path(), &["submit"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("note: settings that no flag gives").count(), 1, "{}", stderr(&output));
}
