//! Folders, artifacts and pull requests on disk.

use super::support::files;
use super::*;

/// Lays a finished run out on disk, as the runner leaves it.
fn lay_out(runs: &Utf8Path, seed: i64) -> FinishedRun {
    let dir = runs.join(format!("seed-{seed}"));
    std::fs::create_dir_all(&dir).unwrap();
    let rows = format!(
        "{{\"doc\":0,\"tokens\":10,\"bytes\":24,\"nats\":{}}}\n{{\"doc\":1,\"tokens\":30,\"bytes\":76,\"nats\":60.0}}\n",
        20 + seed
    );
    std::fs::write(dir.join("ledger.jsonl.zst"), zstd::encode_all(rows.as_bytes(), 3).unwrap()).unwrap();
    std::fs::write(dir.join("model.int8.zlib"), vec![seed as u8; 3000 + seed as usize]).unwrap();
    let code = launcher::code_bytes(RECIPE);
    let (model, nats, sha256) = (3000 + seed, 80.0 + seed as f64, Sha256::digest(&rows));
    let (total, loss, bpb) = (model as u64 + code, nats / 40.0, nats / std::f64::consts::LN_2 / 100.0);
    let rule = "=".repeat(100);
    let log = format!(
        "{RECIPE}\n{rule}\nRunning caddie-engine 0.1.0\nRunning PyTorch 2.11.0\nhardware: cpu Some CPU threads:2\n{rule}\n\
         train_loader:dataset:fineweb10B_sp1024 train_shards:1\n\
         val_loader:shards pattern=fineweb_val_*.bin tokens:41\nmodel_params:1000\nworld_size:1 grad_accum_steps:8\n\
         seed:{seed}\nstep:1/100 train_loss:6.9000 train_time:600ms step_avg:600.00ms\n\
         step:50/100 train_loss:2.9000 train_time:30001ms step_avg:600.02ms\n\
         step:100/100 train_loss:2.6000 train_time:60002ms step_avg:600.02ms\n\
         step:100/100 val_loss:2.5000 val_bpb:1.5000 train_time:60003ms step_avg:600.03ms\n\
         Code size: {code} bytes\nSerialized model int8+zlib: {model} bytes (payload:1)\n\
         Total submission size int8+zlib: {total} bytes\n\
         final_int8_zlib_roundtrip val_loss:2.4000 val_bpb:1.4000 eval_time:900ms\n\
         final_int8_zlib_roundtrip_exact val_loss:2.40000000 val_bpb:1.40000000\n\
         final_int8_ttt_lora val_loss:{loss:.4} val_bpb:{bpb:.4} eval_time:1400ms\n\
         final_int8_ttt_lora_exact val_loss:{loss:.8} val_bpb:{bpb:.8}\n\
         ledger:ttt documents:2 tokens:40 bytes:100 sha256:{sha256:x}\n"
    );
    std::fs::write(dir.join("log.txt"), log).unwrap();
    FinishedRun::open(&dir, read_log(&dir.join("log.txt")).unwrap()).unwrap()
}

fn options(dir: &Utf8Path, tokenizer: &Utf8Path) -> RenderOptions {
    RenderOptions {
        runs: dir.join("runs/x"),
        out: dir.join("out"),
        name: Some("My Entry".to_owned()),
        author: "Ada".to_owned(),
        github_id: "ada".to_owned(),
        date: jiff::civil::date(2026, 5, 1),
        track: track("track_10min_16mb"),
        rulebook: Rulebook::builtin().unwrap(),
        artifact: true,
        tokenizer: Some(tokenizer.to_owned()),
        ablations: None,
        probe: None,
        force: false,
    }
}

