//! Several runs in one file, runs that are printed twice, scripts between them.

use sha2::{Digest, Sha256};

use super::{read, runs};
use crate::logged::Fact;
use caddie_files::hex;

/// A script with lines enough to be one, which holds the format strings of the log.
fn script(note: &str) -> String {
    let body =
        "    for step in range(9):\n        text = f\"final_int8 val_loss:{l:.4f} val_bpb:{b:.4f}\"\n".repeat(20);
    format!("\"\"\"Train. {note}\"\"\"\nimport os\nseed = int(os.environ[\"SEED\"])\ndef main():\n{body}main()\n")
}

/// A log as family A prints it: the script, the versions, the run.
fn log(script: &str, seed: u64, bpb: f64) -> String {
    let line = "=".repeat(100);
    format!(
        "{script}\n{line}\nRunning Python 3.12.3 (main)\nRunning PyTorch 2.9.1+cu128\n{line}\n{}",
        console(seed, bpb)
    )
}

fn console(seed: u64, bpb: f64) -> String {
    format!(
        "val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path=./fineweb_1024_bpe.model\n\
         train_loader:dataset:fineweb10B_sp1024 train_shards:80\nworld_size:8 grad_accum_steps:1\nseed:{seed}\n\
         warmup_step:1/20\nstep:1/50 train_loss:6.9 train_time:10ms step_avg:10.00ms\n\
         stopping_early: wallclock_cap train_time:600010ms step:40/50\nSerialized model int8+zlib: 100 bytes (x)\n\
         final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:{bpb}\n"
    )
}

#[test]
fn each_dumped_script_begins_a_run_and_is_hashed() {
    let (first, second) = (script("one"), script("two"));
    let found = runs(&format!("{}{}", log(&first, 1, 1.25), log(&second, 1, 1.5)));
    assert_eq!(found.iter().map(|run| run.val_bpb.value()).collect::<Vec<_>>(), [Some(1.25), Some(1.5)]);
    for (index, (run, script)) in found.iter().zip([first, second]).enumerate() {
        let source = run.source.as_ref().expect("a dump");
        assert_eq!((run.run_index, source.fragment), (index, false));
        assert_eq!(
            (source.bytes, source.sha256.as_str()),
            (script.len() as u64, hex(&Sha256::digest(&script)).as_str())
        );
        assert_eq!((run.torch_version.text(), run.train_shards.value()), (Some("2.9.1+cu128"), Some(80)));
    }
    assert!(found[0].span.1 < found[1].span.0, "{:?} {:?}", found[0].span, found[1].span);
}

#[test]
fn a_script_in_lines_longer_than_any_buffer_is_hashed_whole() {
    let script =
        format!("import lzma as L,base64 as B\nexec(L.decompress(B.b85decode(\"{}\")))\n", "A".repeat(300_000));
    let source = read(&log(&script, 1, 1.25)).source.expect("a dump");
    assert_eq!((source.bytes, source.sha256), (script.len() as u64, hex(&Sha256::digest(&script))));
}

#[test]
fn a_script_after_the_hyperparameters_belongs_to_the_same_run() {
    let line = "=".repeat(100);
    let script = script("family B");
    let found = runs(&format!(
        "{line}\nHyperparameters:\n  seed: 42\n  world_size: 8\n{line}\nSource code:\n{line}\n{script}\n{line}\n\
         Running Python 3.10.12 (main)\nRunning PyTorch 2.9.1+cu128\n{line}\ntrain_shards: 128\n\
         1/20000 train_loss: 9.0 train_time: 0.0m tok/s: 100\n0/20000 val_loss: 9.0 val_bpb: 3.4\n\
         quantized_ttt_lora val_loss:2.77 val_bpb:1.07 eval_time:332086ms"
    ));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].seed.value(), found[0].train_shards.value(), found[0].val_bpb.value()),
        (Some(42), Some(128), Some(1.07))
    );
    assert_eq!(found[0].source.as_ref().map(|source| source.bytes), Some(script.len() as u64));
}

