//! Every fact that was worked out by hand about the merged records, against what caddie reads of their logs
//! (docs/spec/records.md#logs).
//!
//! `CADDIE_SHARED` names the shared data (default `../shared`); `CADDIE_UPSTREAM` a checkout of the real repository, in
//! whose logs the dumped scripts stand; the corpus has them cut out.

use caddie_folder::{Fact, Field, Folder, RunLog, Scope};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

/// Facts in which caddie and the table differ, and why: folder (a part of its name), log, fact, reason.
const EXCEPTIONS: &[(&str, &str, &str, &str)] = &[];

#[derive(Default)]
struct Tally {
    compared: usize,
    equal: usize,
    excepted: usize,
    used: Vec<usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn compare(&mut self, folder: &str, log: &str, fact: &str, truth: &Value, read: &Value) {
        self.compared += 1;
        if same(truth, read) {
            self.equal += 1;
            return;
        }
        let listed = |(part, file, name, _): &(&str, &str, &str, &str)| {
            folder.contains(part) && (*file == log || *file == "*") && *name == fact
        };
        match EXCEPTIONS.iter().position(listed) {
            Some(index) => {
                self.excepted += 1;
                self.used.push(index);
            }
            None => self.wrong.push(format!("{folder}/{log}: {fact} is {truth} by hand, {read} as read")),
        }
    }
}

/// Equal; of numbers to the last digit that the table keeps (it rounds statistics to eight, halves to even).
fn same(truth: &Value, read: &Value) -> bool {
    match (truth.as_f64(), read.as_f64()) {
        (Some(truth), Some(read)) => truth == read || (truth.fract() != 0.0 && (truth - read).abs() < 1.1e-8),
        _ => truth == read,
    }
}

fn facts(truth: &Value, run: &RunLog, dumps: bool) -> Vec<(&'static str, Value)> {
    let gpu = run.gpu.text().map(|gpu| json!({ gpu: run.gpus.value() }));
    let mut facts = vec![
        ("log_seed", json!(run.seed.value())),
        ("official_tag", json!(run.metric.text())),
        ("val_bpb", json!(run.val_bpb.value())),
        ("val_loss", json!(run.val_loss.value())),
        ("train_time_s", json!(run.train_seconds.value())),
        ("steps", json!(run.steps.value())),
        ("iterations_target", json!(run.iterations.value())),
        ("eval_time_s", json!(run.eval_seconds.value())),
        ("eval_time_sum_s", json!(run.eval_wall_seconds.value())),
        ("artifact_bytes", json!(run.bytes_total.value())),
        ("model_bytes_compressed", json!(run.bytes_model.value())),
        ("code_bytes_logged", json!(run.bytes_code.value())),
        ("code_bytes_uncompressed_logged", json!(run.bytes_code_uncompressed.value())),
        ("world_size", json!(run.world_size.value())),
        ("gpu", json!(gpu)),
        ("torch", json!(run.torch_version.text())),
        ("train_shards", json!(run.train_shards.value())),
        ("val_tokens", json!(run.val_tokens.value())),
        ("peak_mem_mib", json!(run.peak_memory_mib.value())),
    ];
    if dumps {
        facts.push(("embedded_source_bytes", json!(run.source.as_ref().map(|source| source.bytes))));
    }
    // Stated for some runs only; where the table is silent it does not say that there is none.
    let stated = [
        ("gptq_reserve_s", json!(run.gptq_reserve_seconds(600.0).value())),
        ("gptq_hessian_s", json!(run.gptq_hessian_seconds.value())),
        ("ttt_compile_warmup_s", json!(run.eval_warmup_seconds.value())),
        ("post_gptq_total_s", json!(run.post_gptq_seconds.value())),
        ("eval_wall_from_timestamps_s", json!(run.eval_stamped_seconds.value())),
        ("official_log", json!(run.score_log)),
        ("stock_ttt_val_bpb", json!(run.superseded.as_ref().map(|line| line.val_bpb))),
    ];
    facts.extend(stated.into_iter().filter(|(name, _)| truth.get(name).is_some()));
    facts
}

