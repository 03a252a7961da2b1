//! The facts that a log states before its first step: seed, settings, data, machine, versions.

use super::Parser;
use super::words::{value, whole};
use crate::logged::Logged;

/// Most hyperparameters that are kept; real logs have about 120.
const MAX_HYPERPARAMETERS: usize = 2_000;
/// Most bytes of a hyperparameter's name and value; real ones are paths at most.
const MAX_VALUE_BYTES: usize = 1 << 10;
/// Most GPUs that are counted; a machine has 8.
const MAX_GPUS: usize = 1_024;
/// First keys of the lines in which family A states its settings as `key:value` words.
const SETTINGS: [&str; 5] =
    ["train_batch_tokens:", "tie_embeddings:", "attention_mode:", "train_loader:dataset:", "sdp_backends:"];

impl Parser {
    /// Reads a line that is not a step, metric, clock or size.
    pub(super) fn header(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("seed:") {
            self.seed(rest);
        } else if let Some(rest) = line.strip_prefix("SEED=").filter(|_| self.awaits_seed()) {
            // `SEED=1337`, which the script or the shell that starts it prints.
            self.seed(rest.split_whitespace().next().unwrap_or_default());
        } else if line.starts_with("world_size:") {
            self.world_size(value(line, "world_size:"));
        } else if line.starts_with("model_params:") {
            self.current.run.model_params = self.stated(whole(line, "model_params:"));
        } else if line.starts_with("peak memory") {
            self.peak_memory(line);
        } else if let Some(version) = line.strip_prefix("Running ").or(Some(line)).filter(|rest| is_version(rest)) {
            self.version(version);
        } else if let Some(rest) = line.strip_prefix("hardware:") {
            self.hardware(rest.trim());
        } else if line.starts_with('|') {
            self.nvidia_smi(line);
        } else if line.starts_with("RUN seed=") || line.starts_with("DONE seed=") {
            // `[19:35:17] DONE seed=42 rc=0 dur=717s`
            self.of_a_driver = true;
        } else if !self.data(line) {
            self.settings(line);
        }
    }

    /// Reads shards, tokens and paths of the data.
    fn data(&mut self, line: &str) -> bool {
        if line.starts_with("val_loader:") || line.starts_with("val_tokens:") || line.starts_with("val tokens:") {
            self.val_tokens(line);
        } else if line.starts_with("train_shards:") {
            self.train_shards(line);
        } else if line.starts_with("train_loader:dataset:") {
            self.train_shards(line);
            if let Some(name) = value(line, "train_loader:dataset:") {
                self.dataset(name);
            }
            self.settings(line);
        } else if line.starts_with("val_bpb:enabled") {
            if let Some(path) = value(line, "tokenizer_path=") {
                self.tokenizer(path);
            }
        } else {
            return false;
        }
        true
    }

    /// Reads lines of `key:value` or `key=value` words.
    fn settings(&mut self, line: &str) {
        if line.contains(" ws:") && (line.contains(" ga:") || line.contains(" pop:")) {
            self.world_size(value(line, "ws:"));
            if let Some(seed) = value(line, "s:") {
                self.seed(seed);
            }
            self.current.run.model_params = self.here(whole(line, "params:")).or(self.current.run.model_params);
        } else if line.contains(" seed=") {
            line.split_whitespace().filter_map(|word| word.split_once('=')).for_each(|(k, v)| self.setting(k, v));
            if let Some(seed) = self.current.run.hyperparameters.get("seed").cloned() {
                self.seed(&seed.value);
            }
        } else if let Some((_, seed)) = line.rsplit_once(" seed:").filter(|_| self.awaits_seed()) {
            // `lr:embed=0.035 … wall:600s seed:42`, at the end of a line of settings.
            self.seed(seed);
        } else if SETTINGS.iter().any(|key| line.starts_with(key)) {
            line.split_whitespace().filter_map(|word| word.split_once(':')).for_each(|(k, v)| self.setting(k, v));
        }
    }

    /// Reads two spaces and `key: value`: a hyperparameter, or a line that stands outside its block in a few logs.
    pub(super) fn indented(&mut self, rest: &str) {
        if self.megabytes(rest) || self.resumed(rest) || self.partial_validation(rest) {
            return;
        }
        if self.spent(rest) {
            return;
        }
        if let Some(seed) = rest.strip_prefix("SEED=").filter(|_| self.awaits_seed()) {
            return self.seed(seed.split_whitespace().next().unwrap_or_default());
        }
        let Some((key, value)) = rest.split_once(':') else { return };
        let value = value.trim();
        match key {
            "seed" => self.seed(value),
            "world_size" => self.world_size(Some(value)),
            _ => {}
        }
        if self.current.in_hyperparameters {
            self.setting(key, value);
        }
    }

