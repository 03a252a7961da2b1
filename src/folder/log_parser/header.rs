//! What a log states before its first step: seed, settings, machine, versions.

use super::{Parser, value, whole};

/// Hyperparameters kept; real logs have about 120.
const MAX_HYPERPARAMETERS: usize = 2_000;
/// First keys of the lines in which family A states its settings as `key:value` words.
const SETTINGS: [&str; 5] =
    ["train_batch_tokens:", "tie_embeddings:", "attention_mode:", "train_loader:dataset:", "sdp_backends:"];

impl Parser {
    /// Any line that is no step, metric or size.
    pub(super) fn header(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("seed:") {
            self.seed(rest);
        } else if line.starts_with("world_size:") {
            self.world_size(value(line, "world_size:"));
        } else if line.starts_with("model_params:") {
            self.run.model_params = whole(line, "model_params:");
            self.note("model_params");
        } else if line.starts_with("val_loader:") || line.starts_with("val_tokens:") || line.starts_with("val tokens:")
        {
            self.val_tokens(line);
        } else if line.starts_with("peak memory") {
            self.run.peak_memory_mib = line.split(": ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
            self.note("peak_memory_mib");
        } else if let Some(rest) = line.strip_prefix("Running ").or(line.strip_prefix("PyTorch ").map(|_| line)) {
            self.version(rest);
        } else if let Some(rest) = line.strip_prefix("hardware:") {
            self.hardware(rest.trim());
        } else if line.starts_with('|') {
            self.nvidia_smi(line);
        } else if line.contains(" ws:") && line.contains(" ga:") {
            self.world_size(value(line, "ws:"));
            if let Some(seed) = value(line, "s:") {
                self.seed(seed);
            }
        } else if line.contains(" seed=") {
            line.split_whitespace().filter_map(|word| word.split_once('=')).for_each(|(k, v)| self.setting(k, v));
            if let Some(seed) = self.run.hyperparameters.get("seed").cloned() {
                self.seed(&seed);
            }
        } else if SETTINGS.iter().any(|key| line.starts_with(key)) {
            line.split_whitespace().filter_map(|word| word.split_once(':')).for_each(|(k, v)| self.setting(k, v));
        }
    }

    /// Two spaces and `key: value`: a hyperparameter, or a line that stands outside its block in a few logs.
    pub(super) fn indented(&mut self, rest: &str) {
        let Some((key, value)) = rest.split_once(':') else { return };
        let value = value.trim();
        match key {
            "seed" => self.seed(value),
            "world_size" => self.world_size(Some(value)),
            _ => {}
        }
        if self.in_hyperparameters {
            self.setting(key, value);
        }
    }

    fn setting(&mut self, key: &str, value: &str) {
        let named = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if named && self.run.hyperparameters.len() < MAX_HYPERPARAMETERS {
            self.run.hyperparameters.insert(key.to_owned(), value.to_owned());
        }
    }

    fn seed(&mut self, text: &str) {
        if let Ok(seed) = text.trim().parse() {
            self.run.seed = Some(seed);
            self.note("seed");
        }
    }

    fn world_size(&mut self, text: Option<&str>) {
        if let Some(size) = text.and_then(|text| text.parse().ok()) {
            self.run.world_size = Some(size);
            self.note("world_size");
        }
    }

    /// `val_loader:shards pattern=… tokens:62021632` or `val_tokens: 40540160`.
    fn val_tokens(&mut self, line: &str) {
        if let Some(tokens) = line.rsplit(':').next().and_then(|text| text.trim().parse().ok()) {
            self.run.val_tokens = Some(tokens);
            self.note("val_tokens");
        }
    }

    fn version(&mut self, rest: &str) {
        if let Some(version) = rest.strip_prefix("PyTorch ") {
            self.run.torch_version = version.split_whitespace().next().map(str::to_owned);
            self.note("torch_version");
        } else if let Some(version) = rest.strip_prefix("caddie-engine ") {
            self.run.engine_version = version.split_whitespace().next().map(str::to_owned);
        }
    }

    /// `cpu AMD EPYC threads:2` or `cuda:0 NVIDIA H200`.
    fn hardware(&mut self, rest: &str) {
        self.run.hardware = Some(rest.to_owned());
        self.note("hardware");
        if let Some((_, name)) = rest.strip_prefix("cuda").and_then(|rest| rest.split_once(' ')) {
            let words: Vec<&str> = name.split_whitespace().take_while(|word| !word.contains(':')).collect();
            self.run.gpu = Some(words.join(" "));
            self.note("gpu");
        }
    }

    /// `|   0  NVIDIA H100 80GB HBM3          On  |   …`
    fn nvidia_smi(&mut self, line: &str) {
        let Some(cell) = line.trim_start_matches('|').split('|').next() else { return };
        let words: Vec<&str> = cell.split_whitespace().collect();
        if let [index, "NVIDIA", .., "On" | "Off"] = words.as_slice()
            && index.bytes().all(|byte| byte.is_ascii_digit())
        {
            self.run.gpu = Some(words[1..words.len() - 1].join(" "));
            self.note("gpu");
        }
    }
}
