//! The same command again: finished seeds are kept, and nothing is lost.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use crate::support::bench::{Bench, tree, wait_for};

#[test]
fn a_seed_that_failed_is_run_again_and_the_others_are_kept() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("crash_once", &[]).ends(1, &["seed 0 failed: ValueError", "1 of 2 seeds failed"]);
    let first = std::fs::read(bench.path("out/runs/Mine/seed-42/run.json")).unwrap();
    let said = bench.submit("crash_once", &[]);
    said.ends(0, &["seed 42: finished before, and kept", "seed 0: an earlier start did not finish"]);
    assert_eq!(std::fs::read(bench.path("out/runs/Mine/seed-42/run.json")).unwrap(), first);
    let log = std::fs::read_to_string(bench.path("out/runs/Mine/earlier/seed-0.unfinished/log.txt")).unwrap();
    assert!(log.contains("not finite this time"), "{log}");
}

#[test]
fn an_interrupted_run_ends_its_script_and_the_next_start_continues() {
    let Some(bench) = Bench::new() else { return };
    // Long enough that no busy machine ends the seed before it is interrupted; what goes on need not wait.
    let slow = ["--env", "STAND_IN_SECONDS=60"];
    let mut running = bench.command("", &slow).spawn().unwrap();
    let log = bench.path("out/runs/Mine/seed-42/log.txt");
    assert!(wait_for(|| std::fs::read_to_string(&log).is_ok_and(|text| text.contains("step:1/"))));
    let second = bench.submit("", &slow);
    second.ends(2, &["another caddie is working in this run directory"]);
    assert!(Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(3));
    assert_eq!(bench.processes(), Vec::<String>::new());
    bench.submit("", &[]).ends(0, &["seed 42: an earlier start did not finish", "verify       pass"]);
}

/// A submission that is killed `rounds` times at random moments ends with the bytes of one that nothing disturbed.
fn killed(rounds: u32) {
    let (Some(calm), Some(bench)) = (Bench::new(), Bench::new()) else { return };
    let slow = ["--env", "STAND_IN_SECONDS=0.6"];
    calm.submit("", &slow).ends(0, &["verify       pass"]);
    for round in 0..rounds {
        let mut running: Child = bench.command("", &slow).spawn().unwrap();
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
        std::thread::sleep(Duration::from_millis(u64::from(nanos / 7 % 2000)));
        // It may have ended by itself.
        let _ = running.kill();
        let status = running.wait().unwrap();
        assert!(status.code().is_none_or(|code| code == 0), "round {round}: {status}");
    }
    bench.submit("", &slow).ends(0, &["verify       pass"]);
    assert_eq!(bench.processes(), Vec::<String>::new());
    let (found, expected) = (bench.rendered(), calm.rendered());
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
    let staging = tree(&bench.path("out")).into_iter().filter(|path| path.to_string_lossy().contains(".caddie-render"));
    assert_eq!(staging.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    killed(3);
}

#[test]
#[ignore = "long: twenty rounds take a minute"]
fn killed_at_twenty_random_moments_it_ends_with_the_same_bytes() {
    killed(20);
}

#[test]
fn another_script_or_setting_is_another_run_and_the_finished_one_is_not_lost() {
    let Some(bench) = Bench::new() else { return };
    bench.submit("", &[]).ends(0, &["verify       pass"]);
    let other = ["--env", "STAND_IN_FAMILY=b"];
    bench.submit("", &other).ends(2, &["exists and is of other runs", "--force"]);
    let forced = ["--env", "STAND_IN_FAMILY=b", "--force"];
    bench.submit("", &forced).ends(0, &["it was run with another script, command or environment", "of quantized\n"]);
    assert!(bench.path("out/runs/Mine/earlier/seed-42.1/files/final_model.int8.ptz").exists());
}
