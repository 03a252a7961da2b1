//! Logs as they lie in folders: under odd names, several in a file, beside files that are none.

use caddie_folder::{Fact, Folder, NotCounted};
use camino::{Utf8Path, Utf8PathBuf};

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let root = Utf8Path::from_path(dir.path()).expect("UTF-8").join("2026-05-01 Odd Name");
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        std::fs::write(path, text).expect("written");
    }
    (dir, root)
}

fn log(seed: u64, bpb: &str) -> String {
    format!(
        "seed:{seed}\r\nstep:1/50 train_loss:6.9 train_time:1{seed}ms step_avg:10.00ms\r\n\
         final_int8_zlib_roundtrip_exact val_loss:2.00000000 val_bpb:{bpb}\r\n"
    )
}

#[test]
fn logs_are_found_under_any_name_and_told_from_what_is_none() {
    let (_dir, root) = folder(&[
        ("logs/train0.txt", &log(0, "1.25")),
        ("train seed 1.log", &log(1, "1.50")),
        ("\u{fc}ber_log_2.txt", &format!("\u{feff}{}", log(2, "1.75"))),
        ("copy/train.log", &log(1, "1.50")),
        ("ttt/summary.log", "=== start ===\n[19:23:20] RUN seed=42\n[19:35:17] DONE seed=42 rc=0 dur=717s\n"),
        ("results.tsv", "step:1/50 val_loss:1.0 val_bpb:1.0\n"),
        ("commands.txt", "SEED=42 torchrun train_gpt.py\n"),
        ("empty.log", ""),
        ("train_odd.log", "Quantized BPB: 1.03\n"),
        ("requirements.txt", "torch\n"),
    ]);
    let runs = Folder::read(&root).expect("readable").runs;
    let official: Vec<_> = runs.official.iter().map(|run| (run.seed.value(), run.val_bpb.value())).collect();
    assert_eq!(official, [(Some(0), Some(1.25)), (Some(1), Some(1.5)), (Some(2), Some(1.75))]);
    assert_eq!(runs.not_logs, ["train_odd.log"], "the one that calls itself a log and is not understood");
    let others: Vec<_> = runs.others.iter().map(|other| &other.why).collect();
    assert!(matches!(others.as_slice(), [NotCounted::CopyOf(_)]), "{others:?}");
}

#[test]
fn of_a_claimed_evaluation_every_fact_names_the_file_that_states_it() {
    let training = "seed:7\nstep:40/50 train_loss:6.9 train_time:599000ms step_avg:10.00ms\n\
                    quantized_ttt_phased val_loss:2.4 val_bpb:1.25\n";
    let evaluation = "Hyperparameters:\n  seed: 7\nttt_lora:compile warmup done (101.3s)\n\
                      quantized_ttt_phased val_loss:2.3 val_bpb:1.125 eval_time:416500ms\n";
    let (_dir, root) = folder(&[
        ("train_seed7.log", training),
        ("ttt/seed_7.log", evaluation),
        ("submission.json", r#"{"val_bpb": 1.125, "seed_results": {"7": {"val_bpb": 1.125}}}"#),
    ]);
    let runs = Folder::read(&root).expect("readable").runs;
    let [run] = runs.official.as_slice() else { panic!("one run: {:?}", runs.official) };
    assert_eq!(
        (run.val_bpb.value(), run.steps.value(), run.train_seconds.value()),
        (Some(1.125), Some(40), Some(599.0))
    );
    assert_eq!(
        (run.eval_seconds.value(), run.eval_warmup_seconds.value(), run.eval_wall_seconds.value()),
        (Some(416.5), Some(101.3), Some(517.8))
    );
    assert_eq!(run.at(&run.val_bpb), (Utf8Path::new("ttt/seed_7.log"), Some(4)));
    assert_eq!(run.at(&run.train_seconds), (Utf8Path::new("train_seed7.log"), Some(2)));
    assert!(runs.others.is_empty());
}
