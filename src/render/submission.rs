//! submission.json in its canonical form (docs/spec/records.md#canonical-form), with the keys that other parsers look for.

use serde_json::{Map, Value, json};

use super::facts::{Facts, Meta};
use super::legality::{Answer, Statement};
use super::numbers::{json_loop_score, json_score, json_seconds};
use super::results::{MetricKind, Results, SeedResult};
use crate::artifact::Limits;
use caddie_rulebook::stats;

/// Writes the whole file, with a newline at its end.
pub fn submission_json(facts: &Facts, statements: &[Statement]) -> String {
    let mut text = format!("{:#}", document(facts, statements));
    text.push('\n');
    text
}

fn document(facts: &Facts, statements: &[Statement]) -> Value {
    let results = &facts.results;
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let entry = Entry {
        meta: &facts.meta,
        results,
        limits: &facts.limits,
        blurb: facts.blurb(),
        hardware: known(&results.hardware.join("; ")).map(|_| facts.hardware()),
        pytorch_version: facts.versions.pytorch.clone(),
        caddie_version: &facts.versions.caddie,
        tokenizer: Some(facts.tokenizer()),
        dataset: facts.dataset(),
        code_sha256: Some(&facts.code_sha256),
        native: Some(Native {
            engine_version: &facts.versions.engine,
            scored: json!({ "documents": facts.scored.documents, "tokens": facts.scored.tokens, "bytes": facts.scored.bytes }),
            ledgers: ledgers(facts),
        }),
    };
    entry.document(statements)
}

/// The facts that the document of any entry is written from, a recipe's or a script's.
pub(super) struct Entry<'a> {
    pub meta: &'a Meta,
    pub results: &'a Results,
    pub limits: &'a Limits,
    pub blurb: &'a str,
    pub hardware: Option<String>,
    pub pytorch_version: Option<String>,
    pub caddie_version: &'a str,
    pub tokenizer: Option<String>,
    pub dataset: Option<String>,
    /// `None` where the script is not at hand.
    pub code_sha256: Option<&'a str>,
    /// The facts that only the engine's runs have.
    pub native: Option<Native<'a>>,
}

/// What the engine states beyond a log's lines.
pub(super) struct Native<'a> {
    pub engine_version: &'a str,
    pub scored: Value,
    pub ledgers: Value,
}

impl Entry<'_> {
    /// Writes the canonical document. A number that the logs do not state is null; keys of native entries alone are left
    /// out of others.
    pub(super) fn document(&self, statements: &[Statement]) -> Value {
        let (meta, results, native) = (self.meta, self.results, self.native.as_ref());
        let seeds: Vec<i64> = results.runs.iter().map(|run| run.seed).collect();
        let mut document = json!({
            "name": meta.name,
            "author": meta.author,
            "github_id": meta.github_id,
            "date": meta.date.to_string(),
            "track": meta.track.name,
            "blurb": self.blurb,
            "hardware": self.hardware,
            "pytorch_version": self.pytorch_version,
            "caddie_version": self.caddie_version,
            "engine_version": native.map(|native| native.engine_version),
            "tokenizer": self.tokenizer,
            "val_bpb": json_score(results.val_bpb.mean),
            "val_loss": results.val_loss.map(|loss| json_score(loss.mean)),
            "val_bpb_std": results.val_bpb.std.map(json_score),
            "val_loss_std": results.val_loss.and_then(|loss| loss.std).map(json_score),
            "n_seeds": seeds.len(),
            "seeds": seeds,
            "aggregation": if seeds.len() == 1 { "single" } else { "mean" },
            "metric": results.kind().as_str(),
            "metric_line": results.metric,
            "pre_quant": results.pre_quant.map(|(val_loss, val_bpb)| {
                json!({ "val_bpb": json_loop_score(val_bpb), "val_loss": json_loop_score(val_loss) })
            }),
            "bytes_total": results.bytes_total_max(),
            "bytes_code": results.bytes_code,
            "code_sha256": self.code_sha256,
            "artifact": self.artifact(),
            "time": time(results),
            "train_steps_mean": results.all(|run| run.steps.map(|steps| steps as f64)).and_then(|steps| stats::mean(&steps)),
            "data": { "dataset": self.dataset, "tokenizer": self.tokenizer },
            "scored": native.map(|native| &native.scored),
            "seed_results": seed_results(results),
            "runs": runs(results),
            "ledgers": native.map(|native| &native.ledgers),
            "compliance": compliance(results, self.limits, statements),
        });
        if let (None, Some(keys)) = (native, document.as_object_mut()) {
            for key in ["engine_version", "scored", "ledgers"] {
                // The others keep their order.
                keys.shift_remove(key);
            }
        }
        document
    }

    fn artifact(&self) -> Value {
        let results = self.results;
        let mut artifact = json!({
            "bytes_max": results.bytes_total_max(),
            "bytes_mean": results.bytes_total_mean(),
            "bytes_reported": results.bytes_total_max(),
            "bytes_model": results.bytes_model_max(),
            "bytes_code": results.bytes_code,
        });
        if let (Some(_), Some(keys)) = (&self.native, artifact.as_object_mut()) {
            keys.insert("code_accounting".to_owned(), "file".into());
        }
        artifact
    }
}

