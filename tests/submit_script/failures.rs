//! Runs that fail, and scripts that break a convention: each is told with its reason.

use crate::support::bench::{Bench, Said};

#[test]
fn each_way_to_fail_is_told_with_the_last_lines_and_the_others_go_on() {
    let reasons = [
        ("crash", "ValueError: the loss is not finite (exit status 1)"),
        ("gpu_memory", "out of memory on the GPU"),
        ("nccl", "NCCL time-out"),
        ("killed", "killed: nobody asked it to end"),
        ("full_disk", "no space: "),
    ];
    for (fault, reason) in reasons {
        let Some(bench) = Bench::new() else { return };
        let said = bench.submit(fault, &[]);
        let both = ["seed 42 failed: ", "seed 0 failed: "].map(|seed| format!("{seed}{reason}"));
        said.ends(1, &[&both[0], &both[1], "  | step:9/20 train_loss:", "seed-42/log.txt", "2 of 2 seeds failed"]);
        assert!(!bench.folder().exists(), "{fault}: nothing is rendered of runs that failed");
        let record = bench.json("out/runs/Mine/seed-42/run.json");
        assert_eq!(record["state"], "failed");
    }
}

#[test]
fn a_script_that_breaks_a_convention_is_told_and_nothing_is_made_up() {
    let Some(bench) = Bench::new() else { return };
    let said = bench.submit("seed_not_read", &[]);
    said.ends(2, &["states seed 1337, and the run was given SEED=42"]);
    assert!(!bench.path("out/runs/Mine/seed-0").exists(), "the other seeds would be runs of seed 1337 too");
    let Some(bench) = Bench::new() else { return };
    bench.submit("no_score", &[]).ends(1, &["no log of it states a score that verify reads"]);
    let Some(bench) = Bench::new() else { return };
    let said = bench.submit("no_sizes", &[]).ends(0, &["verify       unknown (0 errors", "note         no artifact: "]);
    assert!(!said.out.contains("Mine.tar.zst") && !bench.path("out/Mine.tar.zst").exists(), "{}", said.out);
    let json = bench.json("out/records/track_non_record_16mb/2026-05-01_Mine/submission.json");
    assert!(json["bytes_total"].is_null() && json["artifact"]["bytes_model"].is_null());
    let Some(bench) = Bench::new() else { return };
    bench.submit("miscounts_code", &[]).ends(0, &["note         the logs count ", "size-code-representation"]);
    let Some(bench) = Bench::new() else { return };
    bench.submit("own_log_only", &[]).ends(0, &["verify       pass"]);
    assert!(String::from_utf8(bench.rendered_log(42)).unwrap().contains("seed:42"));
}

#[test]
fn what_cannot_work_is_refused_before_anything_runs() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("", &["--seeds", "1,1"]).ends(2, &["1 twice"]);
    bench.submit("", &["--nproc", "8"]).ends(2, &["python starts one process"]);
    bench.submit("", &["--env", "NOVALUE"]).ends(2, &["KEY=VALUE"]);
    bench.submit("", &["--enforce=0"]).ends(2, &["give seconds"]);
    bench.submit("", &["--env", "VOCAB_SIZE=many"]).ends(2, &["VOCAB_SIZE=many"]);
    let mut elsewhere = bench.command("", &[]);
    elsewhere.env("PATH", "/nowhere");
    Said::of(elsewhere.output().unwrap()).ends(2, &["is on PATH"]);
    assert!(!bench.path("out/runs").join("Mine/seed-42").exists());
}
