//! submission.json in the one canonical schema, whatever spelling its author chose (spec/records-corpus.md, section b).

use serde::Serialize;
use serde_json::{Map, Value};

use super::claim::{Claim, Field, Scope};
use super::json::{Json, JsonError, Node, number_value, parse};
use super::number::Stated;

/// A submission's metadata: what it says of itself, and every number that it states about its runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Submission {
    pub name: Option<String>,
    pub author: Option<String>,
    pub github_id: Option<String>,
    pub date: Option<String>,
    /// `10min_16mb` or `non_record_16mb`; `None` when absent or not understood.
    pub track: Option<&'static str>,
    pub blurb: Option<String>,
    /// Seeds that are named anywhere: a list of seeds, or the keys of per-seed results.
    pub seeds: Vec<i64>,
    pub claims: Vec<Claim>,
    /// Ledger digests by seed.
    pub ledgers: Vec<(i64, String)>,
    /// The flags that the author set, verbatim.
    pub compliance: Value,
    /// Keys of numbers that are null.
    pub null_keys: Vec<String>,
    /// Top-level keys as written, with their lines.
    pub keys: Vec<(String, u64)>,
    /// Top-level keys that the canonical schema does not know, verbatim.
    pub extra: Map<String, Value>,
}

/// Top-level spellings, the nested ones with a dot.
const WHOLE: &[(&str, Field, Scope)] = &[
    ("val_bpb", Field::ValBpb, Scope::Whole),
    ("mean_val_bpb", Field::ValBpb, Scope::Mean),
    ("mean_bpb", Field::ValBpb, Scope::Mean),
    ("val_bpb_mean", Field::ValBpb, Scope::Mean),
    ("val_loss", Field::ValLoss, Scope::Whole),
    ("mean_val_loss", Field::ValLoss, Scope::Mean),
    ("mean_val_loss_nats", Field::ValLoss, Scope::Mean),
    ("val_loss_mean", Field::ValLoss, Scope::Mean),
    ("val_loss_nats", Field::ValLoss, Scope::Whole),
    ("val_loss_sliding", Field::ValLoss, Scope::Whole),
    ("val_bpb_std", Field::ValBpbStd, Scope::Whole),
    ("std_bpb", Field::ValBpbStd, Scope::Whole),
    ("val_loss_std", Field::ValLossStd, Scope::Whole),
    ("std_val_loss_nats", Field::ValLossStd, Scope::Whole),
    ("val_loss_nats_std", Field::ValLossStd, Scope::Whole),
    ("pre_quant_val_bpb", Field::PreQuantValBpb, Scope::Whole),
    ("pre_quant.val_bpb", Field::PreQuantValBpb, Scope::Whole),
    ("pre_quant_val_loss", Field::PreQuantValLoss, Scope::Whole),
    ("pre_quant.val_loss", Field::PreQuantValLoss, Scope::Whole),
    ("bytes_total", Field::BytesTotal, Scope::Whole),
    ("artifact_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact_size_bytes", Field::BytesTotal, Scope::Whole),
    ("artifact.bytes_reported", Field::BytesTotal, Scope::Whole),
    ("artifact_bytes_max", Field::BytesTotal, Scope::Max),
    ("artifact.bytes_max", Field::BytesTotal, Scope::Max),
    ("compliance.artifact_bytes_max", Field::BytesTotal, Scope::Max),
    ("artifact_bytes_mean", Field::BytesTotal, Scope::Mean),
    ("artifact.bytes_mean", Field::BytesTotal, Scope::Mean),
    ("bytes_model", Field::BytesModel, Scope::Whole),
    ("artifact.bytes_model", Field::BytesModel, Scope::Whole),
    ("bytes_code", Field::BytesCode, Scope::Whole),
    ("code_bytes", Field::BytesCode, Scope::Whole),
    ("artifact.bytes_code", Field::BytesCode, Scope::Whole),
    ("wallclock_seconds", Field::TrainSeconds, Scope::Whole),
    ("train_time_seconds", Field::TrainSeconds, Scope::Whole),
    ("train_time_s_mean", Field::TrainSeconds, Scope::Mean),
    ("time.train_s_mean", Field::TrainSeconds, Scope::Mean),
    ("time.train_s_max", Field::TrainSeconds, Scope::Max),
    ("compliance.train_time_max_s", Field::TrainSeconds, Scope::Max),
    ("eval_time_seconds", Field::EvalSeconds, Scope::Whole),
    ("eval_time_s_mean", Field::EvalSeconds, Scope::Mean),
    ("time.eval_s_mean", Field::EvalSeconds, Scope::Mean),
    ("time.eval_s_max", Field::EvalSeconds, Scope::Max),
    ("compliance.eval_time_max_s", Field::EvalSeconds, Scope::Max),
    ("step_stop", Field::Steps, Scope::Whole),
    ("train_steps", Field::Steps, Scope::Whole),
    ("steps", Field::Steps, Scope::Whole),
    ("train_steps_mean", Field::Steps, Scope::Mean),
    ("step_avg_ms", Field::StepAvgMs, Scope::Whole),
    ("step_avg_ms_mean", Field::StepAvgMs, Scope::Mean),
    ("time.step_avg_ms", Field::StepAvgMs, Scope::Mean),
    ("model_params", Field::ModelParams, Scope::Whole),
    ("n_seeds", Field::Runs, Scope::Whole),
    ("scored.documents", Field::ScoredDocuments, Scope::Whole),
    ("scored.tokens", Field::ScoredTokens, Scope::Whole),
    ("scored.bytes", Field::ScoredBytes, Scope::Whole),
];

