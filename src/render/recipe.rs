//! The recipe that a run's log states, and the part that a README shows.

use std::io::{BufRead, BufReader, Read};

use camino::Utf8Path;
use fs_err as fs;
use serde::Serialize;

use caddie_files::{Error, Result};

/// The log's line that ends the recipe: the first one of 100 `=`.
const RULE: &str =
    "====================================================================================================";
const MAX_BYTES: u64 = 1 << 20;

/// A resolved recipe: its text, and the table that it means.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeText {
    /// The recipe as TOML that ends with one newline: the log states it, the folder ships it and the launcher embeds
    /// it.
    pub toml: String,
    table: toml::Table,
}

/// One setting in the form that a README shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownSetting {
    /// Path in the recipe, for example `train.iterations`.
    pub key: String,
    pub value: String,
}

impl RecipeText {
    /// Reads the recipe at the head of `log`.
    ///
    /// # Errors
    /// When the log cannot be read or does not begin with a recipe.
    pub fn from_log(log: &Utf8Path) -> Result<RecipeText> {
        let file = fs::File::open(log).map_err(Error::io(log, "opening"))?;
        let mut toml = String::new();
        for line in BufReader::new(file.take(MAX_BYTES)).lines() {
            let line = line.map_err(Error::io(log, "reading"))?;
            if line == RULE {
                return RecipeText::parse(&toml)
                    .map_err(|reason| Error::unreadable(log, format!("does not begin with a recipe: {reason}")));
            }
            toml.push_str(&line);
            toml.push('\n');
        }
        Err(Error::unreadable(
            log,
            "does not begin with a recipe and a line of 100 '='; is it a log of caddie's engine?",
        ))
    }

    /// # Errors
    /// When `toml` is not TOML.
    pub fn parse(toml: &str) -> std::result::Result<RecipeText, String> {
        let table = toml.parse().map_err(|e: toml::de::Error| e.to_string())?;
        Ok(RecipeText { toml: format!("{}\n", toml.trim()), table })
    }

    fn get(&self, path: &str) -> Option<&toml::Value> {
        let mut parts = path.split('.');
        let first = self.table.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// A string of the recipe, by its path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// An integer of the recipe, by its path.
    pub fn integer(&self, path: &str) -> Option<i64> {
        self.get(path)?.as_integer()
    }

    /// Returns the file name of the tokenizer that gives the byte counts; `None` for `byte260`, which needs none.
    pub fn tokenizer_file(&self) -> Option<String> {
        match self.text("data.tokenizer") {
            Some("byte260") => None,
            _ => Some(format!("fineweb_{}_bpe.model", self.integer("model.vocab_size")?)),
        }
    }

    /// Returns the settings that a README shows; all of them are in `recipe.toml`. Disabled parts are left out, and so
    /// are the settings of evaluators that did not give the score.
    pub fn key_settings(&self) -> Vec<ShownSetting> {
        let mut settings = Vec::new();
        leaves(&self.table, "", &mut settings);
        let mode = self.text("eval.mode").unwrap_or("full");
        let elsewhere = |key: &str| {
            [("sliding", "eval.sliding."), ("ogd", "eval.ogd."), ("ttt", "eval.ttt.")]
                .iter()
                .any(|(of, prefix)| *of != mode && key.starts_with(prefix))
        };
        settings.retain(|(key, value)| !off(value) && !elsewhere(key) && place(key).is_some());
        settings.sort_by_key(|(key, _)| place(key));
        settings.into_iter().map(|(key, value)| ShownSetting { key, value: plain(&value) }).collect()
    }
}

fn leaves(table: &toml::Table, prefix: &str, out: &mut Vec<(String, toml::Value)>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => leaves(inner, &format!("{prefix}{key}."), out),
            _ => out.push((format!("{prefix}{key}"), value.clone())),
        }
    }
}

fn off(value: &toml::Value) -> bool {
    value.as_integer() == Some(0) || value.as_float() == Some(0.0) || value.as_bool() == Some(false)
}

/// Returns the key's place among those that are shown.
fn place(key: &str) -> Option<usize> {
    SHOWN.iter().position(|shown| if shown.ends_with('.') { key.starts_with(shown) } else { key == *shown })
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Keys, and sections with all their keys, in the order in which they are shown.
const SHOWN: &[&str] = &[
    "model.vocab_size",
    "model.model_dim",
    "model.layout",
    "model.embedding.tie_embeddings",
    "model.embedding.overtone",
    "model.bigram.",
    "model.unet.",
    "model.loops.",
    "model.lanes.",
    "model.block.",
    "optim.grad_clip_norm",
    "optim.muon.matrix_lr",
    "optim.muon.muon_wd",
    "optim.muon.muon_row_normalize",
    "optim.adam.scalar_lr",
    "optim.adam.tied_embed_lr",
    "optim.adam.embed_wd",
    "optim.adam.adam_wd",
    "optim.ema.",
    "optim.swa.",
    "train.iterations",
    "train.train_batch_tokens",
    "train.train_seq_len",
    "train.loader",
    "train.warmdown_iters",
    "train.warmdown_frac",
    "train.max_wallclock_seconds",
    "quant.codec",
    "quant.matrix.",
    "quant.embedding.",
    "quant.calibration.",
    "quant.qat.",
    "quant.ftle.",
    "eval.mode",
    "eval.eval_seq_len",
    "eval.documents_apart",
    "eval.sliding.",
    "eval.ogd.",
    "eval.ttt.ttt_lora_rank",
    "eval.ttt.ttt_lora_lr",
    "eval.ttt.ttt_chunk_size",
    "eval.ttt.ttt_eval_seq_len",
    "eval.ttt.ttt_grad_steps",
    "eval.ttt.ttt_weight_decay",
];

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = \"Demo\"\n[model]\nvocab_size = 512\n[model.loops]\nnum_loops = 2\nloop_start = 0\n\
                          [optim.muon]\nmuon_wd = 0.1\n[eval]\nmode = \"sliding\"\n[eval.sliding]\neval_stride = 64\n\
                          [eval.ttt]\nttt_lora_rank = 8\n";

    #[test]
    fn the_recipe_is_the_head_of_the_log() {
        let temp = tempfile::tempdir().unwrap();
        let log = camino::Utf8PathBuf::from_path_buf(temp.path().join("log.txt")).unwrap();
        std::fs::write(&log, format!("{RECIPE}\n{RULE}\nRunning caddie-engine 0.1.0\n")).unwrap();
        assert_eq!(RecipeText::from_log(&log).unwrap().toml, RECIPE);
        for head in [RECIPE.to_owned(), format!("no toml\n{RULE}\n")] {
            std::fs::write(&log, head).unwrap();
            assert!(RecipeText::from_log(&log).unwrap_err().to_string().contains("does not begin with a recipe"));
        }
    }

    #[test]
    fn a_readme_shows_the_settings_of_its_evaluator_and_the_options_that_are_on() {
        let recipe = RecipeText::parse(RECIPE).unwrap();
        let keys: Vec<_> = recipe.key_settings().into_iter().map(|setting| setting.key).collect();
        let expected = [
            "model.vocab_size",
            "model.loops.num_loops",
            "optim.muon.muon_wd",
            "eval.mode",
            "eval.sliding.eval_stride",
        ];
        assert_eq!(keys, expected);
        assert_eq!(recipe.tokenizer_file().as_deref(), Some("fineweb_512_bpe.model"));
        assert_eq!(RecipeText::parse("[data]\ntokenizer = \"byte260\"").unwrap().tokenizer_file(), None);
    }
}
