//! Input that cannot be used: one message with the file and what to do, the documented exit code, earlier work intact.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use native::{
    Ended, Running, caddie, copy_of_data, data, folder, logged, shard_bytes, shards, train, train_command, tree,
};

/// A finished run that no test changes.
static FINISHED: LazyLock<Utf8PathBuf> = LazyLock::new(|| {
    let run = native::shared("finished");
    train(&run, &[]).succeeds();
    run
});

/// Trains on `data` in a run directory that holds an earlier run, which must stay as it was.
fn refused_on(data: &Utf8Path, dir: &Utf8Path, parts: &[&str]) {
    let (finished, fresh) = (dir.join("finished"), dir.join("fresh"));
    if !finished.exists() {
        native::copy_folder(&FINISHED, &finished);
    }
    let before = tree(&finished);
    let again = Ended::of(&mut train_command(&finished, data, &["--set", "iterations=13"]));
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(tree(&finished) == before, "earlier work was touched");
    Ended::of(&mut train_command(&fresh, data, &[])).refused(2, parts);
}

/// A validation shard of `tokens`.
fn with_validation(tokens: &[u16], parts: &[&str]) {
    let (_temp, dir) = folder();
    let data = copy_of_data(&dir);
    let shard = shards(&data).join("fineweb_val_000000.bin");
    fs::write(&shard, shard_bytes(tokens)).unwrap();
    let parts: Vec<&str> = [shard.as_str()].into_iter().chain(parts.iter().copied()).collect();
    refused_on(&data, &dir, &parts);
}

