"""The toy sizes: what a script's settings become, so that a run takes seconds.

A size is only ever made smaller: a setting that is smaller already, or off (zero), stays as the author chose it. The
windows of an evaluation are only ever moved farther apart. The
number of layers stays too, because scripts name single layers in other settings.
"""

from __future__ import annotations

import dataclasses
from typing import Mapping

Number = int | float

WIDTH = 64
HEADS = 4
SEQUENCE = 256
STRIDE = 64
SMALL_TENSOR = 1024
"""Elements up to which a tensor is stored as it is. Real scripts take 65,536, which is more than a matrix of a toy has."""
TRAIN_TOKENS, VALIDATION_TOKENS = 4096, 8192
"""Tokens of a batch: each of eight micro-steps of a training batch has two sequences."""


@dataclasses.dataclass(frozen=True)
class Toy:
    """What is asked for: the number of training steps and the seed."""

    steps: int = 6
    seed: int = 1337
    own: Mapping[str, Number] = dataclasses.field(default_factory=dict)
    """Sizes in place of those of the table, by the name of the setting in lower case; of 0, the setting stays as it is."""

    def sizes(self) -> dict[str, Number]:
        """The largest value of each setting, by its name in lower case."""
        named: dict[str, Number] = {}
        for names, value in self._table():
            named.update({name: value for name in names.split()})
        return {name: value for name, value in (named | dict(self.own)).items() if value}

    def _table(self) -> list[tuple[str, Number]]:
        steps = self.steps
        return [
            ("iterations train_steps num_iterations max_steps num_steps total_steps n_steps max_iters", steps),
            ("training_steps num_train_steps max_train_steps", steps),
            ("warmup_steps lr_warmup_steps compile_warmup_steps", 1),
            ("warmdown_iters warmdown_steps cooldown_iters cooldown_steps num_warmdown_iters", max(1, steps // 2)),
            ("muon_momentum_warmup_steps momentum_warmup_steps", max(1, steps // 2)),
            ("recur_start_step qat_after_step int6_step int4_step loop_start_step qat_start_step late_qat_step", max(1, steps // 2)),
            ("swa_every lawa_freq", 2),
            ("train_log_every log_every log_interval churn_log_every", 1),
            ("model_dim d_model n_embd embedding_dim dim hidden_dim", WIDTH),
            ("embed_dim", WIDTH),
            ("num_heads n_heads n_head", HEADS),
            ("rope_dims", 8),
            ("train_seq_len eval_seq_len seq_len max_seq_len block_size_tokens ttt_eval_seq_len ttt_train_seq_len", SEQUENCE),
            ("rope_train_seq_len context_length ctx_len seq_len_start sw_eval_seq_len ttt_seq_len", SEQUENCE),
            ("train_batch_tokens batch_tokens total_batch_size batch_tokens_start", TRAIN_TOKENS),
            ("val_batch_size val_batch_tokens eval_batch_tokens", VALIDATION_TOKENS),
            ("val_max_tokens", 4 * VALIDATION_TOKENS),
            ("batch_size device_batch_size micro_batch_size", 4),
            ("grad_accum grad_accum_steps gradient_accumulation_steps", 8),
            ("eval_batch_seqs eval_batch_size sw_eval_batch sliding_batch_size ttt_batch_seqs", 16),
            ("bigram_vocab_size bigram_hash_buckets bigram_buckets trigram_vocab_size", 512),
            ("bigram_dim bigram_hash_dim ve_dim", 32),
            ("mamba3_d_state mamba3_headdim mamba3_chunk_size d_state", 16),
            ("bitnet_group_size xnor_group_size group_size", WIDTH),
            ("gptq_calibration_batches gptq_calib_batches gptq_calib_samples", 2),
            ("gptq_num_seqs num_seqs calib_seqs", 4),
            ("max_samples num_samples n_samples", 1024),
            ("gptq_gen_len", 32),
            ("gptq_batch_size", 4),
            ("lora_rank ttt_lora_rank depth_lora_rank eggroll_lora_rank", 4),
            ("ttt_batch_size", 8),
            ("ttt_epochs global_ttt_epochs slot_steps ttt_steps", 1),
            ("ttt_chunk_tokens global_ttt_chunk_tokens", 4096),
            ("ttt_prefix_docs phased_ttt_prefix_docs", 12),
            ("var_eval_steps diffusion_eval_steps", 8),
            ("pop_size", 2),
            ("int8_keep_float_max_numel keep_float_max_numel", SMALL_TENSOR),
        ]

    STRIDES = ("eval_stride", "sliding_eval_stride", "sliding_window_stride", "stride", "sw_stride", "ttt_stride")
    """Settings that say how far apart the windows of an evaluation are: the farther, the fewer."""

    OFF = ("val_loss_every", "checkpoint_every")
    """Settings that count steps between two occasions, which zero turns off."""

    def smaller(self, name: str, value: Number) -> Number | None:
        """What a setting of this name and value becomes so that the run is shorter, or None when it stays."""
        name = name.lower()
        if isinstance(value, bool):
            return None
        if name == "seed":
            return None
        if name in self.OFF:
            return 0 if value else None
        if name in self.STRIDES and name not in self.own:
            return STRIDE if 0 < value < STRIDE else None
        limit = self.sizes().get(name)
        if limit is None or value <= limit or value <= 0:
            return None
        return type(value)(limit)


def related(settings: Mapping[str, Number], toy: Toy) -> dict[str, Number]:
    """Settings that follow from others: heads of keys keep their share of the heads."""
    made: dict[str, Number] = {}
    heads, keys = settings.get("NUM_HEADS"), settings.get("NUM_KV_HEADS")
    if heads and keys and heads > HEADS:
        made["NUM_KV_HEADS"] = max(1, int(keys * HEADS // heads))
    return made


def environment(defaults: Mapping[str, Number | None], toy: Toy, run_id: str) -> dict[str, str]:
    """The environment of a toy run, for a script that reads these variables with these defaults.

    A default that could not be read is None: the toy value is then taken as it is.
    """
    sizes = toy.sizes()
    made: dict[str, str] = {}
    for name, default in defaults.items():
        key = name.lower()
        if default is not None:
            value = toy.smaller(key, default)
        elif key in toy.OFF:
            value = 0
        else:
            value = sizes.get(key)
        if value is not None:
            made[name] = str(value)
    known = {name: default for name, default in defaults.items() if default is not None}
    made.update({name: str(value) for name, value in related(known, toy).items()})
    if "SEED" in defaults:
        made["SEED"] = str(toy.seed)
    if "RUN_ID" in defaults:
        made["RUN_ID"] = run_id
    return made
