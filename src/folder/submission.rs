//! submission.json in the one canonical schema, whatever spelling its author chose (spec/records-corpus.md, section b).

use serde::Serialize;
use serde_json::{Map, Value};

mod aliases;

use aliases::{BY_SEED, NESTED, PER_SEED, TEXTS, known};

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
    /// Top-level texts as written: key, text, line.
    pub texts: Vec<(String, String, u64)>,
    /// Top-level keys as written, with their lines.
    pub keys: Vec<(String, u64)>,
    /// Top-level keys that the canonical schema does not know, verbatim.
    pub extra: Map<String, Value>,
}

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
            texts: root
                .entries()
                .iter()
                .filter_map(|(key, node)| Some((key.clone(), node.text()?.to_owned(), node.line)))
                .collect(),
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

    /// A top-level text that is not empty, with its line.
    pub fn text(&self, key: &str) -> Option<(&str, u64)> {
        let (_, text, line) = self.texts.iter().find(|(name, text, _)| name == key && !text.is_empty())?;
        Some((text, *line))
    }

    /// The line of a top-level key.
    pub fn line_of(&self, key: &str) -> Option<u64> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, line)| *line)
    }

    fn entry(&mut self, key: &str, node: &Node) {
        match &node.value {
            Json::Null if known(key).is_some() => self.null_keys.push(key.to_owned()),
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

/// The two tracks under their one spelling each.
pub fn canonical_track(text: &str) -> Option<&'static str> {
    let text = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    match text.strip_prefix("track_").unwrap_or(&text) {
        "10min_16mb" => Some("10min_16mb"),
        "non_record_16mb" | "non_record_unlimited_compute_16mb" => Some("non_record_16mb"),
        _ => None,
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

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,100}|([{}\\[\\]:,\"]|\"val_bpb\"|\"runs\"|\"seed\"|-?[0-9.eE]{1,6}|null){0,40}") {
            let _ = Submission::parse(&text).map(|submission| submission.canonical());
        }
    }
}