#[test]
fn runs_become_a_folder_a_pull_request_and_an_artifact() {
    let (_temp, dir) = folder();
    let runs: Vec<FinishedRun> = [0, 42].map(|seed| lay_out(&dir.join("runs/x"), seed)).into();
    std::fs::create_dir(dir.join("data")).unwrap();
    std::fs::write(dir.join("data/fineweb_1024_bpe.model"), "pieces").unwrap();
    let options = options(&dir, &dir.join("data"));
    let rendered = render_runs(&runs, &options).unwrap();

    assert_eq!(rendered.folder, dir.join("out/records/track_10min_16mb/2026-05-01_My_Entry"));
    let shipped = files(&rendered.folder);
    let names: Vec<&str> = shipped.keys().map(String::as_str).collect();
    let expected = [
        "README.md",
        "ledger_seed0.jsonl.zst",
        "ledger_seed42.jsonl.zst",
        "ledgers.json",
        "loss.svg",
        "recipe.toml",
        "requirements.txt",
        "submission.json",
        "train_gpt.py",
        "train_seed0.log",
        "train_seed42.log",
    ];
    assert_eq!(names, expected);
    assert_eq!(shipped["train_seed42.log"], std::fs::read(dir.join("runs/x/seed-42/log.txt")).unwrap());
    assert_eq!(Some(shipped["train_gpt.py"].len() as u64), rendered.facts.results.bytes_code);
    assert_eq!(shipped["recipe.toml"], RECIPE.as_bytes());
    let text = |name: &str| String::from_utf8(shipped[name].clone()).unwrap();
    let figure = text("loss.svg");
    assert!(figure.starts_with("<svg") && figure.contains("seed 42") && figure.len() < 5_000, "{figure}");
    // The models here are no models, so that there is nothing to draw of their tensors.
    assert!(text("README.md").contains("](loss.svg)") && !text("README.md").contains("bytes.svg"));
    let json: serde_json::Value = serde_json::from_slice(&shipped["submission.json"]).unwrap();
    assert_eq!(json["code_sha256"], format!("{:x}", Sha256::digest(&shipped["train_gpt.py"])));
    assert_eq!(json["data"]["dataset"], "fineweb10B_sp1024");
    let outputs: Vec<String> =
        files(dir.join("out")).into_keys().filter(|name| !name.starts_with("records/")).collect();
    assert_eq!(outputs, ["My_Entry.tar.zst", "PULL_REQUEST.md"]);

    let manifest =
        unpack(rendered.artifact.as_ref().unwrap(), &dir.join("unpacked"), &UnpackLimits::default(), false).unwrap();
    assert_eq!(Some(manifest.counted.bytes_total_max), rendered.facts.results.bytes_total_max());
    let members = files(dir.join("unpacked"));
    assert_eq!(members["seed-42/model.int8.zlib"], vec![42; 3042]);
    assert_eq!(members["tokenizer/fineweb_1024_bpe.model"], b"pieces");
    assert_eq!(members["train_gpt.py"], shipped["train_gpt.py"]);
    assert_eq!(members["seed-0/ledger.jsonl.zst"], shipped["ledger_seed0.jsonl.zst"]);

    // Again: refused, then with --force the same bytes.
    let before = files(dir.join("out"));
    assert!(render_runs(&runs, &options).unwrap_err().to_string().contains("pass --force"));
    render_runs(&runs, &RenderOptions { force: true, ..options.clone() }).unwrap();
    assert_eq!(files(dir.join("out")), before);

    // A rendering that fails on its way leaves the earlier one alone.
    std::fs::remove_file(dir.join("runs/x/seed-42/ledger.jsonl.zst")).unwrap();
    assert!(render_runs(&runs, &RenderOptions { force: true, ..options.clone() }).is_err());
    assert_eq!(files(dir.join("out")), before);
}

#[test]
fn a_run_that_contradicts_itself_is_not_opened() {
    let (_temp, dir) = folder();
    let runs = dir.join("runs");
    let refuse = |seed: i64, damage: fn(&Utf8Path), reason: &str| {
        let log = lay_out(&runs, seed).log;
        let dir = runs.join(format!("seed-{seed}"));
        damage(&dir);
        let message = FinishedRun::open(&dir, log).expect_err(reason).to_string();
        assert!(message.contains(reason), "{message:?} does not say {reason:?}");
    };
    refuse(1, |dir| std::fs::write(dir.join("model.int8.zlib"), "short").unwrap(), "has 5 bytes");
    refuse(2, |dir| std::fs::remove_file(dir.join("model.int8.zlib")).unwrap(), "not finished");
    refuse(3, |dir| std::fs::remove_file(dir.join("ledger.jsonl.zst")).unwrap(), "not finished");
    refuse(4, |dir| std::fs::write(dir.join("model.old"), "").unwrap(), "two model files");
    let other = "{\"doc\":0,\"tokens\":10,\"bytes\":24,\"nats\":1.0}\n";
    let altered = zstd::encode_all(other.as_bytes(), 3).unwrap();
    std::fs::write(dir.join("altered"), altered).unwrap();
    refuse(5, |dir| std::fs::rename(dir.join("../../altered"), dir.join("ledger.jsonl.zst")).unwrap(), "SHA-256");
}

#[test]
fn an_artifact_needs_its_tokenizer_and_says_how_to_name_it() {
    let (_temp, dir) = folder();
    let runs = [lay_out(&dir.join("runs/x"), 0)];
    let options = options(&dir, &dir.join("nowhere"));
    let message = render_runs(&runs, &options).unwrap_err().to_string();
    assert!(message.contains("fineweb_1024_bpe.model") && message.contains("--no-artifact"), "{message}");
    assert!(!dir.join("out").exists());
    let rendered = render_runs(&runs, &RenderOptions { artifact: false, ..options }).unwrap();
    assert_eq!(rendered.artifact, None);
}

/// The producer is tested against the checker, which knows nothing of it.
#[test]
fn a_rendered_folder_passes_verify() {
    let (_temp, dir) = folder();
    for seed in [0, 7, 42] {
        lay_out(&dir.join("runs/x"), seed);
    }
    // On one CPU: no claim to the record, whose hardware the checker would miss.
    let options = RenderOptions { artifact: false, track: track("non_record_16mb"), ..options(&dir, &dir) };
    let rendered = render(&options).unwrap();
    let report = caddie::checks::verify(&rendered.folder, &Default::default()).unwrap();
    assert_eq!(report.verdict, caddie::report::Verdict::Pass, "{:#?}", report.findings);
}
