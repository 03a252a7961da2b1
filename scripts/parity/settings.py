"""The toy settings of each reference: the environment that the script reads, and what is changed in it by name."""

from __future__ import annotations

import dataclasses

VOCABULARY = 1024
SEQUENCE = 256
DOCUMENTS = 41
"""Documents of the validation data: five full batches of eight for test-time training, and one that is smaller."""

FTLE_EVERY = 5
"""Steps between two measurements of the gradients' rows, in place of a hundred."""

BATCH_WINDOWS = 32
"""Windows that the script with a learning bias scores between two of its steps, in place of 256: with fewer, there are several
batches at toy size. Its time also grows with their square."""

MICRO_STEPS = 8
"""All scripts accumulate gradients over eight micro-steps when they run as one process."""

QUANTIZE_ABOVE = 1024
"""All scripts quantize tensors of more than 65,536 elements. At toy size no matrix has so many, so this takes its
place: every matrix is above it, and the vectors, gates and mixes of every layer are below."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What one reference is made with."""

    script: str
    """The path of the script in a checkout of the contest's repository, or of what a pull request proposes."""
    hook: str
    """The recording hook, as `module:function`."""
    environment: dict[str, str]
    patches: dict[str, str]
    """What the hook changes in the script, as a reader has to know it: name and explanation."""
    pull: int | None = None
    """The pull request, where the script is not merged."""
    sidecar: bool = False
    """True if the script counts bytes by a sidecar beside the validation tokens."""


_COMMON = {
    "SEED": "1337",
    "VOCAB_SIZE": VOCABULARY,
    "MODEL_DIM": 64,
    "NUM_HEADS": 4,
    "NUM_KV_HEADS": 2,
    "TRAIN_SEQ_LEN": SEQUENCE,
    "TRAIN_BATCH_TOKENS": 1024 * MICRO_STEPS,
    "ITERATIONS": 20,
    "WARMUP_STEPS": 1,
    "MAX_WALLCLOCK_SECONDS": 0,
    "VAL_LOSS_EVERY": 0,
    "TRAIN_LOG_EVERY": 1,
    # Within twenty steps the momentum reaches its last value and stays there.
    "MUON_MOMENTUM_WARMUP_STEPS": 10,
}

_VARLEN_TTT = {
    "RUN_ID": "parity_varlen_ttt",
    "DATA_DIR": "./data/",
    "NUM_LAYERS": 6,
    "EMBEDDING_DIM": 64,
    "MLP_MULT": 4,
    "ROPE_DIMS": 8,
    "XSA_LAST_N": 6,
    "LOOP_START": 2,
    "LOOP_END": 3,
    "NUM_LOOPS": 2,
    "ENABLE_LOOPING_AT": 0.35,
    "PARALLEL_START_LAYER": 4,
    "EVAL_SEQ_LEN": SEQUENCE,
    # The default keeps nine tenths of the first weights after twenty steps.
    "EMA_DECAY": 0.8,
    "GPTQ_CALIBRATION_BATCHES": 4,
    "TTT_EVAL_SEQ_LEN": SEQUENCE,
    "TTT_LORA_RANK": 4,
    "TTT_BATCH_SIZE": 8,
    "TTT_CHUNK_SIZE": 32,
    "TTT_LORA_LR": 0.001,
}

RECORD_STEPS = 100
"""Steps of the newest records: enough for a difference to grow that twenty steps would hide."""

_RECORD = {
    **{name: value for name, value in _VARLEN_TTT.items() if not name.startswith("TTT_")},
    "RUN_ID": "parity_record",
    "ITERATIONS": RECORD_STEPS,
    # The script counts bytes by a sidecar alone, which it reads with these; the tokens are those of the other references.
    "CASEOPS_ENABLED": 1,
    "DATA_PATH": f"./data/datasets/fineweb10B_sp{VOCABULARY}",
    "TOKENIZER_PATH": f"./data/tokenizers/fineweb_{VOCABULARY}_bpe.model",
    "TTT_ENABLED": 0,
    # The kernel computes the same loss in one pass; the rehearsal has no Triton.
    "FUSED_CE_ENABLED": 0,
    "SMEAR_GATE_ENABLED": 1,
    "SPARSE_ATTN_GATE_ENABLED": 1,
    "SPARSE_ATTN_GATE_SCALE": 0.5,
    "GATED_ATTN_QUANT_GATE": 1,
    "GATE_WINDOW": 12,
    "MIN_LR": 0.1,
    "WARMDOWN_FRAC": 0.85,
    "BETA2": 0.99,
    "EMBED_BITS": 7,
    "EMBED_CLIP_SIGMAS": 14,
    "MLP_CLIP_SIGMAS": 11.5,
    "ATTN_CLIP_SIGMAS": 13,
    "LQER_RANK": 4,
    "LQER_TOP_K": 3,
    "LQER_ASYM_GROUP": 64,
}