#[test]
fn a_shard_of_another_kind_version_or_length() {
    let (_temp, dir) = folder();
    let data = copy_of_data(&dir);
    for (name, spoil, parts) in [
        (
            "fineweb_val_000000.bin",
            &(|b: &mut Vec<u8>| b[0] ^= 1) as &dyn Fn(&mut Vec<u8>),
            ["magic number", "fetch it again"],
        ),
        ("fineweb_val_000000.bin", &|b| b[4] = 2, ["version is 2", "fetch"]),
        ("fineweb_val_000000.bin", &|b| b.truncate(b.len() - 10), ["but the file has", "fetch the file again"]),
        ("fineweb_val_000000.bin", &|b| b.truncate(100), ["100 bytes are too few", "fetch the file again"]),
        ("fineweb_train_000001.bin", &|b| b.push(0), ["but the file has", "fetch the file again"]),
    ] {
        let path = shards(&data).join(name);
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        spoil(&mut bytes);
        fs::write(&path, bytes).unwrap();
        refused_on(&data, &dir, &[path.as_str(), parts[0], parts[1]]);
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn a_validation_set_that_holds_no_documents() {
    with_validation(&[], &["hold 0 token(s)", "at least 2"]);
    with_validation(&[1], &["hold 1 token(s)", "at least 2"]);
    with_validation(&[5, 6, 7], &["none of the 3 tokens is BOS", "tokenizer"]);
    with_validation(&[5, 6, 1, 7], &["2 tokens precede the first BOS", "pass the whole validation set"]);
    with_validation(&[1, 7, 1], &["the last token, 2, is a BOS", "cut short"]);
}

#[test]
fn a_token_beyond_the_vocabulary() {
    with_validation(&[1, 7, 506, 8], &["token 2 is 506", "506 ids", "--data"]);
    let (_temp, dir) = folder();
    let data = copy_of_data(&dir);
    let shard = shards(&data).join("fineweb_train_000000.bin");
    fs::write(&shard, shard_bytes(&[1, 60_000, 7])).unwrap();
    refused_on(&data, &dir, &[shard.as_str(), "token 1 is 60000", "--data"]);
}

#[test]
fn a_data_set_with_a_part_missing() {
    let (_temp, dir) = folder();
    let nowhere = dir.join("nowhere");
    refused_on(&nowhere, &dir, &[nowhere.as_str(), "there is no such folder", "pass --data"]);
    let data = copy_of_data(&dir);
    let tokenizer = data.join("tokenizers/fineweb_506_bpe.model");
    let good = fs::read(&tokenizer).unwrap();
    fs::write(&tokenizer, "no protobuf").unwrap();
    refused_on(&data, &dir, &[tokenizer.as_str(), "not a SentencePiece model"]);
    fs::remove_file(&tokenizer).unwrap();
    refused_on(&data, &dir, &["fineweb_506_bpe.model", "put it beside the shards"]);
    fs::write(&tokenizer, good).unwrap();
    for shard in ["fineweb_train_000000.bin", "fineweb_train_000001.bin"] {
        fs::remove_file(shards(&data).join(shard)).unwrap();
    }
    refused_on(&data, &dir, &[shards(&data).as_str(), "no fineweb_train_*.bin", "--data"]);
    fs::remove_file(shards(&data).join("fineweb_val_000000.bin")).unwrap();
    refused_on(&data, &dir, &[data.as_str(), "looked for fineweb_val_*.bin", "pass --data"]);
}

/// The tokenizer of 600 pieces under the name of the one that the recipe means.
#[test]
fn a_tokenizer_of_another_size() {
    let (_temp, dir) = folder();
    let data = copy_of_data(&dir);
    let other = dir.join("other");
    caddie(&["fixture", other.as_str(), "--vocab-size", "600", "--train-tokens", "1000", "--docs", "1"]).succeeds();
    let path = data.join("tokenizers/fineweb_506_bpe.model");
    fs::copy(other.join("tokenizers/fineweb_600_bpe.model"), &path).unwrap();
    refused_on(&data, &dir, &[path.as_str(), "has 600 pieces", "model.vocab_size is 506"]);
}

#[test]
fn a_recipe_that_cannot_be_meant() {
    let (_temp, dir) = folder();
    let (recipe, data, run) = (dir.join("mine.toml"), data(), dir.join("run"));
    let good = fs::read_to_string(native::recipe()).unwrap();
    let attempt = |name: &str, extra: &[&str]| {
        let mut command = native::command(&["train", name, "--data", data.as_str(), "--out", run.as_str()]);
        Ended::of(command.args(extra))
    };
    for (from, to, parts) in [
        ("iterations", "itertions", ["unknown key `train.itertions`", "nearest known key is `iterations`"]),
        ("iterations = 12", "iterations = \"twelve\"", ["train.iterations", "expected an integer"]),
        ("iterations = 12", "iterations = 1.5", ["train.iterations", "expected an integer"]),
        ("iterations = 12", "iterations = 0", ["train.iterations is 0", "between 1 and"]),
        ("iterations = 12", "iterations = = 12", ["line 18", "iterations = = 12"]),
        ("mode = \"ttt\"", "mode = \"tt\"", ["eval.mode", "`ttt`"]),
        ("num_heads = 2", "num_heads = 3", ["model_dim 32", "num_heads 3"]),
        ("name = \"tiny\"", "name = \"../up\"", ["../up", "cannot name a folder"]),
    ] {
        assert!(good.contains(from));
        fs::write(&recipe, good.replace(from, to)).unwrap();
        attempt(recipe.as_str(), &[]).refused(2, &[recipe.as_str(), parts[0], parts[1]]);
    }
    for (set, parts) in [
        ("itertions=3", ["unknown key `itertions`", "`iterations`"]),
        ("iterations=many", ["--set iterations=many", "expected an integer"]),
        ("iterations", ["--set iterations", "expected key=value"]),
    ] {
        attempt(native::recipe().as_str(), &["--set", set]).refused(2, &parts);
    }
    attempt("demmo", &[]).refused(2, &["demmo", "no such recipe file", "baseline, demo"]);
    assert!(!run.exists());
}

#[test]
fn a_device_that_is_not_there() {
    let (_temp, dir) = folder();
    let (recipe, data, run) = (native::recipe(), data(), dir.join("run"));
    let on = |device: &str| {
        let train = ["train", recipe.as_str(), "--data", data.as_str(), "--out", run.as_str(), "--device", device];
        caddie(&train)
    };
    on("cuda").refused(2, &["--device cuda:", "use --device cpu"]);
    on("cuda:7").refused(2, &["--device cuda:7:", "use --device cpu"]);
    on("nonsense").refused(2, &["--device nonsense", "auto, cpu, cuda or cuda:N"]);
    assert!(!run.exists());
}

/// Step and weights of a training state.
fn saved(path: &Utf8Path) -> (u64, bool) {
    let (tensors, metadata): (_, BTreeMap<String, String>) =
        caddie_engine::checkpoint::load(path.as_std_path()).unwrap();
    let finite = tensors.iter().all(|(_, tensor)| tensor.isfinite().all().int64_value(&[]) == 1);
    (metadata["step"].parse().unwrap(), finite)
}

/// The loss of a step is that of the weights before it: the checkpoint that is kept must have good weights.
#[test]
fn a_loss_that_is_no_number_keeps_the_last_good_checkpoint() {
    let (_temp, dir) = folder();
    let (run, state) = (dir.join("late"), dir.join("late/training_state.safetensors"));
    let late = ["--set", "matrix_lr=1e37", "--set", "checkpoint_every=1", "--set", "iterations=40"];
    let first = train(&run, &late).refused(1, &["training diverged", " at step ", state.as_str(), "matrix_lr"]);
    let (step, finite) = saved(&state);
    assert!(finite, "the checkpoint called good holds weights that are no numbers");
    assert!(first.stderr.contains(&format!(" at step {};", step + 1)), "checkpoint of step {step}: {}", first.stderr);
    assert!(!run.join("checkpoint.safetensors").exists());
    let before = fs::read(&state).unwrap();
    let second = train(&run, &late).refused(1, &["training diverged"]);
    assert_eq!(
        (second.stderr, fs::read(&state).unwrap() == before),
        (first.stderr, true),
        "going on ends the same way"
    );

    let all = ["--set", "matrix_lr=1e30", "--set", "scalar_lr=1e30", "--set", "tied_embed_lr=1e30"];
    let early = dir.join("early");
    train(&early, &all).refused(1, &["training diverged", " at step 3;", "no checkpoint had been written yet"]);
    // Every loss that was printed is a number; the last update is not.
    let last = dir.join("last");
    train(&last, &[&all[..], &["--set", "iterations=2", "--set", "checkpoint_every=2"]].concat())
        .refused(1, &["at step 2;"]);
    for run in [early, last] {
        let names: Vec<String> = tree(&run).into_keys().collect();
        assert_eq!(names, ["log.txt"], "{run}");
    }
}

#[test]
fn two_commands_in_one_run_directory() {
    let (_temp, dir) = folder();
    let (run, log) = (dir.join("run"), dir.join("run/log.txt"));
    let long = ["--set", "iterations=1000000", "--set", "checkpoint_every=0"];
    let mut first = Running::start(&mut train_command(&run, &data(), &long));
    assert!(first.wait_for(|| logged(&log, "\nstep:2/")));
    train(&run, &long).refused(2, &[run.as_str(), "another caddie is working", "--out"]);
    let length = fs::metadata(&log).unwrap().len();
    assert!(first.wait_for(|| fs::metadata(&log).unwrap().len() > length), "the first goes on");
    first.signal("INT").refused(3, &["interrupted at step ", "run the same command again"]);
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("\nseed:1337\n").count(), 1, "the second wrote to the log: {text}");
}

/// A run empties its log and writes beside it: not in a folder that is somebody's.
#[test]
fn a_run_directory_that_is_something_else() {
    let (_temp, dir) = folder();
    fs::write(dir.join("log.txt"), "mine").unwrap();
    train(&dir, &[]).refused(2, &[dir.as_str(), "holds files but no run"]);
    train(&dir.join("log.txt"), &[]).refused(2, &[dir.join("log.txt").as_str(), "is a file"]);
    assert_eq!(tree(&dir), BTreeMap::from([("log.txt".to_owned(), b"mine".to_vec())]));

    let run = dir.join("run");
    train(&run, &["--seed", "1"]).succeeds();
    let before = tree(&run);
    train(&run, &["--seed", "2"]).refused(2, &[run.as_str(), "another seed", "--out"]);
    let state = run.join("state.json");
    fs::write(&state, "{").unwrap();
    train(&run, &["--seed", "1"]).refused(2, &[state.as_str(), "delete the run directory to start over"]);
    fs::write(&state, &before["state.json"]).unwrap();
    let other = dir.join("other");
    native::write_data(&other, 2);
    Ended::of(&mut train_command(&run, &other, &["--seed", "1"])).refused(2, &[run.as_str(), "another data set"]);
    assert!(tree(&run) == before);
}

/// A damaged training state is an error with its name, not a training from the start that hides it.
#[test]
fn a_damaged_checkpoint_is_named() {
    let (_temp, dir) = folder();
    let (run, state) = (dir.join("run"), dir.join("run/training_state.safetensors"));
    let mut running = Running::start(&mut train_command(&run, &data(), &["--set", "iterations=400"]));
    assert!(running.wait_for(|| state.exists()) && running.kill());
    let bytes = fs::read(&state).unwrap();
    fs::write(&state, &bytes[..bytes.len() - 100]).unwrap();
    train(&run, &["--set", "iterations=400"]).refused(2, &[state.as_str(), "not a whole safetensors file"]);
}

/// The checkpoint of a training that nothing disturbed.
fn undisturbed() -> Vec<u8> {
    fs::read(FINISHED.join("checkpoint.safetensors")).unwrap()
}

/// A limit on file sizes stands for a full disk on every Unix: writes fail past it.
#[test]
fn a_file_that_cannot_be_written_whole() {
    let (_temp, dir) = folder();
    let (expected, run, recipe, data) = (undisturbed(), dir.join("run"), native::recipe(), data());
    // 100 blocks of 512 or 1024 bytes: enough for the log, too few for a training state.
    let script = r#"trap "" XFSZ; ulimit -f 100; exec "$0" "$@""#;
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_caddie"), "train", recipe.as_str(), "--data", data.as_str()]);
    let ended = Ended::of(limited.args(["--out", run.as_str(), "--device", "cpu", "--quiet"]));
    let state = run.join("training_state.safetensors");
    ended.refused(3, &[state.as_str(), "writing", "make room", "run the same command again"]);
    assert_eq!(tree(&run).into_keys().collect::<Vec<_>>(), ["log.txt"], "half a file is left");
    train(&run, &[]).succeeds();
    assert!(fs::read(run.join("checkpoint.safetensors")).unwrap() == expected);
}

/// A disk that fills up at the second checkpoint, then gets larger: the first one was kept, and the training goes on.
#[test]
fn a_full_disk() {
    const SCRIPT: &str = r#"
        disk=$1; keep=$2; shift 2
        mount -t tmpfs -o size=480k tmpfs "$disk" || exit 77
        echo mounted
        "$@"; echo "code:$?"
        ls -A "$disk/run"
        mount -o remount,size=10m "$disk"
        "$@"; echo "code:$?"
        cp "$disk/run/checkpoint.safetensors" "$disk/run/log.txt" "$keep"
    "#;
    let (_temp, dir) = folder();
    let (disk, keep) = (dir.join("disk"), dir.join("keep"));
    fs::create_dir(&disk).and_then(|()| fs::create_dir(&keep)).unwrap();
    let command = train_command(&disk.join("run"), &data(), &[]);
    // A mount of its own needs no rights in a namespace of its own, where the system allows one.
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", disk.as_str(), keep.as_str()]);
    let Ok(output) = unshare.arg(command.get_program()).args(command.get_args()).output() else {
        println!("skipped: there is no `unshare` to mount a small disk with");
        return;
    };
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    if !stdout.starts_with("mounted") {
        println!("skipped: no small disk can be mounted here: {stderr}");
        return;
    }
    let said: Vec<&str> = stdout.lines().collect();
    assert_eq!(said, ["mounted", "code:3", "lock", "log.txt", "training_state.safetensors", "code:0"], "{stderr}");
    assert!(stderr.contains("training_state.safetensors: writing failed: No space left on device"), "{stderr}");
    assert!(stderr.contains("run the same command again"), "{stderr}");
    assert!(logged(&keep.join("log.txt"), "resumed_from_checkpoint step:3/12"));
    assert!(fs::read(keep.join("checkpoint.safetensors")).unwrap() == undisturbed());
}

/// Results that cannot be printed are an error like any other, not a bug of caddie.
#[test]
fn a_full_disk_behind_stdout() {
    let (_temp, dir) = folder();
    let ledger = dir.join("ledger");
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        println!("skipped: there is no /dev/full");
        return;
    };
    let (model, data) = (FINISHED.join("model.int8.zlib"), data());
    let mut command = native::command(&["evaluate", model.as_str(), "--data", data.as_str(), "--mode", "full"]);
    command.args(["--ledger", ledger.as_str()]);
    let output = command.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("standard output: writing failed") && !stderr.contains("panicked"), "{stderr}");
}
