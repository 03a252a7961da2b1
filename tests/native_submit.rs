//! `caddie submit`: killed at any moment and started again, it ends with the same folder.
#![cfg(feature = "engine")]

#[path = "support/native.rs"]
mod native;

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use native::{Ended, Running, caddie, folder, line, logged, records, submit_command, timeless, tree};

/// A submission that nothing disturbed, and that no test changes.
static UNDISTURBED: LazyLock<Utf8PathBuf> = LazyLock::new(|| {
    let out = native::shared("undisturbed");
    Ended::of(&mut submit_command(&out, &[])).succeeds();
    out
});

/// What must not depend on interruptions: which files there are, and all their bytes but what a clock decides.
fn essence(out: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
    let clocked = ["README.md", "submission.json", "PULL_REQUEST.md", "tiny.tar.zst", "state.json"];
    tree(out)
        .into_iter()
        .map(|(name, bytes)| match name.rsplit('/').next() {
            Some(file) if file.ends_with(".log") || file == "log.txt" => {
                (name, timeless(&String::from_utf8(bytes).unwrap()).into_bytes())
            }
            // Their numbers are those of the logs, which `caddie verify` compares.
            Some(file) if clocked.contains(&file) => (name, Vec::new()),
            _ => (name, bytes),
        })
        .collect()
}

#[track_caller]
fn assert_same_submission(out: &Utf8Path) {
    let (found, expected) = (essence(out), essence(&UNDISTURBED));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(found[name] == *bytes, "{name} differs:\n{}\nexpected\n{}", show(&found[name]), show(bytes));
    }
    let folder = records(out);
    let verified = caddie(&["verify", folder.as_str(), "--color", "never"]);
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.stdout, verified.stderr);
}

/// Kills a submission with SIGKILL as soon as `moment` comes, and continues it to its end.
fn killed(moment: impl Fn(&Utf8Path) -> bool) {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    // A moment can pass unseen on a busy machine: then the whole submission is there, and is done over.
    for attempt in 0.. {
        let mut running = Running::start(&mut submit_command(&out, &[]));
        if running.wait_for(|| moment(&out)) && running.kill() {
            break;
        }
        assert!(attempt < 5, "the moment was never seen");
        fs::remove_dir_all(&out).unwrap();
    }
    Ended::of(&mut submit_command(&out, &[])).succeeds();
    assert_same_submission(&out);
}

fn seed(out: &Utf8Path, seed: u64, file: &str) -> Utf8PathBuf {
    out.join(format!("runs/tiny/seed-{seed}/{file}"))
}

#[test]
fn killed_after_the_first_checkpoint() {
    killed(|out| seed(out, 0, "training_state.safetensors").exists());
}

#[test]
fn killed_between_checkpoints() {
    killed(|out| logged(&seed(out, 0, "log.txt"), "\nstep:8/12 "));
}

#[test]
fn killed_when_the_model_file_appears() {
    killed(|out| seed(out, 0, "model.int8.zlib").exists());
}

#[test]
fn killed_during_the_evaluation() {
    killed(|out| logged(&seed(out, 0, "log.txt"), "final_int8_zlib_roundtrip_exact"));
}

#[test]
fn killed_just_after_the_first_seed() {
    killed(|out| logged(&seed(out, 0, "state.json"), "\"evaluated\""));
}

#[test]
fn killed_while_rendering() {
    killed(|out| out.join(".caddie-render-tiny").exists());
}

/// Too short a moment to be met by a signal: the folder has its place, the other outputs are still among the rendered.
#[test]
fn killed_between_two_outputs() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    native::copy_folder(&UNDISTURBED, &out);
    let rendering = out.join(".caddie-render-tiny");
    fs::create_dir(&rendering).unwrap();
    for output in ["PULL_REQUEST.md", "tiny.tar.zst"] {
        fs::rename(out.join(output), rendering.join(output)).unwrap();
    }
    Ended::of(&mut submit_command(&out, &[])).succeeds();
    assert!(!rendering.exists());
    assert_same_submission(&out);
}

/// Two machines make the seeds, and a third one collects them.
#[test]
fn seeds_that_were_trained_apart_are_collected_into_the_same_submission() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    let mut folders = Vec::new();
    for seed in ["0", "42", "1234"] {
        let machine = dir.join(format!("machine-{seed}"));
        let (recipe, data) = (native::recipe(), native::data());
        let subject =
            ["submit", recipe.as_str(), "--data", data.as_str(), "--device", "cpu", "--out", machine.as_str()];
        let trained = caddie(&[&subject[..], &["--seeds", seed, "--runs-only"]].concat());
        assert_eq!(trained.code, Some(0), "{}", trained.stderr);
        assert!(!machine.join("records").exists());
        folders.push(machine.join("runs/tiny").into_string());
    }
    let data = native::data();
    let about = ["--track", "non_record_16mb", "--date", "2026-05-01", "--author", "Ada", "--github-id", "ada"];
    let places = ["--out", out.as_str(), "--data", data.as_str(), "--seeds", "0,42,1234"];
    let some = caddie(&[&["collect", &folders[0]], &about[..], &places].concat());
    assert_eq!(some.code, Some(1), "{}", some.stderr);
    assert!(some.stdout.contains("seed 42: no run of it is here"), "{}", some.stdout);
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let done = caddie(&[&["collect"], &folders[..], &about, &places].concat());
    assert_eq!(done.code, Some(0), "{}\n{}", done.stdout, done.stderr);
    assert_same_submission(&out);
}

