//! submission.json in the one canonical form, from any spelling of its author (docs/spec/records.md#submissionjson).

use serde::Serialize;
use serde_json::{Map, Value};

mod aliases;
mod canonical;
mod runs;

use aliases::{BASE, BY_SEED, EACH_SEED, NESTED, TEXTS, flag, known, seed_of_total, statistic};

use super::claim::{Claim, Field, Scope};
use super::json::{Json, JsonError, Node, number_value, parse};
use super::logged::Lined;
use super::number::Stated;

/// Most seeds and numbers that are kept; a file with more states nothing that anybody reads.
const MAX_SEEDS: usize = 1_000;
const MAX_CLAIMS: usize = 10_000;

/// A submission's metadata: its statements about itself, and every number about its runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Submission {
    pub name: Option<Lined<String>>,
    pub author: Option<Lined<String>>,
    pub github_id: Option<Lined<String>>,
    pub date: Option<Lined<String>>,
    /// The track as the file spells it; a rulebook knows which of its tracks that is.
    pub track: Option<Lined<String>>,
    pub blurb: Option<Lined<String>>,
    pub hardware: Option<Lined<String>>,
    /// Number of the pull request that the submission builds on, from a number or from text (`PR #1394 (@x)`).
    pub base_pr: Option<Lined<u64>>,
    /// The key that gave `base_pr`; the others stay in `extra`.
    base_key: Option<String>,
    /// Seeds that are named anywhere, each at its first place: a list of seeds, or the keys of per-seed results.
    pub seeds: Vec<Lined<i64>>,
    pub claims: Vec<Claim>,
    /// Ledger digests by seed.
    pub ledgers: Vec<(i64, Lined<String>)>,
    /// The contents of `compliance`, with flags under one spelling.
    pub compliance: Value,
    /// The author's credits, verbatim.
    pub attribution: Value,
    /// Further runs of the same seeds that do not give the score.
    pub reruns: Vec<Rerun>,
    /// Seeds that were run beyond the reported ones, by the submission's own disclosure.
    pub excluded: Option<Excluded>,
    /// The submission's own test against a baseline.
    pub stats: Map<String, Value>,
    /// Numbers that are written as text, read or not.
    pub quoted: Vec<Quoted>,
    /// Keys of numbers that are null.
    pub null_keys: Vec<Lined<String>>,
    /// Top-level texts as written, by their keys.
    pub texts: Vec<(String, Lined<String>)>,
    /// Top-level numbers as written, by their keys.
    pub numbers: Vec<(String, Lined<Stated>)>,
    /// Top-level keys as written.
    pub keys: Vec<Lined<String>>,
    /// Top-level keys that the canonical schema does not know, verbatim.
    pub extra: Map<String, Value>,
}

/// A number that is written as text, where the schema wants a number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quoted {
    /// The key with its path.
    pub key: String,
    pub text: String,
    pub line: u64,
    /// True if the text could be read as one number, which is then compared as if it were written as a number.
    pub understood: bool,
}

/// Runs beside the scored ones: `compliance_rerun`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rerun {
    /// The key that holds them.
    pub label: String,
    pub seeds: Vec<i64>,
    /// Claims per seed, and over the seeds.
    pub claims: Vec<Claim>,
}

