//! The records folder that comes of a script's runs.

use std::path::Path;

use crate::support::bench::{Bench, TOKEN, stand_in, tree};

#[test]
fn a_script_becomes_a_folder_that_verifies_and_holds_it_byte_for_byte() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.path("requirements.txt"), "numpy\n").unwrap();
    let said = bench.submit("", &["--seeds", "42,0,1234", "--env", "STAND_IN_SECONDS=0"]);
    let said = said.ends(0, &["verify       pass (0 errors, 0 warnings)", "mean    1.22540000", "out/Mine.tar.zst"]);
    assert!(!said.out.contains("note"), "{}", said.out);
    let files = bench.rendered();
    assert_eq!(files["train_gpt.py"], std::fs::read(stand_in()).unwrap());
    assert_eq!(files["requirements.txt"], b"numpy\n");
    // The script's own log has the source and the versions; what it printed has not.
    let own = std::fs::read(bench.path("out/runs/Mine/seed-42/files/logs/Mine_seed42.txt")).unwrap();
    assert_eq!(files["train_seed42.log"], own);
    let json = bench.json("out/records/track_non_record_16mb/2026-05-01_Mine/submission.json");
    assert_eq!((json["n_seeds"].clone(), json["val_bpb"].clone()), (3.into(), 1.2254.into()));
    assert_eq!(json["runs"][1]["seed"], 42);
    assert_eq!(json["bytes_code"], std::fs::metadata(stand_in()).unwrap().len());
    let readme = String::from_utf8(files["README.md"].clone()).unwrap();
    assert!(readme.contains("SEED=42 python3 train_gpt.py") && readme.contains("A stand-in."), "{readme}");
    assert!(readme.contains("| C1 causal |") && readme.contains("| unknown |"), "{readme}");
    assert!(readme.contains("export VOCAB_SIZE=1024") && readme.contains("export STAND_IN_SECONDS=0"), "{readme}");
    let place = bench.dir.path().to_str().unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with(".zst")) {
        assert!(!String::from_utf8_lossy(bytes).contains(place), "{name} names a place of this machine");
    }
    let record = bench.json("out/runs/Mine/seed-42/run.json");
    assert_eq!((record["state"].clone(), record["status"].clone()), ("finished".into(), "exit status 0".into()));
    assert_eq!(record["cause"]["env"]["SEED"], "42");
    assert_eq!(record["cause"]["env"]["RUN_ID"], "Mine_seed42");
    for name in ["DATA_PATH", "DATA_DIR", "TOKENIZER_PATH"] {
        assert!(Path::new(record["cause"]["env"][name].as_str().unwrap()).exists(), "{name}");
    }
    let written: Vec<&str> = record["files"].as_array().unwrap().iter().filter_map(|f| f["path"].as_str()).collect();
    assert_eq!(written, ["final_model.int8.ptz", "final_model.pt", "logs/Mine_seed42.txt"]);
    // Done again, nothing is run and nothing changes.
    let again = bench.submit("", &["--seeds", "42,0,1234", "--env", "STAND_IN_SECONDS=0"]);
    again.ends(0, &["seed 42: finished before, and kept"]);
    assert_eq!(bench.rendered(), files);
}

#[test]
fn the_modules_that_a_script_imports_ship_with_it() {
    let Some(bench) = Bench::new() else { return };
    let text = std::fs::read_to_string(stand_in())
        .unwrap()
        .replace("import os\n", "import os\nimport helper\nfrom parts import layer\n");
    std::fs::write(bench.path("train_gpt.py"), text).unwrap();
    std::fs::create_dir(bench.path("parts")).unwrap();
    std::fs::write(bench.path("helper.py"), "A = 1\n").unwrap();
    std::fs::write(bench.path("parts/layer.py"), "B = 2\n").unwrap();
    std::fs::write(bench.path("unused.py"), "C = 3\n").unwrap();
    // What an earlier run left beside the script is no code of it.
    std::fs::write(bench.path("final_model.pt"), "old").unwrap();
    let said = bench.submit("", &["--seeds", "42"]);
    said.ends(
        0,
        &["note         helper.py, parts/layer.py ship beside train_gpt.py, which imports them: 12 bytes more"],
    );
    let shipped: Vec<String> = tree(&bench.folder())
        .iter()
        .map(|path| path.strip_prefix(bench.folder()).unwrap().display().to_string())
        .filter(|path| path.ends_with(".py") || path.ends_with(".pt"))
        .collect();
    assert_eq!(
        shipped.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["helper.py", "parts/layer.py", "train_gpt.py"]
    );
    let record = bench.json("out/runs/Mine/seed-42/run.json");
    assert_eq!(record["cause"]["modules"][1]["path"], "parts/layer.py");
    std::fs::write(bench.path("helper.py"), "A = 5\n").unwrap();
    bench
        .submit("", &["--seeds", "42", "--force"])
        .ends(0, &["it was run with another script, command or environment"]);
}

#[test]
fn every_family_of_logs_is_read() {
    for (family, metric) in [("b", "quantized"), ("c", "final_ternary_roundtrip")] {
        let Some(bench) = Bench::new() else { return };
        let said = bench.submit("", &["--env", &format!("STAND_IN_FAMILY={family}")]);
        said.ends(0, &["(0 errors", &format!(" of {metric}\n")]);
        // Where the script's own log says no more, what was printed is taken.
        let log = if family == "b" { "log.txt" } else { "files/logs/Mine_seed0.txt" };
        let expected = std::fs::read(bench.path("out/runs/Mine/seed-0").join(log)).unwrap();
        assert!(bench.rendered_log(0) == expected, "family {family}: not {log}");
    }
}

#[test]
fn binary_output_is_kept_as_it_came() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("binary_output", &[]).ends(0, &["verify       pass"]);
    let log = std::fs::read(bench.path("out/runs/Mine/seed-42/log.txt")).unwrap();
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(log.windows(256).filter(|window| *window == every).count(), 64);
    assert!(log.len() > 300_000);
}

#[test]
fn no_secret_of_the_environment_is_written_anywhere() {
    let Some(bench) = Bench::new() else { return };
    let key = "another-secret-of-the-command-line";
    bench.submit("", &["--env", &format!("WANDB_API_KEY={key}")]).ends(0, &["verify       pass"]);
    bench.submit("crash", &["--env", &format!("WANDB_API_KEY={key}"), "--force"]).ends(1, &["failed"]);
    for path in tree(bench.dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let bytes =
            if path.extension().is_some_and(|e| e == "zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(TOKEN) && !text.contains(key), "{} shows a secret", path.display());
    }
    let withheld = bench.json("out/runs/Mine/seed-42/run.json")["cause"]["env_withheld"].clone();
    assert_eq!(withheld, serde_json::json!(["HF_TOKEN", "WANDB_API_KEY"]));
}
