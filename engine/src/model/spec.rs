//! Every parameter of a model: its upstream name, its shape and how it starts. The one place that lists them.

use crate::recipe::{Init, ModelRecipe};

/// How a parameter starts (spec/algorithms.md §2.11).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    Zeros,
    /// All elements the same.
    Constant(f64),
    /// `N(0, std²)`.
    Normal(f64),
    /// `U(±1/√in)`, where `in` is the last dimension.
    Uniform,
    /// Orthogonal rows or columns, gain 1.
    Orthogonal,
    /// `[2, dim]`: ones, then zeros.
    ResidMix,
}

/// One parameter. Matrices are `[out, in]`, as in the upstream state dict.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamSpec {
    pub name: String,
    pub shape: Vec<i64>,
    pub start: Start,
}

impl ParamSpec {
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }
}

/// Width of one attention head.
pub fn head_dim(m: &ModelRecipe) -> i64 {
    m.model_dim / m.num_heads
}

/// Width of the keys and the values.
pub fn kv_dim(m: &ModelRecipe) -> i64 {
    m.num_kv_heads * head_dim(m)
}

/// Hidden width of the MLP.
pub fn hidden_dim(m: &ModelRecipe) -> i64 {
    (m.mlp_mult * m.model_dim as f64) as i64
}

/// All parameters in the order of the upstream state dict.
pub fn parameters(m: &ModelRecipe) -> Vec<ParamSpec> {
    let (dim, layers) = (m.model_dim, m.num_layers);
    let matrix = match m.init {
        Init::Uniform => Start::Uniform,
        Init::Orthogonal => Start::Orthogonal,
    };
    let mut out = Vec::new();
    let mut push = |name: String, shape: &[i64], start| out.push(ParamSpec { name, shape: shape.to_vec(), start });

    let skips = super::schedule::num_skips(m);
    push("skip_weights".into(), &[skips, dim], Start::Constant(1.0));
    if m.skip_gates {
        push("skip_gates".into(), &[skips, dim], Start::Zeros);
    }
    if m.parallel_start_layer > 0 {
        push("parallel_post_lambdas".into(), &[layers, 2, 2], Start::Constant(1.0));
        push("parallel_resid_lambdas".into(), &[layers, 2], Start::Constant(1.1));
    }
    push("tok_emb.weight".into(), &[m.vocab_size, dim], Start::Normal(m.tied_embed_init_std));
    for i in 0..layers {
        let mut block = |name: &str, shape: &[i64], start| push(format!("blocks.{i}.{name}"), shape, start);
        block("attn_scale", &[dim], Start::Constant(1.0));
        block("mlp_scale", &[dim], Start::Constant(1.0));
        block("resid_mix", &[2, dim], Start::ResidMix);
        block("attn.q_gain", &[m.num_heads], Start::Constant(m.qk_gain_init));
        block("attn.c_q.weight", &[dim, dim], matrix);
        block("attn.c_k.weight", &[kv_dim(m), dim], matrix);
        block("attn.c_v.weight", &[kv_dim(m), dim], matrix);
        block("attn.proj.weight", &[dim, dim], Start::Zeros);
        block("mlp.fc.weight", &[hidden_dim(m), dim], matrix);
        block("mlp.proj.weight", &[dim, hidden_dim(m)], Start::Zeros);
    }
    if !m.tie_embeddings {
        push("lm_head.weight".into(), &[m.vocab_size, dim], Start::Zeros);
    }
    out
}

/// Number of trainable parameters: 17,059,912 for the baseline (spec/algorithms.md §2.0).
pub fn num_parameters(m: &ModelRecipe) -> i64 {
    parameters(m).iter().map(ParamSpec::numel).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn the_published_parameter_counts_come_out() {
        let count = |toml: &str| num_parameters(&Recipe::parse(toml, &[]).unwrap().model);
        assert_eq!(count(""), 17_059_912, "NaiveBaseline");
        assert_eq!(count("[model]\nnum_layers = 10\n"), 18_897_488, "OvertoneInit, 10 layers");
        let varlen = "[model]\nvocab_size = 8192\nnum_layers = 11\nmlp_mult = 4\nskip_gates = true\nnum_loops = 2\n\
                      loop_start = 3\nloop_end = 5\nparallel_start_layer = 8\n";
        assert_eq!(count(varlen), 35_944_602, "PR #1530");
    }
}
