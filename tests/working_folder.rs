//! `caddie init`, and the commands that go by its `caddie.toml`.
#![cfg(unix)]

mod support;

use std::path::Path;
use std::process::Command;

use support::bench::{Bench, Said};

/// Runs caddie in a folder, without the data that the environment might name.
fn caddie(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caddie"));
    command.args(arguments).current_dir(folder).env_remove("DATA_PATH").env_remove("VOCAB_SIZE");
    Said::of(command.output().expect("runs"))
}

fn append(path: &Path, text: &str) {
    let old = std::fs::read_to_string(path).expect("reads");
    std::fs::write(path, old.replace("\n[environment]\n", &format!("\n{text}\n[environment]\n"))).expect("writes");
}

#[test]
fn a_working_folder_answers_what_submit_would_ask() {
    let Some(bench) = Bench::new() else { return };
    let folder = bench.dir.path();
    caddie(folder, &["init", "--script", "train_gpt.py"]).ends(0, &["wrote ./caddie.toml", "next: look through"]);
    caddie(folder, &["init"]).ends(2, &["caddie.toml exists, and nothing is replaced"]);
    let file = bench.path("caddie.toml");
    append(
        &file,
        "name = \"Mine\"\nauthor = \"Ada\"\ngithub_id = \"ada\"\ntrack = \"non_record_16mb\"\ndata = \"data\"\nout = \"out\"\nlauncher = \"python\"",
    );
    let text = std::fs::read_to_string(&file).expect("reads");
    let text = text.replace("seeds = [42, 0, 1234]", "seeds = [42, 0]");
    std::fs::write(
        &file,
        text.replace("[environment]\n", "[environment]\nSTAND_IN_FAMILY = \"b\"\nSTAND_IN_SECONDS = 0\n"),
    )
    .expect("writes");
    // Below the folder as well, and a flag wins: over a value, and over a setting.
    let below = bench.path("data/datasets");
    let said = caddie(&below, &["submit", "--seeds", "7,8", "--date", "2026-05-01", "--env", "STAND_IN_FAMILY=c"]);
    said.ends(0, &["note: settings that no flag gives come from ", "caddie.toml", "of final_ternary_roundtrip\n"]);
    let record = std::fs::read(bench.path("out/runs/Mine/seed-7/run.json")).expect("reads");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    assert_eq!(record["cause"]["env"]["STAND_IN_SECONDS"], "0");
    let json = std::fs::read_to_string(bench.path("out/records/track_non_record_16mb/2026-05-01_Mine/submission.json"));
    assert!(json.expect("reads").contains("\"author\": \"Ada\""));
    // The rendered folder is what verify takes.
    caddie(folder, &["verify"]).ends(0, &["2026-05-01_Mine"]);
    caddie(folder, &["submit", "--help"]).ends(0, &["[default: 42,0]", "[default: Mine]"]);
}

#[test]
fn a_broken_file_is_named_with_its_key_by_the_commands_that_need_it() {
    let Some(bench) = Bench::new() else { return };
    let folder = bench.dir.path();
    for (text, said) in [
        ("sead = 1\n", "caddie.toml: unknown key `sead`; the nearest known key is `seeds`"),
        ("[rehearse]\nsteps = 0\n", "caddie.toml: rehearse.steps: give a number from 1 to 1000"),
        ("seeds = [\n", "caddie.toml: TOML parse error"),
    ] {
        std::fs::write(bench.path("caddie.toml"), text).expect("writes");
        caddie(folder, &["submit"]).ends(2, &[said]);
        caddie(folder, &["submit", "--script", "train_gpt.py", "--data", "data"]).ends(2, &[said]);
        caddie(folder, &["ladder"]).ends(0, &[]);
    }
    std::fs::write(bench.path("caddie.toml"), "data = \"data\"\n").expect("writes");
    caddie(folder, &["submit"]).ends(2, &["nothing to run", "caddie.toml"]);
}

#[test]
fn a_records_folder_gives_its_entry_and_its_files() {
    let dir = tempfile::tempdir().expect("a folder");
    // One of caddie's own entries has a recipe.
    let native = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/folders/good");
    caddie(dir.path(), &["init", "own", "--from", native.to_str().expect("UTF-8")]).ends(0, &["wrote own/recipe.toml"]);
    let good = dir.path().join("good");
    std::fs::create_dir(&good).expect("creates");
    for entry in std::fs::read_dir(&native).expect("lists").flatten().filter(|entry| entry.file_name() != "recipe.toml")
    {
        std::fs::copy(entry.path(), good.join(entry.file_name())).expect("copies");
    }
    let from = good.to_str().expect("UTF-8");
    caddie(dir.path(), &["init", "mine", "--from", from])
        .ends(0, &["wrote mine/caddie.toml", "wrote mine/train_gpt.py"]);
    let text = std::fs::read_to_string(dir.path().join("mine/caddie.toml")).expect("reads");
    for line in ["script = \"train_gpt.py\"", "track = \"10min_16mb\"", "nproc = 8"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    let copied = std::fs::read(dir.path().join("mine/train_gpt.py")).expect("reads");
    assert_eq!(copied, std::fs::read(good.join("train_gpt.py")).expect("reads"));
    caddie(dir.path(), &["init", "other", "--from", "mine"]).ends(0, &["wrote other/train_gpt.py"]);
    caddie(dir.path(), &["init", "third", "--from", "nowhere"]).ends(2, &["nowhere: "]);
    assert!(!dir.path().join("third").exists());
}