/// Spellings inside one run's entry; the last number turns milliseconds into seconds.
const PER_SEED: &[(&str, Field, u32)] = &[
    ("val_bpb", Field::ValBpb, 0),
    ("val_loss", Field::ValLoss, 0),
    ("artifact_bytes", Field::BytesTotal, 0),
    ("bytes_total", Field::BytesTotal, 0),
    ("bytes_model", Field::BytesModel, 0),
    ("bytes_code", Field::BytesCode, 0),
    ("steps", Field::Steps, 0),
    ("step_avg_ms", Field::StepAvgMs, 0),
    ("ms_per_step", Field::StepAvgMs, 0),
    ("train_time_s", Field::TrainSeconds, 0),
    ("train_s", Field::TrainSeconds, 0),
    ("train_seconds", Field::TrainSeconds, 0),
    ("train_time_ms", Field::TrainSeconds, 3),
    ("eval_time_s", Field::EvalSeconds, 0),
    ("eval_s", Field::EvalSeconds, 0),
    ("eval_seconds", Field::EvalSeconds, 0),
    ("ttt_eval_time_s", Field::EvalSeconds, 0),
    ("eval_time_ms", Field::EvalSeconds, 3),
    ("ttt_time_ms", Field::EvalSeconds, 3),
];

/// Keys that hold results by seed: `{"42": {…}}` or `[{"seed": 42, …}]`.
const BY_SEED: [&str; 3] = ["seed_results", "runs", "seeds"];
/// Keys whose object holds numbers that are known.
const NESTED: [&str; 5] = ["artifact", "time", "pre_quant", "scored", "compliance"];
const TEXTS: [&str; 7] = ["name", "run_name", "author", "github_id", "date", "track", "blurb"];

impl Submission {
    /// Reads submission.json's text.
    ///
    /// # Errors
    /// With the line, when it is no JSON object that can be judged.
    pub fn parse(text: &str) -> Result<Submission, JsonError> {
        let root = parse(text)?;
        if !matches!(root.value, Json::Object(_)) {
            return Err(JsonError { line: root.line, reason: "the file is not a JSON object".to_owned() });
        }
        let word = |key: &str| root.get(key).and_then(Node::text).map(str::to_owned);
        let mut submission = Submission {
            name: word("name").or_else(|| word("run_name")),
            author: word("author"),
            github_id: word("github_id"),
            date: word("date"),
            track: word("track").and_then(|track| canonical_track(&track)),
            blurb: word("blurb"),
            seeds: Vec::new(),
            claims: Vec::new(),
            ledgers: Vec::new(),
            compliance: Value::Null,
            null_keys: Vec::new(),
            keys: root.entries().iter().map(|(key, node)| (key.clone(), node.line)).collect(),
            extra: Map::new(),
        };
        root.entries().iter().for_each(|(key, node)| submission.entry(key, node));
        submission.seeds.sort_unstable();
        submission.seeds.dedup();
        Ok(submission)
    }

