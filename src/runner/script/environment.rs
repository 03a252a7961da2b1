//! The environment of a script: what it is given, and what of that is written down.
//!
//! A script runs with the environment of whoever starts caddie, as it would without caddie. Written down is an allow-list: what
//! caddie sets, what `--env` gives, what the script's own text asks for, and what libraries are known to obey. A secret is in
//! none of these, whatever its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::data::Data;
use crate::checks::secrets;

/// Variables that PyTorch, CUDA and NCCL obey: two runs that differ in it are not the same run.
const KNOWN: [&str; 12] = [
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF",
    "TORCHINDUCTOR_COMPILE_THREADS",
    "NCCL_DEBUG",
    "NCCL_P2P_DISABLE",
    "NCCL_IB_DISABLE",
    "TOKENIZERS_PARALLELISM",
];

/// Last words of a name whose value is a secret.
const SECRET_WORDS: [&str; 10] =
    ["TOKEN", "KEY", "APIKEY", "SECRET", "PASSWORD", "PASSWD", "PASS", "CREDENTIALS", "AUTH", "COOKIE"];

/// `os.environ.get("NAME")`, `os.environ["NAME"]`, `os.getenv('NAME')`, and helpers named like these.
static ASKED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i:env)\w*(?:\.get)?\s*[(\[]\s*["']([A-Z][A-Z0-9_]{0,99})["']"#).ok());

/// One seed's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Set for the script, over what it inherits.
    pub set: Vec<(String, String)>,
    /// Written down.
    pub recorded: BTreeMap<String, String>,
    /// Names of what the script is given and nothing writes down.
    pub withheld: Vec<String>,
}

/// The names that a script's text asks the environment for.
pub fn asked_for(source: &[u8]) -> BTreeSet<String> {
    let unwrapped =
        caddie_python::unwrap(source, "train_gpt.py", &caddie_python::Alone { file: "train_gpt.py", source });
    let mut names = BTreeSet::new();
    for text in [source, &unwrapped.source] {
        let text = String::from_utf8_lossy(text);
        let found = ASKED.iter().flat_map(|asked| asked.captures_iter(&text));
        names.extend(found.filter_map(|found| Some(found.get(1)?.as_str().to_owned())));
    }
    names
}

impl Environment {
    /// Makes the environment of the run of `seed`: the field's names for seed and data, then `given`, which wins.
    pub fn of(
        seed: u64,
        run_id: &str,
        data: &Data,
        given: &[(String, String)],
        asked: &BTreeSet<String>,
        inherited: impl Fn(&str) -> Option<String>,
    ) -> Environment {
        let mut set: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, value: String| set.push((name.to_owned(), value));
        put("SEED", seed.to_string());
        put("RUN_ID", run_id.to_owned());
        put("DATA_PATH", data.shards.to_string());
        put("DATA_DIR", data.root.to_string());
        if let Some(tokenizer) = &data.tokenizer {
            put("TOKENIZER_PATH", tokenizer.to_string());
        }
        if let Some(size) = data.vocab_size {
            put("VOCAB_SIZE", size.to_string());
        }
        // Without it Python keeps lines back, and a run that is killed loses its last ones.
        put("PYTHONUNBUFFERED", "1".to_owned());
        set.retain(|(name, _)| !given.iter().any(|(other, _)| other == name));
        set.extend_from_slice(given);
        let names = asked.iter().map(String::as_str).chain(KNOWN);
        let from_outside = names.filter_map(|name| Some((name.to_owned(), inherited(name)?)));
        let all: BTreeMap<String, String> = from_outside.chain(set.iter().cloned()).collect();
        let (withheld, recorded): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.into_iter().partition(|(name, value)| is_secret(name, value));
        Environment { set, recorded, withheld: withheld.into_keys().collect() }
    }
}

/// Tells whether a value is a secret, by its name or by its form. Numbers are settings: `PAD_TOKEN=0`.
pub fn is_secret(name: &str, value: &str) -> bool {
    let last = name.rsplit('_').next().unwrap_or_default().to_ascii_uppercase();
    let named = SECRET_WORDS.contains(&last.as_str()) || name.to_ascii_uppercase().contains("SECRET");
    named && value.parse::<f64>().is_err() || secrets::shows_secret(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Data {
        Data { shards: "/d/datasets/x_sp1024".into(), root: "/d".into(), tokenizer: None, vocab_size: Some(1024) }
    }

    #[test]
    fn what_a_script_asks_for_is_found_in_its_text() {
        let source = b"import os\na = os.environ.get(\"MATRIX_LR\", 0.1)\nb = os.environ['ITERATIONS']\nc = os.getenv('HF_TOKEN')\nd = env_int(\"TTT_RANK\", 8)\n";
        let asked = asked_for(source);
        assert_eq!(
            asked.iter().map(String::as_str).collect::<Vec<_>>(),
            ["HF_TOKEN", "ITERATIONS", "MATRIX_LR", "TTT_RANK"]
        );
    }

    #[test]
    fn secrets_are_given_and_never_written_down() {
        let asked = ["HF_TOKEN", "MATRIX_LR", "PAD_TOKEN", "HARMLESS"].map(str::to_owned).into();
        let inherited = |name: &str| match name {
            "HF_TOKEN" => Some("hunter2hunter2".to_owned()),
            "MATRIX_LR" => Some("0.03".to_owned()),
            "PAD_TOKEN" => Some("0".to_owned()),
            "HARMLESS" => Some("hf_abcdefghijabcdefghijabcdefghijabcd".to_owned()),
            _ => None,
        };
        let given = [("WANDB_API_KEY".to_owned(), "feedbeef".to_owned()), ("VOCAB_SIZE".to_owned(), "2048".to_owned())];
        let environment = Environment::of(7, "x_seed7", &data(), &given, &asked, inherited);
        assert_eq!(environment.withheld, ["HARMLESS", "HF_TOKEN", "WANDB_API_KEY"]);
        assert_eq!(environment.recorded.get("VOCAB_SIZE").map(String::as_str), Some("2048"));
        assert_eq!(environment.recorded.get("MATRIX_LR").map(String::as_str), Some("0.03"));
        assert_eq!(environment.recorded.get("PAD_TOKEN").map(String::as_str), Some("0"));
        assert!(environment.set.contains(&("WANDB_API_KEY".to_owned(), "feedbeef".to_owned())));
        assert_eq!(environment.set.iter().filter(|(name, _)| name == "VOCAB_SIZE").count(), 1);
    }
}