/// All runs of a configuration of which only some are reported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Excluded {
    /// The key that discloses them, and its line.
    pub key: String,
    pub line: u64,
    /// Seeds that were run and are not among the reported ones.
    pub seeds: Vec<i64>,
    /// Every seed that was run.
    pub all: Vec<i64>,
    /// The scores, by seed where the file gives them so.
    pub val_bpb: Vec<(i64, f64)>,
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
        let (texts, numbers) = (root.entries().iter(), root.entries().iter());
        let base =
            BASE.iter().find_map(|key| root.get(key).and_then(|node| Some((*key, node.at(pull_request(node)?)))));
        let mut submission = Submission {
            texts: texts.filter_map(|(key, node)| Some((key.clone(), node.at(node.text()?.to_owned())))).collect(),
            numbers: numbers.filter_map(|(key, node)| Some((key.clone(), node.at(node.number()?)))).collect(),
            keys: root.entries().iter().map(|(key, node)| node.at(key.clone())).collect(),
            base_pr: base.map(|(_, number)| number),
            base_key: base.map(|(key, _)| key.to_owned()),
            ..Submission::default()
        };
        let word =
            |name: &str| submission.canonical_text(name).map(|text| Lined::new(text.value.to_owned(), text.line));
        let (name, author, github_id) = (word("name"), word("author"), word("github_id"));
        let (date, track, blurb, hardware) = (word("date"), word("track"), word("blurb"), word("hardware"));
        (submission.name, submission.author, submission.github_id) = (name, author, github_id);
        (submission.date, submission.track, submission.blurb, submission.hardware) = (date, track, blurb, hardware);
        root.entries().iter().for_each(|(key, node)| submission.entry(key, node));
        submission.in_order_of_seeds(&root);
        submission.seeds.sort_by_key(|seed| (seed.value, seed.line));
        submission.seeds.dedup_by_key(|seed| seed.value);
        submission.seeds.truncate(MAX_SEEDS);
        submission.disclosed(&root);
        Ok(submission)
    }

    /// Returns the first claim of `field` in `scope` in the file.
    pub fn claim(&self, field: Field, scope: Scope) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.field == field && claim.scope == scope)
    }

    /// Returns the submission's main score: `val_bpb`, or a mean under another name.
    pub fn headline(&self) -> Option<&Claim> {
        self.claim(Field::ValBpb, Scope::Whole).or_else(|| self.claim(Field::ValBpb, Scope::Mean))
    }

    /// Returns the claim for each seed: the first value of each.
    pub fn by_seed(&self, field: Field) -> Vec<(i64, &Claim)> {
        self.seed_numbers().filter_map(|seed| Some((seed, self.claim(field, Scope::Seed(seed))?))).collect()
    }

    /// The seeds that are named anywhere, in their order.
    pub fn seed_numbers(&self) -> impl Iterator<Item = i64> {
        self.seeds.iter().map(|seed| seed.value)
    }

    /// Tells whether the file names this seed.
    pub fn names_seed(&self, seed: i64) -> bool {
        self.seeds.iter().any(|named| named.value == seed)
    }

    /// A top-level text that is not empty.
    pub fn text(&self, key: &str) -> Option<Lined<&str>> {
        let (_, text) = self.texts.iter().find(|(name, text)| name == key && !text.value.is_empty())?;
        Some(Lined::new(text.value.as_str(), text.line))
    }

    /// A top-level number under the key that it is written under.
    pub fn number(&self, key: &str) -> Option<Lined<Stated>> {
        self.numbers.iter().find(|(name, _)| name == key).map(|(_, number)| *number)
    }

    /// A text under its canonical name, whatever its spelling in the file.
    fn canonical_text(&self, name: &str) -> Option<Lined<&str>> {
        let (_, spellings) = TEXTS.iter().find(|(canonical, _)| *canonical == name)?;
        spellings.iter().find_map(|spelling| self.text(spelling))
    }

    /// Tells whether the canonical schema takes its text from this spelling; a further spelling beside it stays in
    /// `extra`.
    fn is_canonical_text(&self, key: &str) -> bool {
        TEXTS.iter().any(|(_, spellings)| spellings.iter().find(|known| self.text(known).is_some()) == Some(&key))
    }

    /// A top-level key, whatever its value is.
    pub fn key(&self, key: &str) -> Option<&Lined<String>> {
        self.keys.iter().find(|written| written.value == key)
    }

    fn entry(&mut self, key: &str, node: &Node) {
        match &node.value {
            Json::Null if known(key).is_some() => self.null_keys.push(node.at(key.to_owned())),
            _ if BY_SEED.contains(&key) => self.by_seed_entries(key, node),
            _ if key == "seed" => self.seeds.extend(node.whole().map(|seed| node.at(seed))),
            Json::Number(_) if self.whole(key, key, node) => {}
            Json::Text(text) if !text.is_empty() && self.whole(key, key, node) => {
                if self.quoted.last().is_some_and(|quoted| !quoted.understood) {
                    self.extra.insert(key.to_owned(), node.to_value());
                }
            }
            Json::Object(_) if key == "compliance" => self.compliance(node),
            Json::Object(_) if key == "attribution" => self.attribution = node.to_value(),
            Json::Object(_) if key == "compliance_rerun" => self.rerun(key, node),
            Json::Object(entries) if NESTED.contains(&key) => {
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
            Json::Object(_) if self.run_of_its_own(key, node) || self.one_number_a_seed(key, node) => {}
            // Read with the seeds, whose order it shares.
            Json::List(_) if EACH_SEED.iter().any(|(known, _)| *known == key) => {}
            Json::Text(text) if text.is_empty() || self.is_canonical_text(key) => {}
            _ if self.base_key.as_deref() == Some(key) => {}
            _ => match statistic(key) {
                Some(name) => drop(self.stats.insert(name, node.to_value())),
                None => drop(self.extra.insert(key.to_owned(), node.to_value())),
            },
        }
    }

    /// Records a number of the whole submission; returns false when the key is not known.
    fn whole(&mut self, spelling: &str, key: &str, node: &Node) -> bool {
        let seed = seed_of_total(spelling);
        let of_a_seed = seed.map(|seed| (Field::BytesTotal, Scope::Seed(seed)));
        let Some((field, scope)) = of_a_seed.or_else(|| known(spelling).map(|(_, field, scope)| (*field, *scope)))
        else {
            return false;
        };
        self.seeds.extend(seed.map(|seed| node.at(seed)));
        if let Some(stated) = self.figure(field, key, node) {
            self.claim_number(field, scope, key.to_owned(), stated, node.line);
        }
        true
    }

    /// Returns the number of a claim. A text in its place is read if it is one number, and recorded in any case: a
    /// value that a tool would drop must not disappear in silence.
    fn figure(&mut self, field: Field, key: &str, node: &Node) -> Option<Stated> {
        let stated = node.figure(field.unit());
        if let Some(text) = node.text().filter(|_| self.quoted.len() < MAX_CLAIMS) {
            let understood = stated.is_some();
            self.quoted.push(Quoted { key: key.to_owned(), text: text.to_owned(), line: node.line, understood });
        }
        stated
    }

    fn compliance(&mut self, node: &Node) {
        let mut flags = Map::new();
        for (key, node) in node.entries() {
            self.whole(&format!("compliance.{key}"), &format!("compliance.{key}"), node);
            flags.insert(flag(key).to_owned(), node.to_value());
        }
        self.compliance = Value::Object(flags);
    }

    fn claim_number(&mut self, field: Field, scope: Scope, key: String, stated: Stated, line: u64) {
        if self.claims.len() < MAX_CLAIMS {
            self.claims.push(number_claim(field, scope, key, stated, line));
        }
    }
}

