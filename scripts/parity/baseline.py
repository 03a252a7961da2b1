"""Records a run of the contest's baseline."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from recording import Training, after, copied, hyperparameters, write_json, write_tensors
from settings import MICRO_STEPS, QUANTIZE_ABOVE

EVALUATIONS = ("pre_quantization", "quantized")
"""What the calls of the script's evaluator measure, in order."""

LARGER = 64.0
"""The script's scales are at least 1/127. The weights of a toy model are so small that every scale is that, so the
recorder lets the script quantize the trained weights once more, times this power of two, which is exact."""


class Recorder:
    """Wraps the functions and classes of the script.

    The script keeps its training loop in one function, so the steps are watched from the optimizers: it calls the one of
    the embedding first, then Muon, then the one of the scalars.
    """

    def __init__(self, script: Any) -> None:
        self.script = script
        self.h = script.Hyperparameters
        self.training = Training(MICRO_STEPS)
        self.model: Any = None
        self.loaders = 0
        self.muon: dict[str, Any] = {}
        self.rates: list[float] = []
        self.scores: dict[str, Any] = {}
        self.quantize = getattr(script, "quantize_state_dict_int8", None)

    def built(self, result: None, model: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        self.model = model

    def loader_made(self, result: None, *args: Any, **kwargs: Any) -> None:
        """The script makes a second loader when warm-up is over and the first weights are restored."""
        self.loaders += 1
        if self.loaders == (2 if self.h.warmup_steps > 0 else 1):
            write_tensors("initial.safetensors", copied(self.model.state_dict()))
            self.training.active = True

    def batch_taken(self, result: tuple[torch.Tensor, torch.Tensor], *args: Any) -> None:
        if self.training.active:
            self.training.batch(x=result[0], y=result[1])

    def loss_computed(self, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        if self.training.active:
            self.training.loss(loss)

    def optimizer_starts(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if self.training.active and self.training.step == 0 and not self.rates:
            self.training.gradient(self.model, dict)

    def optimizer_ends(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if not self.training.active:
            return
        group = optimizer.param_groups[0]
        self.rates.append(group["lr"])
        if isinstance(optimizer, self.script.Muon):
            self.muon = group
        if len(self.rates) < 3:
            return
        self.training.finish(
            lr_multiplier=self.muon["lr"] / self.muon["base_lr"],
            lr=dict(zip(("tok", "muon", "scalar"), self.rates)),
            muon_momentum=self.muon["momentum"],
            looping=False,
            gradient_norm=None,
            **self.facts_of_step(),
        )
        self.rates = []
        self.step_ended()

    def facts_of_step(self) -> dict[str, Any]:
        """What a step has beside its rates; a stack with more than the baseline says more."""
        return {}

    def step_ended(self) -> None:
        """The last step is the end of training."""
        if self.training.step == self.h.iterations:
            self.training.active = False
            write_tensors("trained.safetensors", copied(self.model.state_dict()))
            self.training.write()

    def quantized(self, result: tuple[dict[str, Any], dict[str, int]], *args: Any, **kwargs: Any) -> None:
        stored, statistics = result
        write_tensors("quantized.safetensors", self.exported(stored))
        write_json("quantized.json", statistics)
        larger = {name: tensor * LARGER for name, tensor in self.model.state_dict().items()}
        write_tensors("quantized_larger.safetensors", self.exported(self.quantize(larger)[0]))

    @staticmethod
    def exported(stored: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The tensors of the script's file: codes and scales by name, and what it stored as it was."""
        tensors = dict(stored["passthrough"])
        for name, values in stored["quantized"].items():
            tensors[f"{name}.q"] = values
            tensors[f"{name}.scale"] = stored["scales"][name]
        return tensors

    def evaluated(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        """The second evaluation is the last thing that the script does."""
        name = EVALUATIONS[len(self.scores)]
        self.scores[name] = {"val_loss": result[0], "val_bpb": result[1]}
        if name != EVALUATIONS[-1]:
            return
        model = Path("final_model.int8.ptz").stat().st_size
        code = Path(self.script.__file__).stat().st_size
        tokens = self.training.step * self.h.train_batch_tokens
        self.scores["artifact"] = {"model_bytes": model, "code_bytes": code, "total_bytes": model + code}
        self.scores["timing"] = {
            "threads": torch.get_num_threads(),
            "train_seconds": self.training.seconds,
            "train_tokens": tokens,
            "train_tokens_per_second": tokens / self.training.seconds,
        }
        write_json("scores.json", self.scores)

    def install(self) -> None:
        """Puts the recorder between the parts of the script."""
        script = self.script
        write_json("hyperparameters.json", hyperparameters(self.h))
        script.INT8_KEEP_FLOAT_MAX_NUMEL = QUANTIZE_ABOVE
        after(script.GPT, "__init__", self.built)
        after(script.DistributedTokenLoader, "__init__", self.loader_made)
        after(script.DistributedTokenLoader, "next_batch", self.batch_taken)
        after(script.GPT, "forward", self.loss_computed)
        register_optimizer_step_pre_hook(self.optimizer_starts)
        register_optimizer_step_post_hook(self.optimizer_ends)
        after(script, "quantize_state_dict_int8", self.quantized)
        after(script, "eval_val", self.evaluated)


def hook(script: types.ModuleType) -> None:
    """Starts the recording."""
    Recorder(script).install()
