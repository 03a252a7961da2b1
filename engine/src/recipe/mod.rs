//! A recipe: all settings that determine a run, as TOML with the names of `train_gpt.py`'s hyperparameters.
//!
//! Every key keeps the field's name; the section tells its component. A section exists where its component is used, and
//! a recipe states only differences from that component's defaults. An unknown key is an error that names the nearest
//! known one.

mod eval;
mod q2;
mod quant;
mod resolve;
mod start;
mod train;

use serde::{Deserialize, Serialize};

pub use crate::model::ModelRecipe;
use crate::model::{Order, adapters, num_parameters, parameters};
use crate::nn::Class;
pub use crate::optim::OptimRecipe;
pub use eval::{EvalMode, EvalRecipe, OgdRecipe, SlidingRecipe, TttRecipe};
pub use q2::{ActivationOrder, Alphabets, Q2Recipe, TauRule};
pub use quant::{CalibrationRecipe, CodecChoice, FloatKind, QuantRecipe, RuleRecipe};
pub use resolve::COMES_BACK;
pub use start::StartRecipe;
pub use train::{LoaderKind, TrainRecipe};

use crate::{Error, Result};

/// A complete, resolved recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Short name, used for the run directory and the records folder: letters, digits, `_`, `-`, `.`.
    pub name: String,
    /// One or two sentences on the method, for `submission.json` and the README.
    pub blurb: String,
    pub data: DataRecipe,
    pub model: ModelRecipe,
    pub optim: OptimRecipe,
    pub train: TrainRecipe,
    pub quant: QuantRecipe,
    pub eval: EvalRecipe,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            name: "unnamed".to_owned(),
            blurb: String::new(),
            data: DataRecipe::default(),
            model: ModelRecipe::default(),
            optim: OptimRecipe::default(),
            train: TrainRecipe::default(),
            quant: QuantRecipe::default(),
            eval: EvalRecipe::default(),
        }
    }
}

/// The text that the model reads.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataRecipe {
    /// `sentencepiece` (byte counts from the `.model` file), `caseops` (from the sidecar beside the validation shards) or
    /// `byte260` (id = byte + 4).
    pub tokenizer: TokenizerKind,
}

/// The mapping of token ids to bytes (docs/spec/algorithms.md#bytes-of-a-token).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    #[default]
    Sentencepiece,
    Caseops,
    Byte260,
}

/// Tells whether the model has matrices of a component.
fn has_component(m: &ModelRecipe, name: &str) -> bool {
    parameters(m).is_ok_and(|all| all.iter().any(|p| p.class == Class::Matrix && p.component == name))
}