    /// The claim of `field` in `scope`, the first that stands in the file.
    pub fn claim(&self, field: Field, scope: Scope) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.field == field && claim.scope == scope)
    }

    /// The line of a top-level key.
    pub fn line_of(&self, key: &str) -> Option<u64> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, line)| *line)
    }

    fn entry(&mut self, key: &str, node: &Node) {
        match &node.value {
            Json::Null if is_number_key(key) => self.null_keys.push(key.to_owned()),
            _ if BY_SEED.contains(&key) => self.by_seed(key, node),
            _ if key == "seed" => self.seeds.extend(node.number().and_then(|seed| whole(&seed))),
            Json::Number(_) if self.whole(key, key, node) => {}
            Json::Object(entries) if NESTED.contains(&key) => {
                if key == "compliance" {
                    self.compliance = node.to_value();
                }
                for (inner, node) in entries {
                    self.whole(&format!("{key}.{inner}"), &format!("{key}.{inner}"), node);
                }
            }
            Json::Object(entries) if key == "ledgers" || key == "ledger_sha256" => {
                for (seed, node) in entries {
                    if let (Ok(seed), Some(digest)) = (seed.parse(), digest(node)) {
                        self.ledgers.push((seed, digest));
                    }
                }
            }
            _ if TEXTS.contains(&key) => {}
            _ => {
                self.extra.insert(key.to_owned(), node.to_value());
            }
        }
    }

    /// Records a number of the whole submission; false when the key is not one that is known.
    fn whole(&mut self, spelling: &str, key: &str, node: &Node) -> bool {
        let Some((_, field, scope)) = known(spelling) else { return false };
        if let Some(stated) = node.number() {
            self.claim_number(*field, *scope, key.to_owned(), stated, node.line);
        }
        true
    }

    fn by_seed(&mut self, key: &str, node: &Node) {
        for (name, entry) in node.entries() {
            if let Ok(seed) = name.parse() {
                self.run(seed, &format!("{key}.{name}"), entry);
            }
        }
        for (index, entry) in node.items().iter().enumerate() {
            if let Some(seed) = entry.number().and_then(|seed| whole(&seed)) {
                self.seeds.push(seed);
            } else if let Some(seed) = entry.get("seed").and_then(Node::number).and_then(|seed| whole(&seed)) {
                self.run(seed, &format!("{key}[{index}]"), entry);
            }
        }
    }

    fn run(&mut self, seed: i64, key: &str, entry: &Node) {
        self.seeds.push(seed);
        for (name, node) in entry.entries() {
            if let Some((_, field, shift)) = PER_SEED.iter().find(|(known, ..)| known == name)
                && let Some(stated) = node.number()
            {
                let scale = 10f64.powi(*shift as i32);
                let stated = Stated { value: stated.value / scale, decimals: stated.decimals + shift, ..stated };
                self.claim_number(*field, Scope::Seed(seed), format!("{key}.{name}"), stated, node.line);
            }
            if name.starts_with("ledger")
                && let Some(digest) = digest(node)
            {
                self.ledgers.push((seed, digest));
            }
        }
    }

    fn claim_number(&mut self, field: Field, scope: Scope, key: String, stated: Stated, line: u64) {
        let leaf = key.rsplit('.').next().unwrap_or(&key);
        let text = format!("\"{leaf}\": {}", number_value(&stated));
        self.claims.push(Claim { field, scope, key, stated, text, line, loose: false });
    }

    /// The canonical schema as JSON; what is not stated is null.
    pub fn canonical(&self) -> Value {
        let of = |field, scope| self.claim(field, scope).map(|claim| number_value(&claim.stated));
        let any = |field| of(field, Scope::Mean).or_else(|| of(field, Scope::Whole));
        let runs: Vec<Value> = self.seeds.iter().map(|seed| self.canonical_run(*seed)).collect();
        serde_json::json!({
            "name": self.name, "author": self.author, "github_id": self.github_id, "date": self.date,
            "track": self.track, "blurb": self.blurb,
            "val_bpb": any(Field::ValBpb), "val_loss": any(Field::ValLoss),
            "val_bpb_std": any(Field::ValBpbStd), "val_loss_std": any(Field::ValLossStd),
            "n_seeds": self.seeds.len(),
            "pre_quant": { "val_bpb": any(Field::PreQuantValBpb), "val_loss": any(Field::PreQuantValLoss) },
            "artifact": {
                "bytes_reported": of(Field::BytesTotal, Scope::Whole), "bytes_max": of(Field::BytesTotal, Scope::Max),
                "bytes_mean": of(Field::BytesTotal, Scope::Mean), "bytes_model": any(Field::BytesModel),
                "bytes_code": any(Field::BytesCode),
            },
            "time": {
                "train_s": of(Field::TrainSeconds, Scope::Whole), "train_s_max": of(Field::TrainSeconds, Scope::Max),
                "train_s_mean": of(Field::TrainSeconds, Scope::Mean),
                "eval_s": of(Field::EvalSeconds, Scope::Whole), "eval_s_max": of(Field::EvalSeconds, Scope::Max),
                "eval_s_mean": of(Field::EvalSeconds, Scope::Mean), "step_avg_ms": any(Field::StepAvgMs),
            },
            "steps": any(Field::Steps),
            "runs": runs,
            "compliance": self.compliance,
            "extra": self.extra,
        })
    }

    fn canonical_run(&self, seed: i64) -> Value {
        let mut run = Map::new();
        run.insert("seed".to_owned(), seed.into());
        for claim in self.claims.iter().filter(|claim| claim.scope == Scope::Seed(seed)) {
            run.insert(claim.field.name().to_owned(), number_value(&claim.stated));
        }
        if let Some((_, digest)) = self.ledgers.iter().find(|(of, _)| *of == seed) {
            run.insert("ledger_sha256".to_owned(), digest.clone().into());
        }
        Value::Object(run)
    }
}