_NEWEST = {
    **_RECORD,
    "RUN_ID": "parity_newest",
    # What the logs of this record state otherwise.
    "SPARSE_ATTN_GATE_SCALE": 1.0,
    "GATED_ATTN_QUANT_GATE": 0,
    "WARMDOWN_FRAC": 0.75,
    "BETA2": 0.95,
    "EMBED_CLIP_SIGMAS": 15,
    "MLP_CLIP_SIGMAS": 12,
}

_BASELINE = {
    "RUN_ID": "parity_baseline",
    "DATA_PATH": f"./data/datasets/fineweb10B_sp{VOCABULARY}",
    "TOKENIZER_PATH": f"./data/tokenizers/fineweb_{VOCABULARY}_bpe.model",
    "NUM_LAYERS": 4,
    "MLP_MULT": 2,
    "WARMDOWN_ITERS": 10,
}

_LOWRANKQ = {
    "RUN_ID": "parity_lowrankq",
    "DATA_PATH": f"./data/datasets/fineweb10B_sp{VOCABULARY}",
    "TOKENIZER_PATH": f"./data/tokenizers/fineweb_{VOCABULARY}_bpe.model",
    "NUM_LAYERS": 4,
    "MLP_MULT": 2,
    "Q_RANK": 16,
    "WARMDOWN_ITERS": 10,
    "EVAL_STRIDE": 64,
}


_GPTQ_OF_SMALL = {"gptq_mixed_quantize": f"the constant 65536, from which on tensors are quantized, is {QUANTIZE_ABOVE}"}


def _text(*parts: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for part in parts for name, value in part.items()}


REFERENCES = {
    "varlen_ttt": Settings(
        script="records/track_10min_16mb/2026-04-10_VarLenAttn/train_gpt.py",
        hook="varlen_ttt:hook",
        environment=_text(_COMMON, _VARLEN_TTT),
        patches=_GPTQ_OF_SMALL,
    ),
    "record": Settings(
        script="records/track_10min_16mb/2026-04-27_SP8192_LQER_SparseGate_BOSSmearFix_9HpStack_1.0611/train_gpt.py",
        hook="record:hook",
        environment=_text(_COMMON, _RECORD),
        sidecar=True,
        patches=_GPTQ_OF_SMALL,
    ),
    "newest": Settings(
        script="records/track_10min_16mb/2026-04-29_SmearGateBOSFix_3Seed_1.06141/train_gpt.py",
        hook="record:hook",
        environment=_text(_COMMON, _NEWEST),
        sidecar=True,
        patches=_GPTQ_OF_SMALL,
    ),
    "baseline": Settings(
        script="records/track_10min_16mb/2026-03-17_NaiveBaseline/train_gpt.py",
        hook="baseline:hook",
        environment=_text(_COMMON, _BASELINE),
        patches={"INT8_KEEP_FLOAT_MAX_NUMEL": f"{QUANTIZE_ABOVE} in place of 65536"},
    ),
    "lowrankq": Settings(
        script="records/track_non_record_16mb/2026-03-21_12L_LowRankQ_QAT_ResearchPipeline/train_gpt.py",
        hook="lowrankq:hook",
        environment=_text(_COMMON, _LOWRANKQ),
        patches={
            "INT8_KEEP_FLOAT_MAX_NUMEL": f"{QUANTIZE_ABOVE} in place of 65536",
            "main": f"the constant 100, the steps between two measurements of the gradients' rows, is {FTLE_EVERY}, and 256, the windows of a batch, is {BATCH_WINDOWS}",
        },
        pull=316,
    ),
}


def whole_validation(name: str, targets: int) -> dict[str, str]:
    """The setting that makes the script evaluate all targets as one buffer: it divides its batch by the micro-steps."""
    variable = "VAL_BATCH_TOKENS" if name in ("varlen_ttt", "record", "newest") else "VAL_BATCH_SIZE"
    return {variable: str(targets * MICRO_STEPS)}