/// An interruption is told apart from a failure, says what to do, and loses nothing.
#[test]
fn ctrl_c_stops_between_two_steps_and_the_same_command_continues() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    for (name, text, said) in
        [("INT", "\nstep:1/12 ", "interrupted at step "), ("TERM", "Total submission size", "interrupted ")]
    {
        let mut running = Running::start(&mut submit_command(&out, &[]));
        assert!(running.wait_for(|| logged(&seed(&out, 0, "log.txt"), text)));
        running.signal(name).refused(3, &[said, "run the same command again"]);
    }
    Ended::of(&mut submit_command(&out, &[])).succeeds();
    assert_same_submission(&out);
    let log = fs::read_to_string(seed(&out, 0, "log.txt")).unwrap();
    assert!(log.contains("\nresumed_from_checkpoint step:"), "it began again: {log}");
}

#[test]
fn a_second_call_changes_nothing() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    let first = Ended::of(&mut submit_command(&out, &[])).succeeds();
    let before = tree(&out);
    let second = Ended::of(&mut submit_command(&out, &[])).succeeds();
    assert_eq!(first.stdout, second.stdout);
    assert!(tree(&out) == before);
    // The closing table has every seed, the mean, the verdict and the paths.
    for start in ["   0 ", "  42 ", "1234 ", "mean ", " std ", "verify ", "folder ", "pull request ", "artifact "] {
        line(&first.stdout, start);
    }
    assert!(first.stdout.contains("floor 1."), "the corpus has a known floor: {}", first.stdout);
    assert_same_submission(&out);
}

/// A folder that somebody worked on is not replaced, and the message names the file.
#[test]
fn an_edited_folder_is_refused_without_force() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    Ended::of(&mut submit_command(&out, &[])).succeeds();
    let readme = records(&out).join("README.md");
    let rendered = fs::read_to_string(&readme).unwrap();
    fs::write(&readme, format!("{rendered}\nBy hand.\n")).unwrap();
    let before = tree(&out);
    let refused = Ended::of(&mut submit_command(&out, &[]));
    refused.refused(2, &[records(&out).as_str(), "README.md differs", "--force"]);
    assert!(tree(&out) == before);
    Ended::of(&mut submit_command(&out, &["--force"])).succeeds();
    assert_eq!(fs::read_to_string(&readme).unwrap(), rendered);
    assert_same_submission(&out);

    let note = records(&out).join("notes.md");
    fs::write(&note, "mine").unwrap();
    Ended::of(&mut submit_command(&out, &[])).refused(2, &["notes.md"]);
    fs::remove_file(&note).unwrap();
    fs::write(out.join("PULL_REQUEST.md"), "mine").unwrap();
    Ended::of(&mut submit_command(&out, &[])).refused(2, &["PULL_REQUEST.md", "--force"]);
}

/// Outputs of other runs are met before the training, not after it.
#[test]
fn occupied_outputs_are_refused_before_the_training() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("PULL_REQUEST.md"), "of another submission").unwrap();
    let ended = Ended::of(&mut submit_command(&out, &[]));
    ended.refused(2, &[out.join("PULL_REQUEST.md").as_str(), "--out", "--force"]);
    assert!(!seed(&out, 0, "log.txt").exists(), "it trained first");
}

/// Neither a finished run nor an unfinished training of another recipe is taken over or thrown away.
#[test]
fn another_recipe_in_the_same_place_is_refused() {
    let (_temp, dir) = folder();
    let out = dir.join("out");
    let mut running = Running::start(&mut submit_command(&out, &["--set", "iterations=400"]));
    let state = seed(&out, 0, "training_state.safetensors");
    assert!(running.wait_for(|| state.exists()) && running.kill());
    let before = tree(&out);
    let other = Ended::of(&mut submit_command(&out, &[]));
    other.refused(2, &[state.as_str(), "another recipe", "--name"]);
    assert!(tree(&out) == before, "the unfinished training was touched");

    let done = dir.join("done");
    native::copy_folder(&UNDISTURBED, &done);
    let before = tree(&done);
    let other = Ended::of(&mut submit_command(&done, &["--set", "matrix_lr=0.01"]));
    other.refused(2, &[done.join("runs/tiny/seed-0").as_str(), "another recipe", "--name"]);
    assert!(tree(&done) == before);
}

