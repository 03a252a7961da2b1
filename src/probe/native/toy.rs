//! A recipe at toy size: small enough to learn a source on two cores within a minute.

use caddie_engine::Recipe;

/// Tokens of a batch, and of a row.
const BATCH: i64 = 8192;
const ROW: i64 = 256;
/// Widths that are tried, the smallest first: some do not fit the heads, their rotary dimensions or a low rank.
const WIDTHS: [i64; 5] = [64, 96, 128, 192, 256];
/// Widest model that keeps its own width.
const NARROW: i64 = 128;
/// Decay of an average of the weights that forgets the first of a hundred steps.
const DECAY: f64 = 0.9;

/// A recipe that was made small, and what was changed.
pub struct ToyRecipe {
    pub recipe: Recipe,
    pub settings: Vec<(String, String)>,
}

/// Makes a recipe small. Components, layers, learning rates and the quantizer stay as they are.
pub fn toy(recipe: &Recipe, steps: u32) -> ToyRecipe {
    let mut toy = ToyRecipe { recipe: recipe.clone(), settings: Vec::new() };
    toy.training(i64::from(steps));
    toy.evaluation();
    toy.width();
    toy
}

impl ToyRecipe {
    fn set<T: std::fmt::Display + PartialEq>(
        &mut self,
        name: &str,
        field: impl FnOnce(&mut Recipe) -> Option<&mut T>,
        value: T,
    ) {
        if let Some(field) = field(&mut self.recipe)
            && *field != value
        {
            self.settings.push((name.to_owned(), value.to_string()));
            *field = value;
        }
    }

    fn training(&mut self, steps: i64) {
        let train = self.recipe.train.clone();
        self.set("train.iterations", |r| Some(&mut r.train.iterations), steps);
        self.set("train.max_wallclock_seconds", |r| Some(&mut r.train.max_wallclock_seconds), 0.0);
        self.set("train.warmup_steps", |r| Some(&mut r.train.warmup_steps), train.warmup_steps.min(1));
        self.set("train.warmdown_iters", |r| r.train.warmdown_iters.as_mut(), steps / 2);
        self.set("train.val_loss_every", |r| Some(&mut r.train.val_loss_every), 0);
        self.set("train.checkpoint_every", |r| Some(&mut r.train.checkpoint_every), 0);
        if train.train_batch_tokens > BATCH || train.train_seq_len > ROW {
            self.set("train.train_batch_tokens", |r| Some(&mut r.train.train_batch_tokens), BATCH);
            self.set("train.train_seq_len", |r| Some(&mut r.train.train_seq_len), train.train_seq_len.min(ROW));
            self.set("train.grad_accum_steps", |r| Some(&mut r.train.grad_accum_steps), 4);
        }
        let momentum = self.recipe.optim.muon.muon_momentum_warmup_steps.min(steps / 3);
        self.set(
            "optim.muon.muon_momentum_warmup_steps",
            |r| Some(&mut r.optim.muon.muon_momentum_warmup_steps),
            momentum,
        );
        let decay = self.recipe.optim.ema.as_ref().map_or(DECAY, |ema| ema.ema_decay.min(DECAY));
        self.set("optim.ema.ema_decay", |r| r.optim.ema.as_mut().map(|ema| &mut ema.ema_decay), decay);
        let batches = self.recipe.quant.calibration.as_ref().map_or(0, |c| c.gptq_calibration_batches.min(16));
        self.set(
            "quant.calibration.gptq_calibration_batches",
            |r| r.quant.calibration.as_mut().map(|c| &mut c.gptq_calibration_batches),
            batches,
        );
    }

    fn evaluation(&mut self) {
        let eval = self.recipe.eval.clone();
        if !eval.also.is_empty() {
            self.settings.push(("eval.also".to_owned(), "[]".to_owned()));
            self.recipe.eval.also.clear();
        }
        self.set("eval.eval_seq_len", |r| Some(&mut r.eval.eval_seq_len), eval.eval_seq_len.min(ROW));
        self.set("eval.eval_batch_seqs", |r| Some(&mut r.eval.eval_batch_seqs), eval.eval_batch_seqs.min(16));
        if let Some(sliding) = &eval.sliding {
            let stride = sliding.eval_stride.min(ROW / 4);
            self.set(
                "eval.sliding.eval_stride",
                |r| r.eval.sliding.as_mut().map(|sliding| &mut sliding.eval_stride),
                stride,
            );
        }
        if let Some(ttt) = &eval.ttt {
            let sizes = [ttt.ttt_chunk_size.min(ROW / 8), ttt.ttt_eval_seq_len.min(ROW), ttt.ttt_batch_size.min(8)];
            let [chunk, context, batch] = sizes;
            self.set("eval.ttt.ttt_chunk_size", |r| r.eval.ttt.as_mut().map(|ttt| &mut ttt.ttt_chunk_size), chunk);
            self.set(
                "eval.ttt.ttt_eval_seq_len",
                |r| r.eval.ttt.as_mut().map(|ttt| &mut ttt.ttt_eval_seq_len),
                context,
            );
            self.set("eval.ttt.ttt_batch_size", |r| r.eval.ttt.as_mut().map(|ttt| &mut ttt.ttt_batch_size), batch);
        }
    }

    /// Takes the smallest width that the recipe's components accept.
    fn width(&mut self) {
        let own = self.recipe.model.model_dim;
        if own <= NARROW {
            return;
        }
        let fits = |width: &i64| {
            let mut narrow = self.recipe.clone();
            narrow.model.model_dim = *width;
            *width < own && narrow.check().is_ok()
        };
        if let Some(width) = WIDTHS.into_iter().find(fits) {
            self.set("model.model_dim", |r| Some(&mut r.model.model_dim), width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_recipe_has_a_toy() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let (name, recipe) = (path.display(), Recipe::load(&path, &[]).unwrap());
            let made = toy(&recipe, 60);
            made.recipe.check().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(made.recipe.model.model_dim <= 256 && made.recipe.train.train_batch_tokens <= BATCH, "{name}");
            assert_eq!((made.recipe.train.iterations, made.recipe.eval.mode), (60, recipe.eval.mode), "{name}");
            assert_eq!(made.recipe.model.layout, recipe.model.layout, "{name}");
            let stated = made.settings.iter().find(|(key, _)| key == "model.model_dim");
            assert_eq!(stated.is_some(), recipe.model.model_dim > NARROW, "{name}: {:?}", made.settings);
        }
    }
}