fn known(spelling: &str) -> Option<&'static (&'static str, Field, Scope)> {
    // `bytes_model_int8_zlib`, `bytes_model_int6_zstd`, …
    let spelling = if spelling.starts_with("bytes_model_") { "bytes_model" } else { spelling };
    WHOLE.iter().find(|(known, ..)| *known == spelling)
}

fn is_number_key(key: &str) -> bool {
    known(key).is_some()
}

/// The two tracks under their one spelling each.
pub fn canonical_track(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase().replace(['-', ' '], "_");
    if text.contains("non_record") || text.contains("unlimited") {
        Some("non_record_16mb")
    } else if text.contains("10min") {
        Some("10min_16mb")
    } else {
        None
    }
}

fn whole(stated: &Stated) -> Option<i64> {
    number_value(stated).as_i64()
}

/// A digest as a string, or inside an object as `sha256`.
pub(super) fn digest(node: &Node) -> Option<String> {
    let text = node.text().or_else(|| node.get("sha256").and_then(Node::text))?;
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hex.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_field_become_one_schema() {
        let text = r#"{"run_name": "x", "mean_bpb": 1.07336, "track": "non-record-unlimited-compute-16mb",
            "bytes_model_int8_zlib": 100, "code_bytes": 20, "artifact_bytes_max": 120, "val_loss": null,
            "seed_results": {"42": {"val_bpb": 1.0730, "train_time_ms": 588004}}, "seeds": [42, 7], "spice": [1]}"#;
        let submission = Submission::parse(text).expect("valid");
        assert_eq!((submission.name.as_deref(), submission.track), (Some("x"), Some("non_record_16mb")));
        assert_eq!(submission.seeds, [7, 42]);
        let claim = submission.claim(Field::ValBpb, Scope::Seed(42)).expect("claimed");
        assert_eq!((claim.stated.decimals, claim.line, claim.key.as_str()), (4, 3, "seed_results.42.val_bpb"));
        let train = submission.claim(Field::TrainSeconds, Scope::Seed(42)).expect("claimed");
        assert_eq!((train.stated.value, train.stated.decimals), (588.004, 3));
        assert_eq!(submission.null_keys, ["val_loss"]);
        let canonical = submission.canonical();
        assert_eq!(canonical["val_bpb"], 1.07336);
        assert_eq!(canonical["artifact"]["bytes_model"], 100);
        assert_eq!(canonical["extra"]["spice"], serde_json::json!([1]));
        assert_eq!(canonical["runs"][1]["val_bpb"], 1.073);
    }

    #[test]
    fn a_list_of_runs_and_its_digests_are_read() {
        let hex = "0f".repeat(32);
        let text = format!(r#"{{"runs": [{{"seed": 3, "val_bpb": 1.2, "ledger_sha256": "{hex}"}}]}}"#);
        let submission = Submission::parse(&text).expect("valid");
        assert_eq!(submission.ledgers, [(3, hex)]);
    }

    #[test]
    fn a_file_that_is_no_object_is_refused() {
        assert!(Submission::parse("[1]").is_err_and(|error| error.reason.contains("not a JSON object")));
    }
}
