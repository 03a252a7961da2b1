//! Input of any size and number: memory, time and counts stay bounded.

use super::*;

#[test]
fn a_ledger_that_unpacks_to_anything_is_cut_off() {
    for line in ["0", "\n", "{\"doc\":0,\"tokens\":1,\"bytes\":1,\"nats\":1.0}\n"] {
        let copy = Copy::new();
        let mut packed = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
        let block = line.repeat(1 << 20);
        for _ in 0..(1usize << 30).div_ceil(block.len()).min(64) {
            std::io::Write::write_all(&mut packed, block.as_bytes()).expect("compresses");
        }
        write(&copy, "ledger_seed42.jsonl.zst", packed.finish().expect("compresses"));
        says(&copy, "error", &["ledger_seed42.jsonl.zst", "line "]);
    }
    let copy = Copy::new();
    let ledger = std::fs::read(copy.path.join("ledger_seed42.jsonl.zst")).expect("reads");
    write(&copy, "ledger_seed42.jsonl.zst", &ledger[..ledger.len() / 2]);
    says(&copy, "error", &["ledger_seed42.jsonl.zst"]);
}

#[test]
fn files_of_any_length_cost_constant_memory() {
    let copy = Copy::new();
    // One endless line after the last one of a good log.
    sparse(&copy, "train_seed42.log", 400 << 20);
    clean(&copy);
    for (name, bytes) in
        [("train_gpt.py", 50 << 20), ("helper.py", 50 << 20), ("README.md", 1 << 34), ("submission.json", 1 << 34)]
    {
        let copy = Copy::new();
        sparse(&copy, name, bytes);
        says(&copy, if name == "submission.json" { "error" } else { "unknown" }, &[name, "longer than"]);
        let found = support::found(&copy);
        assert!(!found.iter().any(|(code, _)| *code == caddie::report::Code::MissingReadme), "{name} is there");
    }
    let copy = Copy::new();
    sparse(&copy, "train_seed42.log", 1 << 42);
    says(&copy, "unknown", &["train_seed42.log", "bytes long"]);
}

#[test]
fn logs_of_many_lines_cost_constant_memory() {
    let lines = [
        "\n",
        "step:1/2 train_loss:1.0 train_time:1ms step_avg:1.00ms\n",
        "final_a val_loss:1.0 val_bpb:1.0\n",
        "seed:1\n",
        "  a: b\n",
        "=\n",
    ];
    let copy = Copy::new();
    for (index, line) in lines.iter().enumerate() {
        write(&copy, &format!("noise_{index}.log"), line.repeat((4 << 20) / line.len()));
    }
    // Names that are all different: a map of them would grow with the log.
    let mut names = String::from("Hyperparameters:\n");
    for index in 0..400_000 {
        let _ = writeln!(names, "  name_{index}: {index}");
    }
    write(&copy, "names.log", names);
    findings(&copy);
}

#[test]
fn a_folder_of_100_000_files_is_counted_and_the_record_in_it_is_found() {
    let copy = Copy::new();
    for index in 0..100_000 {
        std::fs::File::create(copy.path.join(format!("a{index}.txt"))).expect("creates");
    }
    let found = findings(&copy);
    assert!(found.iter().any(|(_, message)| message.contains("it holds 100012 files")), "{found:?}");
    assert!(!found.iter().any(|(severity, _)| severity == "error"), "the record's own files are read: {found:?}");
    assert!(found.len() < 100, "one finding, not {}", found.len());
}

#[test]
fn a_folder_of_many_links_scripts_logs_and_levels_is_bounded() {
    let copy = Copy::new();
    for index in 0..3_000 {
        std::os::unix::fs::symlink("/", copy.path.join(format!("link{index}"))).expect("links");
        write(&copy, &format!("helper{index}.py"), "x = 1\n");
        write(&copy, &format!("note{index}.log"), "a note\n");
    }
    says(&copy, "unknown", &["more entries were not read"]);
    says(&copy, "unknown", &["it holds 3003 logs and texts; 1000 of them"]);
    says(&copy, "unknown", &["it holds 3001 scripts; 100 of them"]);
    assert!(!findings(&copy).iter().any(|(severity, _)| severity == "error"), "the record's own files are read");

    let copy = Copy::new();
    let mut deep = copy.path.clone();
    for _ in 0..100 {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep).expect("creates");
    says(&copy, "info", &["nested too deep"]);
}

#[test]
fn files_that_come_go_grow_and_shrink_meanwhile_stop_nothing() {
    let copy = Copy::new();
    let (path, stop) = (copy.path.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let stopped = stop.clone();
    let restless = std::thread::spawn(move || {
        let line = "step:1/2 train_loss:1.0 train_time:1ms step_avg:1.00ms\n".repeat(1000);
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let growing = std::fs::OpenOptions::new().append(true).create(true).open(path.join("growing.log"));
            let _ = growing.and_then(|mut file| {
                // The log begins anew before its length alone would make reading slow.
                if file.metadata()?.len() > 10 << 20 {
                    file.set_len(0)?;
                }
                std::io::Write::write_all(&mut file, line.as_bytes())
            });
            let _ = std::fs::write(path.join("passing.log"), "x");
            let _ = std::fs::remove_file(path.join("passing.log"));
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    for _ in 0..5 {
        assert!(!findings(&copy).iter().any(|(severity, _)| severity == "error"));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    restless.join().expect("ends");
}