    /// Reads `eval: 500 batches (limited)`.
    fn partial_validation(&mut self, rest: &str) -> bool {
        let limited = rest.starts_with("eval: ") && rest.ends_with(" batches (limited)");
        if limited {
            self.current.run.partial_validation = self.stated(rest.to_owned());
        }
        limited
    }

    fn setting(&mut self, key: &str, value: &str) {
        let fits = !key.is_empty() && key.len() <= MAX_VALUE_BYTES && value.len() <= MAX_VALUE_BYTES;
        let named = fits && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !named || self.current.run.hyperparameters.len() >= MAX_HYPERPARAMETERS {
            return;
        }
        let stated = Logged::new(value.to_owned(), self.number);
        self.current.run.hyperparameters.insert(key.to_owned(), stated);
        self.understood = true;
        match key {
            "tokenizer_path" => self.tokenizer(value),
            "data_path" | "datasets_dir" => self.dataset(value),
            _ => {}
        }
    }

    /// Tells whether the run has neither a step nor a `seed:` line yet.
    fn awaits_seed(&self) -> bool {
        self.current.run.seed.is_none() && self.current.run.steps.is_none()
    }

    fn tokenizer(&mut self, path: &str) {
        self.current.run.tokenizer = self.stated(path.to_owned());
    }

    fn dataset(&mut self, path: &str) {
        self.current.run.dataset = self.stated(path.to_owned());
    }

    fn seed(&mut self, text: &str) {
        if let Ok(seed) = text.trim().parse::<i64>() {
            self.current.run.seed = self.stated(seed);
        }
    }

    fn world_size(&mut self, text: Option<&str>) {
        if let Some(size) = text.and_then(|text| text.parse::<u64>().ok()) {
            self.current.run.world_size = self.stated(size);
        }
    }

    /// Reads `val_loader:shards pattern=… tokens:62021632 debug_val_docs:0` or `val_tokens: 40540160`.
    fn val_tokens(&mut self, line: &str) {
        let first = || line.split_once(':').and_then(|(_, rest)| rest.split_whitespace().next());
        if let Some(tokens) = value(line, "tokens:").or_else(first).and_then(|text| text.parse::<u64>().ok()) {
            self.current.run.val_tokens = self.stated(tokens);
        }
    }

    fn train_shards(&mut self, line: &str) {
        if let Some(shards) = whole(line, "train_shards:") {
            self.current.run.train_shards = self.stated(shards);
        }
    }

    /// Reads `peak memory allocated: 10184 MiB reserved: 10200 MiB`.
    fn peak_memory(&mut self, line: &str) {
        if let Some(peak) = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok()) {
            self.current.run.peak_memory_mib = self.stated(peak);
        }
    }

    fn version(&mut self, rest: &str) {
        if let Some(version) = rest.strip_prefix("PyTorch ") {
            self.current.run.torch_version = self.stated(version.split_whitespace().next().map(str::to_owned));
        } else if let Some(version) = rest.strip_prefix("caddie-engine ") {
            self.current.run.engine_version = self.here(version.split_whitespace().next().map(str::to_owned));
        }
        self.understood = true;
    }

    /// Reads `cpu AMD EPYC threads:2` or `cuda:0 NVIDIA H200`.
    fn hardware(&mut self, rest: &str) {
        self.current.run.hardware = self.stated(rest.to_owned());
        if let Some((_, name)) = rest.strip_prefix("cuda").and_then(|rest| rest.split_once(' ')) {
            let words: Vec<&str> = name.split_whitespace().take_while(|word| !word.contains(':')).collect();
            self.current.run.gpu = self.stated(words.join(" "));
        }
    }

    /// Reads `|   0  NVIDIA H100 80GB HBM3          On  |   …`.
    fn nvidia_smi(&mut self, line: &str) {
        let Some(cell) = line.trim_start_matches('|').split('|').next() else { return };
        let words: Vec<&str> = cell.split_whitespace().collect();
        let [index, "NVIDIA", .., "On" | "Off"] = words.as_slice() else { return };
        let Ok(index) = index.parse() else { return };
        self.current.run.gpu = self.stated(words[1..words.len() - 1].join(" "));
        if self.current.gpus.len() < MAX_GPUS {
            self.current.gpus.insert(index);
        }
        self.current.run.gpus = self.here(self.current.gpus.len() as u64);
    }
}

/// Tells whether the line is a version: `PyTorch 2.9.1+cu128`, `Python 3.12.3 (main, …`, `caddie-engine 0.1.0`.
fn is_version(rest: &str) -> bool {
    let mut words = rest.split_whitespace();
    let tool = matches!(words.next(), Some("Python" | "PyTorch" | "caddie-engine"));
    tool && words.next().is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}
