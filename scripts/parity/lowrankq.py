"""Records a run of the script with queries of low rank and quantization-aware training (pull request 316)."""

from __future__ import annotations

import time
import types
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import baseline
from baseline import LARGER
from recording import Training, after, copied, hyperparameters, replace_constant, timed, write_json, write_tensors
from settings import BATCH_WINDOWS, FTLE_EVERY, MICRO_STEPS, QUANTIZE_ABOVE

LARGER_BITS = 6.0
"""Mean bits of a row at which the recorder lets the script quantize the larger weights: at the script's first choice, 8, most
rows have the same."""


class Recorder(baseline.Recorder):
    """Wraps the functions and classes of the script, which keeps its training loop in one function as the baseline does."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.training = Training(MICRO_STEPS)
        self.quantize = script.quantize_state_dict_mixed
        self.sensitivities: dict[str, torch.Tensor] = {}
        self.slide = script.eval_val_sliding_ogd
        self.ogd_seconds = 0.0

    def facts_of_step(self) -> dict[str, Any]:
        return {"qat": any(getattr(module, "qat_enabled", False) for module in self.model.modules())}

    def step_ended(self) -> None:
        """Weights decay after the last step; :meth:`scored_rows` ends the training."""

    def scored_rows(self, scores: dict[str, torch.Tensor], *args: Any) -> None:
        """The script asks for the scores once, when the last step and its weight decay are over."""
        self.training.active = False
        self.sensitivities = copied(scores)
        write_tensors("sensitivity.safetensors", self.sensitivities)
        write_tensors("trained.safetensors", copied(self.model.state_dict()))
        self.training.write()

    def quantized(self, result: tuple[dict[str, Any], dict[str, int]], *args: Any, **kwargs: Any) -> None:
        """The script quantizes until the file is small enough, and then once more to write it."""
        stored, statistics = result
        write_tensors("quantized.safetensors", self.exported(stored))
        write_json("quantized.json", {**statistics, "target_avg_bits": kwargs["target_avg_bits"]})
        larger = {name: tensor * LARGER for name, tensor in self.model.state_dict().items()}
        stored = self.quantize(larger, self.sensitivities, target_avg_bits=LARGER_BITS)[0]
        write_tensors("quantized_larger.safetensors", self.exported(stored))

    def evaluated(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        self.scores["pre_quantization"] = {"val_loss": result[0], "val_bpb": result[1]}

    def slid(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        """The last evaluation: a sliding window with a bias that learns. The recorder asks for it without the bias too."""
        start = time.perf_counter()
        plain = self.slide(*args, **{**kwargs, "ogd_enabled": False})
        sliding_seconds = time.perf_counter() - start
        for name, (loss, bpb) in (("sliding", plain), ("ogd", result)):
            self.scores[name] = {"val_loss": loss, "val_bpb": bpb}
        model = Path("final_model.int8.ptz").stat().st_size
        code = Path(self.script.__file__).stat().st_size
        self.scores["artifact"] = {"model_bytes": model, "code_bytes": code, "total_bytes": model + code}
        self.scores["timing"] = {
            "threads": torch.get_num_threads(),
            "sliding_seconds": sliding_seconds,
            "ogd_seconds": self.ogd_seconds,
        }
        write_json("scores.json", self.scores)

    def ogd_took(self, seconds: float) -> None:
        self.ogd_seconds = seconds

    def install(self) -> None:
        script = self.script
        changed = {"ftle_every": FTLE_EVERY, "ogd_batch_windows": BATCH_WINDOWS}
        write_json("hyperparameters.json", {**hyperparameters(self.h), **changed})
        script.INT8_KEEP_FLOAT_MAX_NUMEL = QUANTIZE_ABOVE
        replace_constant(script.main, 100, FTLE_EVERY)
        replace_constant(script.main, 256, BATCH_WINDOWS)
        after(script.GPT, "__init__", self.built)
        after(script.DistributedTokenLoader, "__init__", self.loader_made)
        after(script.DistributedTokenLoader, "next_batch", self.batch_taken)
        after(script.GPT, "forward", self.loss_computed)
        register_optimizer_step_pre_hook(self.optimizer_starts)
        register_optimizer_step_post_hook(self.optimizer_ends)
        after(script.FTLETracker, "get_scores", self.scored_rows)
        after(script, "quantize_state_dict_mixed", self.quantized)
        after(script, "eval_val", self.evaluated)
        timed(script, "eval_val_sliding_ogd", self.ogd_took)
        after(script, "eval_val_sliding_ogd", self.slid)


def hook(script: types.ModuleType) -> None:
    """Starts the recording."""
    Recorder(script).install()