#[test]
fn output_redirected_onto_its_own_log_is_one_run() {
    let script = script("overwritten");
    let console = console(7, 1.25);
    let rest = script.char_indices().nth(600).map_or("", |(at, _)| &script[at..]);
    let line = "=".repeat(100);
    let found = runs(&format!("{console}{rest}\n{line}\nRunning Python 3.12.3 (main)\n{line}\n{console}"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].seed.value(), found[0].reprints, found[0].run_index), (Some(7), 1, 0));
    let source = found[0].source.as_ref().expect("what is left of the dump");
    assert!(source.fragment);
    assert_eq!(source.bytes, rest.len() as u64);
}

#[test]
fn an_attempt_that_only_warmed_up_is_a_run_without_a_score() {
    let script = script("again");
    let aborted = log(&script, 1, 1.25);
    let (aborted, _) = aborted.split_once("step:1/50").expect("the first step");
    let found = runs(&format!("{aborted}{}", log(&script, 1, 1.5)));
    assert_eq!(found.iter().map(|run| run.val_bpb.value()).collect::<Vec<_>>(), [None, Some(1.5)]);
    assert!(!found[0].is_a_run());
}

#[test]
fn runs_are_told_apart_by_their_seeds_and_by_a_step_counter_that_begins_anew() {
    let found = runs(&format!("{}{}", console(1, 1.25), console(2, 1.5)));
    assert_eq!(
        found.iter().map(|run| (run.seed.value(), run.val_bpb.value())).collect::<Vec<_>>(),
        [(Some(1), Some(1.25)), (Some(2), Some(1.5))]
    );
    let crashed =
        "seed:3\nstep:1/50 train_loss:6.0 train_time:10ms step_avg:1ms\nstep:30/50 train_loss:6.0 train_time:90ms\n";
    let again = "step:1/50 train_loss:6.1 train_time:11ms step_avg:1ms\nfinal_int8 val_loss:2.0 val_bpb:1.75\n";
    let found = runs(&format!("{crashed}{again}"));
    assert_eq!(
        found.iter().map(|run| (run.seed.value(), run.steps.value())).collect::<Vec<_>>(),
        [(Some(3), Some(30)), (Some(3), Some(1))]
    );
}

#[test]
fn a_file_of_endless_runs_keeps_some_and_counts_the_rest() {
    let text = (0..200).map(|seed| console(seed, 1.0 + seed as f64 / 1000.0)).collect::<String>();
    let log = super::super::read(&mut text.as_bytes()).expect("memory reads");
    let dropped = log.dropped.expect("too many runs");
    assert_eq!(log.runs.len() as u64 + dropped.value, 200);
    assert_eq!(log.runs.last().map(|run| run.span.1 + 1), Some(dropped.line));
    assert!(log.runs.len() <= 50);
}

#[test]
fn what_a_driver_says_of_its_jobs_is_no_run() {
    let text = "=== TTT-only eval start ===\n[19:23:20] RUN seed=42\n[19:35:17] DONE seed=42 rc=0 dur=717s\n\
                {\n  \"seed\": 42,\n  \"post_ttt_val_bpb\": 1.06400238\n}\n";
    let log = super::super::read(&mut text.as_bytes()).expect("memory reads");
    assert!(log.runs.is_empty() && log.of_a_driver);
}

#[test]
fn a_traceback_or_a_lone_import_is_no_script() {
    let run = read(&format!(
        "import this\n{}Traceback (most recent call last):\n  File \"x.py\", line 3, in <module>\n    main()\n\
         \u{20}   return forward(\n{}\nroot cause\n",
        console(1, 1.25),
        "=".repeat(60)
    ));
    assert_eq!((run.source, run.val_bpb.value(), run.seed.value()), (None, Some(1.25), Some(1)));
}