fn statistics(runs: &[RunLog]) -> Vec<(&'static str, Value)> {
    let scores: Vec<f64> = runs.iter().filter_map(|run| run.val_bpb.value()).collect();
    let losses: Vec<f64> = runs.iter().filter_map(|run| run.val_loss.value()).collect();
    let rounded = |value: Option<f64>| json!(value.map(|value| (value * 1e8).round() / 1e8));
    vec![
        ("n_official_runs", json!(runs.len())),
        ("mean_val_bpb", rounded(caddie_rulebook::stats::mean(&scores))),
        ("std_val_bpb_sample", rounded(caddie_rulebook::stats::sample_std(&scores))),
        ("mean_val_loss", rounded(caddie_rulebook::stats::mean(&losses))),
        ("std_val_loss_sample", rounded(caddie_rulebook::stats::sample_std(&losses))),
        ("best_val_bpb", json!(scores.iter().copied().reduce(f64::min))),
        ("max_artifact_bytes", json!(runs.iter().filter_map(|run| run.bytes_total.value()).max())),
    ]
}

fn compare_folder(tally: &mut Tally, key: &str, truth: &Value, path: &Utf8Path, dumps: bool) {
    let folder = Folder::read(path).unwrap_or_else(|error| panic!("{error}"));
    let runs = &folder.runs.official;
    for (fact, read) in statistics(runs) {
        tally.compare(key, "", fact, &truth[fact], &read);
    }
    for expected in truth["per_seed"].as_array().into_iter().flatten() {
        let log = expected["log"].as_str().expect("a log");
        match runs.iter().find(|run| run.log == log) {
            Some(run) => {
                for (fact, read) in facts(expected, run, dumps) {
                    tally.compare(key, log, fact, &expected[fact], &read);
                }
            }
            None => tally.compare(key, log, "official", &json!(true), &json!(false)),
        }
    }
}