impl Recipe {
    /// Refuses values that are out of bounds or contradict each other, before a long run rather than in the middle of
    /// one.
    pub fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(Error::Recipe(format!(
                "name {:?} cannot name a folder; use letters, digits, `_`, `-` and `.`, and do not begin with a dot",
                self.name
            )));
        }
        self.model.check()?;
        if self.quant.embedding.gptq && !self.model.embedding.tie_embeddings {
            return Err(Error::Recipe(
                "quant.embedding.gptq needs model.embedding.tie_embeddings: a table that is no head multiplies nothing that \
                 could be observed; set one of the two to false or true"
                    .to_owned(),
            ));
        }
        if let Some(unknown) = self.quant.matrix.clip_sigmas_of.keys().find(|name| !has_component(&self.model, name)) {
            return Err(Error::Recipe(format!(
                "quant.matrix.clip_sigmas_of names {unknown:?}, which is no component of the model with matrices"
            )));
        }
        let known = adapters(&self.model)?;
        if let Some(unknown) = self.eval.ttt().ttt_without.iter().find(|name| !known.contains(name.as_str())) {
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Error::Recipe(format!(
                "eval.ttt.ttt_without names {unknown:?}, which is no adapter of the model; there are {}",
                known.join(", ")
            )));
        }
        self.check_sizes()?;
        self.check_states()?;
        self.optim.check()?;
        self.train.check()?;
        self.quant.check(self.train.max_wallclock_seconds, self.model.num_layers() as usize)?;
        self.eval.check(self.train.max_wallclock_seconds)?;
        self.check_start()
    }

    /// Checks that a learnt start has a place in the model file, and that training has time left beside it.
    fn check_start(&self) -> Result<()> {
        let Some(start) = self.learnt_start() else { return Ok(()) };
        if self.quant.q2.is_some() {
            return Err(Error::Recipe(
                "[eval.ttt.start] is stored in the model file, and a Q2BN file, which [quant.q2] writes, has no place for it; take \
                 one of the two sections out"
                    .to_owned(),
            ));
        }
        let cap = self.train.max_wallclock_seconds;
        if cap > 0.0 && self.training_seconds() <= 0.0 {
            return Err(Error::Recipe(format!(
                "eval.ttt.start.start_reserve_seconds {} leaves nothing of train.max_wallclock_seconds {cap} for training",
                start.start_reserve_seconds
            )));
        }
        Ok(())
    }

    /// The settings of the adapters' learnt start, where the recipe has one.
    pub fn learnt_start(&self) -> Option<&StartRecipe> {
        self.eval.ttt.as_ref()?.start.as_ref()
    }

    /// Checks that a layer with a state from position to position never meets two documents in a row without a boundary: the
    /// state of one would go on in the next.
    fn check_states(&self) -> Result<()> {
        let Some((kind, block)) = self.model.block.iter().find(|(_, b)| b.cfc.is_some() || b.liv.is_some()) else {
            return Ok(());
        };
        let mixer = if block.cfc.is_some() { "cfc" } else { "liv" };
        let (set, row) = match (self.train.loader, self.eval.documents_apart) {
            (LoaderKind::Packed, true) => return Ok(()),
            (LoaderKind::Sequential, _) => {
                ("train.loader = \"packed\"", "training takes rows of the stream as they come")
            }
            (LoaderKind::Packed, false) => {
                ("eval.documents_apart = true", "validation takes rows of the stream as they come")
            }
        };
        Err(Error::Recipe(format!(
            "[model.block.{kind}.{mixer}] of model.layout {:?} carries a state from position to position, and {row}, so it would \
             pass from one document into the next; set {set}",
            self.model.layout.text()
        )))
    }

    /// Checks products of sizes that are each within their bounds: the memory that a model or its adapters would take.
    fn check_sizes(&self) -> Result<()> {
        const MANY: i64 = 1 << 36;
        let (m, e) = (&self.model, &self.eval);
        let slots = Order::new(m, true).slots() as i64;
        let (ttt, widest) = (e.ttt(), 10 * m.model_dim);
        let adapters = ttt.ttt_lora_rank.saturating_mul(slots.saturating_mul(widest) + m.model_dim + m.vocab_size);
        for (what, size, most) in [
            ("the model's weights", num_parameters(m)?, 1 << 33),
            ("model.layout with its loops: virtual layers", slots, 1024),
            ("eval.eval_batch_seqs × eval_seq_len", e.eval_batch_seqs.saturating_mul(e.eval_seq_len), 1 << 28),
            (
                "eval.ttt.ttt_chunk_size × ttt_eval_seq_len",
                ttt.ttt_chunk_size.saturating_mul(ttt.ttt_eval_seq_len),
                1 << 28,
            ),
            ("the adapters' values of eval.ttt", adapters.saturating_mul(ttt.ttt_batch_size), MANY),
        ] {
            if size > most {
                return Err(Error::Recipe(format!("{what} come to {size}, more than the {most} that are accepted")));
            }
        }
        Ok(())
    }

    /// Returns the seconds of training: the cap less the reserves for the quantizer's calibration and for the adapters' learnt
    /// start; `0` means no cap.
    pub fn training_seconds(&self) -> f64 {
        let reserve = self.quant.calibration.as_ref().map_or(0.0, |c| c.gptq_reserve_seconds)
            + self.learnt_start().map_or(0.0, |start| start.start_reserve_seconds);
        if self.train.max_wallclock_seconds > 0.0 { self.train.max_wallclock_seconds - reserve } else { 0.0 }
    }
}