fn time(results: &Results) -> Value {
    let mean =
        |of: fn(&SeedResult) -> Option<f64>| results.all(of).and_then(|values| stats::mean(&values)).map(json_seconds);
    json!({
        "train_s_max": results.train_seconds_max().map(json_seconds),
        "train_s_mean": mean(|run| run.train_seconds),
        "eval_s_max": results.eval_seconds_max().map(json_seconds),
        "eval_s_mean": mean(|run| run.eval_seconds),
        "step_avg_ms": mean(|run| run.step_avg_ms),
    })
}

/// Name of a seed's log in the folder.
pub fn log_file(seed: i64) -> String {
    format!("train_seed{seed}.log")
}

/// Name of a seed's ledger in the folder.
pub fn ledger_file(seed: i64) -> String {
    format!("ledger_seed{seed}.jsonl.zst")
}

fn run(results: &Results, run: &SeedResult) -> Map<String, Value> {
    let Value::Object(map) = json!({
        "val_bpb": json_score(run.val_bpb),
        "val_loss": run.val_loss.map(json_score),
        "artifact_bytes": run.bytes_total,
        "bytes_model": run.bytes_model,
        "bytes_code": results.bytes_code,
        "steps": run.steps,
        "step_avg_ms": run.step_avg_ms,
        "train_time_s": run.train_seconds.map(json_seconds),
        "eval_time_s": run.eval_seconds.map(json_seconds),
    }) else {
        unreachable!("the literal above is an object")
    };
    map
}

/// By seed, with the names that other parsers read.
pub(super) fn seed_results(results: &Results) -> Value {
    results.runs.iter().map(|each| (each.seed.to_string(), Value::Object(run(results, each)))).collect()
}

/// In order, with the canonical names.
pub(super) fn runs(results: &Results) -> Value {
    let canonical = |each: &SeedResult| {
        let mut map = Map::from_iter([("seed".to_owned(), each.seed.into())]);
        map.extend(run(results, each).into_iter().map(|(key, value)| match key.as_str() {
            "train_time_s" => ("train_s".to_owned(), value),
            "eval_time_s" => ("eval_s".to_owned(), value),
            _ => (key, value),
        }));
        map.insert("log".to_owned(), each.log.clone().into());
        Value::Object(map)
    };
    results.runs.iter().map(canonical).collect()
}

/// Returns each seed's ledger: the file and the SHA-256 of its uncompressed lines.
fn ledgers(facts: &Facts) -> Value {
    let entry =
        |(seed, sha256): &(i64, String)| (seed.to_string(), json!({ "file": ledger_file(*seed), "sha256": sha256 }));
    facts.ledgers.iter().map(entry).collect()
}

/// Writes ledgers.json, with a newline at its end. `hardware` says where the ledgers were made, which decides how far somebody else's
/// may be from them.
pub fn ledgers_json(facts: &Facts) -> String {
    let scored = &facts.scored;
    let document = json!({
        "schema_version": 1,
        "sha256_of": "the uncompressed JSON lines",
        "documents": scored.documents,
        "tokens": scored.tokens,
        "bytes": scored.bytes,
        "hardware": facts.results.hardware,
        "ledgers": ledgers(facts),
    });
    format!("{document:#}\n")
}

/// Returns the field's flags, each with the statement that answers it. Flags about limits name the limit.
fn flags_of(limits: &Limits) -> [(String, &'static str); 9] {
    let seeds = if limits.seeds == 3 { "three_seeds".to_owned() } else { format!("{}_seeds", limits.seeds) };
    [
        (format!("train_under_{}s", limits.train_seconds), "time-train-600"),
        (format!("artifact_under_{}mb", limits.bytes_total as f64 / 1e6), "size-every-seed"),
        (format!("eval_under_{}s", limits.eval_seconds), "time-eval-600"),
        (seeds, "stat-seeds"),
        ("score_first_ttt".to_owned(), "C3 score before update"),
        ("no_pre_quant_ttt".to_owned(), "val-no-train"),
        ("no_slot".to_owned(), "C1 causal"),
        ("no_etlb".to_owned(), "C3 score before update"),
        ("no_ngram_cache".to_owned(), "C2 normalized"),
    ]
}

/// Builds the compliance flags. A measured answer is `true` or `false`; one that no file here can give is `null`. A
/// list of its own names what the engine's construction ensures and these runs do not prove.
pub(super) fn compliance(results: &Results, limits: &Limits, statements: &[Statement]) -> Value {
    let (mut flags, mut by_construction) = (Map::new(), Vec::new());
    let trained = matches!(results.kind(), MetricKind::Ttt | MetricKind::Ogd);
    for (flag, rule) in flags_of(limits).into_iter().filter(|(flag, _)| trained || flag != "score_first_ttt") {
        match statements.iter().find(|s| s.rule == rule).map(|s| s.answer) {
            Some(Answer::ByConstruction) => by_construction.push(flag),
            answer => {
                flags.insert(flag, answer.and_then(Answer::flag).into());
            }
        }
    }
    flags.insert("by_construction".to_owned(), by_construction.into());
    Value::Object(flags)
}