#[test]
fn every_fact_of_the_merged_records_is_read_as_by_hand() {
    let shared =
        std::env::var("CADDIE_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let corpus = Utf8PathBuf::from(shared).join("corpus");
    let Ok(truth) = std::fs::read_to_string(corpus.join("truth.json")) else {
        eprintln!("skipped: no corpus at {corpus}");
        return;
    };
    let truth: Value = serde_json::from_str(&truth).expect("JSON");
    let upstream = std::env::var("CADDIE_UPSTREAM").ok().map(|root| Utf8PathBuf::from(root).join("records"));
    let records = upstream.clone().unwrap_or_else(|| corpus.join("records"));
    let mut tally = Tally::default();
    for (key, folder) in truth.as_object().expect("folders") {
        compare_folder(&mut tally, key, folder, &records.join(key), upstream.is_some());
    }
    for wrong in &tally.wrong {
        eprintln!("{wrong}");
    }
    eprintln!("{} facts compared: {} equal, {} excepted", tally.compared, tally.equal, tally.excepted);
    assert!(tally.wrong.is_empty(), "{} facts differ", tally.wrong.len());
    let idle = (0..EXCEPTIONS.len()).filter(|index| !tally.used.contains(index));
    let idle: Vec<_> =
        idle.filter(|index| upstream.is_some() || EXCEPTIONS[*index].2 != "embedded_source_bytes").collect();
    assert!(idle.is_empty(), "exceptions that nothing needs: {idle:?}");
}

/// Over proposed folders, where they are at hand: how many of their logs are understood. `CADDIE_HEADS` names a folder
/// with one folder a pull request.
#[test]
#[ignore = "needs thousands of proposed folders"]
fn logs_of_proposed_folders_are_understood() {
    let Ok(heads) = std::env::var("CADDIE_HEADS") else { panic!("CADDIE_HEADS names no folder") };
    let (mut with_logs, mut with_runs, mut with_scores, mut with_claims, mut found) = (0, 0, 0, 0, 0);
    for pull in children(Utf8Path::new(&heads)) {
        for folder in children(&pull.join("records")).iter().flat_map(|track| children(track)) {
            let Ok(read) = Folder::read(&folder) else { continue };
            let is_log = |path: &Utf8Path| {
                let name = path.file_name().unwrap_or("").to_ascii_lowercase();
                let prose = name.starts_with("requirements") || name.starts_with("readme");
                name.ends_with(".log") || (name.ends_with(".txt") && !prose)
            };
            if !read.files.iter().any(|file| is_log(&file.path)) {
                continue;
            }
            with_logs += 1;
            let runs = || read.runs.official.iter().chain(read.runs.others.iter().map(|other| &other.run));
            with_runs += usize::from(runs().next().is_some());
            let scored = runs().any(|run| run.val_bpb.is_some());
            with_scores += usize::from(scored);
            let claim = read.metadata().and_then(|json| {
                let claim = |scope| json.claim(Field::ValBpb, scope);
                claim(Scope::Whole).or_else(|| claim(Scope::Mean))
            });
            if let Some(claim) = claim.filter(|_| scored) {
                let scores: Vec<f64> = read.runs.official.iter().filter_map(|run| run.val_bpb.value()).collect();
                let mean = caddie_rulebook::stats::mean(&scores);
                let agrees = scores.iter().chain(&mean).any(|score| claim.stated.agrees(*score));
                with_claims += 1;
                found += usize::from(agrees);
                if !agrees {
                    eprintln!("claim {} is none of {scores:?}: {folder}", claim.stated.value);
                }
            }
            for other in read.runs.others.iter().filter(|other| other.run.run_index > 0 || other.run.span.0 > 1) {
                eprintln!("several runs: {folder}/{} {:?} {:?}", other.run.log, other.run.span, other.why);
            }
            if runs().next().is_none() && read.runs.not_logs.is_empty() {
                eprintln!("not even a log: {folder}");
            }
            if !scored {
                eprintln!("{}: {folder}", if runs().next().is_some() { "no score" } else { "no run" });
            }
        }
    }
    eprintln!("{with_logs} folders with logs, {with_runs} with a run, {with_scores} with a score");
    eprintln!("{with_claims} with a claimed score, of which {found} are an official score or their mean");
}

fn children(path: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = path.read_dir_utf8().into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.into_path()).collect();
    paths.sort();
    paths
}

/// Where a dumped script is as long as the shipped one, it is that one: the digest is over its very bytes.
#[test]
fn dumped_scripts_hash_to_the_shipped_ones() {
    let Ok(upstream) = std::env::var("CADDIE_UPSTREAM") else {
        eprintln!("skipped: CADDIE_UPSTREAM names no checkout; the corpus has the dumps cut out");
        return;
    };
    let (mut dumps, mut fragments, mut same_length, mut same_bytes) = (0, 0, 0, 0);
    for folder in children(&Utf8PathBuf::from(upstream).join("records")).iter().flat_map(|track| children(track)) {
        let read = Folder::read(&folder).unwrap_or_else(|error| panic!("{error}"));
        let scripts: Vec<_> = read.scripts().map(|file| (file.bytes, folder.join(&file.path))).collect();
        let runs = read.runs.official.iter().chain(read.runs.others.iter().map(|other| &other.run));
        for source in runs.filter_map(|run| run.source.as_ref()) {
            dumps += 1;
            fragments += usize::from(source.fragment);
            for (_, path) in scripts.iter().filter(|(bytes, _)| *bytes == source.bytes) {
                same_length += 1;
                let digest = caddie_files::sha256(path).expect("readable");
                same_bytes += usize::from(digest == source.sha256);
            }
        }
    }
    eprintln!("{dumps} dumps, {fragments} fragments, {same_length} as long as a script, {same_bytes} the same");
    assert!(dumps > 70 && same_bytes > 30 && same_bytes == same_length);
}
