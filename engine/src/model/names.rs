//! What a parameter's name says about it. Names are those of upstream's state dict (spec/algorithms.md §2.12).

/// Parts of the names of control tensors: small, sensitive, trained with Adam whatever their rank, exported as f32.
const CONTROL: [&str; 10] = [
    "attn_scale",
    "mlp_scale",
    "resid_mix",
    "q_gain",
    "skip_weight",
    "skip_gates",
    "smear",
    "bigram.scale",
    "parallel_post_lambdas",
    "parallel_resid_lambdas",
];

/// Whether `name` is a control tensor (spec/algorithms.md §3.2): a scale, gate, gain or mix, never a matrix of weights.
pub fn is_control(name: &str) -> bool {
    CONTROL.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_gates_and_mixes_are_control_and_matrices_are_not() {
        for name in [
            "skip_weights",
            "skip_gates",
            "blocks.0.attn_scale",
            "blocks.10.mlp_scale",
            "blocks.0.resid_mix",
            "blocks.0.attn.q_gain",
            "parallel_post_lambdas",
            "parallel_resid_lambdas",
            "smear.weight",
            "bigram.scale",
        ] {
            assert!(is_control(name), "{name}");
        }
        for name in [
            "tok_emb.weight",
            "lm_head.weight",
            "blocks.0.attn.c_q.weight",
            "blocks.0.mlp.proj.weight",
            "bigram.embed.weight",
        ] {
            assert!(!is_control(name), "{name}");
        }
    }
}