fn number_claim(field: Field, scope: Scope, key: String, stated: Stated, line: u64) -> Claim {
    let leaf = key.rsplit('.').next().unwrap_or(&key);
    let text = format!("\"{leaf}\": {}", number_value(&stated));
    Claim { field, scope, key, stated, text, line, loose: false }
}

/// Reads the number of a pull request from `1394`, `"#1394"` or `"PR #1394 (@x)"`.
fn pull_request(node: &Node) -> Option<u64> {
    if let Some(number) = node.number() {
        return whole(&number).and_then(|number| u64::try_from(number).ok());
    }
    let text = node.text()?;
    let digits = text.split_once('#').map_or(text, |(_, rest)| rest);
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    // A folder's name begins with a year.
    digits.parse().ok().filter(|_| text.contains('#') || digits.len() == text.len())
}

fn whole(stated: &Stated) -> Option<i64> {
    number_value(stated).as_i64()
}

/// Reads a digest from a string, or from an object's `sha256`.
pub(super) fn digest(node: &Node) -> Option<Lined<String>> {
    let node = if node.text().is_some() { node } else { node.get("sha256")? };
    let text = node.text()?;
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| node.at(hex.to_ascii_lowercase()))
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
        assert_eq!(submission.name, Some(Lined::new("x".to_owned(), 1)));
        assert_eq!(submission.track, Some(Lined::new("non-record-unlimited-compute-16mb".to_owned(), 1)));
        assert_eq!(submission.seeds, [Lined::new(7, 3), Lined::new(42, 3)]);
        let claim = submission.claim(Field::ValBpb, Scope::Seed(42)).expect("claimed");
        assert_eq!((claim.stated.decimals, claim.line, claim.key.as_str()), (4, 3, "seed_results.42.val_bpb"));
        let train = submission.claim(Field::TrainSeconds, Scope::Seed(42)).expect("claimed");
        assert_eq!((train.stated.value, train.stated.decimals), (588.004, 3));
        assert_eq!(submission.null_keys, [Lined::new("val_loss".to_owned(), 2)]);
        let canonical = submission.canonical();
        assert_eq!(canonical["val_bpb"], 1.07336);
        assert_eq!(canonical["artifact"]["bytes_model"], 100);
        assert_eq!(canonical["extra"]["spice"], serde_json::json!([1]));
        assert_eq!(canonical["runs"][1]["val_bpb"], 1.073);
    }

    #[test]
    fn bytes_by_any_name_are_claims() {
        let whole = |key: &str, field: Field| {
            let submission = Submission::parse(&format!(r#"{{"{key}": 9589715}}"#)).expect("valid");
            submission.claim(field, Scope::Whole).map(|claim| claim.stated.value) == Some(9_589_715.0)
        };
        for key in ["total_artifact_bytes", "artifact_size", "submission_size_int8_zlib_bytes"] {
            assert!(whole(key, Field::BytesTotal), "{key}");
        }
        assert!(whole("compressed_model_bytes", Field::BytesModel) && whole("counted_code_bytes", Field::BytesCode));
        let text = r#"{"bytes_total_seed1337": 14976857, "bytes_total_seed_42": 14981529, "bytes_total_seeds": 2,
            "artifact_size": {"code_bytes": 1}, "seed_results": {"7": {"compressed_model_bytes": 5}}}"#;
        let submission = Submission::parse(text).expect("valid");
        let of = |field, seed| submission.claim(field, Scope::Seed(seed)).map(|claim| claim.stated.value);
        assert_eq!((of(Field::BytesTotal, 1337), of(Field::BytesTotal, 42)), (Some(14_976_857.0), Some(14_981_529.0)));
        assert_eq!(
            (of(Field::BytesModel, 7), submission.seed_numbers().collect::<Vec<_>>()),
            (Some(5.0), vec![7, 42, 1337])
        );
        assert!(submission.claim(Field::BytesTotal, Scope::Whole).is_none() && submission.extra.len() == 2);
    }

    #[test]
    fn a_list_of_runs_and_its_digests_are_read() {
        let hex = "0f".repeat(32);
        let text = format!(r#"{{"runs": [{{"seed": 3, "val_bpb": 1.2, "ledger_sha256": "{hex}"}}]}}"#);
        let submission = Submission::parse(&text).expect("valid");
        assert_eq!(submission.ledgers, [(3, Lined::new(hex, 1))]);
    }

    #[test]
    fn numbers_written_as_text_are_claims_and_are_remembered_as_text() {
        let text = r#"{"val_bpb": "1.2999", "bytes_total": "15,900,001", "bytes_code": "15_061", "val_loss": "see log",
            "train_time_seconds": "588.0 s", "seeds": ["7", 21],
            "seed_results": {"7": {"val_bpb": "1.2001", "train_time_ms": "588,004"}, "21": "1.2345", "99": "n/a"},
            "artifact_bytes_max": "15 900 001 bytes"}"#;
        let submission = Submission::parse(text).expect("valid");
        let of = |field, scope| submission.claim(field, scope).map(|claim| (claim.stated.value, claim.stated.decimals));
        assert_eq!(of(Field::ValBpb, Scope::Whole), Some((1.2999, 4)));
        assert_eq!(of(Field::BytesTotal, Scope::Whole), Some((15_900_001.0, 0)));
        assert_eq!(of(Field::BytesTotal, Scope::Max), Some((15_900_001.0, 0)));
        assert_eq!(of(Field::BytesCode, Scope::Whole), Some((15_061.0, 0)));
        assert_eq!(of(Field::TrainSeconds, Scope::Whole), Some((588.0, 1)));
        assert_eq!(of(Field::ValBpb, Scope::Seed(7)), Some((1.2001, 4)));
        assert_eq!(of(Field::TrainSeconds, Scope::Seed(7)), Some((588.004, 3)));
        assert_eq!(of(Field::ValBpb, Scope::Seed(21)), Some((1.2345, 4)));
        assert_eq!(
            (of(Field::ValLoss, Scope::Whole), submission.seed_numbers().collect::<Vec<_>>()),
            (None, vec![7, 21, 99])
        );
        let unread: Vec<&str> =
            submission.quoted.iter().filter(|quoted| !quoted.understood).map(|quoted| quoted.key.as_str()).collect();
        assert_eq!((submission.quoted.len(), unread), (10, vec!["val_loss", "seed_results.99"]));
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
