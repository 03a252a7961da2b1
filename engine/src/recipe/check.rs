//! Values that cannot work together.

use super::Recipe;
use crate::{Error, Result};

impl Recipe {
    /// Values that contradict each other, said before a long run rather than in the middle of one.
    pub fn check(&self) -> Result<()> {
        let m = &self.model;
        let fail = |reason: String| Err(Error::Recipe(reason));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return fail(format!(
                "name {:?} cannot name a folder; use letters, digits, `_`, `-` and `.`, and do not begin with a dot",
                self.name
            ));
        }
        for (key, value) in [
            ("model.vocab_size", m.vocab_size),
            ("model.num_layers", m.num_layers),
            ("model.model_dim", m.model_dim),
            ("model.num_heads", m.num_heads),
            ("model.num_kv_heads", m.num_kv_heads),
            ("train.iterations", self.train.iterations),
            ("train.train_batch_tokens", self.train.train_batch_tokens),
            ("train.train_seq_len", self.train.train_seq_len),
            ("train.grad_accum_steps", self.train.grad_accum_steps),
            ("eval.eval_seq_len", self.eval.eval_seq_len),
            ("eval.eval_batch_seqs", self.eval.eval_batch_seqs),
            ("eval.eval_stride", self.eval.eval_stride),
            ("eval.ttt_lora_rank", self.eval.ttt_lora_rank),
            ("eval.ttt_chunk_size", self.eval.ttt_chunk_size),
            ("eval.ttt_batch_size", self.eval.ttt_batch_size),
        ] {
            if value < 1 {
                return fail(format!("{key} is {value}; it must be at least 1"));
            }
        }
        let (o, e) = (&self.optim, &self.eval);
        for (key, value, lowest) in [
            ("model.mlp_mult", m.mlp_mult, 1.0 / m.model_dim as f64),
            ("model.logit_softcap", m.logit_softcap, f64::MIN_POSITIVE),
            ("model.rope_base", m.rope_base, 1.0),
            ("model.tied_embed_init_std", m.tied_embed_init_std, 0.0),
            ("optim.matrix_lr", o.matrix_lr, 0.0),
            ("optim.scalar_lr", o.scalar_lr, 0.0),
            ("optim.tied_embed_lr", o.tied_embed_lr, 0.0),
            ("optim.embed_lr", o.embed_lr, 0.0),
            ("optim.head_lr", o.head_lr, 0.0),
            ("optim.grad_clip_norm", o.grad_clip_norm, 0.0),
            ("train.max_wallclock_seconds", self.train.max_wallclock_seconds, 0.0),
            ("eval.ttt_lora_lr", e.ttt_lora_lr, 0.0),
            ("eval.ttt_weight_decay", e.ttt_weight_decay, 0.0),
            ("quant.clip_percentile", self.quant.clip_percentile, f64::MIN_POSITIVE),
        ] {
            if !value.is_finite() || value < lowest {
                return fail(format!("{key} is {value}; it must be a number of at least {lowest}"));
            }
        }
        if self.quant.clip_percentile > 100.0 || self.quant.zlib_level > 9 {
            return fail(format!(
                "quant.clip_percentile {} must be at most 100, and zlib_level {} at most 9",
                self.quant.clip_percentile, self.quant.zlib_level
            ));
        }
        let lanes = m.parallel_start_layer;
        if lanes != 0 && (lanes < 0 || lanes >= m.num_layers || (m.num_loops > 0 && lanes <= m.loop_end)) {
            return fail(format!("model.parallel_start_layer {lanes} must be a layer after the loop, or 0 for none"));
        }
        if m.vocab_size > 65_536 {
            return fail(format!("model.vocab_size is {}; shards hold 16-bit ids, so at most 65536", m.vocab_size));
        }
        if m.model_dim % m.num_heads != 0 || (m.model_dim / m.num_heads) % 2 != 0 {
            return fail(format!(
                "model.model_dim {} must be an even multiple of num_heads {}",
                m.model_dim, m.num_heads
            ));
        }
        if m.num_heads % m.num_kv_heads != 0 {
            return fail(format!(
                "model.num_heads {} must be a multiple of num_kv_heads {}",
                m.num_heads, m.num_kv_heads
            ));
        }
        if m.rope_dims < 0 || m.rope_dims % 2 != 0 || m.rope_dims > m.model_dim / m.num_heads {
            return fail(format!(
                "model.rope_dims {} must be even and at most the head's {}",
                m.rope_dims,
                m.model_dim / m.num_heads
            ));
        }
        if m.num_loops > 0 && (m.loop_start < 0 || m.loop_end < m.loop_start || m.loop_end >= m.num_layers) {
            return fail(format!(
                "model.loop_start {} and loop_end {} must lie within the {} layers",
                m.loop_start, m.loop_end, m.num_layers
            ));
        }
        let t = &self.train;
        if t.train_batch_tokens % (t.grad_accum_steps * t.train_seq_len) != 0 {
            return fail(format!(
                "train.train_batch_tokens {} must be a multiple of grad_accum_steps × train_seq_len = {}",
                t.train_batch_tokens,
                t.grad_accum_steps * t.train_seq_len
            ));
        }
        if self.eval.eval_stride > self.eval.eval_seq_len {
            return fail(format!(
                "eval.eval_stride {} must not exceed eval_seq_len {}",
                self.eval.eval_stride, self.eval.eval_seq_len
            ));
        }
        if self.eval.ttt_chunk_size > self.eval.ttt_eval_seq_len {
            return fail(format!(
                "eval.ttt_chunk_size {} must not exceed ttt_eval_seq_len {}",
                self.eval.ttt_chunk_size, self.eval.ttt_eval_seq_len
            ));
        }
        Ok(())
    }
}