#[test]
fn seeds_and_names_that_cannot_work_are_refused_before_the_work() {
    let (_temp, dir) = folder();
    let (out, recipe, data) = (dir.join("out"), native::recipe(), native::data());
    let submit = |extra: &[&str]| {
        let mut command = native::command(&["submit", recipe.as_str(), "--data", data.as_str(), "--out", out.as_str()]);
        Ended::of(command.args(extra))
    };
    submit(&["--seeds", "1,2,1"]).refused(2, &["--seeds", "1 twice"]);
    submit(&["--name", "../up"]).refused(2, &["--name", "../up"]);
    submit(&["--device", "nonsense"]).refused(2, &["--device nonsense", "auto, cpu, cuda or cuda:N"]);
    submit(&["--seeds", "x"]).refused(2, &["--seeds"]);
    submit(&["--track", "A/B"]).refused(2, &["--track"]);
    submit(&["--set", "name=../up"]).refused(2, &["../up"]);
    assert!(!out.exists());
}

/// Every component of PR #1530's stack, in two dozen dimensions.
const STACK: &str = r#"name = "stack"
blurb = "The record stack in miniature."

[model]
vocab_size = 506
model_dim = 32
layout = "A*4"

[model.unet]
skip_gates = true

[model.loops]
loop_start = 1
loop_end = 1

[model.lanes]
parallel_start_layer = 3

[model.block.A]
ln_scale = true

[model.block.A.gqa]
num_heads = 2
num_kv_heads = 1
rope_dims = 8
xsa = true
init = "orthogonal"

[model.block.A.mlp]
activation = "leaky_relu2"

[optim.muon]
muon_row_normalize = true

[optim.ema]
ema_decay = 0.5

[train]
iterations = 6
warmup_steps = 1
warmdown_frac = 0.5
max_wallclock_seconds = 0
train_batch_tokens = 512
train_seq_len = 64
grad_accum_steps = 2
loader = "packed"
val_loss_every = 0

[quant]
keep_float_max_numel = 512
control = "float16"
codec = "smallest"
byte_shuffle = true

[quant.matrix]
bits = 6
clip_sigmas = 12.85
gptq = true

[quant.embedding]
bits = 8
clip_sigmas = 20
gptq = true

[quant.calibration]
gptq_calibration_batches = 4

[eval]
mode = "ttt"
also = ["full"]
eval_seq_len = 64
documents_apart = true

[eval.ttt]
ttt_lora_rank = 4
ttt_lora_lr = 0.003
ttt_chunk_size = 16
ttt_eval_seq_len = 64
"#;

#[test]
fn the_record_stack_becomes_a_folder_that_verifies_is_audited_and_reproduces() {
    let (_temp, dir) = folder();
    let (recipe, out, data) = (dir.join("stack.toml"), dir.join("out"), native::data());
    fs::write(&recipe, STACK).unwrap();
    let mut submit = native::command(&["submit", recipe.as_str(), "--data", data.as_str(), "--out", out.as_str()]);
    submit.args(["--device", "cpu", "--seeds", "1,2", "--track", "non_record_16mb", "--date", "2026-05-01"]);
    submit.args(["--author", "Ada", "--github-id", "ada"]);
    let said = Ended::of(&mut submit).succeeds().stdout;
    assert!(said.contains("of quantized_ttt_lora_exact") && said.contains("against"), "{said}");
    assert!(line(&said, "verify").contains("pass (0 errors"), "{said}");
    assert!(line(&said, "code").ends_with("bytes of train_gpt.py"), "{said}");

    let records = out.join("records/track_non_record_16mb/2026-05-01_stack");
    let log = fs::read_to_string(records.join("train_seed1.log")).unwrap();
    for part in
        ["GPTQ:collected 17 Hessians", "layer_loop:enabled step:3 ", "ema:applying EMA weights", " is the smallest of "]
    {
        assert!(log.contains(part), "{part} is missing from:\n{log}");
    }
    let readme = fs::read_to_string(records.join("README.md")).unwrap();
    for part in ["`model.loops.loop_start`", "calibrated on 4 batches", "quantized_ttt_lora_exact"] {
        assert!(readme.contains(part), "{part} is missing from:\n{readme}");
    }

    let model = fs::read_dir(out.join("runs/stack/seed-1")).unwrap().map(|entry| entry.unwrap().path());
    let model = model.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("model.int6."));
    let model = model.expect("a model file").to_str().unwrap().to_owned();
    let inspected = caddie(&["inspect", &model]).succeeds().stdout;
    let fc: Vec<&str> = line(&inspected, "blocks.0.mlp.fc.weight").split_whitespace().collect();
    assert_eq!(fc[1..5], ["[64,", "32]", "int_per_row", "6"], "{inspected}");
    assert_eq!(caddie(&["audit", &model]).code, Some(0));

    let artifact = out.join("stack.tar.zst");
    let again = caddie(&["reproduce", artifact.as_str(), "--sample", "3", "--data", data.as_str(), "--device", "cpu"]);
    assert_eq!(again.code, Some(0), "{}\n{}", again.stdout, again.stderr);
}
